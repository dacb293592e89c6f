/**
 * Views that travel with messages, both sides in one thread: what is seen on the other side, who may have what, and that whatever is
 * wrong or over a limit is told before anything is delivered. When a view's region comes free again: view-lifetime.test.ts.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import { type AcceptedKind, connectPort, type CreatePortOptions, createPort, createUnconnectedPort, type DatagramMessage, type RequestMessage, View } from '../../src/index.js';
import { pageSize } from '../../src/platform/descriptors.js';
import { failsWith, numbers, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { connectedPair, type Pair, PAIR_NAME as NAME, received } from './connected-pair.js';

withLedger();

const PAGE = pageSize();
const MiB = 2 ** 20;

function connected(t: TestContext, options?: CreatePortOptions, clientAccepts?: readonly AcceptedKind[]): Promise<Pair> {
  return connectedPair(t, ['view'], options, clientAccepts);
}

/** Bytes at the same addresses that the library can't detach. */
function outOfReach(buffer: ArrayBuffer & { transfer?(): ArrayBuffer }): Buffer {
  return Buffer.from(buffer.transfer === undefined ? buffer : buffer.transfer());
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
  view.bytes.fill(7);
  const moved = outOfReach(view.buffer);
  client.tryPost('one', { view });
  assert.throws(() => view.bytes, failsWith('ERR_ALPC_CLOSED', /can be changed no more/));
  moved.fill(8); // which can be written to still
  assert.ok(moved.every((byte) => byte === 8)); // and that reaches nobody
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
  assert.throws(() => toClient.tryPost('', { view: message.view! }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /one that was received is its sender's/));
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

test('the sections of a port have as many bytes together as limits.sectionBytes says, and what is closed makes room', async (t) => {
  temporaryRoot(t);
  const port = await createPort(NAME, { limits: { sectionBytes: 4 * PAGE } });
  atEnd(t, () => port.close());
  const [one, two] = [port.createSection(2 * PAGE), port.createSection(PAGE, { secure: true })];
  const over = failsWith('ERR_ALPC_QUOTA_EXCEEDED', /limits\.sectionBytes/);
  for (const _ of numbers(3)) assert.throws(() => port.createSection(PAGE + 1), over);
  const three = port.createSection(1); // a whole page, too
  assert.throws(() => port.createSection(1), over);
  for (const [closed, room] of [[two, 1], [one, 2], [three, 1]] as const) {
    closed.close();
    closed.close();
    assert.throws(() => port.createSection((room + 1) * PAGE), over);
    port.createSection(room * PAGE);
  }
  assert.throws(() => port.createSection(1), over);
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

test('a view that was received is not sent on: the error says what to do instead, and a copy in a section of one\'s own goes', async (t) => {
  const { port, client, toClient } = await connected(t);
  const mine = client.createSection(PAGE).createView(PAGE);
  mine.bytes.fill('x');
  client.tryPost('', { view: mine });
  using message = await received(port);
  assert.throws(() => toClient.tryPost('', { view: message.view! }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /its sender's, who can send it there as well; or copy its bytes into a section of your own/));
  using copy = toClient.createSection(PAGE).createView(PAGE);
  copy.bytes.set(message.view!.bytes);
  assert.equal(toClient.tryPost('', { view: copy }), 'sent');
  const back = await client.receive();
  assert.ok(back.type === 'datagram' && back.view!.bytes.equals(mine.bytes));
  back.release();
});
