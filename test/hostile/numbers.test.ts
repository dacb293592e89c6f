/**
 * Numbers that name something: of requests, of calls that a request belongs to. A peer that says a number that names nothing, or
 * something else, or something that is over, gets nothing by it: no call settles but with the answer to itself, on its own
 * connection, and only once.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { type ClientPort, connectPort, type RequestMessage } from '../../src/index.js';
import { failsWith, outcomeOf } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { settle, takeStock, withLedger } from '../support/ledger.js';
import { turn, turnsUntil } from '../support/turns.js';
import { type HandListener, type HandPeer, RECORD_TYPE, RETRACTED } from './peer.js';
import { NAME, openStage, openTrap } from './stage.js';

withLedger();

/** Numbers that name no request that there ever was, as 32 bits have them. */
const NAMELESS = [-1, -2, 0, 2 ** 31, 2 ** 31 - 1, 0x8000_0001, 1000, 2 ** 32 - 5];

async function meet(t: TestContext, listener: HandListener): Promise<{ client: ClientPort; peer: HandPeer }> {
  const [client, peer] = await Promise.all([connectPort(NAME), listener.serve()]);
  atEnd(t, () => [client, peer].forEach((end) => end.close()));
  return { client, peer };
}

test('B2: a reply to a number that names no call, or one that is over, settles nothing, and is counted', async (t) => {
  const { listener } = openTrap(t);
  const before = takeStock();
  const { client, peer } = await meet(t, listener);
  client.on('message', () => {}); // so that the ring is read when no reply is awaited, too
  const calls = [client.request('first'), client.request('second')];
  const [first, second] = [await peer.receive(), await peer.receive()];
  for (const messageId of NAMELESS) for (const status of [0, 1, 2, 3, 99]) peer.send({ type: RECORD_TYPE.reply, messageId, status, data: 'a false answer' });
  const later = second.messageId + 1;
  peer.send({ type: RECORD_TYPE.reply, messageId: later, data: 'before it was asked' });
  await turnsUntil(() => client.info().lateReplies === 5 * NAMELESS.length + 1);
  assert.equal(client.info().pendingRequests, 2);
  peer.send({ type: RECORD_TYPE.reply, messageId: second.messageId, data: 'to the second' });
  peer.send({ type: RECORD_TYPE.reply, messageId: second.messageId, data: 'to the second, again' });
  peer.send({ type: RECORD_TYPE.reply, messageId: first.messageId, data: 'to the first' });
  assert.deepEqual((await Promise.all(calls)).map((reply) => reply.data.toString()), ['to the first', 'to the second']);
  const third = client.request('third');
  assert.equal((await peer.receive()).messageId, later, 'which was answered before it was there');
  await turn();
  assert.equal(client.info().pendingRequests, 1);
  peer.send({ type: RECORD_TYPE.reply, messageId: later, status: 99 });
  await assert.rejects(third, failsWith('ERR_ALPC_PROTOCOL', /unknown status 99/));
  peer.send({ type: RECORD_TYPE.reply, messageId: later, data: 'too late' });
  await turnsUntil(() => client.info().lateReplies === 5 * NAMELESS.length + 3);
  client.close();
  peer.close();
  await settle(before);
});

test('B2: a reply on one connection settles no call of another, of the same number', async (t) => {
  const { listener } = openTrap(t);
  const [one, two] = [await meet(t, listener), await meet(t, listener)];
  const calls = [one, two].map(({ client }, i) => client.request(`to ${i}`));
  const asked = [await one.peer.receive(), await two.peer.receive()];
  assert.equal(asked[0]!.messageId, asked[1]!.messageId);
  one.peer.send({ type: RECORD_TYPE.reply, messageId: asked[0]!.messageId, data: 'one' });
  assert.equal((await calls[0]!).data.toString(), 'one');
  await turn();
  assert.equal(two.client.info().pendingRequests, 1);
  two.peer.send({ type: RECORD_TYPE.reply, messageId: asked[1]!.messageId, data: 'two' });
  assert.equal((await calls[1]!).data.toString(), 'two');
});

