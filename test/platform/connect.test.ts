/** Connecting to a socket by its name, and being told apart: nobody there, dead, busy, connected. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { openAbsolute, OPEN } from '../../src/platform/directory.js';
import { addressOfSocketFile, bindIn, listenOn, probeSocket, unixAddress } from '../../src/platform/listener.js';
import { closeDescriptor, SystemError } from '../../src/platform/system.js';
import { acceptConnection, connectSocket, createSeqpacketSocket, receiveBytes, ringBell } from '../../src/platform/unix-socket.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';

withLedger();

function socket(t: TestContext): number {
  const fd = createSeqpacketSocket();
  atEnd(t, () => closeDescriptor(fd));
  return fd;
}

/** A socket file in a directory of its own, bound and not yet listening. */
function bound(t: TestContext, name = 'port'): { listener: number; path: string; address: Uint8Array } {
  const directory = mkdtempSync(join(tmpdir(), 'alpc-test-'));
  atEnd(t, () => rmSync(directory, { recursive: true }));
  const listener = socket(t);
  using opened = openAbsolute(directory, OPEN.directory);
  bindIn(listener, opened.fd, name);
  return { listener, path: join(directory, name), address: unixAddress(join(directory, name)) };
}

const errno = (name: string) => (error: unknown) => error instanceof SystemError && error.errno === name;

test('a socket that does not listen yet is dead to those who connect, and one that listens is not', (t) => {
  const { listener, address } = bound(t);
  assert.equal(connectSocket(socket(t), address), 'dead');
  listenOn(listener, 4);
  assert.equal(acceptConnection(listener), 'none');
  const client = socket(t);
  assert.equal(connectSocket(client, address), 'connected');
  const server = acceptConnection(listener);
  assert.ok(typeof server === 'number');
  assert.equal(ringBell(client), 'sent');
  assert.equal(receiveBytes(server, Buffer.alloc(8)), 1);
  closeDescriptor(server);
  assert.equal(acceptConnection(listener), 'none');
});

test('a full backlog is busy and not dead', (t) => {
  const { listener, address } = bound(t);
  listenOn(listener, 1);
  let connected = 0;
  while (connectSocket(socket(t), address) === 'connected') assert.ok(++connected < 100);
  assert.ok(connected >= 1);
  assert.equal(connectSocket(socket(t), address), 'busy');
  for (let i = 0; i < connected; i++) {
    const fd = acceptConnection(listener);
    assert.ok(typeof fd === 'number');
    closeDescriptor(fd);
  }
  assert.equal(connectSocket(socket(t), address), 'connected');
});

test('a client that left before it was accepted is accepted, and its end is read', (t) => {
  const { listener, address } = bound(t);
  listenOn(listener, 4);
  const client = createSeqpacketSocket();
  connectSocket(client, address);
  closeDescriptor(client);
  const server = acceptConnection(listener);
  assert.ok(typeof server === 'number');
  atEnd(t, () => closeDescriptor(server));
  assert.equal(receiveBytes(server, Buffer.alloc(8)), 'end');
});

test('connecting where there is nothing, or no socket, fails with the reason', (t) => {
  const { path, address } = bound(t);
  assert.throws(() => connectSocket(socket(t), unixAddress(`${path}-missing`)), errno('ENOENT'));
  writeFileSync(`${path}-file`, '');
  assert.equal(connectSocket(socket(t), unixAddress(`${path}-file`)), 'dead');
  assert.throws(() => connectSocket(-1, address), errno('EBADF'));
  assert.throws(() => acceptConnection(-1), errno('EBADF'));
});

test('a name can be taken once, also in a directory whose path no address could hold', (t) => {
  const { listener, path } = bound(t, 'x'.repeat(40));
  assert.ok(statSync(path).isSocket());
  assert.throws(() => unixAddress(path.padEnd(108, 'x')), errno('ENAMETOOLONG'));
  using directory = openAbsolute(join(path, '..'), OPEN.directory);
  const second = socket(t);
  assert.throws(() => bindIn(second, directory.fd, 'x'.repeat(40)), errno('EADDRINUSE'));
  assert.throws(() => bindIn(listener, directory.fd, 'other'), errno('EINVAL'));
  const deep = join(path, '..', 'd'.repeat(200), 'd'.repeat(200));
  mkdirSync(deep, { recursive: true });
  using below = openAbsolute(deep, OPEN.directory);
  bindIn(second, below.fd, 'deep');
  listenOn(second, 1);
  using file = openAbsolute(join(deep, 'deep'), OPEN.link);
  assert.equal(connectSocket(socket(t), addressOfSocketFile(file.fd)), 'connected');
});

test('an address holds 107 bytes and no NUL', () => {
  assert.equal(unixAddress('/' + 'a'.repeat(106)).length, 2 + 107 + 1);
  assert.throws(() => unixAddress('/' + 'a'.repeat(107)), errno('ENAMETOOLONG'));
  assert.throws(() => unixAddress('/' + 'é'.repeat(54)), errno('ENAMETOOLONG'));
  for (const path of ['', '/a\0b']) assert.throws(() => unixAddress(path), errno('EINVAL'));
});

test('a probe tells a live server, one whose backlog is full too, from a dead one', (t) => {
  const { listener, path, address } = bound(t);
  using file = openAbsolute(path, OPEN.link);
  assert.equal(probeSocket(file.fd), 'dead');
  listenOn(listener, 1);
  assert.equal(probeSocket(file.fd), 'alive');
  while (connectSocket(socket(t), address) === 'connected');
  assert.equal(probeSocket(file.fd), 'alive');
});
