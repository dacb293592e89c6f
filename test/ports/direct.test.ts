/** Direct messages: their sender hears when they have been taken. Both sides are in one thread; test/process/direct.test.ts has two processes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEvent, createUnconnectedPort, type DirectOutcome } from '../../src/index.js';
import { blockFor, failsWith, numbers, outcomeOf, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { turn } from '../support/turns.js';
import { connectedPair, received } from './connected-pair.js';

withLedger();

async function turns(count: number): Promise<void> {
  for (const _ of numbers(count)) await turn();
}

/** What a sender heard, in its order. */
function hearing(): { heard: string[]; about: (what: string) => (outcome: DirectOutcome) => void } {
  const heard: string[] = [];
  return { heard, about: (what) => (outcome) => void heard.push(`${what} ${outcome}`) };
}

/** For assert.rejects: the call of this number was not answered within its time, and nothing else is the matter. */
function gaveUp(id: number, timeout: number): (error: unknown) => true {
  return failsWith('ERR_ALPC_TIMEOUT', new RegExp(`^client communication port of \\\\RPC Control\\\\pair \\(open, peer pid ${process.pid} uid \\d+\\): request ${id} was not answered within ${timeout} ms \\[STATUS_TIMEOUT\\]$`));
}

test('an event is set when the message has been taken, and not when it has been sent; the receiver sees nothing of it', async (t) => {
  const { port, client } = await connectedPair(t, []);
  using event = createEvent();
  await client.post('direct', { direct: event });
  await turns(20);
  assert.equal(event.state, false);
  const message = await received(port);
  assert.deepEqual([String(message.data), message.view, message.handles.length, message.workOnBehalfOf], ['direct', undefined, 0, undefined]);
  await event.wait({ timeout: 10_000 });
});

test('a function hears how it ended, once: requests, datagrams and replies', async (t) => {
  const { port, client } = await connectedPair(t, []);
  const { heard, about } = hearing();
  const call = client.request('question', { direct: about('question') });
  await client.post('news', { direct: about('news') });
  await turns(20);
  assert.deepEqual(heard, []);
  const question = await received(port);
  await until('the question is told of', () => heard.length === 1);
  await received(port);
  assert.ok(question.type === 'request');
  assert.equal(question.reply('answer', { direct: about('answer') }), 'sent');
  assert.equal(String((await call).data), 'answer');
  await until('all are told of', () => heard.length === 3);
  assert.deepEqual(new Set(heard), new Set(['answer taken', 'news taken', 'question taken']));
});

test('a message that is read ahead counts as taken when it is received, not before', async (t) => {
  const { client, toClient } = await connectedPair(t, []);
  const { heard, about } = hearing();
  await toClient.post('stands before the reply', { direct: about('post') });
  const call = outcomeOf(client.request('', { timeout: 50 })); // the client reads on for its reply
  assert.equal(await call, 'ERR_ALPC_TIMEOUT');
  assert.equal(client.info().queuedMessages, 1);
  await turns(20);
  assert.deepEqual(heard, []);
  assert.equal(String((await client.receive()).data), 'stands before the reply');
  await until('it is told of', () => heard.length > 0);
  assert.deepEqual(heard, ['post taken']);
});

test('a request that a blocked caller gets by its onCallback counts as taken', async (t) => {
  const port = createUnconnectedPort();
  atEnd(t, () => port.close());
  const { heard, about } = hearing();
  assert.equal(String(port.requestSync('a', { direct: about('request'), onCallback: (message) => message.reply('b', { direct: about('reply') }) }).data), 'b');
  await until('both are told of', () => heard.length === 2);
  assert.deepEqual(new Set(heard), new Set(['reply taken', 'request taken']));
});

test('a request that is taken back before it was read is lost, and so is a reply that comes too late', async (t) => {
  const { port, client } = await connectedPair(t, []);
  const { heard, about } = hearing();
  await assert.rejects(client.request('never seen', { timeout: 1, direct: about('request') }), gaveUp(1, 1));
  const call = client.request('seen', { timeout: 20 });
  const message = port.tryReceive(); // in the same turn: it has not been given up
  assert.ok(message?.type === 'request');
  assert.equal(String(message.data), 'seen');
  await assert.rejects(call, gaveUp(2, 20));
  assert.equal(message.reply('too late', { direct: about('reply') }), 'sent'); // in the same turn: the server has not heard of that
  assert.equal(client.tryReceive(), undefined); // it looks again
  await until('both are told of', () => heard.length === 2);
  assert.deepEqual(heard, ['request lost', 'reply lost']);
  assert.equal(client.info().lateReplies, 1);
});

