/**
 * Callbacks: while a client is blocked for its reply, the server may ask it something, and the client answers from within
 * its call (`onCallback`), as LPC does. They nest; they may answer later; what they throw ends the call.
 *
 * Both sides run verbs.ts: 'call n x' has the other side called back with 'call n-1 x' until n is 0.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { type ClientPort, connectPort, createPort, type RequestMessage, type ServerPort } from '../../src/ports/index.js';
import { withLedger } from '../support/ledger.js';
import { failsWith, numbers, outcomeOf, outcomeOfSync } from './expect.js';
import { journalOf, journalWhen, linesOf, NAME, ownRoot, startClient, startServer } from './serving.js';
import { FORMS } from './taking.js';
import { Verbs } from './verbs.js';

withLedger();

/** Answers as a client that was called back. */
const answer = (message: RequestMessage): void => void message.reply(`answer to ${message.data.toString()}`);

for (const form of FORMS) {
  test(`a blocked client of a server that receives by ${form} is called back, three deep in both directions`, async (t) => {
    ownRoot(t);
    await startServer(t, { form });
    await using client = await connectPort(NAME);
    const verbs = new Verbs();
    for (const round of numbers(20)) assert.equal(client.requestSync(`call 6 ${round}`, { onCallback: verbs.handle }).data.toString(), `${round}`);
    assert.deepEqual(linesOf(verbs.journal).slice(0, 6), [
      'request call 5 0', 'request call 3 0', 'request call 1 0',
      'answered call 1 0: sent', 'answered call 3 0: sent', 'answered call 5 0: sent',
    ]);
    assert.equal(verbs.journal.length, 120);
    assert.equal(client.tryReceive(), undefined);
  });
}

for (const how of ['blocking', 'awaited']) {
  test(`a server may call back by a ${how} call, and a client be called back in a blocking and in an awaited one`, async (t) => {
    ownRoot(t);
    await startServer(t);
    await using client = await connectPort(NAME);
    assert.equal(client.requestSync(`callback ${how} this`, { onCallback: answer }).data.toString(), 'answer to this');
    assert.equal((await client.request(`callback ${how} that`, { onCallback: answer })).data.toString(), 'answer to that');
  });
}

test('a callback says to which request it belongs, and only its own call gets it', async (t) => {
  ownRoot(t);
  await startServer(t);
  await using client = await connectPort(NAME);
  const got: string[] = [];
  const answerAs = (name: string) => (message: RequestMessage): void => {
    got.push(`${name} ${message.data.toString()}`);
    assert.notEqual(message.callbackId, 0);
    message.reply(name);
  };
  const listened = new Promise<RequestMessage>((resolve) => client.once('message', (message) => resolve(message as RequestMessage)));
  const calls = numbers(3).map((index) => outcomeOf(client.request(`callback awaited for ${index}`, { onCallback: answerAs(`call ${index}`) })));
  assert.deepEqual(await Promise.all(calls), ['call 0', 'call 1', 'call 2']);
  assert.deepEqual(got, ['call 0 for 0', 'call 1 for 1', 'call 2 for 2']);
  const withoutOne = outcomeOf(client.request('callback awaited for a listener'));
  const message = await listened;
  assert.notEqual(message.callbackId, 0);
  message.reply('by the listener');
  assert.equal(await withoutOne, 'by the listener');
});

test("a call's own onCallback goes before the port's, and a blocked call gets requests that are no callbacks too", async (t) => {
  ownRoot(t);
  await startServer(t);
  await using client = await connectPort(NAME, { onCallback: (message) => void message.reply('by the port') });
  assert.equal(client.requestSync('callback blocking x').data.toString(), 'by the port');
  assert.equal(client.requestSync('callback blocking x', { onCallback: (message) => void message.reply('by the call') }).data.toString(), 'by the call');
  assert.equal(client.requestSync('ask blocking x').data.toString(), 'by the port');
  assert.equal(client.requestSync('ask awaited x').data.toString(), 'by the port');
});

