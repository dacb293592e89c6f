/**
 * The connection request as a message, both sides in one thread: what the server learns, what its decision does, and that
 * each request is decided once and its memory let go, whatever happens between the asking and the deciding.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { bindPortNameSync } from '../../src/objects/index.js';
import { closeDescriptor, libc } from '../../src/platform/system.js';
import { acceptConnection, receivePacket } from '../../src/platform/unix-socket.js';
import { AlpcError, type ClientPort, connectPort, type ConnectionPort, ConnectionRequestMessage, type ConnectOptions, createPort } from '../../src/index.js';
import { HandPeer, REASON } from '../hostile/peer.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { failsWith, numbers, outcomeOf, until } from '../process/expect.js';

withLedger();

const NAME = '\\RPC Control\\asks';

async function portThatAsks(t: TestContext): Promise<ConnectionPort> {
  temporaryRoot(t);
  const port = await createPort(NAME, { connect: 'ask' });
  atEnd(t, () => port.close());
  return port;
}

/** A client that asks, and its request as the server got it. */
async function ask(port: ConnectionPort, options?: ConnectOptions): Promise<{ connecting: Promise<ClientPort>; request: ConnectionRequestMessage }> {
  const connecting = connectPort(NAME, options);
  connecting.catch(() => {}); // who looks at it later must not come too late
  const request = await port.receive();
  assert.ok(request instanceof ConnectionRequestMessage);
  return { connecting, request };
}

test('a request tells who asks, as the kernel knows it, and what for', async (t) => {
  const port = await portThatAsks(t);
  const { connecting, request } = await ask(port, { data: 'the payload' });
  assert.equal(request.type, 'connection-request');
  assert.equal(request.data.toString(), 'the payload');
  assert.deepEqual([request.sender.pid, request.sender.uid, request.sender.gid], [process.pid, process.geteuid!(), process.getegid!()]);
  assert.deepEqual(port.connections, []);
  request.reject();
  await assert.rejects(connecting, failsWith('ERR_ALPC_REFUSED'));
});

test('accepting gives the server its end of the connection, with the context, and the client the payload', async (t) => {
  const port = await portThatAsks(t);
  const { connecting, request } = await ask(port);
  const context = { any: 'value' };
  const connected = request.accept({ data: Buffer.from('welcome'), context })!;
  assert.equal(connected.context, context);
  assert.deepEqual(port.connections, [connected]);
  await using client = await connecting;
  assert.equal(client.connectData.toString(), 'welcome');
  assert.equal(client.tryPost('first'), 'sent');
  const first = await port.receive();
  assert.ok(first.type === 'datagram');
  assert.equal(first.portContext, context);
  assert.equal(first.port, connected);
});

test('a payload may be as long as a message may be, both ways, and no longer', async (t) => {
  const port = await portThatAsks(t);
  const longest = Buffer.alloc(65_503, 7);
  const { connecting, request } = await ask(port, { data: longest });
  assert.deepEqual(request.data, longest);
  assert.throws(() => request.accept({ data: Buffer.alloc(65_504) }), failsWith('ERR_ALPC_MESSAGE_TOO_LONG'));
  request.accept({ data: longest });
  await using client = await connecting;
  assert.deepEqual(client.connectData, longest);
  await assert.rejects(connectPort(NAME, { data: Buffer.alloc(65_504) }), failsWith('ERR_ALPC_MESSAGE_TOO_LONG'));
  const refused = await ask(port);
  refused.request.reject({ data: longest });
  await assert.rejects(refused.connecting, (error) => AlpcError.is(error) && error.data !== undefined && longest.equals(error.data));
});

test('a request is decided once', async (t) => {
  const port = await portThatAsks(t);
  const accepted = await ask(port);
  accepted.request.accept();
  assert.throws(() => accepted.request.accept(), failsWith('ERR_ALPC_REPLY_MISMATCH', /accepted or rejected already/));
  assert.throws(() => accepted.request.reject(), failsWith('ERR_ALPC_REPLY_MISMATCH'));
  await using client = await accepted.connecting;
  const refused = await ask(port);
  refused.request.reject();
  assert.throws(() => refused.request.accept(), failsWith('ERR_ALPC_REPLY_MISMATCH'));
  await assert.rejects(refused.connecting, failsWith('ERR_ALPC_REFUSED'));
  assert.equal(port.connections.length, 1);
  const call = client.request('still there');
  const message = await port.receive();
  assert.ok(message.type === 'request' && message.reply('yes') === 'sent');
  assert.equal(await outcomeOf(call), 'yes');
});