test('B2: to cancel or take back what was never asked, or was answered, or is another\'s, cancels nothing', async (t) => {
  const stage = await openStage(t);
  const held: RequestMessage[] = [];
  const canceled: number[] = [];
  stage.port.removeAllListeners('message');
  stage.port.on('message', (message) => {
    if (message.type === 'canceled') canceled.push(message.request.id);
    else if (message.type === 'request') {
      if (message.data.toString() === 'hold') held.push(message);
      else message.reply(message.data);
    }
  });
  await stage.survives(async () => {
    const [peer, other] = [await stage.guest(), await stage.guest()];
    peer.send({ type: RECORD_TYPE.request, messageId: 5, data: 'hold' });
    other.send({ type: RECORD_TYPE.request, messageId: 6, data: 'hold' });
    await turnsUntil(() => held.length === 2);
    for (const messageId of [...NAMELESS, 6]) {
      peer.send({ type: RECORD_TYPE.cancel, messageId });
      peer.send({ type: RECORD_TYPE.request | RETRACTED, messageId: 5, data: 'never seen' });
    }
    peer.send({ type: RECORD_TYPE.request, messageId: 7, data: 'the next' });
    assert.equal((await peer.receive()).data.toString(), 'the next');
    assert.deepEqual(canceled, []);
    assert.deepEqual(held.map((message) => message.reply('answered')), ['sent', 'sent']);
    assert.deepEqual([(await peer.receive()).messageId, (await other.receive()).messageId], [5, 6]);
    peer.send({ type: RECORD_TYPE.cancel, messageId: 5 });
    peer.send({ type: RECORD_TYPE.request, messageId: 8, data: 'after it was answered' });
    assert.equal((await peer.receive()).messageId, 8);
    assert.deepEqual(canceled, []);
    for (const end of [peer, other]) {
      end.close();
      await stage.drops('died');
    }
  });
});

test('B2: one number for many requests is many requests, each answered for itself', async (t) => {
  const stage = await openStage(t);
  await stage.survives(async () => {
    const peer = await stage.guest();
    for (let i = 0; i < 20; i++) peer.send({ type: RECORD_TYPE.request, messageId: -1, data: `request ${i}` });
    for (let i = 0; i < 20; i++) {
      const reply = await peer.receive();
      assert.deepEqual([reply.messageId, reply.data.toString()], [-1, `request ${i}`]);
    }
    peer.close();
    await stage.drops('died');
  });
});

test('B2: a request that says it belongs to a call that there is not, that is over, or that is another connection\'s is a request like any other', async (t) => {
  const stage = await openStage(t);
  const seen: string[] = [];
  stage.port.on('message', (message) => message.type === 'request' && seen.push(message.data.toString()));
  await stage.survives(async () => {
    const peer = await stage.guest();
    const called: string[] = [];
    const honest = stage.port.connections[0]!;
    stage.honest.on('message', () => {}); // which takes what it is asked, and keeps it
    const enough = new AbortController();
    const call = outcomeOf(honest.request('kept', { signal: enough.signal, onCallback: (message) => called.push(message.data.toString()) }));
    const over = stage.port.connections.at(-1)!.request('answered', { onCallback: () => called.push('over') });
    const asked = await peer.receive();
    peer.send({ type: RECORD_TYPE.reply, messageId: asked.messageId });
    await over;
    for (const callbackId of [...NAMELESS, asked.messageId, 1, 2]) peer.send({ type: RECORD_TYPE.request, messageId: 9, callbackId, data: `calls ${callbackId}` });
    for (let i = 0; i < NAMELESS.length + 3; i++) assert.equal((await peer.receive()).messageId, 9);
    assert.deepEqual(called, []);
    assert.equal(seen.filter((text) => text.startsWith('calls ')).length, NAMELESS.length + 3);
    peer.close();
    await stage.drops('died');
    enough.abort();
    assert.equal(await call, 'AbortError');
    stage.honest.removeAllListeners('message');
  });
  stage.honest.close();
});
