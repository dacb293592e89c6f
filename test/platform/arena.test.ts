/**
 * The arena: slots of address space that mappings come to and leave. What is promised: a slot given back is used again, a
 * stale look at it reads zeros, parts that name the same bytes are the same memory, and a failure keeps nothing.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { Arena, type Slot } from '../../src/platform/arena.js';
import { pageSize } from '../../src/platform/descriptors.js';
import { createMemoryFile } from '../../src/platform/memory-file.js';
import { closeDescriptor, SystemError } from '../../src/platform/system.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import type { News, Order } from './arena-actor.js';

withLedger();

const PAGE = pageSize();

function memoryFile(t: TestContext, pages: number): number {
  const fd = createMemoryFile('alpc:arena', pages * PAGE);
  atEnd(t, () => closeDescriptor(fd));
  return fd;
}

const bytesOf = (slot: Slot): Uint8Array => new Uint8Array(slot.buffer, slot.offset, slot.length);
const mapsOf = (name: string): number => readFileSync('/proc/self/maps', 'utf8').split(`/memfd:${name} `).length - 1;

test('a slot shows the file, at the address that it says', (t) => {
  const arena = new Arena();
  const fd = memoryFile(t, 2);
  const writer = arena.map(fd, [{ offset: 0, length: 2 * PAGE }], true);
  const reader = arena.map(fd, [{ offset: PAGE, length: PAGE }], false);
  bytesOf(writer)[PAGE + 5] = 42;
  assert.equal(bytesOf(reader)[5], 42);
  assert.match(readFileSync('/proc/self/maps', 'utf8'), new RegExp(`^0*${reader.address.toString(16)}-\\S+ r--s .*/memfd:alpc:arena`, 'm'));
  assert.equal(arena.inUse, 2);
  arena.unmap(writer);
  arena.unmap(reader);
  assert.equal(arena.inUse, 0);
});

test('parts that name the same bytes are the same memory: a ring that is mapped twice in a row is contiguous across its end', (t) => {
  const arena = new Arena();
  const slot = arena.map(memoryFile(t, 3), [{ offset: 0, length: 3 * PAGE }, { offset: PAGE, length: 2 * PAGE }], true);
  const bytes = bytesOf(slot);
  for (let i = 0; i < 2 * PAGE; i++) bytes[PAGE + i] = i % 251;
  for (let i = 0; i < 2 * PAGE; i++) assert.equal(bytes[3 * PAGE + i], i % 251);
  bytes.fill(9, 3 * PAGE - 10, 3 * PAGE + 10);
  assert.deepEqual(bytes.subarray(PAGE, PAGE + 10), new Uint8Array(10).fill(9));
  arena.unmap(slot);
});

test('a slot that was given back is the next one given out for that length, through the same buffer', (t) => {
  const arena = new Arena();
  const fd = memoryFile(t, 4);
  const map = (pages: number): Slot => arena.map(fd, [{ offset: 0, length: pages * PAGE }], true);
  const first = map(1);
  const other = map(2);
  arena.unmap(first);
  const second = map(1);
  assert.equal(second.address, first.address);
  assert.equal(second.buffer, first.buffer);
  assert.notEqual(other.address, first.address);
  arena.unmap(second);
  arena.unmap(other);
});

test('slots never overlap, however many there are', (t) => {
  const arena = new Arena();
  const fd = memoryFile(t, 2);
  const slots = Array.from({ length: 300 }, (_, i) => arena.map(fd, [{ offset: 0, length: (1 + (i & 1)) * PAGE }], true));
  const sorted = slots.toSorted((a, b) => a.address - b.address);
  for (let i = 1; i < sorted.length; i++) assert.ok(sorted[i - 1]!.address + sorted[i - 1]!.length <= sorted[i]!.address);
  assert.equal(arena.inUse, 300);
  slots.forEach((slot) => arena.unmap(slot));
});

test('a stale look at a slot that was given back reads zeros, and lets the file go', (t) => {
  const arena = new Arena();
  const slot = arena.map(memoryFile(t, 1), [{ offset: 0, length: PAGE }], true);
  const stale = bytesOf(slot).fill(255);
  assert.equal(mapsOf('alpc:arena'), 1);
  arena.unmap(slot);
  assert.ok(stale.every((byte) => byte === 0));
  assert.equal(mapsOf('alpc:arena'), 0);
});

test('what a slot showed before is not seen through it later, and not by the next file', (t) => {
  const arena = new Arena();
  const first = arena.map(memoryFile(t, 1), [{ offset: 0, length: PAGE }], true);
  const stale = bytesOf(first).fill(255);
  arena.unmap(first);
  const second = arena.map(memoryFile(t, 1), [{ offset: 0, length: PAGE }], true);
  assert.ok(bytesOf(second).every((byte) => byte === 0));
  bytesOf(second)[0] = 1;
  assert.equal(stale[0], 1, 'the address is used again: whoever kept a view sees the new file, which is why owners drop theirs');
  arena.unmap(second);
});

test('a mapping that fails keeps no slot, half-made or whole', (t) => {
  const arena = new Arena();
  const fd = memoryFile(t, 1);
  for (let i = 0; i < 100; i++) {
    assert.throws(() => arena.map(-1, [{ offset: 0, length: PAGE }], false), (error) => error instanceof SystemError && error.errno === 'EBADF');
    assert.throws(() => arena.map(fd, [{ offset: 0, length: PAGE }, { offset: 1, length: PAGE }], false), (error) => error instanceof SystemError && error.errno === 'EINVAL');
  }
  assert.equal(arena.inUse, 0);
  assert.equal(mapsOf('alpc:arena'), 0);
});

test('ten thousand mappings later the process has as many as before', (t) => {
  const arena = new Arena();
  const fd = memoryFile(t, 2);
  const cycle = (): void => arena.unmap(arena.map(fd, [{ offset: 0, length: 2 * PAGE }, { offset: PAGE, length: PAGE }], true));
  cycle();
  const maps = (text: string): number => readFileSync('/proc/self/maps', 'utf8').split('\n').filter((line) => line.includes(text)).length;
  const named = (): number => maps('memfd:alpc');
  // V8 guards pages of its own like that, a few more or fewer at any time.
  const guarded = (): number => maps('---p');
  const before = { named: named(), guarded: guarded() };
  for (let i = 0; i < 10_000; i++) cycle();
  assert.equal(named(), before.named);
  assert.ok(guarded() < before.guarded + 100, `${guarded()} guarded ranges, ${before.guarded} before`);
});

test('writing through a read-only mapping, or into a slot that was given back, ends the process and changes nothing', async (t) => {
  for (const how of ['read-only', 'given-back'] as const) {
    const actor = startActor<Order, News>(t, new URL('./arena-actor.js', import.meta.url));
    actor.send({ type: 'scribble', how });
    assert.equal((await actor.until('about-to')).sees, how === 'read-only' ? 7 : 0);
    assert.equal((await actor.ended).signal, 'SIGSEGV');
  }
});
