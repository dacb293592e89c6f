/** Copies of payloads: a message is the receiver's own, whatever the sender writes later and whatever happens to its neighbours. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { SlabCopies } from '../../src/memory/copies.js';
import { withLedger } from '../support/ledger.js';

withLedger();

const words = new Int32Array(new ArrayBuffer(256 * 1024));
const source = Buffer.from(words.buffer);

function fill(seed: number): void {
  for (let i = 0; i < source.length; i++) source[i] = Math.imul(i + seed, 2654435761) >>> 24;
}

function copyOf(copies: SlabCopies, at: number, length: number): Buffer {
  copies.copy(words, source, at, length);
  return Buffer.from(copies.memory, copies.start, length);
}

test('a copy holds exactly the bytes asked for, of every size, from every place', () => {
  const copies = new SlabCopies();
  fill(1);
  for (let length = 0; length <= 600; length++) {
    const at = (length * 56) % 4096;
    assert.deepEqual(copyOf(copies, at, length), source.subarray(at, at + length), `${length} bytes`);
  }
  for (const length of [4095, 4096, 4097, 32_767, 32_768, 65_503]) assert.ok(copyOf(copies, 64, length).equals(source.subarray(64, 64 + length)), `${length} bytes`);
});

test('later writes of the sender do not change a copy, and later copies do not either', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.oneof(fc.nat(300), fc.nat(8000)), fc.nat(1000)), { minLength: 1, maxLength: 100 }), (plan) => {
      const copies = new SlabCopies();
      const made = plan.map(([length, place], i) => {
        fill(i);
        const copy = copyOf(copies, place * 8, length);
        return { copy, expected: Buffer.from(source.subarray(place * 8, place * 8 + length)) };
      });
      source.fill(0);
      for (const { copy, expected } of made) assert.ok(copy.equals(expected));
    }),
    { numRuns: 25 },
  );
});

test('what a receiver writes into its copy changes no other copy', () => {
  const copies = new SlabCopies();
  fill(3);
  const made = Array.from({ length: 500 }, (_, i) => ({ copy: copyOf(copies, 0, i % 37), length: i % 37 }));
  made.forEach(({ copy }, i) => copy.fill(i));
  made.forEach(({ copy, length }, i) => assert.ok(copy.length === length && copy.every((byte) => byte === (i & 255))));
});

test('small copies share a slab, and a slab can not be transferred away with the copies of others', () => {
  const copies = new SlabCopies();
  fill(4);
  const [a, b] = [copyOf(copies, 0, 100), copyOf(copies, 0, 100)];
  assert.equal(a.buffer, b.buffer);
  try {
    structuredClone(a.buffer, { transfer: [a.buffer as ArrayBuffer] }); // some versions throw, some copy instead
  } catch (error) {
    assert.equal((error as Error).name, 'DataCloneError');
  }
  assert.equal(a.length, 100);
  assert.deepEqual(b, source.subarray(0, 100));
});

test('a large copy has memory of its own, which its owner may transfer', () => {
  const copies = new SlabCopies();
  fill(5);
  const [a, b] = [copyOf(copies, 0, 4097), copyOf(copies, 0, 4097)];
  assert.notEqual(a.buffer, b.buffer);
  assert.equal(a.buffer.byteLength, 4097);
  const moved = structuredClone(a.buffer, { transfer: [a.buffer as ArrayBuffer] });
  assert.equal(a.length, 0);
  assert.equal(moved.byteLength, 4097);
  assert.deepEqual(b, source.subarray(0, 4097));
});

test('memory that is given back is the next large copy\'s, unless that is longer, or less than half as long', () => {
  for (const [length, uses] of [[20_000, true], [10_000, true], [20_001, false], [9_999, false]] as const) {
    const copies = new SlabCopies();
    fill(length);
    copies.copy(words, source, 0, 20_000);
    const given = copies.memory;
    copies.giveBack(given, 20_000);
    const next = copyOf(copies, 24, length);
    assert.equal(next.buffer === given, uses, `${length} bytes`);
    assert.deepEqual(next, source.subarray(24, 24 + length));
    assert.notEqual(copyOf(copies, 0, length).buffer, next.buffer, 'it is given once');
  }
});

test('a slab is not taken back, since it has the copies of others', () => {
  const copies = new SlabCopies();
  fill(8);
  const mine = copyOf(copies, 0, 100);
  copies.giveBack(copies.memory, 100);
  copies.copyRun(source, 0, 8000); // messages that were read together, with their headers between them
  copies.giveBack(copies.memory, 7000);
  for (const length of [100, 7000, 32 * 1024]) assert.notEqual(copyOf(copies, 4000, length).buffer === mine.buffer, length > 4096);
  assert.deepEqual(mine, source.subarray(0, 100));
});

test('a copy of nothing is empty, and costs nothing', () => {
  const copies = new SlabCopies();
  assert.equal(copyOf(copies, 8, 0).length, 0);
  assert.equal(copyOf(copies, 8, 0).buffer, copyOf(copies, 16, 0).buffer);
});

test('slabs follow one another, and no copy reaches beyond its own', () => {
  const copies = new SlabCopies();
  fill(6);
  const slabs = new Set<ArrayBufferLike>();
  for (let i = 0; i < 2000; i++) {
    const length = 1 + (i % 257);
    const copy = copyOf(copies, 0, length);
    slabs.add(copy.buffer);
    assert.ok(copy.byteOffset + length <= copy.buffer.byteLength);
    assert.equal(copy.byteOffset % 8, 0);
  }
  assert.ok(slabs.size > 1 && slabs.size < 20, `${slabs.size} slabs for ${2000 * 129} bytes`);
});
