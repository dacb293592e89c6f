/**
 * A client goes: by `close`, by the end of its process, by SIGKILL. Its server gets what it posted, one `canceled` for each of
 * its requests that was taken and not answered, and one `port-closed` as the last, all with the client's context. Whatever the
 * server still does for it is told, and is no error: a reply says 'disconnected'.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { connectPort, type ConnectionPort, createPort, type CreatePortOptions, type Message, type RequestMessage, type ServerPort } from '../../src/ports/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { failsWith, numbers, outcomeOf, outcomeOfSync, tally, until } from './expect.js';
import { type ClientActor, linesOf, NAME, ownRoot, startClient } from './serving.js';
import { FORMS, takeMessages } from './taking.js';
import { Verbs } from './verbs.js';

withLedger();

/** A server in this process, which gives each client a context and does what requests say. */
async function serve(t: TestContext, form: (typeof FORMS)[number], options: CreatePortOptions = {}): Promise<{ port: ConnectionPort; verbs: Verbs; received: Message[] }> {
  ownRoot(t);
  const port = await createPort(NAME, { connect: 'ask', ...options });
  const verbs = new Verbs();
  const received: Message[] = [];
  const over = takeMessages(port, form, (message: Message) => {
    if (message.type === 'connection-request') message.accept({ context: message.data.toString() });
    else {
      received.push(message);
      verbs.handle(message);
    }
  });
  atEnd(t, async () => {
    await port.close();
    await over;
  });
  return { port, verbs, received };
}

async function connectClient(t: TestContext, context: string): Promise<ClientActor> {
  const client = startClient(t);
  await client.ask({ type: 'connect', name: NAME, options: { data: context } }, 'connected');
  return client;
}

/** The client has five requests outstanding, and has posted. */
async function makeBusy(client: ClientActor, verbs: Verbs): Promise<void> {
  for (const number of numbers(5)) client.send({ type: 'call', text: `hold ${number}`, how: 'awaited' });
  client.send({ type: 'post', texts: ['posted'] });
  await until('they are held', () => verbs.held.length === 5 && verbs.journal.length === 6);
}

const CANCELED = numbers(5).map((number) => `canceled hold ${number}`);

for (const form of FORMS) {
  for (const end of ['close', 'exit', 'SIGKILL'] as const) {
    test(`a server that receives by ${form} is told of a client's end by ${end}: each outstanding request once, and the end last`, async (t) => {
      const { port, verbs, received } = await serve(t, form, { notifyClientDied: true });
      const client = await connectClient(t, 'the context');
      await makeBusy(client, verbs);
      const closed = once(port.connections[0]!, 'close');
      const told = once(port, 'disconnect');
      if (end === 'close') client.send({ type: 'close' });
      else if (end === 'exit') client.send({ type: 'exit', code: 0 });
      else await client.kill();
      await until('the end is told', () => verbs.journal.at(-1)?.what === 'port-closed');
      const lines = linesOf(verbs.journal).slice(6);
      assert.deepEqual(lines.slice(0, 5).toSorted(), CANCELED);
      assert.deepEqual(lines.slice(5), end === 'close' ? ['port-closed: disconnected'] : ['client-died', 'port-closed: died']);
      assert.ok(verbs.journal.every(({ context }) => context === 'the context'));
      assert.ok(verbs.journal.every(({ what, aborted }) => what !== 'canceled' || aborted === true));
      assert.deepEqual(received.map(({ sequence }) => sequence), numbers(received.length, 1));
      const [left, reason] = (await told) as [ServerPort, string];
      assert.equal(left, received[0]!.type === 'request' ? received[0]!.port : undefined);
      assert.equal(reason, end === 'close' ? 'disconnected' : 'died');
      assert.equal((await closed)[0], reason);
      assert.deepEqual(verbs.held.map((request) => request.reply('too late')), numbers(5).map(() => 'disconnected'));
      assert.deepEqual(port.connections, []);
      assert.equal(left.tryPost('x'), 'disconnected');
      assert.throws(() => left.requestSync('x'), failsWith('ERR_ALPC_DISCONNECTED'));
    });
  }

  test(`what a client posted before it ended by process.exit arrives whole and in order at a server that receives by ${form}`, async (t) => {
    const { verbs } = await serve(t, form);
    const client = await connectClient(t, 'leaving');
    client.send({ type: 'post-and-exit', text: 'number', count: 2000 });
    assert.deepEqual(await client.ended, { code: 0, signal: null });
    await until('the end is told', () => verbs.journal.at(-1)?.what === 'port-closed');
    assert.deepEqual(linesOf(verbs.journal), [...numbers(2000).map((number) => `datagram number ${number}`), 'port-closed: died']);
  });
}

