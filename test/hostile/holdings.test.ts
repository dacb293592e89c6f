/**
 * Many connections, each of which keeps to its own quota. What waits for all of them in the process that serves them is bounded for each user and for the
 * port: who is over it is dropped, or not read from, or not let in; and when it has gone, or reads, there is room again.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServerPort } from '../../src/index.js';
import { WAITING_COST } from '../../src/ports/holdings.js';
import { outcomeOf, numbers, tally, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { turn } from '../support/turns.js';
import { serve, type Served } from './meeting.js';
import { HandPeer, KIND, PAGE, REASON, RECORD_HEADER, RECORD_TYPE, STATE } from './peer.js';

withLedger();

/** Answers of no bytes that a ring holds. */
const IN_RING = PAGE / RECORD_HEADER;
/** What each message counts for, at least. */
const COUNTS_FOR = 4096;

/** Asks so many times and reads no answer; until it is dropped, if it is. */
async function askAndNotRead(peer: HandPeer, times: number): Promise<void> {
  for (let id = 1; id <= times && peer.theirs('state') === STATE.open; id++) {
    while (peer.theirs('state') === STATE.open && !peer.send({ type: RECORD_TYPE.request, messageId: id })) await turn();
  }
  await until('all are answered, or it is dropped', () => peer.theirs('state') !== STATE.open || peer.theirs('head') === peer.position);
}

const waitingIn = ({ port }: Served): number[] => port.connections.map((connection) => connection.info().waitingForRoom);

test('41: answers that a client does not read are bounded in number, too, though they have no bytes', async (t) => {
  const served = await serve(t, { limits: { ringLength: PAGE, pendingBytes: 20 * WAITING_COST } });
  const outcomes: string[] = [];
  served.port.on('message', (message) => message.type === 'request' && outcomes.push(message.reply('')));
  const hostile = await served.peer();
  await askAndNotRead(hostile, IN_RING + 20);
  assert.deepEqual(waitingIn(served), [20]);
  await askAndNotRead(hostile, 1);
  await until('it is dropped', () => served.ends.length === 1);
  assert.deepEqual(served.ends, ['quota']);
  assert.deepEqual(tally(outcomes), { sent: IN_RING + 20, disconnected: 1 });
});

test('41: of many connections of one user, each just below its quota, those are dropped that are over the sum for all; there is room again when one reads', async (t) => {
  const served = await serve(t, { limits: { ringLength: PAGE, pendingMessages: 10, pendingBytesPerPort: 50 * COUNTS_FOR } });
  served.port.on('message', (message) => message.type === 'request' && message.reply(''));
  const peers = await Promise.all(numbers(10).map(() => served.peer()));
  for (const peer of peers) await askAndNotRead(peer, IN_RING + 9);
  await until('those over the sum are dropped', () => served.ends.length === 5);
  assert.deepEqual(tally(served.ends), { quota: 5 });
  assert.deepEqual(waitingIn(served), [9, 9, 9, 9, 9]);
  const [first] = peers;
  for (const _ of numbers(IN_RING)) assert.equal((await first!.receive()).type, RECORD_TYPE.reply);
  first!.ring(); // there is room again
  for (const _ of numbers(9)) assert.equal((await first!.receive()).type, RECORD_TYPE.reply);
  await askAndNotRead(await served.peer(), IN_RING + 9);
  assert.deepEqual(waitingIn(served).toSorted((a, b) => a - b), [0, 9, 9, 9, 9, 9]);
  assert.equal(served.ends.length, 5);
});

