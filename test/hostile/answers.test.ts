/**
 * Answers that nobody asked for, and answers that nobody reads. A reply settles the one call that it belongs to, once; what a peer does
 * not read is bounded to the byte, and whoever lets too much pile up is told, or dropped, alone.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RequestMessage } from '../../src/index.js';
import { WAITING_COST } from '../../src/ports/holdings.js';
import { failsWith, numbers, outcomeOf, tally, until } from '../process/expect.js';
import { collectGarbage } from '../support/garbage.js';
import { withLedger } from '../support/ledger.js';
import { turn } from '../support/turns.js';
import { serve, serveByHand } from './meeting.js';
import { HandPeer, PAGE, RECORD_HEADER, RECORD_TYPE, type SeenRecord, STATE } from './peer.js';
import { receiveRaw } from './raw.js';

withLedger();

const { request, reply, datagram, cancel } = RECORD_TYPE;

/** Bytes that a record takes in a ring. */
const whole = (dataLength: number): number => (RECORD_HEADER + dataLength + 7) & ~7;

function takeAll(hand: HandPeer): SeenRecord[] {
  const records: SeenRecord[] = [];
  for (let record = hand.take(); record !== undefined; record = hand.take()) records.push(record);
  return records;
}

/** Reads one bell, if there is one. */
function heardBell(hand: HandPeer): boolean {
  const heard = receiveRaw(hand.socket);
  return typeof heard !== 'string' && heard.data.length === 1;
}

test('B12: of two replies to one request the first counts; replies to datagrams, to nothing and to what was given up are dropped and counted', async (t) => {
  const { connect } = serveByHand(t);
  const [client, hand] = await connect();
  const call = outcomeOf(client.request('asked'));
  const { messageId } = await hand.receive();
  await client.post('no answer is possible');
  const posted = await hand.receive();
  const givenUp = outcomeOf(client.request('given up', { timeout: 1 }));
  const { messageId: late } = await hand.receive();
  assert.equal(await givenUp, 'ERR_ALPC_TIMEOUT');
  for (const id of [posted.messageId, late, messageId + 1000, -1, 0]) hand.send({ type: reply, messageId: id, data: 'wrong' });
  hand.send({ type: reply, messageId, data: 'first' });
  hand.send({ type: reply, messageId, data: 'second' });
  assert.equal(await call, 'first');
  await until('all are read', () => client.info().lateReplies === 6);
  assert.deepEqual([client.info().pendingRequests, client.tryReceive(), client.closed], [0, undefined, false]);
  assert.equal(hand.theirs('lateReplies'), 6);
});

test('B12: a reply that comes on another connection settles nothing, whatever number it has', async (t) => {
  const { connect } = serveByHand(t);
  const [client, hand] = await connect();
  const [other, otherHand] = await connect();
  const call = outcomeOf(client.request('asked'));
  const { messageId } = await hand.receive();
  otherHand.send({ type: reply, messageId, data: 'from the wrong side' });
  otherHand.send({ type: cancel, messageId });
  assert.equal(other.tryReceive(), undefined);
  assert.equal(other.info().lateReplies, 1);
  const otherCall = outcomeOf(other.request('asked here'));
  const { messageId: otherId } = await otherHand.receive();
  hand.send({ type: reply, messageId: otherId + 1, data: 'from the wrong side' });
  assert.equal(client.info().pendingRequests, 1);
  hand.send({ type: reply, messageId, data: 'right' });
  otherHand.send({ type: reply, messageId: otherId, data: 'right too' });
  assert.deepEqual([await call, await otherCall], ['right', 'right too']);
});

