/**
 * Views that travel with messages, both sides in one thread: what is seen on the other side, who may have what, when a region comes free,
 * and that whatever is over a limit is told before anything is delivered.
 */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import { type AcceptedKind, type ClientPort, connectPort, type ConnectionPort, type CreatePortOptions, createPort, createUnconnectedPort, type DatagramMessage, type Message, type RequestMessage, type ServerPort, View } from '../../src/index.js';
import { pageSize } from '../../src/platform/descriptors.js';
import { failsWith, numbers, outcomeOf, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';

withLedger();

const NAME = '\\RPC Control\\views';
const PAGE = pageSize();
const MiB = 2 ** 20;
const CAN_DETACH = 'transfer' in ArrayBuffer.prototype;

interface Pair {
  readonly port: ConnectionPort;
  readonly client: ClientPort;
  readonly toClient: ServerPort;
}

async function connected(t: TestContext, options: CreatePortOptions = {}, clientAccepts: readonly AcceptedKind[] = ['view']): Promise<Pair> {
  temporaryRoot(t);
  const port = await createPort(NAME, { accepts: ['view'], ...options });
  atEnd(t, () => port.close());
  const client = await connectPort(NAME, { accepts: clientAccepts });
  atEnd(t, () => client.close());
  return { port, client, toClient: port.connections[0]! };
}

async function received(port: ConnectionPort): Promise<DatagramMessage | RequestMessage> {
  const message: Message = await port.receive();
  assert.ok(message.type === 'datagram' || message.type === 'request', message.type);
  return message;
}

test('a view is seen by its receiver with all its bytes, beside the payload, in requests, replies and datagrams', async (t) => {
  const { port, client, toClient } = await connected(t);
  const mine = client.createSection(MiB);
  const theirs = toClient.createSection(MiB);
  const question = mine.createView(100_001);
  question.bytes.fill('q');
  question.bytes[100_000] = 0;
  const answer = theirs.createView(7);
  answer.bytes.set(Buffer.from('answer!'));
  const call = client.request('header', { view: question });
  const request = (await received(port)) as RequestMessage;
  assert.equal(request.data.toString(), 'header');
  assert.ok(request.view instanceof View);
  assert.equal(request.view.length, 100_001);
  assert.ok(question.bytes.equals(request.view.bytes));
  assert.notEqual(request.view.buffer, question.buffer, 'a mapping of its own');
  request.reply('with a view', { view: answer });
  const reply = await call;
  assert.equal(reply.data.toString(), 'with a view');
  assert.equal(reply.view!.bytes.toString(), 'answer!');
  await client.post('', { view: question });
  const datagram = await received(port);
  assert.equal(datagram.dataLength, 0);
  assert.ok(question.bytes.equals(datagram.view!.bytes));
  for (const message of [request, reply, datagram]) message.release();
});

test('what its owner writes is seen by the receiver at once; what the receiver writes is seen by nobody else', async (t) => {
  const { port, client } = await connected(t);
  const view = client.createSection(2 * PAGE).createView(2 * PAGE);
  client.tryPost('', { view });
  using message = await received(port);
  const seen = message.view!;
  assert.equal(seen.writable, false);
  view.bytes[0] = 1;
  assert.equal(seen.bytes[0], 1);
  seen.bytes[PAGE] = 99; // ends no process
  assert.equal(view.bytes[PAGE], 0);
  view.bytes[1] = 2;
  assert.equal(seen.bytes[1], 2);
});

test('a receiver that asks for it may write to a view of a section that is writable, and Atomics work on it', async (t) => {
  const { port, client } = await connected(t, { accepts: ['writable-view'] });
  const view = client.createSection(PAGE, { writable: true }).createView(64);
  client.tryPost('', { view });
  using message = await received(port);
  assert.equal(message.view!.writable, true);
  const [mine, theirs] = [new Int32Array(view.buffer), new Int32Array(message.view!.buffer)];
  assert.equal(Atomics.add(theirs, 3, 5), 0);
  assert.equal(Atomics.compareExchange(mine, 3, 5, 8), 5);
  assert.equal(Atomics.load(theirs, 3), 8);
  new Float64Array(message.view!.buffer)[4] = Math.PI;
  assert.equal(new Float64Array(view.buffer)[4], Math.PI);
});

test('who does not ask for writing gets a view of a writable section that it can only read', async (t) => {
  const { port, client } = await connected(t);
  const view = client.createSection(PAGE, { writable: true }).createView(64);
  client.tryPost('', { view });
  using message = await received(port);
  assert.equal(message.view!.writable, false);
  message.view!.bytes[0] = 1;
  assert.equal(view.bytes[0], 0);
});

test('a secure view can be changed by nobody once it has been sent: its owner has no bytes any more, and the receiver is told that it is secure', async (t) => {
  const { port, client } = await connected(t, { accepts: ['secure-view'] });
  const section = client.createSection(MiB, { secure: true });
  const view = section.createView(10_000);
  const before = view.bytes;
  before.fill(7);
  client.tryPost('one', { view });
  assert.throws(() => view.bytes, failsWith('ERR_ALPC_CLOSED', /can be changed no more/));
  before[0] = 8; // what was taken before shows nothing, and reaches nobody
  client.tryPost('two', { view, autoRelease: true });
  for (const text of ['one', 'two']) {
    using message = await received(port);
    assert.equal(message.data.toString(), text);
    assert.equal(message.view!.secure, true);
    assert.ok(message.view!.bytes.every((byte) => byte === 7));
    message.view!.bytes[0] = 9; // a copy of its own
  }
  assert.throws(() => client.tryPost('', { view }), failsWith('ERR_ALPC_CLOSED'));
  await until('the region came back', () => section.free === MiB);
});

test('each kind goes only to who accepts it: else the send fails with ERR_ALPC_NOT_ACCEPTED, nothing is delivered, and the view stays', async (t) => {
  for (const [accepts, secure, plain] of [[[], false, false], [['secure-view'], true, false], [['view'], true, true], [['writable-view'], true, true]] as [AcceptedKind[], boolean, boolean][]) {
    const root = temporaryRoot(t);
    const port = await createPort(NAME, { root, accepts });
    const client = await connectPort(NAME, { root });
    for (const [isSecure, isTaken] of [[true, secure], [false, plain]] as const) {
      const view = client.createSection(PAGE, { secure: isSecure }).createView(PAGE);
      const sends = [
        () => client.tryPost('', { view, autoRelease: true }),
        () => client.postSync('', { view, autoRelease: true }),
        () => client.requestSync('', { view, autoRelease: true, timeout: 0 }),
      ];
      if (isTaken) sends[0]!();
      else {
        for (const send of sends) assert.throws(send, failsWith('ERR_ALPC_NOT_ACCEPTED', /takes no views/));
        await assert.rejects(client.post('', { view }), failsWith('ERR_ALPC_NOT_ACCEPTED'));
        await assert.rejects(client.request('', { view }), failsWith('ERR_ALPC_NOT_ACCEPTED'));
      }
      assert.equal(view.released, isTaken);
      assert.equal(port.tryReceive()?.type, isTaken ? 'datagram' : undefined);
    }
    client.close();
    await port.close();
  }
});

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

test('bytes that somebody else moved away from a view are looked after: using them ends no process, after everything was closed', async (t) => {
  if (!CAN_DETACH) return t.skip('ArrayBuffer.prototype.transfer is not there');
  const { port, client } = await connected(t);
  const section = client.createSection(PAGE);
  const view = section.createView(PAGE);
  client.tryPost('', { view });
  const message = await received(port);
  const stolen = [view, message.view!].map((one) => Buffer.from((one.buffer as unknown as { transfer(): ArrayBuffer }).transfer()));
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

test('views of another port, received ones, and anything else that is no view of this side are refused', async (t) => {
  const { port, client, toClient } = await connected(t);
  const other = await connectPort(NAME, { accepts: ['view'] });
  atEnd(t, () => other.close());
  const view = client.createSection(PAGE).createView(8);
  assert.throws(() => other.tryPost('', { view }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /of another port/));
  const forOne = toClient.createSection(PAGE).createView(8);
  const toOther = port.connections.find((each) => each !== toClient)!;
  assert.throws(() => toOther.tryPost('', { view: forOne }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /of another port/));
  client.tryPost('', { view });
  using message = await received(port);
  assert.throws(() => toClient.tryPost('', { view: message.view! }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /received one/));
  for (const wrong of [{}, null, 5, Buffer.alloc(8)]) assert.throws(() => client.tryPost('', { view: wrong as never }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /options\.view/));
  assert.throws(() => client.tryPost('', { veiw: view } as never), failsWith('ERR_ALPC_INVALID_ARGUMENT', /no option 'veiw'/));
  assert.throws(() => client.tryPost('', { view, autoRelease: 1 as never }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /autoRelease/));
});

test('sections and views check their arguments, and say what there is no room for', async (t) => {
  const { client } = await connected(t);
  for (const size of [0, -1, 1.5, 2 ** 40, '1' as never]) assert.throws(() => client.createSection(size), failsWith('ERR_ALPC_INVALID_ARGUMENT', /size/));
  assert.throws(() => client.createSection(1, { secure: true, writable: true }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /nobody writes to/));
  assert.throws(() => client.createSection(2 ** 31), failsWith('ERR_ALPC_QUOTA_EXCEEDED', /limits\.sectionBytes/));
  const section = client.createSection(1);
  assert.equal(section.size, PAGE);
  for (const length of [0, -1, PAGE + 1, 0.5]) assert.throws(() => section.createView(length), failsWith('ERR_ALPC_INVALID_ARGUMENT', /length/));
  assert.throws(() => section.createView(1, 1), failsWith('ERR_ALPC_INVALID_ARGUMENT', /multiple of 64/));
  const view = section.createView(64, 100);
  assert.throws(() => section.createView(128, 1), failsWith('ERR_ALPC_QUOTA_EXCEEDED', /no room/));
  assert.equal(section.tryCreateView(PAGE), undefined);
  view.release();
  section.close();
  section.close();
  assert.throws(() => section.createView(1), failsWith('ERR_ALPC_CLOSED'));
});

test('who is over the peer\'s limits is told so, for views, for sections and for their bytes, and goes on below them', async (t) => {
  const { port, client } = await connected(t, { limits: { views: 3, sections: 2, sectionBytes: 4 * PAGE } });
  const section = client.createSection(2 * PAGE);
  const views = numbers(3).map(() => section.createView(64));
  for (const view of views) client.tryPost('', { view });
  assert.throws(() => client.tryPost('', { view: views[0]! }), failsWith('ERR_ALPC_QUOTA_EXCEEDED', /has 3 views that it has not released; it takes 3/));
  (await received(port)).release();
  const large = client.createSection(3 * PAGE).createView(8);
  assert.throws(() => client.tryPost('', { view: large }), failsWith('ERR_ALPC_QUOTA_EXCEEDED', /1 sections of \d+ bytes, and takes 2 of/));
  client.tryPost('', { view: client.createSection(2 * PAGE).createView(8) });
  assert.throws(() => client.tryPost('', { view: client.createSection(PAGE).createView(8) }), failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
  for (const _ of numbers(3)) (await received(port)).release();
  const secure = client.createSection(PAGE * 4, { secure: true }).createView(4 * PAGE);
  assert.throws(() => client.tryPost('', { view: secure }), failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
  secure.bytes[0] = 1; // not frozen for nothing
  section.close(); // and another has room
  assert.equal(client.tryPost('', { view: client.createSection(PAGE).createView(8), autoRelease: true }), 'sent');
  (await received(port)).release();
  assert.equal(client.info().viewsOut, 0);
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

test('waitForViewSync fails with ERR_ALPC_DEADLOCK when nobody else could ever release anything, and with ERR_ALPC_TIMEOUT when nobody does', async (t) => {
  const { client, port } = await connected(t);
  const section = client.createSection(PAGE);
  const view = section.createView(PAGE);
  assert.throws(() => section.waitForViewSync(1), failsWith('ERR_ALPC_DEADLOCK'));
  client.tryPost('', { view });
  assert.throws(() => section.waitForViewSync(1, { timeout: 5 }), failsWith('ERR_ALPC_TIMEOUT'));
  (await received(port)).release();
  view.release();
  assert.equal(section.waitForViewSync(PAGE).length, PAGE);
});

test('a view that is forgotten is released by the collector, told on alpc:view-forgotten and counted, and not while its bytes are in use', { skip: !CAN_DETACH && 'needs buffers that can be detached' }, async (t) => {
  const gc = (globalThis as { gc?: () => void }).gc;
  if (gc === undefined) return t.skip('needs --expose-gc');
  const { port, client, toClient } = await connected(t);
  const told: unknown[] = [];
  const listener = (news: unknown): void => void told.push(news);
  subscribe('alpc:view-forgotten', listener);
  atEnd(t, () => unsubscribe('alpc:view-forgotten', listener));
  const section = client.createSection(PAGE);
  client.tryPost('', { view: section.createView(PAGE), autoRelease: true });
  const held: { bytes: Buffer | undefined } = { bytes: (await received(port)).view!.bytes };
  for (const _ of numbers(5)) {
    gc();
    await sleep(1);
  }
  assert.equal(toClient.info().forgottenViews, 0);
  assert.equal(held.bytes!.length, PAGE);
  held.bytes = undefined;
  await until('it has been found', () => (gc(), toClient.info().forgottenViews === 1));
  assert.equal(told.length, 1);
  assert.equal(section.free, PAGE);
});

test('a completion list gives messages with their views, in runs of messages without any', async (t) => {
  const { port, client } = await connected(t);
  const section = client.createSection(2 * PAGE);
  const list = port.registerCompletionList();
  for (const i of numbers(3)) client.tryPost(`plain ${i}`);
  client.tryPost('with a view', { view: section.createView(PAGE), autoRelease: true });
  client.tryPost('plain again');
  const messages: DatagramMessage[] = [];
  await until('all are there', () => (messages.push(...(list.poll() as DatagramMessage[])), messages.length === 5));
  assert.deepEqual(messages.map(({ data, view }) => [data.toString(), view?.length]), [['plain 0', undefined], ['plain 1', undefined], ['plain 2', undefined], ['with a view', PAGE], ['plain again', undefined]]);
  for (const message of messages) message.release();
  list.unregister();
  assert.equal(section.free, 2 * PAGE);
});

test('a port that talks with itself sends views to itself', async (t) => {
  const port = createUnconnectedPort({ accepts: ['view'] });
  atEnd(t, () => port.close());
  const section = port.createSection(2 * PAGE);
  for (const i of numbers(10)) {
    const view = section.createView(PAGE);
    view.bytes.fill(i);
    port.tryPost('', { view, autoRelease: true });
    using message = await port.receive();
    assert.ok(message.view!.bytes.every((byte) => byte === i));
  }
  assert.equal(section.free, 2 * PAGE);
});

test('waitSync tells what Atomics.wait would, wait does without blocking, and notify counts who slept', async (t) => {
  const { port, client } = await connected(t);
  const view = client.createSection(PAGE).createView(PAGE);
  client.tryPost('', { view });
  using message = await received(port);
  const seen = message.view!;
  assert.equal(seen.waitSync(5, 1), 'not-equal');
  assert.equal(seen.waitSync(5, 0, 5), 'timed-out');
  assert.equal(view.notify(5), 0);
  assert.equal(await seen.wait(5, 1), 'not-equal');
  assert.equal(await seen.wait(5, 0, 5), 'timed-out');
  const waiting = seen.wait(5, 0);
  await sleep(5);
  Atomics.store(new Int32Array(view.buffer), 5, 1);
  assert.equal(await waiting, 'ok');
  for (const index of [-1, PAGE / 4, 0.5]) assert.throws(() => view.waitSync(index, 0), failsWith('ERR_ALPC_INVALID_ARGUMENT', /index/));
  assert.throws(() => view.waitSync(0, 2 ** 40), failsWith('ERR_ALPC_INVALID_ARGUMENT', /value/));
});