test('41: what is read ahead for all connections of a user is bounded, and comes when there is room', async (t) => {
  const served = await serve(t, { limits: { pendingBytesPerPort: 10 * COUNTS_FOR } });
  const { port } = served;
  const peers = await Promise.all(numbers(2).map(() => served.peer()));
  const calls = port.connections.map((connection) => outcomeOf(connection.request('whose answer stands behind all of it')));
  for (const peer of peers) for (const round of numbers(8)) assert.ok(peer.send({ type: RECORD_TYPE.datagram, data: String(round) }));
  const queued = (): number => port.connections.reduce((sum, connection) => sum + connection.info().queuedMessages, 0);
  await until('as many as may be are read ahead', () => queued() >= 10);
  for (const _ of numbers(100)) await turn();
  assert.ok(queued() <= 11, `${queued()} are read ahead; one may be of each connection`);
  for (const peer of peers) peer.send({ type: RECORD_TYPE.reply, messageId: 1, data: 'answer' });
  for (const _ of numbers(16)) assert.equal((await port.receive()).type, 'datagram');
  assert.deepEqual(await Promise.all(calls), ['answer', 'answer']);
  assert.equal(queued(), 0);
});

/** How what waits for one client goes, without anybody who reads or takes it: what gives it up. */
const givenUp: Record<string, (connection: ServerPort, peer: HandPeer) => Promise<() => void>> = {
  'read ahead for one that is disconnected': async (connection, peer) => {
    void outcomeOf(connection.request('for this it is read ahead'));
    for (const _ of numbers(10)) assert.ok(peer.send({ type: RECORD_TYPE.datagram }));
    await until('all are read ahead', () => connection.info().queuedMessages === 10);
    return () => connection.disconnect();
  },
  'kept for one that does not read, until a signal says so': (connection) => {
    const abort = new AbortController();
    while (connection.tryPost('') === 'sent');
    for (const _ of numbers(10)) void outcomeOf(connection.post('', { signal: abort.signal }));
    assert.equal(connection.info().waitingForRoom, 10);
    return Promise.resolve(() => abort.abort());
  },
};

for (const [what, keep] of Object.entries(givenUp)) {
  test(`41: who finds no room for what was ${what} reads on when that is given up`, async (t) => {
    const served = await serve(t, { limits: { ringLength: PAGE, pendingBytesPerPort: 10 * COUNTS_FOR } });
    const first = await served.peer();
    const [connection] = served.port.connections;
    const second = await served.peer();
    const other = served.port.connections.find((each) => each !== connection)!;
    const giveUp = await keep(connection!, first);
    const outcomes: string[] = [];
    void outcomeOf(other.request('whose answer stands behind what there is no room for')).then((outcome) => outcomes.push(outcome));
    for (const _ of numbers(3)) assert.ok(second.send({ type: RECORD_TYPE.datagram }));
    assert.ok(second.send({ type: RECORD_TYPE.reply, messageId: 1, data: 'answer' }));
    second.ring();
    await until('one is read ahead in any case', () => other.info().queuedMessages === 1);
    for (const _ of numbers(100)) await turn();
    assert.equal(other.info().queuedMessages, 1);
    giveUp();
    await until('it reads on', () => outcomes.length > 0);
    assert.deepEqual(outcomes, ['answer']);
  });
}

test('41: what those left who have gone counts as well: who comes and goes is refused with quota until it has been taken', async (t) => {
  const { port, path } = await serve(t, { limits: { pendingBytesPerPort: 50 * COUNTS_FOR } });
  const refused: string[] = [];
  port.on('refuse', (_, reason) => refused.push(reason));
  const come = async (): Promise<number> => {
    const peer = HandPeer.client();
    atEnd(t, () => peer.close());
    peer.connect(path);
    peer.say();
    const answer = await peer.answer();
    assert.ok(answer !== 'end');
    if (answer.kind === KIND.welcome) {
      peer.adopt(answer);
      for (const _ of numbers(20)) peer.send({ type: RECORD_TYPE.datagram });
    }
    peer.close();
    await until('it is gone', () => port.connections.length === 0);
    return answer.reason;
  };
  const reasons: number[] = [];
  for (const _ of numbers(5)) reasons.push(await come());
  assert.deepEqual(reasons, [REASON.none, REASON.none, REASON.none, REASON.quota, REASON.quota]);
  await until('both refusals are told', () => refused.length === 2);
  assert.deepEqual(refused, ['quota', 'quota']);
  let taken = 0;
  while (port.tryReceive() !== undefined) taken++;
  assert.equal(taken, 3 * 21, 'what they sent, and their ends');
  assert.equal(await come(), REASON.none);
});