test('a reply that is there when its caller\'s time is over is taken, for it was not too late', async (t) => {
  const { port, client } = await connectedPair(t, []);
  const { heard, about } = hearing();
  const call = client.request('seen', { timeout: 20 });
  const message = port.tryReceive();
  assert.ok(message?.type === 'request');
  message.reply('in time', { direct: about('reply') });
  blockFor(40); // nobody looks meanwhile
  assert.equal(String((await call).data), 'in time');
  await until('the reply is told of', () => heard.length === 1);
  assert.deepEqual(heard, ['reply taken']);
  assert.equal(client.info().lateReplies, 0);
});

test('when the connection ends, what has not been taken is lost, and what has been is taken; an event is not set for what is lost', async (t) => {
  const { port, client } = await connectedPair(t, []);
  const { heard, about } = hearing();
  using event = createEvent();
  await client.post('taken', { direct: about('first') });
  await client.post('lost', { direct: about('second') });
  await client.post('lost too', { direct: event });
  await received(port);
  client.close();
  await until('both are told of', () => heard.length === 2);
  assert.deepEqual(heard, ['first taken', 'second lost']);
  assert.equal(event.state, false);
});

test('a send that comes to nothing tells nothing: it is an error by itself', async (t) => {
  const { client } = await connectedPair(t, []);
  const { heard, about } = hearing();
  while (client.tryPost('x'.repeat(1000)) === 'sent');
  while (client.tryPost('') === 'sent');
  assert.equal(client.tryPost('', { direct: about('full') }), 'full');
  await assert.rejects(client.post('', { direct: about('timeout'), timeout: 5 }), failsWith('ERR_ALPC_TIMEOUT'));
  assert.throws(() => client.tryPost('', { direct: about('refused'), security: 'identify' }), failsWith('ERR_ALPC_NOT_ACCEPTED'));
  client.close();
  assert.equal(client.tryPost('', { direct: about('closed') }), 'disconnected');
  await turns(20);
  assert.deepEqual(heard, []);
});

test('64 may be out at once; more are over the quota until some have been taken', async (t) => {
  const { port, client } = await connectedPair(t, []);
  const { heard, about } = hearing();
  for (const round of numbers(3)) {
    for (const i of numbers(64)) assert.equal(client.tryPost('', { direct: about(`${round}.${i}`) }), 'sent');
    assert.throws(() => client.tryPost('', { direct: about('one more') }), failsWith('ERR_ALPC_QUOTA_EXCEEDED', /has not taken 64 direct messages/));
    for (const _ of numbers(64)) await received(port);
  }
  await until('all are told of', () => heard.length === 192);
  assert.ok(heard.every((line) => line.endsWith('taken')));
});

test('what a function throws surfaces by itself, and an event that was closed meanwhile is nobody\'s to set', async (t) => {
  const { port, client } = await connectedPair(t, []);
  const { heard, about } = hearing();
  const event = createEvent();
  await client.post('', { direct: event });
  await client.post('', { direct: about('second') });
  event.close();
  await received(port);
  await received(port);
  await until('the second is told of', () => heard.length === 1);
  for (const direct of [1, 'event', {}, null, { set: 1 }]) assert.throws(() => client.tryPost('', { direct: direct as never }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /'options.direct'/));
});

test('with a reserve a direct message tells when its room is free again', async (t) => {
  const { port, client } = await connectedPair(t, []);
  using reserve = client.createResourceReserve(8 + 8);
  using free = createEvent();
  while (client.tryPost('x'.repeat(1000)) === 'sent');
  while (client.tryPost('') === 'sent');
  for (const round of numbers(3)) {
    assert.equal(client.tryPost('a bell', { reserve, direct: free }), 'sent', `round ${round}`);
    while (port.tryReceive() !== undefined);
    await free.wait({ timeout: 10_000 });
    free.reset();
    assert.equal(reserve.isFree, true);
  }
});

test('an answer whose request is answered by who is told of another message on the way is refused, and what was to go with it stays here', async (t) => {
  const { port, client, toClient } = await connectedPair(t, ['view']);
  const call = outcomeOf(client.request('question'));
  const request = await received(port);
  assert.ok(request.type === 'request');
  await toClient.post('taken, and not told of yet', { direct: { set: () => void request.reply('by who was told') } });
  assert.equal(client.tryReceive()?.type, 'datagram');
  const { heard, about } = hearing();
  const view = toClient.createSection(64).createView(64);
  assert.throws(() => request.reply('too late', { direct: about('answer'), view, autoRelease: true }), failsWith('ERR_ALPC_REPLY_MISMATCH'));
  assert.deepEqual([toClient.info().viewsOut, view.released], [0, false]);
  assert.equal(await call, 'by who was told');
  client.close();
  await until('the connection has ended', () => port.connections.length === 0);
  assert.deepEqual(heard, [], 'no such message was ever sent, and so none was lost');
});
