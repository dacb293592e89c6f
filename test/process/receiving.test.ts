/**
 * Receiving: the forms `on('message')`, `for await`, `receive()` and `receiveSync()` mean the same, on a server's port and on
 * a client's, and blocking and awaited calls may be used side by side on one port.
 *
 * Each server is a process of its own. What both sides do at once (a message comes while a call blocks, a call ends while
 * another is awaited) is where a bell is lost, if ever, so each test goes on using the port after it.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectPort, type ConnectionPort, createPort, createUnconnectedPort, type Message, type ServerPort } from '../../src/ports/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { failsWith, numbers, outcomeOf, outcomeOfSync, until } from './expect.js';
import { journalWhen, linesOf, NAME, ownRoot, startClient, startServer } from './serving.js';
import { FORMS, takeMessages } from './taking.js';

withLedger();

for (const form of FORMS) {
  test(`a server that takes messages by ${form} answers blocking and awaited requests, gets datagrams, and is told of the end`, async (t) => {
    ownRoot(t);
    await startServer(t, { form });
    await using observer = await connectPort(NAME);
    const client = await connectPort(NAME);
    assert.equal(client.requestSync('echo one').data.toString(), 'one');
    assert.equal((await client.request('echo two')).data.toString(), 'two');
    client.postSync('three');
    await client.post('four');
    assert.equal(client.tryPost('five'), 'sent');
    const held = outcomeOf(client.request('hold'));
    await journalWhen('the request is held', observer, (seen) => seen.at(-1)?.text === 'hold');
    client.close();
    assert.equal(await held, 'ERR_ALPC_CANCELED');
    const journal = await journalWhen('the end is told', observer, (seen) => seen.at(-1)?.what === 'port-closed');
    assert.deepEqual(linesOf(journal), [
      'request echo one', 'answered echo one: sent', 'request echo two', 'answered echo two: sent',
      'datagram three', 'datagram four', 'datagram five', 'request hold', 'canceled hold', 'port-closed: disconnected',
    ]);
    assert.deepEqual(journal.filter(({ sequence }) => sequence !== undefined).map(({ sequence }) => sequence), numbers(8, 1));
  });

  test(`a client that takes messages by ${form} gets the server's datagrams and requests, and is told of the end`, async (t) => {
    ownRoot(t);
    const server = await startServer(t);
    const client = await connectPort(NAME);
    atEnd(t, () => client.close());
    const seen: string[] = [];
    const taken = takeMessages(client, form, (message) => {
      seen.push(`${message.type} ${message.data.toString()}`);
      if (message.type === 'request') assert.equal(message.reply(`answer to ${message.data.toString()}`), 'sent');
    });
    assert.equal((await client.request('push 3 number')).data.toString(), 'pushed');
    assert.equal((await client.request('ask awaited this')).data.toString(), 'answer to this');
    assert.equal((await client.request('ask blocking that')).data.toString(), 'answer to that');
    await server.ask({ type: 'close' }, 'closed');
    await taken;
    assert.deepEqual(seen, ['datagram number 0', 'datagram number 1', 'datagram number 2', 'request this', 'request that', 'port-closed ']);
    await assert.rejects(client.receive(), failsWith('ERR_ALPC_DISCONNECTED'));
    assert.throws(() => client.receiveSync(), failsWith('ERR_ALPC_DISCONNECTED'));
    assert.equal(client.tryReceive(), undefined);
  });
}

test('blocking and awaited calls alternate on one port, and each gets its own reply', async (t) => {
  ownRoot(t);
  await startServer(t);
  await using client = await connectPort(NAME);
  for (const round of numbers(200)) {
    const awaited = numbers(3).map((index) => outcomeOf(client.request(`echo awaited ${round} ${index}`)));
    assert.equal(outcomeOfSync(() => client.requestSync(`echo blocking ${round}`)), `blocking ${round}`);
    assert.deepEqual(await Promise.all(awaited), numbers(3).map((index) => `awaited ${round} ${index}`));
  }
});

test('an awaited request is answered although a blocking call on the same port timed out meanwhile', async (t) => {
  ownRoot(t);
  await startServer(t);
  await using client = await connectPort(NAME);
  const awaited = outcomeOf(client.request('later 300 here'));
  await sleep(50); // the port rests by now
  assert.throws(() => client.requestSync('hold', { timeout: 50 }), failsWith('ERR_ALPC_TIMEOUT'));
  assert.equal(await awaited, 'here');
});

test('messages go on to come to a listener although a blocking call on the same port timed out', async (t) => {
  ownRoot(t);
  await startServer(t);
  await using client = await connectPort(NAME);
  const seen: string[] = [];
  client.on('message', (message) => seen.push(message.data.toString()));
  await sleep(50);
  assert.throws(() => client.requestSync('hold', { timeout: 50 }), failsWith('ERR_ALPC_TIMEOUT'));
  await using other = await connectPort(NAME);
  assert.equal(await outcomeOf(other.request('release')), 'released');
  const pushed = client.request('push 2 late');
  await until('both came', () => seen.length === 2);
  assert.equal(await outcomeOf(pushed), 'pushed');
});

test('messages that come while a blocking call waits are received afterwards, in their order', async (t) => {
  ownRoot(t);
  await startServer(t);
  await using client = await connectPort(NAME);
  assert.equal(client.requestSync('push 5 early').data.toString(), 'pushed');
  const seen = [client.receiveSync(), client.tryReceive()!, await client.receive()];
  for await (const message of client) if (seen.push(message) === 5) break;
  assert.deepEqual(seen.map((message) => message.data.toString()), numbers(5).map((index) => `early ${index}`));
});

test("a server's awaited request is answered although the server took messages by receiveSync meanwhile", async (t) => {
  ownRoot(t);
  await using port = await createPort(NAME);
  const client = startClient(t);
  client.send({ type: 'connect', name: NAME });
  const [connected] = (await once(port, 'connect')) as [ServerPort];
  client.send({ type: 'answer', after: 400, postAfter: 200 });
  await client.until('connected');
  const awaited = outcomeOf(connected.request('question'));
  await sleep(100); // the port rests by now
  assert.equal(port.receiveSync().data.toString(), 'on my own account');
  assert.equal(await awaited, 'answer to question');
});

const LATE_TAKERS: Record<string, (port: ConnectionPort) => Message | undefined | Promise<Message>> = {
  listener: (port) => new Promise((resolve) => void port.once('message', resolve)),
  receive: (port) => port.receive(),
  receiveSync: (port) => port.receiveSync({ timeout: 20_000 }),
  tryReceive: (port) => port.tryReceive(),
  iterator: async (port) => (await port[Symbol.asyncIterator]().next()).value as Message,
};

for (const [form, take] of Object.entries(LATE_TAKERS)) {
  test(`what was read ahead, while a server without a taker awaited an answer, is there for one that comes later by ${form}`, async (t) => {
    ownRoot(t);
    await using port = await createPort(NAME);
    await using client = await connectPort(NAME);
    const asked = outcomeOf(port.connections[0]!.request('ask'));
    client.tryPost('early');
    await sleep(100); // the port rests by now
    assert.equal(String((await take(port))?.data), 'early');
    const question = await client.receive();
    if (question.type === 'request') question.reply('answer');
    assert.equal(await asked, 'answer');
  });
}

test('a receive with a timeout of 0 takes what is there, in any form, and says so when there is nothing', async (t) => {
  ownRoot(t);
  await using port = await createPort(NAME);
  await using client = await connectPort(NAME);
  for (const text of ['a', 'b', 'c']) client.tryPost(text);
  const taken = [port.receiveSync({ timeout: 0 }), await port.receive({ timeout: 0 }), port.tryReceive()];
  assert.deepEqual(taken.map((message) => String(message?.data)), ['a', 'b', 'c']);
  assert.throws(() => port.receiveSync({ timeout: 0 }), failsWith('ERR_ALPC_TIMEOUT'));
  await assert.rejects(port.receive({ timeout: 0 }), failsWith('ERR_ALPC_TIMEOUT'));
  assert.equal(port.tryReceive(), undefined);
});

for (const form of ['on', 'for await', 'receive'] as const) {
  test(`messages that never end leave the event loop its turns, taken by ${form}`, async () => {
    using port = createUnconnectedPort();
    const state = { over: false, taken: 0 };
    const again = (): void => {
      state.taken++;
      if (!state.over) port.tryPost('again');
    };
    for (const _ of numbers(3)) port.tryPost('first');
    if (form === 'on') port.on('message', again);
    else void (form === 'receive' ? takeOneByOne(port, again) : takeAll(port, again)).catch(() => {}); // it ends as the port is closed
    for (const _ of numbers(20)) await new Promise((resolve) => void setTimeout(resolve, 1)); // timers come, as nothing else is waited for
    assert.ok(state.taken > 100);
    state.over = true;
  });
}

async function takeAll(port: AsyncIterable<unknown>, action: () => void): Promise<void> {
  for await (const _ of port) action();
}

async function takeOneByOne(port: { receive(): Promise<unknown> }, action: () => void): Promise<void> {
  for (;;) {
    await port.receive();
    action();
  }
}
