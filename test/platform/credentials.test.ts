/** Who is at the other end: as the kernel recorded it when the connection was made, whatever anybody says or becomes later. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { commandOf, peerCredentials, peerGroups } from '../../src/platform/credentials.js';
import { unixAddress } from '../../src/platform/listener.js';
import { waitReadable } from '../../src/platform/poller.js';
import { check, closeDescriptor, libc, SystemError } from '../../src/platform/system.js';
import { acceptConnection, connectSocket, createSeqpacketSocket, createSocketPair } from '../../src/platform/unix-socket.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { type Actor, startActor } from '../support/processes.js';
import type { News, Order } from './credentials-actor.js';

withLedger();

const isRoot = process.geteuid!() === 0;
const actorModule = new URL('./credentials-actor.js', import.meta.url);

/** A socket that everybody may connect to. */
function openListener(t: TestContext): { path: string; accept: () => number } {
  const directory = mkdtempSync(join(tmpdir(), 'alpc-test-'));
  chmodSync(directory, 0o711);
  const path = join(directory, 'socket');
  const address = unixAddress(path);
  const listener = createSeqpacketSocket();
  atEnd(t, () => {
    closeDescriptor(listener);
    rmSync(directory, { recursive: true });
  });
  check('bind', libc().bind(listener, address, address.length));
  check('listen', libc().listen(listener, 8));
  chmodSync(path, 0o777);
  return {
    path,
    accept: () => {
      waitReadable(listener, -1);
      const fd = acceptConnection(listener);
      if (typeof fd !== 'number') assert.fail(fd);
      atEnd(t, () => closeDescriptor(fd));
      return fd;
    },
  };
}

async function connected(t: TestContext, identity: { uid?: number; gid?: number } = {}, groups?: number[]): Promise<{ actor: Actor<Order, News>; fd: number }> {
  const { path, accept } = openListener(t);
  const actor = startActor<Order, News>(t, actorModule, [], {}, identity);
  await actor.ask({ type: 'connect', path, ...(groups === undefined ? {} : { groups }) }, 'connected');
  return { actor, fd: accept() };
}

const me = (): object => ({ pid: process.pid, uid: process.geteuid!(), gid: process.getegid!() });

test('both ends of a pair are this process', (t) => {
  const pair = createSocketPair();
  atEnd(t, () => pair.forEach(closeDescriptor));
  for (const fd of pair) assert.deepEqual(peerCredentials(fd), me());
});

test('a server sees the process that connected', async (t) => {
  const { actor, fd } = await connected(t);
  assert.deepEqual(peerCredentials(fd), { ...me(), pid: actor.pid });
});

test('a client sees the process that listens', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'alpc-test-'));
  atEnd(t, () => rmSync(directory, { recursive: true }));
  const actor = startActor<Order, News>(t, actorModule);
  const path = join(directory, 'socket');
  await actor.ask({ type: 'listen', path }, 'listening');
  const client = createSeqpacketSocket();
  atEnd(t, () => closeDescriptor(client));
  assert.equal(connectSocket(client, unixAddress(path)), 'connected');
  assert.deepEqual(peerCredentials(client), { ...me(), pid: actor.pid });
});

test('a peer that is gone is still known: what was recorded stays', async (t) => {
  const { actor, fd } = await connected(t);
  await actor.kill();
  assert.deepEqual(peerCredentials(fd), { ...me(), pid: actor.pid });
  assert.equal(commandOf(actor.pid), undefined);
});

test('another user is seen with its user, group and pid', { skip: !isRoot && 'needs root' }, async (t) => {
  const { actor, fd } = await connected(t, { uid: 65_534, gid: 65_533 });
  assert.deepEqual(peerCredentials(fd), { pid: actor.pid, uid: 65_534, gid: 65_533 });
});

test('a user number above 2^31 is not negative', { skip: !isRoot && 'needs root' }, async (t) => {
  const { path, accept } = openListener(t);
  const actor = startActor<Order, News>(t, actorModule);
  await actor.ask({ type: 'become', uid: 4_000_000_000, groups: [] }, 'became');
  await actor.ask({ type: 'connect', path }, 'connected');
  assert.equal(peerCredentials(accept()).uid, 4_000_000_000);
});

test('who becomes somebody else after it connected is still who it was', { skip: !isRoot && 'needs root' }, async (t) => {
  const { actor, fd } = await connected(t, {}, [5, 6]);
  await actor.ask({ type: 'become', uid: 65_534, groups: [7] }, 'became');
  assert.equal(peerCredentials(fd).uid, 0);
  assert.deepEqual(peerGroups(fd), [5, 6]);
});

test('the supplementary groups are those of the process that connected, and of no other', async (t) => {
  const pair = createSocketPair();
  atEnd(t, () => pair.forEach(closeDescriptor));
  const supplementary = execFileSync('cat', ['/proc/self/status'], { encoding: 'utf8' }).match(/^Groups:(.*)$/m)![1]!;
  const mine = supplementary.trim().split(/\s+/).filter(Boolean).map(Number);
  assert.deepEqual(peerGroups(pair[0]), mine);
});

for (const count of [0, 1, 255, 256, 257, 5000]) {
  test(`a peer may be a member of ${count} groups`, { skip: !isRoot && 'needs root' }, async (t) => {
    const groups = Array.from({ length: count }, (_, i) => 1000 + i);
    const { fd } = await connected(t, {}, groups);
    assert.deepEqual(peerGroups(fd), groups);
  });
}

test('a descriptor that is no socket is nobody', () => {
  assert.throws(() => peerCredentials(-1), (error) => error instanceof SystemError && error.syscall === 'getsockopt' && error.errno === 'EBADF');
  assert.throws(() => peerGroups(-1), (error) => error instanceof SystemError && error.syscall === 'getsockopt' && error.errno === 'EBADF');
});

test("a process's command is told while it lives", () => {
  assert.equal(typeof commandOf(process.pid), 'string');
  assert.equal(commandOf(process.ppid)!.length > 0, true);
  assert.equal(commandOf(2 ** 30), undefined);
});