test('a request that was not taken when its client ended is never delivered; what was posted is', async (t) => {
  ownRoot(t);
  await using port = await createPort(NAME);
  const client = startClient(t);
  await client.ask({ type: 'connect', name: NAME }, 'connected');
  client.send({ type: 'call', text: 'hold', how: 'awaited' });
  await client.ask({ type: 'post', texts: ['posted'] }, 'posted');
  await client.kill();
  const seen = [await port.receive(), await port.receive()].map((message) => message.type);
  assert.deepEqual(seen, ['datagram', 'port-closed']);
});

test('without notifyClientDied there is no client-died', async (t) => {
  const { verbs } = await serve(t, 'on');
  await (await connectClient(t, 'one')).kill();
  await until('the end is told', () => verbs.journal.length > 0);
  assert.deepEqual(linesOf(verbs.journal), ['port-closed: died']);
});

test('a client that is killed while it blocks is told like any other', async (t) => {
  const { verbs } = await serve(t, 'on');
  const client = await connectClient(t, 'blocked');
  client.send({ type: 'call', text: 'hold', how: 'blocking' });
  await until('it blocks', () => verbs.held.length === 1);
  await client.kill();
  await until('the end is told', () => verbs.journal.length === 3);
  assert.deepEqual(linesOf(verbs.journal), ['request hold', 'canceled hold', 'port-closed: died']);
});

test('four clients that are killed at once are told each for itself', async (t) => {
  const { verbs, port } = await serve(t, 'iterate');
  const clients = await Promise.all(numbers(4).map((number) => connectClient(t, `client ${number}`)));
  for (const client of clients) client.send({ type: 'call', text: 'hold', how: 'awaited' });
  await until('all are held', () => verbs.held.length === 4);
  await Promise.all(clients.map((client) => client.kill()));
  await until('all ends are told', () => verbs.journal.filter(({ what }) => what === 'port-closed').length === 4);
  for (const number of numbers(4)) {
    assert.deepEqual(verbs.journal.filter(({ context }) => context === `client ${number}`).map(({ what }) => what), ['request', 'canceled', 'port-closed']);
  }
  assert.deepEqual(port.connections, []);
});

test('whatever a server awaits of a client that dies ends: requests, posts that wait for room, a blocking request', async (t) => {
  const { port } = await serve(t, 'on');
  const client = await connectClient(t, 'awaited');
  const toClient = port.connections[0]!;
  const requests = numbers(50).map(() => outcomeOf(toClient.request('unread')));
  while (toClient.tryPost(Buffer.alloc(1000)) === 'sent');
  const posts = numbers(50).map(() => outcomeOf(toClient.post(Buffer.alloc(1000))));
  await client.kill();
  assert.deepEqual(tally(await Promise.all([...requests, ...posts])), { ERR_ALPC_MESSAGE_LOST: 100 });
  const another = await connectClient(t, 'blocking');
  await another.ask({ type: 'serve' }, 'serving');
  const toAnother = port.connections[0]!;
  assert.equal(outcomeOfSync(() => toAnother.requestSync('die')), 'ERR_ALPC_MESSAGE_LOST');
  assert.equal(outcomeOfSync(() => toAnother.requestSync('die')), 'ERR_ALPC_DISCONNECTED');
  assert.deepEqual(await another.ended, { code: null, signal: 'SIGKILL' });
});

test('a request whose client has gone tells whoever works on it, by its signal and by its reply', async (t) => {
  ownRoot(t);
  await using port = await createPort(NAME);
  const client = await connectPort(NAME);
  const call = outcomeOf(client.request('work'));
  const request = (await port.receive()) as RequestMessage;
  const aborted = once(request.signal, 'abort');
  client.close();
  await aborted;
  assert.equal(await call, 'ERR_ALPC_CANCELED');
  assert.equal(request.isPending, false);
  assert.equal(request.cancel(), 'disconnected');
  assert.equal(request.reply('x'), 'disconnected');
  await assert.rejects(request.callback('x'), failsWith('ERR_ALPC_DISCONNECTED'));
  assert.throws(() => request.callbackSync('x'), failsWith('ERR_ALPC_DISCONNECTED'));
});
