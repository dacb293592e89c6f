/** The process at the other end of a socket: what is seen of it, and that a number which is used again is nobody else. */
import assert from 'node:assert/strict';
import { mkdtempSync, readlinkSync, rmSync, symlinkSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { unixAddress } from '../../src/platform/listener.js';
import { lookAtPeer, ownSession, programAt } from '../../src/platform/peer-process.js';
import { peerProcess } from '../../src/platform/credentials.js';
import { waitReadable } from '../../src/platform/poller.js';
import { check, closeDescriptor, libc } from '../../src/platform/system.js';
import { acceptConnection, createSeqpacketSocket, createSocketPair } from '../../src/platform/unix-socket.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { type Actor, startActor } from '../support/processes.js';
import type { News, Order } from './credentials-actor.js';

withLedger();

const UNKNOWN = { executable: undefined, program: undefined, startTime: undefined, session: undefined };

/** Whether the kernel names processes by their sockets (from Linux 6.5 on). */
function namesProcesses(): boolean {
  const pair = createSocketPair();
  const pidfd = peerProcess(pair[0]);
  for (const fd of [...pair, ...(pidfd === undefined ? [] : [pidfd])]) closeDescriptor(fd);
  return pidfd !== undefined;
}
const skip = !namesProcesses() && 'this kernel names no process by its socket';

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'alpc-test-'));
  atEnd(t, () => rmSync(folder, { recursive: true }));
  return folder;
}

async function connected(t: TestContext): Promise<{ actor: Actor<Order, News>; fd: number }> {
  const path = join(folderOf(t), 'socket');
  const listener = createSeqpacketSocket();
  atEnd(t, () => closeDescriptor(listener));
  const address = unixAddress(path);
  check('bind', libc().bind(listener, address, address.length));
  check('listen', libc().listen(listener, 8));
  const actor = startActor<Order, News>(t, new URL('./credentials-actor.js', import.meta.url));
  await actor.ask({ type: 'connect', path }, 'connected');
  waitReadable(listener, -1);
  const fd = acceptConnection(listener);
  if (typeof fd !== 'number') assert.fail(fd);
  atEnd(t, () => closeDescriptor(fd));
  return { actor, fd };
}

test('a living process shows its program, its start and its session', { skip }, async (t) => {
  const { actor, fd } = await connected(t);
  const seen = lookAtPeer(fd, actor.pid);
  assert.deepEqual([seen.executable, seen.program, seen.session], [readlinkSync(`/proc/${actor.pid}/exe`), programAt(process.execPath), ownSession()]);
  assert.ok(seen.startTime! > 0);
});

test('of a process that is gone nothing is believed, even when its number is a living process\'s by now', { skip }, async (t) => {
  const { actor, fd } = await connected(t);
  await actor.kill();
  assert.deepEqual(lookAtPeer(fd, actor.pid), UNKNOWN);
  assert.deepEqual(lookAtPeer(fd, process.pid), UNKNOWN, 'as if this process had got the number');
});

test('a program is its file: another name leads to it, and the name that leads elsewhere now does not', (t) => {
  const link = join(folderOf(t), 'program');
  assert.equal(programAt(link), 'none');
  symlinkSync(process.execPath, link);
  assert.equal(programAt(link), programAt(process.execPath));
  unlinkSync(link);
  symlinkSync('/etc/passwd', link);
  assert.notEqual(programAt(link), programAt(process.execPath));
  assert.equal(programAt(join(link, 'below')), 'none');
});
