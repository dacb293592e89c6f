/**
 * The trace: what happens on ports, on `node:diagnostics_channel`. Every message that is sent and every one that is taken,
 * replies and callbacks included; every sleep of a blocking call with its end; connections as they come and go. Never a payload.
 */
import assert from 'node:assert/strict';
import { type ChannelListener, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { inspect } from 'node:util';
import { type ClientPort, connectPort, connectPortSync, createPort, createUnconnectedPort, type ServerPort, type UnconnectedPort } from '../../src/ports/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { failsWith, numbers, outcomeOf, outcomeOfSync, until } from './expect.js';
import { NAME, ownRoot, startClient, startServer, stop } from './serving.js';

withLedger();

/** Longer than any call takes here, in ms. */
const LONG = 20_000;
const CHANNELS = ['connect', 'disconnect', 'send', 'receive', 'wait', 'unwait'] as const;

interface Event {
  readonly channel: (typeof CHANNELS)[number];
  readonly port: string;
  readonly role: string;
  readonly type?: string;
  readonly id?: number;
  readonly length?: number;
  readonly peer?: { pid: number };
  readonly reason?: string;
}

/** Everything that is published from here on in this process. */
function trace(t: TestContext): Event[] {
  const events: Event[] = [];
  for (const channel of CHANNELS) {
    const listener: ChannelListener = (message) => events.push({ channel, ...(message as Omit<Event, 'channel'>) });
    subscribe(`alpc:${channel}`, listener);
    atEnd(t, () => unsubscribe(`alpc:${channel}`, listener));
  }
  return events;
}

/** 'send request 5' and the like. */
const lineOf = ({ channel, type, length, reason }: Event): string => [channel, type, length, reason].filter((part) => part !== undefined).join(' ');

test('a client tells its connection, what it sends, what it takes, replies included, and the end', async (t) => {
  ownRoot(t);
  const server = await startServer(t);
  const events = trace(t);
  const client = await connectPort(NAME);
  await client.request('echo four');
  client.requestSync('push 1 x');
  assert.equal(client.receiveSync().data.toString(), 'x 0');
  await client.post('posted');
  client.close();
  assert.deepEqual(events.filter(({ channel }) => !channel.endsWith('wait')).map(lineOf), [
    'connect', 'send request 9', 'receive reply 4', 'send request 8', 'receive reply 6', 'receive datagram 3', 'send datagram 6', 'disconnect closed',
  ]);
  assert.ok(events.every(({ port, role }) => port === NAME && role === 'client'));
  assert.ok(events.every(({ peer }) => peer === undefined || peer.pid === server.pid));
  const [asked, answered] = [events.find(({ channel }) => channel === 'send'), events.find(({ channel }) => channel === 'receive')];
  assert.equal(answered!.id, asked!.id);
});

test('a server tells the same of each of its clients, and of who was turned away', async (t) => {
  ownRoot(t);
  const events = trace(t);
  const port = await createPort(NAME, { limits: { connections: 1 } });
  atEnd(t, () => port.close());
  const [client, another] = [startClient(t), startClient(t)];
  await client.ask({ type: 'connect', name: NAME }, 'connected');
  await another.ask({ type: 'connect', name: NAME }, 'failed');
  client.send({ type: 'call', text: 'question', how: 'awaited' });
  const message = await port.receive();
  assert.ok(message.type === 'request');
  message.reply('the answer');
  await client.until('settled');
  await client.kill();
  assert.equal((await port.receive()).type, 'port-closed');
  assert.deepEqual(events.map(lineOf), ['connect', 'disconnect quota', 'receive request 8', 'send reply 10', 'disconnect died', 'receive port-closed 0']);
  assert.ok(events.every((event) => event.port === NAME && event.role === 'server'));
  assert.deepEqual(events.filter(({ peer }) => peer !== undefined).map(({ peer }) => peer!.pid), [client.pid, another.pid, client.pid]);
});

test('a blocking call tells when it goes to sleep and when it wakes, and for which message', async (t) => {
  ownRoot(t);
  await startServer(t);
  const client = connectPortSync(NAME);
  const port = await createPort('\\RPC Control\\own');
  atEnd(t, () => port.close());
  const events = trace(t);
  client.requestSync('later 100 x');
  const id = events.find(({ channel }) => channel === 'send')!.id;
  const sleeps = events.filter(({ channel }) => channel.endsWith('wait'));
  assert.ok(sleeps.length >= 2);
  assert.deepEqual(sleeps.map(({ channel }) => channel), sleeps.map((_, index) => (index % 2 === 0 ? 'wait' : 'unwait')));
  assert.ok(sleeps.every((event) => event.id === id && event.port === NAME && event.role === 'client'));
  for (const blocked of [client, port]) {
    // Long enough to get through with looking, also where every look gives the core away to somebody else for a while.
    events.length = 0;
    assert.throws(() => blocked.receiveSync({ timeout: 500 }), failsWith('ERR_ALPC_TIMEOUT'));
    assert.deepEqual(events.map(lineOf).slice(0, 2), ['wait', 'unwait']);
  }
  client.close();
});

test('callbacks are sent and received like other messages', async (t) => {
  ownRoot(t);
  await startServer(t);
  await using client = await connectPort(NAME);
  for (const how of ['blocking', 'awaited'] as const) {
    const events = trace(t);
    const onCallback = (message: { reply(text: string): unknown }): void => void message.reply('yes');
    if (how === 'blocking') client.requestSync('callback awaited really', { onCallback });
    else await client.request('callback awaited really', { onCallback });
    assert.deepEqual(events.filter(({ channel }) => !channel.endsWith('wait')).map(lineOf), ['send request 23', 'receive request 6', 'send reply 3', 'receive reply 3']);
  }
});

test('what waited for room is told when it is sent, and a cancellation like a message', async (t) => {
  ownRoot(t);
  const server = await startServer(t);
  await using client = await connectPort(NAME, { limits: { ringLength: 4096 } });
  const goOn = await stop(server);
  const events = trace(t);
  const posts = numbers(100).map((number) => client.post(`number ${number} of a hundred`));
  assert.ok(events.length < 100);
  goOn();
  await Promise.all(posts);
  assert.equal(events.filter((event) => lineOf(event).startsWith('send datagram')).length, 100);
  assert.equal(await outcomeOf(client.request('hold', { timeout: 20 })), 'ERR_ALPC_TIMEOUT');
  assert.deepEqual(events.slice(-2).map(lineOf), ['send request 4', 'send cancel 0']);
});

test('no payload is ever published, nor any object that leads to one', async (t) => {
  ownRoot(t);
  const secret = 'open sesame';
  await startServer(t, { options: { connect: 'ask' } });
  const events = trace(t);
  await using port = await createPort('\\RPC Control\\own', { connect: 'ask' });
  port.on('message', (message) => (message.type === 'connection-request' ? message.accept({ data: secret, context: secret }) : message.type === 'request' && message.reply(secret)));
  for (const name of [NAME, '\\RPC Control\\own']) {
    const client = await connectPort(name, { data: secret });
    await client.request(`echo ${secret}`);
    await client.post(secret);
    await assert.rejects(client.request(`hold ${secret}`, { timeout: 1 }).then(() => Promise.reject(new Error('answered'))));
    client.close();
  }
  await until('the ends were told', () => events.filter(({ channel }) => channel === 'disconnect').length === 3);
  assert.ok(events.length > 10);
  assert.ok(!inspect(events, { depth: Infinity, showHidden: true, getters: true }).includes('sesame'));
  for (const event of events) for (const value of Object.values(event)) assert.ok(!ArrayBuffer.isView(value) && !Buffer.isBuffer(value));
});

/** Who is told closes, once. */
function closeWhenTold(t: TestContext, channel: (typeof CHANNELS)[number], role: string, close: () => void): void {
  const listener: ChannelListener = (event) => {
    if ((event as Event).role !== role) return;
    unsubscribe(`alpc:${channel}`, listener);
    close();
  };
  subscribe(`alpc:${channel}`, listener);
  atEnd(t, () => unsubscribe(`alpc:${channel}`, listener));
}

test('who is told of a request may close its port: the call settles, awaited or blocking', async (t) => {
  ownRoot(t);
  await startServer(t);
  const [awaited, blocking] = [connectPortSync(NAME), connectPortSync(NAME)];
  closeWhenTold(t, 'send', 'client', () => awaited.close());
  assert.equal(await outcomeOf(awaited.request('hold', { timeout: 10_000 })), 'ERR_ALPC_CLOSED');
  closeWhenTold(t, 'send', 'client', () => blocking.close());
  assert.throws(() => blocking.requestSync('hold', { timeout: 10_000 }), failsWith('ERR_ALPC_CLOSED'));
});

/** Blocking calls that wait, for the server does not read or has nothing to say; how a closed port ends them. */
const BLOCKING: Record<string, [outcome: string, call: (client: ClientPort) => unknown]> = {
  requestSync: ['ERR_ALPC_CANCELED', (client) => client.requestSync('hold', { timeout: LONG })],
  receiveSync: ['ERR_ALPC_CLOSED', (client) => client.receiveSync({ timeout: LONG })],
  postSync: ['ERR_ALPC_CLOSED', (client) => {
    while (client.tryPost(Buffer.alloc(500)) === 'sent');
    client.postSync(Buffer.alloc(600), { timeout: LONG });
  }],
};

for (const [what, [outcome, call]] of Object.entries(BLOCKING)) {
  test(`who is told that ${what} is about to sleep may close its port: it ends at once, and sleeps on nothing that has the number of its socket by then`, async (t) => {
    ownRoot(t);
    const server = await startServer(t);
    const client = connectPortSync(NAME, { limits: { ringLength: 4096 } });
    const goOn = await stop(server);
    const sockets: UnconnectedPort[] = [];
    closeWhenTold(t, 'wait', 'client', () => {
      client.close();
      sockets.push(...numbers(8).map(() => createUnconnectedPort()));
    });
    const begun = performance.now();
    assert.equal(outcomeOfSync(() => void call(client)), outcome);
    assert.ok(performance.now() - begun < LONG / 2);
    assert.equal(sockets.length, 8);
    for (const socket of sockets) socket.close();
    goOn();
  });
}

test('who is told that a call is about to sleep may call on the same port: both are answered', async (t) => {
  ownRoot(t);
  await startServer(t);
  using client = connectPortSync(NAME, { spin: false });
  const inner: string[] = [];
  closeWhenTold(t, 'wait', 'client', () => inner.push(outcomeOfSync(() => client.requestSync('echo inner', { timeout: LONG }))));
  assert.equal(outcomeOfSync(() => client.requestSync('later 100 x', { timeout: LONG })), 'x');
  closeWhenTold(t, 'wait', 'client', () => inner.push(outcomeOfSync(() => client.requestSync('push 1 y', { timeout: LONG }))));
  assert.equal(client.receiveSync({ timeout: LONG }).data.toString(), 'y 0');
  assert.equal(inner.length, 2);
  assert.equal(inner[0], 'inner');
});

test('who is told that a server is about to sleep may call its client: what that sends before its answer is received', async (t) => {
  ownRoot(t);
  const port = await createPort(NAME);
  atEnd(t, () => port.close());
  const client = startClient(t);
  client.send({ type: 'connect', name: NAME });
  const [toClient] = (await once(port, 'connect')) as [ServerPort];
  await client.ask({ type: 'serve' }, 'serving');
  for (const call of [(text: string) => void outcomeOf(toClient.request(text)), (text: string) => void toClient.requestSync(text)]) {
    closeWhenTold(t, 'wait', 'server', () => call('push 1 y'));
    const begun = performance.now();
    assert.equal(port.receiveSync({ timeout: LONG }).data.toString(), 'y 0');
    assert.ok(performance.now() - begun < LONG / 2);
  }
});

for (const [channel, limits] of [['connect', {}], ['disconnect', { connections: 1 }]] as const) {
  test(`who is told of a newcomer, by '${channel}', may close the port while others stand at the door`, async (t) => {
    ownRoot(t);
    const thrown: string[] = [];
    process.setUncaughtExceptionCaptureCallback((error) => thrown.push(String(error)));
    atEnd(t, () => process.setUncaughtExceptionCaptureCallback(null));
    const port = await createPort(NAME, { limits });
    atEnd(t, () => port.close());
    closeWhenTold(t, channel, 'server', () => port.closeSync());
    const clients = numbers(4).map(async () => {
      await using client = await connectPort(NAME);
      return client.name;
    });
    await Promise.allSettled(clients);
    assert.ok(port.closed);
    assert.deepEqual(thrown, []);
  });
}