test('B12: a request is answered once and only while its sender waits, and a cancellation reaches the requests of its own connection alone', async (t) => {
  const { port, peer } = await serve(t);
  const [one, two] = [await peer(), await peer()];
  one.send({ type: request, messageId: 5, data: 'one' });
  two.send({ type: request, messageId: 5, data: 'two' });
  const messages = [await port.receive(), await port.receive()] as RequestMessage[];
  const [ofOne, ofTwo] = messages.toSorted((a, b) => String(a.data).localeCompare(String(b.data))) as [RequestMessage, RequestMessage];
  two.send({ type: cancel, messageId: 5 });
  const canceled = await port.receive();
  assert.ok(canceled.type === 'canceled' && canceled.request === ofTwo);
  assert.deepEqual([ofOne.isPending, ofTwo.isPending, ofTwo.reply('too late')], [true, false, 'canceled']);
  assert.equal(ofOne.reply('in time'), 'sent');
  assert.throws(() => ofOne.reply('again'), failsWith('ERR_ALPC_REPLY_MISMATCH'));
  assert.throws(() => ofOne.cancel(), failsWith('ERR_ALPC_REPLY_MISMATCH'));
  one.send({ type: cancel, messageId: 5 }); // after its answer: nothing
  one.send({ type: datagram, messageId: 5 });
  const posted = await port.receive();
  assert.equal(posted.type, 'datagram');
  assert.throws(() => (posted as unknown as RequestMessage).reply('to what?'), failsWith('ERR_ALPC_REPLY_MISMATCH'));
  assert.throws(() => (posted as unknown as RequestMessage).cancel(), failsWith('ERR_ALPC_REPLY_MISMATCH'));
  assert.deepEqual([takeAll(one).map(({ data }) => String(data)), takeAll(two)], [['in time'], []]);
});

test('B20, 41: a client that asks on and on and reads no answer is kept to the byte of its quota, and dropped; the server stays as it was', async (t) => {
  const limits = { ringLength: PAGE, pendingBytes: 10_000, pendingMessages: 1000 };
  const { port, path, ends, peer } = await serve(t, { limits });
  const inRing = Math.floor(PAGE / whole(100));
  const waiting = Math.floor(limits.pendingBytes / (WAITING_COST + 100));
  const outcomes: string[] = [];
  port.on('message', (message) => message.type === 'request' && outcomes.push(message.reply(Buffer.alloc(100))));
  const honest = await peer();
  const attack = async (): Promise<void> => {
    const hostile = HandPeer.client();
    await hostile.greet(path);
    for (let id = 1; hostile.theirs('state') === STATE.open; id++) {
      while (!hostile.send({ type: request, messageId: id })) await turn();
      assert.ok(id < 1000);
    }
    await until('it is dropped', () => ends.length > 0);
    hostile.close();
    assert.equal(ends.pop(), 'quota');
    assert.deepEqual(outcomes.splice(0, inRing + waiting + 1), [...numbers(inRing + waiting).map(() => 'sent'), 'disconnected']);
    outcomes.length = 0;
  };
  for (const _ of numbers(10)) await attack();
  collectGarbage();
  const before = process.memoryUsage();
  for (const _ of numbers(100)) await attack();
  // V8 sweeps array buffers on a thread of its own, some time after the collection.
  await until('it is as large as it was', () => {
    collectGarbage();
    const after = process.memoryUsage();
    return after.heapUsed - before.heapUsed < 2 ** 20 && after.arrayBuffers - before.arrayBuffers < 2 ** 20;
  });
  honest.send({ type: request, messageId: 1, data: 'honest' });
  assert.equal((await honest.receive()).data.length, 100);
});

