/**
 * How long a view lives, both sides in one thread: who releases it and when its region comes free, what of it can still be used
 * afterwards. What is seen through a view: views.test.ts; who waits for room: view-room.test.ts.
 */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import { type AcceptedKind, connectPort, type CreatePortOptions, type DatagramMessage, type RequestMessage, type Section, type View } from '../../src/index.js';
import { pageSize } from '../../src/platform/descriptors.js';
import { failsWith, nameOf, numbers, outcomeOf, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { collectGarbage } from '../support/garbage.js';
import { withLedger } from '../support/ledger.js';
import { connectedPair, type Pair, PAIR_NAME as NAME, received } from './connected-pair.js';

withLedger();

const PAGE = pageSize();
const CAN_DETACH = 'transfer' in ArrayBuffer.prototype;

function connected(t: TestContext, options?: CreatePortOptions, clientAccepts?: readonly AcceptedKind[]): Promise<Pair> {
  return connectedPair(t, ['view'], options, clientAccepts);
}

/** A view whose word somebody waits for, as both sides have it. */
interface Waited extends Pair {
  readonly section: Section;
  readonly mine: View;
  readonly theirs: View;
  readonly message: DatagramMessage | RequestMessage;
}

const nameAndMessage = (error: Error): string => `${nameOf(error)}: ${error.message}`;

/** Its bytes in another buffer, as whoever has it may have them. */
function movedAway(buffer: ArrayBufferLike & { transfer?(): ArrayBuffer }): ArrayBuffer {
  return CAN_DETACH ? buffer.transfer!() : structuredClone(buffer as ArrayBuffer, { transfer: [buffer as ArrayBuffer] });
}

test('a view used after its release throws, and what was taken from it before ends no process: it is detached or shows no more than memory of the section', async (t) => {
  const { port, client } = await connected(t);
  const section = client.createSection(PAGE);
  const view = section.createView(PAGE);
  view.bytes.fill(5);
  client.tryPost('', { view });
  const message = await received(port);
  for (const one of [message.view!, view]) {
    const { bytes, buffer } = one;
    const words = new Int32Array(buffer);
    one.release();
    one.release();
    assert.equal(one.released, true);
    assert.throws(() => one.bytes, failsWith('ERR_ALPC_CLOSED', /has been released/));
    assert.throws(() => one.buffer, failsWith('ERR_ALPC_CLOSED'));
    assert.throws(() => one.waitSync(0, 0, 0), failsWith('ERR_ALPC_CLOSED'));
    assert.throws(() => one.notify(0), failsWith('ERR_ALPC_CLOSED'));
    if (CAN_DETACH) assert.deepEqual([bytes.length, buffer.byteLength, words.length], [0, 0, 0]);
    bytes[0] = 1;
    words[1] = 2;
    if (CAN_DETACH) assert.throws(() => bytes.fill(3), TypeError);
    else assert.ok(bytes.fill(3).every((byte) => byte === 3));
  }
  const after = section.createView(PAGE).bytes;
  section.close();
  client.close();
  if (!CAN_DETACH) assert.ok(after.fill(9).every((byte) => byte === 9));
});

test('a view that was sent before its sender went arrives, though the sender left a bell unread', async (t) => {
  const { port, client, toClient } = await connected(t, {}, []);
  client.on('message', () => assert.fail('nobody is there to be told'));
  await sleep(50); // it sleeps now, and has to be rung for
  assert.equal(toClient.tryPost('a bell'), 'sent');
  const view = client.createSection(PAGE).createView(PAGE);
  view.bytes.fill(7);
  assert.equal(client.tryPost('', { view }), 'sent');
  client.close();
  const message = port.receiveSync({ timeout: 5000 });
  assert.ok(message.type === 'datagram', message.type);
  assert.deepEqual([...new Set(message.view!.bytes)], [7]);
  message.release();
  const last = port.receiveSync({ timeout: 5000 });
  assert.equal(last.type, 'port-closed');
});

test('bytes that somebody else moved away from a view are looked after: using them ends no process, after everything was closed', async (t) => {
  const { port, client } = await connected(t);
  const section = client.createSection(PAGE);
  const view = section.createView(PAGE);
  client.tryPost('', { view });
  const message = await received(port);
  const stolen = [view, message.view!].map((one) => Buffer.from(movedAway(one.buffer)));
  message.release();
  section.close();
  client.close();
  await port.close();
  for (const bytes of stolen) {
    bytes.fill(1);
    assert.ok(bytes.every((byte) => byte === 1));
  }
});

test('a region is free again when its owner released it and every receiver did, in whichever order, and not before', async (t) => {
  const { port, client, toClient } = await connected(t);
  const other = await connectPort(NAME, { accepts: ['view'] });
  atEnd(t, () => other.close());
  const toOther = port.connections.find((each) => each !== toClient)!;
  const section = port.createSection(PAGE);
  for (const order of [[0, 1, 2], [1, 2, 0], [2, 0, 1], [1, 0, 2]]) {
    const view = section.createView(PAGE);
    toClient.tryPost('', { view });
    toOther.tryPost('', { view });
    const messages = [await client.receive(), await other.receive()];
    const releases = [() => view.release(), () => messages[0]!.release(), () => messages[1]!.release()];
    for (const which of order) {
      assert.equal(section.tryCreateView(1), undefined);
      releases[which]!();
    }
    assert.equal(section.free, PAGE);
  }
});

test('autoRelease releases the owner\'s view when the message is on its way, and not when it fails', async (t) => {
  const { port, client } = await connected(t, { limits: { maxMessageLength: 128 } });
  const section = client.createSection(PAGE);
  const view = section.createView(PAGE);
  assert.throws(() => client.tryPost(Buffer.alloc(90), { view, autoRelease: true }), failsWith('ERR_ALPC_MESSAGE_TOO_LONG', /a view \(40\)/));
  assert.equal(view.released, false);
  assert.equal(client.tryPost(Buffer.alloc(56), { view, autoRelease: true }), 'sent');
  assert.equal(view.released, true);
  assert.equal(section.free, 0);
  (await received(port)).release();
  assert.equal(section.free, PAGE);
});

test('unmapExisting releases what came with the request before the answer is there', async (t) => {
  const { port, client } = await connected(t);
  const section = client.createSection(PAGE);
  port.on('message', (message) => {
    if (message.type !== 'request') return;
    const sum = message.view!.bytes.reduce((all, byte) => all + byte, 0);
    message.reply(String(sum), { unmapExisting: true });
    assert.equal(message.view, undefined);
  });
  for (const i of numbers(20)) {
    const view = section.createView(PAGE); // would throw, had the last one not come back
    view.bytes.fill(i);
    assert.equal((await client.request('', { view, autoRelease: true })).data.toString(), String(i * PAGE));
  }
});

for (const [what, whose, end] of [
  ['it is released', 'receiver', ({ theirs }: Waited) => theirs.release()],
  ['its message is released', 'receiver', ({ message }: Waited) => message.release()],
  ["its receiver's side of the connection is closed", 'receiver', ({ toClient }: Waited) => toClient.disconnect()],
  ['it is released', 'owner', ({ mine }: Waited) => mine.release()],
  ['its section is closed', 'owner', ({ section }: Waited) => section.close()],
  ['its port is closed', 'owner', ({ client }: Waited) => client.close()],
  ['the peer ends the connection', 'owner', ({ toClient, mine }: Waited) => (toClient.disconnect(), until('it has heard of that', () => mine.released))],
] as const) {
  test(`an awaited wait for a word of a view ends with ERR_ALPC_CLOSED when ${what} (the ${whose}'s), however long it would wait, also when the word changes later`, async (t) => {
    const pair = await connected(t);
    const section = pair.client.createSection(PAGE);
    const mine = section.createView(PAGE);
    pair.client.tryPost('', { view: mine });
    const message = await received(pair.port);
    const theirs = message.view!;
    const view = whose === 'owner' ? mine : theirs;
    const waits = [view.wait(3, 0), view.wait(3, 0, 600_000)];
    if (whose === 'receiver') await sleep(30); // it looks now and then alone
    const outcomes = waits.map((wait) => wait.then(String, nameAndMessage));
    await end({ ...pair, section, mine, theirs, message });
    if (!mine.released) Atomics.store(new Int32Array(mine.buffer), 3, 1);
    for (const outcome of await Promise.all(outcomes)) assert.match(outcome, /^ERR_ALPC_CLOSED: view of \d+ bytes of .*: it has been /);
    assert.throws(() => view.notify(3), failsWith('ERR_ALPC_CLOSED'));
    message.release();
  });
}

test('a message that holds a view releases it at the end of its using block; its payload stays', async (t) => {
  const { port, client } = await connected(t);
  const section = client.createSection(PAGE);
  client.tryPost('payload', { view: section.createView(PAGE), autoRelease: true });
  let kept: DatagramMessage | RequestMessage;
  {
    using message = await received(port);
    kept = message;
    assert.equal(message.view!.length, PAGE);
  }
  assert.equal(kept.view, undefined);
  assert.equal(kept.data.toString(), 'payload');
  assert.equal(section.free, PAGE);
});

test('a section that is closed is unmapped by its receiver with its last view, and readable until then', async (t) => {
  const { port, client, toClient } = await connected(t);
  const section = client.createSection(PAGE);
  const view = section.createView(PAGE);
  view.bytes.fill(1);
  client.tryPost('', { view });
  client.tryPost('', { view });
  const [one, two] = [await received(port), await received(port)];
  section.close();
  client.tryPost('after');
  assert.equal((await received(port)).data.toString(), 'after');
  one.release();
  assert.equal(toClient.info().mappedBytes, PAGE);
  assert.ok(two.view!.bytes.every((byte) => byte === 1));
  two.release();
  assert.equal(toClient.info().mappedBytes, 0);
});

test('what was received stays readable when its sender is gone, until it is released; then, or when this side closes, it is let go', async (t) => {
  const { port, client, toClient } = await connected(t);
  const section = client.createSection(PAGE);
  const view = section.createView(PAGE);
  view.bytes.fill(3);
  client.tryPost('', { view });
  const message = await received(port);
  client.tryPost('never received', { view });
  client.close();
  const last = await received(port);
  assert.equal(last.data.toString(), 'never received');
  assert.equal((await port.receive()).type, 'port-closed');
  assert.ok(message.view!.bytes.every((byte) => byte === 3));
  message.release();
  assert.equal(toClient.closed, true);
  assert.equal(toClient.info().heldViews, 1);
  assert.ok(last.view!.bytes.every((byte) => byte === 3));
  toClient.disconnect(); // and now this side is done, too
  assert.throws(() => last.view!.bytes, failsWith('ERR_ALPC_CLOSED', /released with its port/));
  assert.equal(toClient.info().mappedBytes, 0);
});

test('a receiver that goes gives back all that it held', async (t) => {
  const { port, client, toClient } = await connected(t);
  const section = port.createSection(4 * PAGE);
  for (const _ of numbers(4)) toClient.tryPost('', { view: section.createView(PAGE), autoRelease: true });
  assert.equal(section.free, 0);
  await client.receive();
  const waiting = section.waitForView(4 * PAGE);
  client.close();
  assert.equal((await port.receive()).type, 'port-closed');
  assert.equal((await waiting).length, 4 * PAGE);
});

test('requests that are canceled, declined, late, or over the quota give back their view', async (t) => {
  const { port, client } = await connected(t, { limits: { pendingMessages: 1 } });
  const section = client.createSection(8 * PAGE);
  const view = (): View => section.createView(PAGE);
  const abort = new AbortController();
  const canceled = outcomeOf(client.request('canceled', { view: view(), autoRelease: true, signal: abort.signal }));
  abort.abort();
  assert.equal(await canceled, 'AbortError');
  const first = client.request('first', { view: view(), autoRelease: true });
  const request = (await received(port)) as RequestMessage;
  assert.equal(request.data.toString(), 'first');
  const over = outcomeOf(client.request('over', { view: view(), autoRelease: true }));
  assert.equal(port.tryReceive(), undefined);
  assert.equal(await over, 'ERR_ALPC_QUOTA_EXCEEDED');
  assert.equal(section.free, 7 * PAGE);
  request.cancel();
  request.release();
  assert.equal(await outcomeOf(first), 'ERR_ALPC_CANCELED');
  assert.equal(section.free, 8 * PAGE);
});

for (const kind of ['view', 'secure-view'] as const) {
  test(`a reply with a ${kind} that comes too late is given back by whoever has given up: its region is free, and goes with the next reply`, async (t) => {
    const { port, client, toClient } = await connectedPair(t, ['view', 'secure-view']);
    const section = toClient.createSection(PAGE, { secure: kind === 'secure-view' }); // of one region
    const asked = (): RequestMessage => {
      const request = port.tryReceive();
      assert.ok(request?.type === 'request');
      return request;
    };
    for (const round of numbers(5, 1)) {
      const call = client.request('', { timeout: 20 });
      const request = asked(); // in the same turn: it has not been given up
      await assert.rejects(call, failsWith('ERR_ALPC_TIMEOUT', /was not answered within 20 ms/));
      assert.equal(request.reply('too late', { view: section.createView(PAGE), autoRelease: true }), 'sent'); // the server has not heard of that
      assert.deepEqual([section.free, toClient.info().viewsOut], [0, 1]);
      assert.equal(client.tryReceive(), undefined); // it looks again
      assert.deepEqual([client.info().lateReplies, client.info().heldViews, toClient.info().viewsOut, section.free], [round, 0, 0, PAGE]);
    }
    const view = section.createView(PAGE);
    view.bytes.fill(5);
    const call = client.request('');
    assert.equal(asked().reply('in time', { view, autoRelease: true }), 'sent');
    using reply = await call;
    assert.ok(reply.view!.bytes.every((byte) => byte === 5));
  });
}

test('a view that is forgotten is released by the collector, told on alpc:view-forgotten and counted, and not while its bytes are in use', async (t) => {
  const { port, client, toClient } = await connected(t);
  const told: unknown[] = [];
  const listener = (news: unknown): void => void told.push(news);
  subscribe('alpc:view-forgotten', listener);
  atEnd(t, () => unsubscribe('alpc:view-forgotten', listener));
  const section = client.createSection(PAGE);
  // An earlier one in the same place, whose bytes may be handed out again: nobody's hold on them is inherited.
  client.tryPost('', { view: section.createView(PAGE), autoRelease: true });
  const earlier = await received(port);
  assert.equal(earlier.view!.bytes.length, PAGE);
  earlier.release();
  client.tryPost('', { view: section.createView(PAGE), autoRelease: true });
  const held: { bytes: Buffer | undefined } = { bytes: (await received(port)).view!.bytes };
  for (const _ of numbers(5)) {
    collectGarbage();
    await sleep(1);
  }
  assert.equal(toClient.info().forgottenViews, 0);
  assert.equal(held.bytes!.length, PAGE);
  held.bytes = undefined;
  await until('it has been found', () => (collectGarbage(), toClient.info().forgottenViews === 1));
  assert.equal(told.length, 1);
  assert.equal(section.free, PAGE);
});

test('two views of one region, held at once, have bytes of their own, and either outlives the other', async (t) => {
  const { port, client } = await connected(t);
  const view = client.createSection(PAGE).createView(PAGE);
  view.bytes.fill(7);
  for (const isFirst of [true, false]) {
    client.tryPost('', { view });
    client.tryPost('', { view });
    const messages = [await received(port), await received(port)] as const;
    const [one, other] = [messages[0].view!.bytes, messages[1].view!.bytes];
    assert.notEqual(one, other);
    messages[isFirst ? 0 : 1].release();
    const left = isFirst ? other : one;
    assert.equal(messages[isFirst ? 1 : 0].view!.bytes, left);
    assert.ok(left.length === PAGE && left.every((byte) => byte === 7));
    messages[isFirst ? 1 : 0].release();
  }
});

test('views that came in one turn of the event loop and were forgotten are all found, and those among them that were released are told once', async (t) => {
  const { port, client, toClient } = await connected(t, { limits: { views: 128 } });
  const section = client.createSection(100 * PAGE);
  for (const i of numbers(100)) {
    client.tryPost('', { view: section.createView(PAGE), autoRelease: true });
    const message = port.tryReceive() as DatagramMessage;
    if (i % 3 === 0) message.release();
  }
  assert.equal(toClient.info().heldViews, 66);
  await until('they have been found', () => (collectGarbage(), toClient.info().forgottenViews >= 65)); // a register may still name the last one
  await until('all have come back', () => section.free >= 99 * PAGE);
  assert.ok(toClient.info().forgottenViews <= 66);
});
