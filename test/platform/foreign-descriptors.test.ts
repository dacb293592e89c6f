/** Descriptors of strangers: however long it takes to close one, this thread does not wait for it. */
import assert from 'node:assert/strict';
import { openSync } from 'node:fs';
import { mock, test } from 'node:test';
import { discardDescriptor } from '../../src/platform/foreign-descriptors.js';
import { closeDescriptor, libc } from '../../src/platform/system.js';
import { createSocketPair, type emptyBells, emptySocket, receiveBytes, type refuseDescriptors, sendPacket } from '../../src/platform/unix-socket.js';
import { makeLingering, timeToClose } from '../hostile/lingering.js';
import { HandFile } from '../hostile/raw.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { turnsUntil } from '../support/turns.js';

withLedger();

const isOpen = (fd: number): boolean => libc().fcntl(fd, 1, 0) >= 0;
/** Longer than any pause of a busy machine, and so long does it take to close one. */
const LONG = 60;

function measured(action: () => void): number {
  const before = performance.now();
  action();
  return performance.now() - before;
}

test('the trap is one: to close a socket that lingers takes as long as it says', async (t) => {
  const [fd] = (await makeLingering(t, 1, 1)).take(1);
  assert.ok(timeToClose(fd!) > 900);
});

test('a discarded one is closed, whatever it is, memory at once', async () => {
  const file = HandFile.make(4096, { mapped: false });
  discardDescriptor(file.fd);
  assert.equal(isOpen(file.fd), false);
  const huge = HandFile.make(2 ** 40, { mapped: false });
  const [a, b] = createSocketPair();
  const all = [huge.fd, a, b, openSync('/dev/zero', 'r'), openSync('/', 'r')];
  all.forEach(discardDescriptor);
  await turnsUntil(() => !all.some(isOpen));
});

test('one that lingers is discarded without a wait, alone or in the queue of a socket that is discarded', async (t) => {
  const [alone, inside] = (await makeLingering(t, 2, LONG)).take(2);
  assert.ok(measured(() => discardDescriptor(alone!)) < LONG * 500);
  await turnsUntil(() => !isOpen(alone!)); // and nobody lingers over it
  const [a, b] = createSocketPair();
  sendPacket(a, Uint8Array.of(1), [inside!]);
  closeDescriptor(inside!);
  assert.ok(measured(() => discardDescriptor(b)) < LONG * 500);
  closeDescriptor(a);
});

test('a socket is emptied before it is closed: of all that waits in it, packets of no bytes too, and nothing more comes in', async (t) => {
  const lingering = (await makeLingering(t, 3, LONG)).take(3);
  const [a, b] = createSocketPair();
  sendPacket(a, new Uint8Array(0));
  for (const fd of lingering) {
    sendPacket(a, new Uint8Array(0), [fd]);
    sendPacket(a, new Uint8Array(0));
    closeDescriptor(fd);
  }
  sendPacket(a, Buffer.alloc(1000));
  assert.ok(measured(() => emptySocket(b)) < LONG * 500);
  assert.equal(sendPacket(a, Uint8Array.of(1)), 'gone');
  assert.ok(measured(() => closeDescriptor(b)) < LONG * 500);
  closeDescriptor(a);
});

test('a socket whose peer is gone, or that was never connected, is emptied too', () => {
  const [a, b] = createSocketPair();
  sendPacket(b, Uint8Array.of(1));
  sendPacket(a, Uint8Array.of(1));
  closeDescriptor(a); // with something unread: a reset
  emptySocket(b);
  assert.equal(receiveBytes(b, new Uint8Array(1)), 'end');
  closeDescriptor(b);
  emptySocket(-1);
});

test('who refuses descriptors gets none: the kernel does not take them, or they are discarded when they are read or the socket is closed', async (t) => {
  for (const old of [false, true]) {
    // A kernel before 6.16 does not know the option; that it is asked once is undone here by a copy of the module.
    const setsockopt = libc().setsockopt.bind(libc());
    if (old) {
      const failing = mock.method(libc(), 'setsockopt', (...given: Parameters<typeof setsockopt>) => (given[2] === 83 ? -1 : setsockopt(...given)));
      atEnd(t, () => failing.mock.restore());
    }
    const module = (await import(`../../src/platform/unix-socket.js${old ? '?old' : ''}`)) as { refuseDescriptors: typeof refuseDescriptors; receiveBytes: typeof receiveBytes; emptyBells: typeof emptyBells };
    const lingering = (await makeLingering(t, 2, LONG)).take(2);
    const [a, b] = createSocketPair();
    module.refuseDescriptors(b);
    const taken = lingering.map((fd) => {
      try {
        return sendPacket(a, Uint8Array.of(0), [fd]);
      } catch (error) {
        assert.equal((error as { errno?: string }).errno, 'EPERM');
        return 'refused';
      }
    });
    if (old) assert.deepEqual(taken, ['sent', 'sent']);
    for (const [i, fd] of lingering.entries()) {
      if (taken[i] === 'sent') closeDescriptor(fd);
      else discardDescriptor(fd);
    }
    sendPacket(a, Uint8Array.of(0));
    assert.ok(measured(() => assert.equal(module.receiveBytes(b, new Uint8Array(8)), 1)) < LONG * 500);
    assert.ok(measured(() => module.emptyBells(b)) < LONG * 500);
    assert.ok(measured(() => closeDescriptor(b)) < LONG * 500);
    closeDescriptor(a);
  }
});
