/**
 * Handles that travel with messages, both sides in one thread: what arrives is the same file, socket, event; who may have which; and
 * whatever is wrong is told before anything is delivered. What is closed when, and by whom: handle-lifetime.test.ts.
 */
import assert from 'node:assert/strict';
import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync, readSync, writeSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { createServer, connect, type Server, Socket } from 'node:net';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import {
  type AcceptedKind, connectPort, connectPortSync, createEvent, createNamedSection, type CreatePortOptions, createUnconnectedPort, type DatagramMessage,
  type HandleKind, openEvent, openNamedSection, removeObject, type RequestMessage,
} from '../../src/index.js';
import { pageSize } from '../../src/platform/descriptors.js';
import { createPipe } from '../../src/platform/fifo.js';
import { failsWith, numbers, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { openDescriptors, someFile, textOf } from '../support/open-files.js';
import { connectedPair, type Pair, received } from './connected-pair.js';

withLedger();

const ALL: readonly HandleKind[] = ['file', 'directory', 'device', 'socket', 'server', 'pipe', 'event', 'section', 'port'];

function connected(t: TestContext, options?: CreatePortOptions, clientAccepts?: readonly AcceptedKind[]): Promise<Pair> {
  return connectedPair(t, ALL, options, clientAccepts);
}

test('a file arrives as a descriptor of the receiver\'s own, in requests, replies and datagrams; the sender may close its own at once', async (t) => {
  const { port, client } = await connected(t);
  const fd = someFile(t);
  const own = openSync(`/proc/self/fd/${fd}`, 'r+');
  const call = client.request('a request', { handles: [own] });
  closeSync(own);
  const request = (await received(port)) as RequestMessage;
  assert.deepEqual([request.data.toString(), request.handles.length, request.handles.kinds], ['a request', 1, ['file']]);
  assert.equal(request.handles.access(0), 'read-write');
  const taken = request.handles.take(0, 'file');
  assert.equal(fstatSync(taken).ino, fstatSync(fd).ino);
  writeSync(taken, 'What', 0);
  request.reply('a reply', { handles: [taken] });
  closeSync(taken);
  const reply = await call;
  const back = reply.handles.take(0);
  assert.equal(textOf(back), 'What is in the file');
  await client.post('a datagram', { handles: [back, back] });
  closeSync(back);
  using datagram = await received(port);
  assert.deepEqual(datagram.handles.kinds, ['file', 'file']);
  closeSync(datagram.handles.take(1));
});

test('what a message came without is no handle', async (t) => {
  const { port, client } = await connected(t);
  await client.post('nothing', { handles: [] });
  const message = await received(port);
  assert.equal(message.handles.length, 0);
  assert.throws(() => message.handles.take(0), failsWith('ERR_ALPC_INVALID_ARGUMENT'));
});

test('a FileHandle, a pipe, a directory and a device arrive as what they are', async (t) => {
  const { port, client } = await connected(t);
  const fd = someFile(t);
  const handle: FileHandle = await open(`/proc/self/fd/${fd}`, 'r');
  using pipe = createPipe();
  const directory = openSync('/', constants.O_RDONLY | constants.O_DIRECTORY);
  const device = openSync('/dev/null', 'w');
  await client.post('', { handles: [handle, pipe.fd, directory, device] });
  await handle.close();
  closeSync(directory);
  closeSync(device);
  using message = await received(port);
  assert.deepEqual(message.handles.kinds, ['file', 'pipe', 'directory', 'device']);
  assert.deepEqual(numbers(4).map((index) => message.handles.access(index)), ['read', 'read-write', 'read', 'write']);
  const [file, end, root] = [message.handles.take(0), message.handles.take(1, 'pipe'), message.handles.take(2)];
  assert.equal(textOf(file), 'what is in the file');
  writeSync(end, 'x');
  const byte = Buffer.alloc(1);
  readSync(pipe.fd, byte);
  assert.equal(byte.toString(), 'x');
  assert.deepEqual(readdirSync(`/proc/self/fd/${root}`).includes('proc'), true);
  for (const each of [file, end, root]) closeSync(each);
});

test('an accepted TCP connection and a listening server go on in whoever takes them', async (t) => {
  const { port, client } = await connected(t);
  const server = createServer({ pauseOnConnect: true });
  atEnd(t, () => new Promise((resolve) => server.close(resolve)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: number } = server.address() as { port: number };
  const caller = connect(number, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [Socket];
  caller.write('hello');
  await client.post('', { handles: [accepted, server] });
  accepted.destroy();
  using message = await received(port);
  assert.deepEqual(message.handles.kinds, ['socket', 'server']);
  const socket = new Socket({ fd: message.handles.take(0, 'socket'), readable: true, writable: true });
  const [text] = (await once(socket, 'data')) as [Buffer];
  assert.equal(text.toString(), 'hello');
  socket.end('goodbye');
  const [answer] = (await once(caller, 'data')) as [Buffer];
  assert.equal(answer.toString(), 'goodbye');
  caller.destroy();
  const second: Server = createServer();
  second.listen({ fd: message.handles.take(1, 'server') });
  await once(second, 'listening');
  assert.equal((second.address() as { port: number }).port, number);
  await new Promise((resolve) => second.close(resolve));
});

test('an event arrives: what one side sets, the other waits for', async (t) => {
  const { port, client } = await connected(t);
  for (const name of [undefined, '\\BaseNamedObjects\\handed']) {
    using event = createEvent(name, { kind: 'synchronization' });
    await client.post('', { handles: [event] });
    using message = await received(port);
    assert.deepEqual(message.handles.kinds, ['event']);
    using theirs = openEvent({ fd: message.handles.take(0, 'event') });
    assert.deepEqual([theirs.kind, theirs.name], ['synchronization', name]);
    const waited = theirs.wait();
    event.set();
    await waited;
    assert.equal(event.state, false);
    if (name === undefined) continue;
    event.close();
    using third = openEvent(name); // held by who received it
    assert.equal(third.set(), false);
    assert.equal(theirs.tryWait(), true);
  }
});

test('a section arrives whole: a port\'s own, and a named one, writable only when it is sent so', async (t) => {
  const { port, client } = await connected(t);
  const page = pageSize();
  using named = createNamedSection('\\BaseNamedObjects\\handed', page);
  removeObject('\\BaseNamedObjects\\handed');
  const shared = client.createSection(page, { writable: true });
  const owned = client.createSection(page);
  await client.post('', { handles: [named, { handle: named, access: 'read' }, shared, owned] });
  using message = await received(port);
  assert.deepEqual(message.handles.kinds, ['section', 'section', 'section', 'section']);
  assert.deepEqual(numbers(4).map((index) => message.handles.access(index)), ['read-write', 'read', 'read-write', 'read-write']);
  using writable = openNamedSection({ fd: message.handles.take(0, 'section') }, { writable: true });
  assert.equal(writable.name, undefined);
  writable.createView().bytes[5] = 55;
  assert.equal(named.createView().bytes[5], 55);
  assert.throws(() => openNamedSection({ fd: message.handles.take(1) }, { writable: true }), failsWith('ERR_ALPC_ACCESS_DENIED'));
  using both = openNamedSection({ fd: message.handles.take(2) }, { writable: true });
  const mine = new Int32Array(shared.createView(page).buffer);
  Atomics.add(new Int32Array(both.createView().buffer), 2, 9);
  assert.equal(Atomics.load(mine, 2), 9);
  assert.throws(() => openNamedSection({ fd: message.handles.take(3) }, { writable: true }), failsWith('ERR_ALPC_ACCESS_DENIED'), 'its owner alone writes');
  assert.throws(() => client.tryPost('', { handles: [client.createSection(page, { secure: true })] }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /send its views/));
  const file = someFile(t);
  assert.throws(() => openNamedSection({ fd: openSync(`/proc/self/fd/${file}`, 'r') }), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH', /whole pages/));
  assert.throws(() => openNamedSection({ fd: openSync('/proc/self/status', 'r') }), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH', /another file system/));
});

test('a port arrives: its receiver connects with it, by itself, as who it is', async (t) => {
  const { port, client } = await connected(t);
  await client.post('', { handles: [port, port, port] });
  using message = await received(port);
  assert.deepEqual(message.handles.kinds, ['port', 'port', 'port']);
  assert.equal(message.handles.access(0), 'none');
  const second = await connectPort({ fd: message.handles.take(0, 'port') });
  assert.equal(second.tryPost('through a handle'), 'sent');
  assert.equal((await received(port)).data.toString(), 'through a handle');
  second.close();
  assert.throws(() => connectPortSync({ fd: message.handles.take(1) }), failsWith('ERR_ALPC_DEADLOCK', /serves that port/)); // it is known by whatever name it comes
  const other = openSync('/', 'r');
  await assert.rejects(connectPort({ fd: other }), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH', /is a directory, not a port/));
  assert.throws(() => openEvent({ fd: other }), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH', /is a directory, not an event/));
  assert.throws(() => openNamedSection({ fd: other }), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH', /it is a directory/));
  closeSync(other); // what is none of these stays its owner's
});

test('a file, section or pipe that is open for both arrives for reading alone when the sender says so; what can\'t be reduced is refused', async (t) => {
  const { port, client } = await connected(t);
  const fd = someFile(t);
  using pipe = createPipe();
  await client.post('', { handles: [{ handle: fd, access: 'read' }, { handle: fd, access: 'write' }, { handle: pipe.fd, access: 'read' }] });
  using message = await received(port);
  assert.deepEqual(numbers(3).map((index) => message.handles.access(index)), ['read', 'write', 'read']);
  const [reader, writer] = [message.handles.take(0), message.handles.take(1)];
  assert.throws(() => writeSync(reader, 'x'), /EBADF/);
  assert.throws(() => readSync(writer, Buffer.alloc(1)), /EBADF/);
  closeSync(reader);
  closeSync(writer);
  const onlyRead = openSync(`/proc/self/fd/${fd}`, 'r');
  const device = openSync('/dev/null', 'r+');
  for (const [handle, access] of [[onlyRead, 'write'], [device, 'read'], [fd, 'both']] as [number, 'read'][]) {
    assert.throws(() => client.tryPost('', { handles: [{ handle, access }] }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /options\.handles\[0\]\.access/));
  }
  closeSync(onlyRead);
  closeSync(device);
});

test('a kind that the receiver does not take fails the whole send: nothing is delivered, no descriptor arrives, and the view stays', async (t) => {
  const { port, client } = await connected(t, { accepts: ['view', 'file', 'socket'] });
  const fd = someFile(t);
  using event = createEvent();
  const view = client.createSection(100).createView(100);
  const handles = [fd, event];
  const refused = failsWith('ERR_ALPC_NOT_ACCEPTED', /takes no event, which options\.handles\[1\] is/);
  assert.throws(() => client.tryPost('no', { handles, view, autoRelease: true }), refused);
  assert.throws(() => client.postSync('no', { handles, view, autoRelease: true }), refused);
  assert.throws(() => client.requestSync('no', { handles, view, autoRelease: true }), refused);
  await assert.rejects(client.post('no', { handles, view, autoRelease: true }), refused);
  await assert.rejects(client.request('no', { handles, view, autoRelease: true }), refused);
  assert.equal(view.released, false);
  assert.deepEqual([client.info().handlesOut, client.info().viewsOut], [0, 0]);
  await client.post('yes', { handles: [fd], view, autoRelease: true });
  using message = await received(port);
  assert.deepEqual([message.data.toString(), message.handles.length, message.view?.length], ['yes', 1, 100]);
});

test('a view that is refused calls the handles back that went before it', async (t) => {
  const { port, client } = await connected(t, { accepts: ['file', 'view'], limits: { views: 1 } });
  const fd = someFile(t);
  const section = client.createSection(2 * pageSize());
  await client.post('', { view: section.createView(100) });
  const before = openDescriptors();
  for (const _ of numbers(200)) assert.throws(() => client.tryPost('', { handles: [fd], view: section.createView(64) }), failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
  (await received(port)).release();
  client.tryPost('last', {});
  assert.equal((await received(port)).data.toString(), 'last');
  await until('all are closed', () => client.info().handlesOut === 0);
  await until('all are closed', () => openDescriptors() <= before);
});

test('what is no handle is refused, and told by its place', async (t) => {
  const { port, client } = await connected(t);
  const fd = someFile(t);
  const gone = openSync('/', 'r');
  closeSync(gone);
  const closed = new Socket();
  const handle = await open(`/proc/self/fd/${fd}`, 'r');
  await handle.close();
  const event = createEvent();
  event.close();
  const wrong: unknown[] = [-1, -2, 2 ** 31, 2 ** 32 + fd, 0.5, Number.NaN, gone, closed, createServer(), handle, null, 'file', {}, { fd: '3' }, { handle: -1, access: 'read' }];
  for (const value of wrong) {
    assert.throws(() => client.tryPost('', { handles: [fd, value] as never }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /options\.handles\[1\]/));
  }
  assert.throws(() => client.tryPost('', { handles: [event] }), failsWith('ERR_ALPC_CLOSED'));
  assert.throws(() => client.tryPost('', { handles: fd as never }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /options\.handles'/));
  const poll = readdirSync('/proc/self/fd').map(Number).find((other) => linkOf(other) === 'anon_inode:[eventpoll]');
  assert.throws(() => client.tryPost('', { handles: [poll!] }), failsWith('ERR_ALPC_INVALID_ARGUMENT'), 'what is no file, socket or pipe could do anything');
  assert.equal(client.info().handlesOut, 0);
  client.tryPost('only this');
  assert.equal((await received(port)).data.toString(), 'only this');
});

function linkOf(fd: number): string {
  try {
    return readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8').includes('tfd:') ? 'anon_inode:[eventpoll]' : '';
  } catch {
    return '';
  }
}

test('a message carries 253 of them at most, as many as the kernel passes at once', async (t) => {
  const { port, client } = await connected(t, { limits: { handles: 512 } });
  const fd = someFile(t);
  assert.throws(() => client.tryPost('', { handles: numbers(254).map(() => fd) }), failsWith('ERR_ALPC_QUOTA_EXCEEDED', /a message carries 253/));
  client.tryPost('', { handles: numbers(253).map(() => fd) });
  client.tryPost('', { handles: numbers(253).map(() => fd) });
  for (const _ of numbers(2)) {
    using message = await received(port);
    assert.equal(message.handles.length, 253);
    const last = message.handles.take(252);
    assert.equal(textOf(last), 'what is in the file');
    closeSync(last);
  }
});

test('an unconnected port passes handles to itself, and views beside them', async (t) => {
  const port = createUnconnectedPort({ accepts: ['file', 'view'] });
  atEnd(t, () => port.close());
  const fd = someFile(t);
  const section = port.createSection(100);
  for (const number of numbers(2000)) {
    const view = section.createView(8);
    view.bytes[0] = number & 0xff;
    port.tryPost(String(number), { handles: [fd], view, autoRelease: true });
    using message = port.tryReceive() as DatagramMessage;
    assert.deepEqual([message.data.toString(), message.handles.kinds[0], message.view!.bytes[0]], [String(number), 'file', number & 0xff]);
    closeSync(message.handles.take(0));
  }
  assert.equal(port.info().handlesOut, 0);
});