test('a bad decision decides nothing: the request can still be accepted', async (t) => {
  const port = await portThatAsks(t);
  const { connecting, request } = await ask(port);
  assert.throws(() => request.accept({ data: 5 as unknown as string }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /'options\.data'/));
  assert.throws(() => request.accept({ limits: { ringLength: 5000 } }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /'limits\.ringLength'/));
  for (const ofPort of ['pendingBytesPerPort', 'pendingBytesPerUser', 'connections', 'connectionsPerUser']) {
    assert.throws(() => request.accept({ limits: { [ofPort]: 5000 } }), failsWith('ERR_ALPC_INVALID_ARGUMENT', new RegExp(`'limits' has no option '${ofPort}'; expected 'maxMessageLength'`)));
  }
  assert.throws(() => request.accept({ contxt: 1 } as object), failsWith('ERR_ALPC_INVALID_ARGUMENT', /no option 'contxt'/));
  assert.throws(() => request.reject({ data: {} as Uint8Array }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /'options\.data'/));
  request.accept();
  (await connecting).close();
});

test('accepting a client that has left gives nothing, rejecting it does nothing, and nothing of it stays', async (t) => {
  const port = await portThatAsks(t);
  for (const decide of ['accept', 'reject'] as const) {
    const abort = new AbortController();
    const { connecting, request } = await ask(port, { signal: abort.signal });
    abort.abort(new Error('no longer'));
    await assert.rejects(connecting, /no longer/);
    if (decide === 'accept') assert.equal(request.accept({ context: {} }), undefined);
    else request.reject({ data: 'too late' });
  }
  assert.deepEqual(port.connections, []);
});

test('a client that was let in and has given up meanwhile has disconnected, and did not die', async (t) => {
  temporaryRoot(t);
  await using port = await createPort(NAME, { connect: 'ask', notifyClientDied: true });
  const abort = new AbortController();
  const { connecting, request } = await ask(port, { signal: abort.signal, spin: false });
  assert.ok(request.accept());
  abort.abort(new Error('no longer')); // before it has seen the welcome
  await assert.rejects(connecting, /no longer/);
  const last = await port.receive();
  assert.ok(last.type === 'port-closed' && last.reason === 'disconnected', last.type);
});

test('a client that there is no room for is refused before it is welcomed, and so believes in no connection', async (t) => {
  const port = await portThatAsks(t);
  const { connecting, request } = await ask(port);
  const table = libc();
  const original = { ...table };
  table.epoll_ctl = (epoll, operation, fd, event) => (operation === 1 ? -1 : original.epoll_ctl(epoll, operation, fd, event)); // no watch is left
  const refused = once(port, 'refuse') as Promise<[unknown, string, Error]>;
  try {
    assert.equal(request.accept(), undefined);
  } finally {
    Object.assign(table, original);
  }
  await assert.rejects(connecting, failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
  const [, reason, error] = await refused;
  assert.equal(reason, 'quota');
  assert.ok(failsWith('ERR_ALPC_INSUFFICIENT_RESOURCES', /epoll_ctl/)(error));
  assert.deepEqual(port.connections, []);
  const next = await ask(port);
  next.request.accept();
  (await next.connecting).close();
});

test('a port that is closed refuses who waits for a decision, and deciding later fails with ERR_ALPC_CLOSED', async (t) => {
  const port = await portThatAsks(t);
  const taken = await Promise.all([ask(port), ask(port)]);
  const unread = connectPort(NAME);
  unread.catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 50)); // it has said hello
  await port.close();
  for (const connecting of [...taken.map((client) => client.connecting), unread]) await assert.rejects(connecting, failsWith('ERR_ALPC_DISCONNECTED'));
  assert.throws(() => taken[0].request.accept(), failsWith('ERR_ALPC_CLOSED'));
  assert.throws(() => taken[1].request.reject(), failsWith('ERR_ALPC_CLOSED'));
});