test('a callback may be answered later, when the call is long over', async (t) => {
  ownRoot(t);
  await startServer(t);
  await using client = await connectPort(NAME);
  const held: RequestMessage[] = [];
  assert.equal(client.requestSync('detach question', { onCallback: (message) => held.push(message) }).data.toString(), 'detached');
  assert.equal(client.requestSync('echo more').data.toString(), 'more');
  assert.deepEqual(linesOf(await journalOf(client)).filter((line) => line.startsWith('called back')), []);
  assert.equal(held.length === 1 ? held[0]!.reply('answer') : undefined, 'sent');
  const journal = await journalWhen('it has the answer', client, (seen) => seen.at(-1)!.what === 'called back');
  assert.equal(journal.at(-1)!.outcome, 'answer');
});

test('a blocked server is called back as well: by its own onCallback, and by that of its port', async (t) => {
  ownRoot(t);
  await using port = await createPort(NAME);
  const actor = startClient(t);
  actor.send({ type: 'connect', name: NAME });
  const [client] = (await once(port, 'connect')) as [ServerPort];
  await actor.ask({ type: 'serve' }, 'serving');
  const verbs = new Verbs();
  assert.equal(client.requestSync('call 6 deep', { onCallback: verbs.handle }).data.toString(), 'deep');
  client.onCallback = answer;
  assert.equal(client.requestSync('ask blocking this').data.toString(), 'answer to this');
  client.onCallback = undefined;
  const call = outcomeOf(client.request('ask awaited that'));
  const message = await port.receive();
  assert.ok(message.type === 'request');
  message.reply('received');
  assert.equal(await call, 'received');
});

for (const how of ['blocking', 'awaited']) {
  test(`what a callback throws ends the ${how} call; the server is told, and the connection goes on`, async (t) => {
    ownRoot(t);
    await startServer(t);
    await using client = await connectPort(NAME);
    const thrown = new Error('not with me');
    const options = { onCallback: (): void => { throw thrown; } };
    const call = (text: string): Promise<unknown> => (how === 'blocking' ? new Promise((resolve) => resolve(client.requestSync(text, options))) : client.request(text, options));
    await assert.rejects(call('callback blocking x'), thrown);
    await assert.rejects(call('callback awaited y'), thrown);
    assert.equal(client.info().pendingRequests, 0);
    assert.equal(client.info().unansweredRequests, 0);
    assert.equal(client.requestSync('echo on').data.toString(), 'on');
    const journal = await journalWhen('both have been given up', client, (seen) => seen.filter(({ what }) => what === 'answered').length === 3);
    // The callback was declined; its request is canceled, or was answered before the server heard of that.
    for (const text of ['callback blocking x', 'callback awaited y']) {
      const about = linesOf(journal).filter((line) => line.includes(text)).toSorted().join(', ');
      assert.ok([`answered ${text}: sent, request ${text}`, `answered ${text}: canceled, canceled ${text}, request ${text}`].includes(about), about);
    }
  });
}

test('a callback that closes its own port ends the call with ERR_ALPC_CANCELED', async (t) => {
  ownRoot(t);
  await startServer(t);
  for (const how of ['blocking', 'awaited']) {
    const client: ClientPort = await connectPort(NAME);
    const options = { onCallback: () => client.close() };
    if (how === 'blocking') assert.throws(() => client.requestSync('callback blocking x', options), failsWith('ERR_ALPC_CANCELED'));
    else await assert.rejects(client.request('callback blocking x', options), failsWith('ERR_ALPC_CANCELED'));
    assert.throws(() => client.requestSync('echo'), failsWith('ERR_ALPC_CLOSED'));
  }
});

test('within a callback the client may call the same server anew, and other servers', async (t) => {
  ownRoot(t);
  await startServer(t);
  const other = '\\RPC Control\\other';
  await startServer(t, { name: other });
  await using client = await connectPort(NAME);
  await using second = await connectPort(other);
  const onCallback = (message: RequestMessage): void => {
    const outcomes = [outcomeOfSync(() => second.requestSync('echo there')), outcomeOfSync(() => message.callbackSync('echo here'))];
    message.reply(outcomes.join(' '));
  };
  // The server is blocked in a callback of its own, so it serves what comes within.
  assert.equal(client.requestSync('call 1 x', { onCallback }).data.toString(), 'there here');
});
