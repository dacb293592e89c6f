/**
 * Descriptors that come with packets: whatever is wrong with which of them, and whatever fails in the middle of taking them, exactly
 * those that came are closed, and nothing else is; and no peer can fill this process with its own.
 */
import assert from 'node:assert/strict';
import { openSync, readdirSync } from 'node:fs';
import { mock, test, type TestContext } from 'node:test';
import { connectPort } from '../../src/index.js';
import { closeDescriptor, libc } from '../../src/platform/system.js';
import { nameOf, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { settle, takeStock, withLedger } from '../support/ledger.js';
import { turn } from '../support/turns.js';
import { NAME, serve, serveByHand } from './meeting.js';
import { HandPeer, KIND, PAGE, REASON } from './peer.js';
import { HandFile, makePair, sendRaw } from './raw.js';

withLedger();

const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

/** What a peer may send in place of its outbox and its wait page: good ones, and others. */
function things(t: TestContext): Record<string, number> {
  const files = {
    outbox: HandFile.make(2 * PAGE),
    page: HandFile.make(PAGE),
    unsealed: HandFile.make(2 * PAGE, { seals: 0 }),
    long: HandFile.make(3 * PAGE),
  };
  const [socket, other] = makePair();
  const directory = openSync('/', 'r');
  atEnd(t, () => {
    for (const file of Object.values(files)) file.close();
    for (const fd of [socket, other, directory]) closeDescriptor(fd);
  });
  return { ...Object.fromEntries(Object.entries(files).map(([name, { fd }]) => [name, fd])), socket, directory };
}

/** Every list of none to three of them: unordered, doubled, past the end. */
function lists(names: readonly string[]): string[][] {
  const longer = (list: string[]): string[][] => (list.length === 3 ? [] : names.flatMap((name) => [[...list, name], ...longer([...list, name])]));
  return [[], ...longer([])];
}

test('B22: a client may send any of the lists of up to three right and wrong descriptors: one is let in, and of all others everything is closed', async (t) => {
  const { port, path } = await serve(t);
  const given = things(t);
  const letIn: string[] = [];
  for (const list of lists(Object.keys(given))) {
    const before = openDescriptors();
    const peer = HandPeer.client({ outbox: new HandFile(given['outbox']!, 2 * PAGE), page: new HandFile(given['page']!, PAGE) });
    peer.connect(path);
    peer.say(peer.packet(), list.map((name) => given[name]!));
    const answer = await peer.answer();
    assert.ok(answer !== 'end');
    answer.descriptors.forEach(closeDescriptor);
    if (answer.kind === KIND.welcome) letIn.push(list.join());
    else assert.equal(answer.reason, REASON.protocol);
    peer.hangUp();
    await until('all is closed', () => port.connections.length === 0 && openDescriptors() === before);
  }
  assert.deepEqual(letIn, ['outbox,page']);
});

test('B22: a server may answer with any of them: one list is taken, and of all others everything is closed', async (t) => {
  const { listener } = serveByHand(t);
  const given = things(t);
  const taken: string[] = [];
  for (const list of lists(Object.keys(given))) {
    const before = openDescriptors();
    const [outcome] = await Promise.all([
      connectPort(NAME).then((client) => client.close(), nameOf),
      listener.accept({ outbox: new HandFile(given['outbox']!, 2 * PAGE), page: new HandFile(given['page']!, PAGE) }).then(async (peer) => {
        const hello = await peer.answer();
        if (hello !== 'end') hello.descriptors.forEach(closeDescriptor);
        peer.say(peer.packet(), list.map((name) => given[name]!));
        await turn();
        await peer.hungUp();
        peer.hangUp();
      }),
    ]);
    if (outcome === undefined) taken.push(list.join());
    else assert.equal(outcome, 'ERR_ALPC_PROTOCOL');
    await until('all is closed', () => openDescriptors() === before);
  }
  assert.deepEqual(taken, ['outbox,page']);
});

for (const call of ['mmap', 'memfd_create', 'ftruncate', 'epoll_ctl', 'sendmsg'] as const) {
  test(`B22: when the first, the second, any ${call} of an accept fails, what was taken until then is let go, and nothing else`, async (t) => {
    const { port, path } = await serve(t);
    (await connectPort(NAME)).close(); // everything that is made once is there
    await until('it is gone', () => port.connections.length === 0);
    for (let nth = 1, admitted = false; !admitted; nth++) {
      assert.ok(nth < 30);
      const before = takeStock();
      const peer = HandPeer.client();
      peer.connect(path);
      peer.say();
      const real = libc()[call] as (...args: unknown[]) => number;
      let calls = 0;
      const failing = mock.method(libc(), call, ((...args: unknown[]) => (++calls === nth ? -1 : real(...args))) as never);
      const answer = await peer.answer();
      failing.mock.restore();
      admitted = calls < nth;
      if (answer !== 'end') {
        answer.descriptors.forEach(closeDescriptor);
        assert.equal(answer.kind, admitted ? KIND.welcome : KIND.refusal, `${call} ${nth}`);
      }
      peer.close();
      await until('it is gone', () => port.connections.length === 0);
      await settle(before);
    }
    await using client = await connectPort(NAME);
    assert.equal(client.closed, false);
  });
}

test('40: sockets in sockets in sockets, and a socket that carries itself, are refused like any other, and the kernel takes them back', async (t) => {
  const { port, path } = await serve(t);
  const before = openDescriptors();
  for (const depth of [1, 4, 40]) {
    const hand = HandPeer.client();
    hand.connect(path);
    let [outer, inner] = makePair();
    for (let level = 0; level < depth; level++) {
      const [next, nextInner] = makePair();
      sendRaw(next, Uint8Array.of(1), [outer, inner]); // both ends, and then only this packet knows them
      for (const fd of [outer, inner]) closeDescriptor(fd);
      [outer, inner] = [next, nextInner];
    }
    hand.say(hand.packet(), [outer, inner, hand.socket]);
    for (const fd of [outer, inner]) closeDescriptor(fd);
    const answer = await hand.answer();
    assert.ok(answer !== 'end' && answer.kind === KIND.refusal && answer.reason === REASON.protocol);
    hand.close();
  }
  await until('all is closed', () => port.connections.length === 0 && openDescriptors() === before);
  await using client = await connectPort(NAME);
  assert.equal(client.tryPost('others go on'), 'sent');
});