test('who waits for a decision counts as a connection', async (t) => {
  temporaryRoot(t);
  await using port = await createPort(NAME, { connect: 'ask', limits: { connections: 2 } });
  const waiting = [await ask(port), await ask(port)];
  await assert.rejects(connectPort(NAME), failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
  waiting[0]!.request.reject();
  const next = await ask(port);
  for (const { request } of [waiting[1]!, next]) request.accept();
  for (const { connecting } of [waiting[1]!, next]) (await connecting).close();
  await assert.rejects(waiting[0]!.connecting, failsWith('ERR_ALPC_REFUSED'));
});

test("a connection's own limits, given with its acceptance, hold in place of the port's", async (t) => {
  const port = await portThatAsks(t);
  const { connecting, request } = await ask(port);
  const connected = request.accept({ limits: { maxMessageLength: 132 } })!;
  await using client = await connecting;
  assert.throws(() => client.tryPost(Buffer.alloc(101)), failsWith('ERR_ALPC_MESSAGE_TOO_LONG', /at most 132 bytes/));
  assert.throws(() => connected.tryPost(Buffer.alloc(101)), failsWith('ERR_ALPC_MESSAGE_TOO_LONG', /at most 132 bytes/));
  assert.equal(client.tryPost(Buffer.alloc(100)), 'sent');
  assert.equal(connected.tryPost(Buffer.alloc(100)), 'sent');
});

test("limits that an acceptance does not give are the port's", async (t) => {
  temporaryRoot(t);
  await using port = await createPort(NAME, { connect: 'ask', limits: { maxMessageLength: 132, pendingMessages: 3 } });
  const { connecting, request } = await ask(port);
  const connected = request.accept({ limits: { pendingMessages: 2, ...({ maxMessageLength: undefined } as object) } })!;
  await using client = await connecting;
  assert.throws(() => connected.tryPost(Buffer.alloc(101)), failsWith('ERR_ALPC_MESSAGE_TOO_LONG', /at most 132 bytes/));
  const calls = ['one', 'two', 'three'].map((text) => outcomeOf(client.request(text)));
  const requests = [await port.receive(), await port.receive()];
  assert.equal(port.tryReceive(), undefined);
  assert.equal(await calls[2], 'ERR_ALPC_QUOTA_EXCEEDED', 'two may be unanswered');
  for (const request of requests) assert.ok(request.type === 'request' && request.reply('yes') === 'sent');
  assert.deepEqual(await Promise.all(calls.slice(0, 2)), ['yes', 'yes']);
  assert.equal(client.tryPost('and it goes on'), 'sent');
});

test('a server that is not the one required sees a connection that ends without one byte', async (t) => {
  temporaryRoot(t);
  const bound = bindPortNameSync(NAME, { mode: 0o600, backlog: 16 }); // a server made by hand: it sees what there is to see
  atEnd(t, async () => {
    await bound.remove();
    closeDescriptor(bound.fd);
  });
  for (const wrong of [{ uid: process.geteuid!() + 1 }, { gid: process.getegid!() + 1 }, { pid: process.pid + 1 }]) {
    await assert.rejects(connectPort(NAME, { requiredServer: wrong, data: 'secret' }), failsWith('ERR_ALPC_SERVER_MISMATCH'));
    const socket = acceptConnection(bound.fd);
    assert.ok(typeof socket === 'number');
    assert.equal(receivePacket(socket, new Uint8Array(65_536)), 'end');
    closeDescriptor(socket);
  }
  await assert.rejects(connectPort(NAME, { data: 'hello', timeout: 20 }), failsWith('ERR_ALPC_TIMEOUT'));
  const socket = acceptConnection(bound.fd);
  assert.ok(typeof socket === 'number');
  const hello = receivePacket(socket, new Uint8Array(65_536)); // so the hand-made server does see what reaches it
  assert.ok(typeof hello === 'object' && hello.length > 0);
  for (const fd of [socket, ...hello.descriptors]) closeDescriptor(fd);
});

test('what is required of the server is what was said when the call began, whatever becomes of the object that said it', async (t) => {
  const port = await portThatAsks(t);
  port.on('message', (message) => message.type === 'connection-request' && message.accept());
  const [right, wrong] = [process.geteuid!(), process.geteuid!() + 1];
  let uid = wrong;
  const requiredServer = {
    get uid() {
      const said = uid;
      uid = right;
      return said;
    },
  };
  await assert.rejects(connectPort(NAME, { requiredServer }), failsWith('ERR_ALPC_SERVER_MISMATCH', new RegExp(`required is ${wrong}`)));
  assert.equal(port.connections.length, 0);
});

test('many who ask at once are each answered as they asked', async (t) => {
  const port = await portThatAsks(t);
  port.on('message', (message) => {
    if (message.type !== 'connection-request') return;
    const number = Number(message.data.toString());
    if (number % 3 === 0) message.reject({ data: `${number}` });
    else setImmediate(() => message.accept({ data: `${number}`, context: number }));
  });
  const outcomes = await Promise.all(numbers(60).map(async (number) => {
    try {
      await using client = await connectPort(NAME, { data: String(number) });
      return `accepted ${client.connectData.toString()}`;
    } catch (error) {
      return AlpcError.is(error) && error.code === 'ERR_ALPC_REFUSED' ? `rejected ${Buffer.from(error.data!).toString()}` : String(error);
    }
  }));
  assert.deepEqual(outcomes, numbers(60).map((number) => (number % 3 === 0 ? `rejected ${number}` : `accepted ${number}`)));
});

const descriptors = (): number => readdirSync('/proc/self/fd').length;

test('clients that give up, or go, before it is decided hold nothing: no descriptor, no place, no request to be received', async (t) => {
  temporaryRoot(t);
  await using port = await createPort(NAME, { connect: 'ask', limits: { connections: 3 } });
  await assert.rejects(connectPort(NAME, { timeout: 5 }), failsWith('ERR_ALPC_TIMEOUT'));
  await until('it is forgotten', () => port.tryReceive() === undefined);
  const before = descriptors();
  for (const _ of numbers(5)) {
    await Promise.all(numbers(3).map(() => assert.rejects(connectPort(NAME, { timeout: 20 }), failsWith('ERR_ALPC_TIMEOUT'))));
    await until('their descriptors are closed', () => descriptors() === before);
  }
  assert.equal(port.tryReceive(), undefined, 'there is nothing to decide');
});

for (const decision of ['accept', 'reject'] as const) {
  test(`to ${decision} who gave up after its request was received comes to nothing, and what it held is gone before`, async (t) => {
    const port = await portThatAsks(t);
    const refused: string[] = [];
    port.on('refuse', (_, reason) => refused.push(reason));
    const before = descriptors();
    const abort = new AbortController();
    const { connecting, request } = await ask(port, { signal: abort.signal });
    abort.abort();
    await assert.rejects(connecting, { name: 'AbortError' });
    await until('its descriptors are closed', () => descriptors() === before);
    assert.equal(request[decision](), undefined);
    assert.throws(() => request.accept(), failsWith('ERR_ALPC_REPLY_MISMATCH'));
    assert.deepEqual([port.connections, refused], [[], []]);
  });
}

test('who goes on talking while it is decided on is turned away for that, and told of', async (t) => {
  const root = temporaryRoot(t);
  await using port = await createPort(NAME, { connect: 'ask' });
  const refused: string[] = [];
  port.on('refuse', (_, reason) => refused.push(reason));
  const peer = HandPeer.client();
  atEnd(t, () => peer.close());
  peer.connect(join(root, 'RPC Control', 'asks'));
  peer.say();
  const request = await port.receive();
  peer.ring();
  const answer = await peer.answer();
  assert.ok(answer !== 'end' && answer.reason === REASON.protocol);
  await until('it is told', () => refused.length > 0);
  assert.deepEqual(refused, ['protocol']);
  assert.ok(request instanceof ConnectionRequestMessage);
  assert.equal(request.accept(), undefined);
});
