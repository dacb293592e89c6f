/**
 * Who waits for room with views: messages for room in the ring, and views for room in their section. How long a view lives:
 * view-lifetime.test.ts.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import { connectPort, type CreatePortOptions, createPort, createUnconnectedPort } from '../../src/index.js';
import { pageSize } from '../../src/platform/descriptors.js';
import { failsWith, numbers, outcomeOf } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { Injection } from '../support/injection.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { connectedPair, type Pair, PAIR_NAME as NAME, received } from './connected-pair.js';

withLedger();

const PAGE = pageSize();

function connected(t: TestContext, options?: CreatePortOptions): Promise<Pair> {
  return connectedPair(t, ['view'], options);
}

test('a message with a view waits for room like any other, and what is given up meanwhile keeps its view', async (t) => {
  temporaryRoot(t);
  const port = await createPort(NAME, { accepts: ['view'] });
  const client = await connectPort(NAME, { limits: { ringLength: PAGE } });
  atEnd(t, () => (client.close(), port.close()));
  const section = client.createSection(PAGE);
  const view = section.createView(64);
  while (client.tryPost(Buffer.alloc(500)) === 'sent');
  while (client.tryPost('') === 'sent');
  assert.equal(client.tryPost('', { view, autoRelease: true }), 'full');
  assert.throws(() => client.postSync('', { view, autoRelease: true, timeout: 10_000 }), failsWith('ERR_ALPC_DEADLOCK'));
  await assert.rejects(client.post('', { view, autoRelease: true, timeout: 1 }), failsWith('ERR_ALPC_TIMEOUT'));
  await assert.rejects(client.request('', { view, autoRelease: true, timeout: 1 }), failsWith('ERR_ALPC_TIMEOUT'));
  assert.equal(view.released, false);
  assert.equal(client.info().viewsOut, 0);
  const posted = client.post('at last', { view, autoRelease: true });
  for (;;) {
    const message = await received(port);
    if (message.data.toString() !== 'at last') continue;
    assert.equal(message.view!.length, 64);
    message.release();
    break;
  }
  await posted;
  assert.equal(section.free, PAGE);
});

test('a secure view that finds no room is not touched by tryPost: it can be written still, and no descriptor has gone; one that waited in vain is frozen, and can be sent', async (t) => {
  const { port, client, toClient } = await connected(t, { limits: { sections: 2 } });
  const section = client.createSection(4 * PAGE, { secure: true });
  const view = section.createView(64);
  const plain = client.createSection(PAGE).createView(64);
  view.bytes.fill(1);
  while (client.tryPost(Buffer.alloc(500)) === 'sent');
  while (client.tryPost('') === 'sent');
  {
    using injection = new Injection();
    injection.failAt(-1, '');
    for (const _ of numbers(3)) for (const each of [view, plain]) assert.equal(client.tryPost('', { view: each, autoRelease: true }), 'full');
    assert.deepEqual(injection.journal, []);
  }
  assert.equal(client.info().viewsOut, 0);
  view.bytes.fill(2);
  await assert.rejects(client.post('', { view, timeout: 1 }), failsWith('ERR_ALPC_TIMEOUT'));
  assert.throws(() => view.bytes, failsWith('ERR_ALPC_CLOSED', /can be changed no more/));
  assert.deepEqual([view.released, client.info().viewsOut, section.free], [true, 0, 3 * PAGE + PAGE - 64]);
  while (port.tryReceive() !== undefined);
  assert.equal(client.tryPost('', { view, autoRelease: true }), 'sent');
  const message = await received(port);
  assert.ok(message.view!.bytes.every((byte) => byte === 2));
  message.release();
  assert.equal(section.free, 4 * PAGE);
  assert.equal(toClient.info().mappedBytes, 0);
  assert.equal(client.tryPost('', { view: plain }), 'sent');
  (await received(port)).release();
});

test('a message with a view that fills the ring to its last byte goes into an empty one, and a longer one is too long, not a matter of room', async (t) => {
  temporaryRoot(t);
  const limits = { ringLength: PAGE, maxMessageLength: PAGE };
  const port = await createPort(NAME, { accepts: ['view'], limits });
  const client = await connectPort(NAME, { limits });
  atEnd(t, () => (client.close(), port.close()));
  const { maxDataLength } = client;
  const view = client.createSection(PAGE).createView(64);
  assert.throws(() => client.tryPost(Buffer.alloc(maxDataLength - 39), { view }), failsWith('ERR_ALPC_MESSAGE_TOO_LONG'));
  assert.equal(client.tryPost(Buffer.alloc(maxDataLength - 40), { view }), 'sent');
  assert.equal(client.tryPost('', { view }), 'full');
  (await received(port)).release();
});

test('waitForView gives room to who asked first, wakes for a release, and ends with its timeout, its signal, or the section', async (t) => {
  const { port, client, toClient } = await connected(t);
  const section = toClient.createSection(PAGE);
  toClient.tryPost('', { view: section.createView(PAGE), autoRelease: true });
  const order: number[] = [];
  const waits = numbers(3).map(async (i) => {
    using view = await section.waitForView(PAGE);
    assert.equal(view.length, PAGE);
    order.push(i);
  });
  const abort = new AbortController();
  const aborted = outcomeOf(section.waitForView(1, { signal: abort.signal }) as never);
  await assert.rejects(section.waitForView(1, { timeout: 1 }), failsWith('ERR_ALPC_TIMEOUT', /no room came free within 1 ms/));
  abort.abort();
  assert.equal(await aborted, 'AbortError');
  await sleep(20); // both sides rest
  assert.deepEqual(order, []);
  (await client.receive()).release();
  await Promise.all(waits);
  assert.deepEqual(order, [0, 1, 2]);
  toClient.tryPost('', { view: section.createView(PAGE), autoRelease: true });
  const ended = section.waitForView(1);
  section.close();
  await assert.rejects(ended, failsWith('ERR_ALPC_CLOSED'));
  await client.receive();
  assert.equal(port.closed, false);
});

test('when who waits for a view gives up, by its timeout or its signal, those behind it are served that want less', async (t) => {
  const { client, port } = await connected(t);
  const section = client.createSection(2 * PAGE);
  client.tryPost('', { view: section.createView(PAGE), autoRelease: true });
  const abort = new AbortController();
  for (const options of [{ timeout: 20 }, { signal: abort.signal }]) {
    const all = outcomeOf(section.waitForView(2 * PAGE, options) as never);
    const less = section.waitForView(PAGE, { timeout: 10_000 });
    if (options.signal !== undefined) abort.abort();
    assert.match(await all, /ERR_ALPC_TIMEOUT|AbortError/);
    (await less).release();
  }
  (await received(port)).release();
});

test('who blocks for a view comes after who awaits one already: what came free is served to both, in their order', async (t) => {
  const { client, port } = await connected(t);
  const section = client.createSection(2 * PAGE);
  for (const _ of numbers(2)) client.tryPost('', { view: section.createView(PAGE), autoRelease: true });
  const messages = [await received(port), await received(port)];
  const first = section.waitForView(PAGE + 1);
  const second = section.waitForView(64, { timeout: 10_000 });
  for (const message of messages) message.release();
  const third = section.waitForViewSync(128, { timeout: 10_000 });
  assert.equal(section.free, 2 * PAGE - (PAGE + 64) - 64 - 128);
  third.release();
  for (const view of await Promise.all([first, second])) view.release();
  assert.equal(section.free, 2 * PAGE);
});

test('a length that no view can have is refused at once, by who waits too, and options are checked', async (t) => {
  const { client, port } = await connected(t);
  const section = client.createSection(PAGE);
  client.tryPost('', { view: section.createView(PAGE), autoRelease: true });
  const waiting = section.waitForView(PAGE);
  for (const length of [0, PAGE + 1, 'x', undefined] as number[]) {
    await assert.rejects(section.waitForView(length), failsWith('ERR_ALPC_INVALID_ARGUMENT', /argument 'length'/));
    assert.throws(() => section.waitForViewSync(length), failsWith('ERR_ALPC_INVALID_ARGUMENT', /argument 'length'/));
  }
  for (const options of [5, null, [], { signal: AbortSignal.abort() }] as object[]) assert.throws(() => section.waitForViewSync(1, options), failsWith('ERR_ALPC_INVALID_ARGUMENT', /argument 'options'/));
  (await received(port)).release();
  (await waiting).release();
});

test('waitForViewSync fails with ERR_ALPC_DEADLOCK when nobody but its own thread could ever release anything', async (t) => {
  const { client, port } = await connected(t);
  const section = client.createSection(PAGE);
  const view = section.createView(PAGE);
  assert.throws(() => section.waitForViewSync(1), failsWith('ERR_ALPC_DEADLOCK'));
  client.tryPost('', { view });
  view.release();
  assert.throws(() => section.waitForViewSync(1), failsWith('ERR_ALPC_DEADLOCK', /nobody but this thread has a view of it/));
  (await received(port)).release();
  assert.equal(section.waitForViewSync(PAGE).length, PAGE);
  using unconnected = createUnconnectedPort({ accepts: ['view'] });
  const own = unconnected.createSection(PAGE);
  unconnected.tryPost('', { view: own.createView(PAGE), autoRelease: true });
  assert.throws(() => own.waitForViewSync(1, { timeout: 10_000 }), failsWith('ERR_ALPC_DEADLOCK'));
});