test('36: to a peer that never reads there is room for exactly its ring and the quota, in number or in bytes; when it reads, all of it comes, in order', async (t) => {
  for (const limits of [{ ringLength: PAGE, pendingMessages: 20 }, { ringLength: PAGE, pendingBytes: 2000 }]) {
    const { connect, listener } = serveByHand(t);
    const [client, slow] = await connect({ limits });
    const payload = (number: number): Buffer => Buffer.alloc(77, number);
    let sent = 0;
    while (client.tryPost(payload(sent)) === 'sent') sent++;
    assert.equal(sent, Math.floor(PAGE / whole(77)));
    const waiting = limits.pendingMessages ?? Math.floor(limits.pendingBytes / (WAITING_COST + 77));
    const posts = numbers(waiting).map((number) => outcomeOf(client.post(payload(sent + number))));
    assert.equal(client.info().waitingForRoom, waiting);
    for (const refused of [client.post(payload(0)), client.request(payload(0))]) await assert.rejects(refused, failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
    assert.throws(() => client.requestSync(payload(0)), failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
    assert.equal(client.tryPost(payload(0)), 'full');
    assert.equal(client.info().waitingForRoom, waiting);
    const got: number[] = [];
    while (got.length < sent + waiting) got.push((await slow.receive()).data[0]!);
    assert.deepEqual(got, numbers(sent + waiting));
    assert.deepEqual(tally(await Promise.all(posts)), { done: waiting });
    client.close();
    slow.close();
    listener.close();
  }
});

test('41: callbacks that a client never answers are as many as its requests may be, and end with it', async (t) => {
  const { port, ends, peer, last } = await serve(t, { limits: { pendingMessages: 50 } });
  const callbacks: Promise<string>[] = [];
  port.on('message', (message) => {
    if (message.type === 'request') callbacks.push(outcomeOf(message.callback('and you?')));
  });
  const hostile = await peer();
  let refused = 0;
  for (let id = 1; id <= 500; id++) {
    while (!hostile.send({ type: request, messageId: id })) await turn();
    refused += takeAll(hostile).filter(({ type, status }) => type === reply && status === 3).length;
  }
  await until('all are read', () => hostile.theirs('head') === hostile.position);
  refused += takeAll(hostile).filter(({ type, status }) => type === reply && status === 3).length;
  assert.deepEqual([refused, callbacks.length], [450, 50]);
  const { pendingRequests, unansweredRequests } = last().info();
  assert.deepEqual([pendingRequests, unansweredRequests], [50, 50]);
  hostile.close();
  assert.deepEqual(tally(await Promise.all(callbacks)), { ERR_ALPC_MESSAGE_LOST: 50 });
  await until('its end is told', () => ends.length === 1);
  assert.deepEqual(ends, ['died']);
});

test('B9: bells that nobody reads stand in nobody\'s way: with the socket full, or one short of it, whoever sleeps is woken', async (t) => {
  const { port, peer, last } = await serve(t);
  const got: string[] = [];
  port.on('message', (message) => message.type === 'datagram' && got.push(message.data.toString()));
  const hand = await peer();
  // Towards the library: as many as the socket takes, and then a record.
  let bells = 0;
  for (const round of numbers(5)) {
    while (hand.ring() === 'ok') bells++;
    hand.send({ data: `behind all of them, ${round}` });
    await until('it is read', () => got.length === round + 1);
    await until('so are the bells, and it sleeps', () => (hand.theirs('dataSleep') & 1) === 1 && hand.ring() === 'ok');
  }
  assert.ok(bells > 10, `${bells} bells`);
  // Towards the peer: it says that it sleeps before each message, and reads no bell.
  const rung = (): number => hand.theirs('bellsRung');
  let posts = 0;
  const post = (): void => {
    hand.set('dataSleep', 2 * posts + 1);
    assert.equal(last().tryPost(`${posts++}`), 'sent');
  };
  while (rung() < 2000) {
    post();
    assert.equal(takeAll(hand).length, 1);
  }
  assert.equal(rung(), posts, 'one for each time that it went to sleep, taken by the socket or not');
  // It reads one of them, or two, or all: it goes on to be woken, and not one message was lost.
  for (const toRead of [1, 2, Infinity]) {
    let read = 0;
    while (read < toRead && heardBell(hand)) read++;
    assert.ok(read === toRead || read > 10, `${read} bells`);
    post();
    assert.equal(takeAll(hand).length, 1);
    assert.ok(heardBell(hand), 'it is woken');
  }
});

test('B9: rings that are full to the last byte, or short of it by one record, go on', async (t) => {
  const { port, peer, last } = await serve(t, { limits: { ringLength: PAGE } });
  const got: number[] = [];
  port.on('message', (message) => message.type === 'datagram' && got.push(message.dataLength));
  const hand = await peer();
  const most = PAGE - RECORD_HEADER;
  // Into the library: one record of the whole ring; two that fill it; one that leaves room for the smallest, and that one.
  for (const row of [[most], [1000, most - whole(1000)], [most - 32, 0], [most - 40], [most - 40, 1]]) {
    const last = row.reduce((position, length) => hand.write({ data: Buffer.alloc(length) }, position), hand.position);
    hand.publish(last);
    await until(`${row.join()} is read`, () => hand.theirs('head') === last);
    assert.deepEqual(got.splice(0), row);
  }
  // Out of it: exactly as much as there is room for.
  for (const row of [[most], [1000, most - whole(1000)], [most - 32, 0], [most - 40]]) {
    for (const length of row) assert.equal(last().tryPost(Buffer.alloc(length)), 'sent');
    const left = PAGE - row.reduce((sum, length) => sum + whole(length), 0);
    assert.equal(last().tryPost(Buffer.alloc(left)), 'full');
    if (left >= RECORD_HEADER) assert.equal(last().tryPost(''), 'sent');
    assert.deepEqual(takeAll(hand).map(({ data }) => data.length).slice(0, row.length), row);
  }
});
