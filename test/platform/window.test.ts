/** Windows: what becomes of the addresses of a memory file when it is let go of, in whichever order its buffers come back. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { pageSize } from '../../src/platform/descriptors.js';
import { createMemoryFile } from '../../src/platform/memory-file.js';
import { closeDescriptor, libc } from '../../src/platform/system.js';
import { Window } from '../../src/platform/window.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';

withLedger();

/** So long that its buffer is kept, to be lent again. */
const KEPT = 64 * 1024 * 1024;
/** Ranges that rest at once. */
const MOST_RANGES = 4096;
/** Where buffers can't be detached their range waits for the collector. */
const ONCE = 'transfer' in ArrayBuffer.prototype ? 1 : 0;

function fileOf(t: TestContext, length: number): number {
  const fd = createMemoryFile('alpc:window', length);
  atEnd(t, () => closeDescriptor(fd));
  return fd;
}

/** How often a range at this address has been unmapped, once everything that rests has been given up for others. */
function unmappings(t: TestContext, address: number, release: () => void): number {
  const munmap = t.mock.method(libc(), 'munmap');
  release();
  const page = fileOf(t, pageSize());
  for (let i = 0; i < 2 * MOST_RANGES; i++) new Window(page, pageSize(), 'shared').close();
  const count = munmap.mock.calls.filter((call) => call.arguments[0] === address && call.arguments[1] === KEPT).length;
  munmap.mock.restore();
  return count;
}

test('a range goes once, though its last buffer was kept: what is mapped there next is somebody else\'s', (t) => {
  const window = new Window(fileOf(t, KEPT), KEPT, 'shared');
  window.takeBack(window.lend(0, KEPT), 0);
  assert.equal(unmappings(t, window.waitAddress(0), () => window.close()), ONCE);
});

test('a kept buffer that comes back after its window was closed is known still, and the range goes with the others that were lent', (t) => {
  const window = new Window(fileOf(t, KEPT), KEPT, 'shared');
  const kept = window.lend(0, KEPT);
  const other = window.lend(0, pageSize());
  const release = (): void => {
    window.close();
    window.takeBack(kept, 0);
    window.takeBack(other, 0);
  };
  assert.equal(unmappings(t, window.waitAddress(0), release), ONCE);
});
