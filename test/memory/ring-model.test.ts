/**
 * The ring against a plain queue: whatever is written, read and taken back in whatever order, both say the same. Random
 * runs, with the run that fails made small; the seed that fast-check prints repeats it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { align8, MAX_DATA_LENGTH, RECORD_HEADER, RETRACTED } from '../../src/memory/layout.js';
import { withLedger } from '../support/ledger.js';
import { makeSides, PAGE, pattern, type Ring, ringOver, take } from './support.js';

withLedger();

type Step = { do: 'write'; size: number; text: boolean } | { do: 'read'; count: number } | { do: 'retract'; back: number } | { do: 'peek' };

interface Entry {
  readonly id: number;
  readonly position: number;
  readonly data: Buffer;
  retracted: boolean;
}

/** The queue that the ring is compared with: it knows how much room there is, and what is where. */
class Model {
  readonly entries: Entry[] = [];
  /** Every record ever written, for those that are taken back too late. */
  readonly all: Entry[] = [];
  readonly #length: number;

  constructor(length: number) {
    this.#length = length;
  }

  get used(): number {
    return this.entries.reduce((sum, entry) => sum + align8(RECORD_HEADER + entry.data.length), 0);
  }

  hasRoomFor(size: number): boolean {
    return this.#length - this.used >= align8(RECORD_HEADER + size);
  }
}

/** Sizes that matter: none, around multiples of 8, the whole ring, a little more than that, and anything. */
function sizes(length: number): fc.Arbitrary<number> {
  const largest = Math.min(MAX_DATA_LENGTH, length - RECORD_HEADER);
  return fc.oneof({ arbitrary: fc.integer({ min: 0, max: 100 }), weight: 5 }, { arbitrary: fc.integer({ min: 0, max: largest }), weight: 2 }, { arbitrary: fc.constantFrom(0, 7, 8, 9, largest - 1, largest, Math.min(MAX_DATA_LENGTH, largest + 1)), weight: 1 });
}

function steps(length: number): fc.Arbitrary<Step[]> {
  const step = fc.oneof(
    { arbitrary: fc.record({ do: fc.constant('write' as const), size: sizes(length), text: fc.boolean() }), weight: 6 },
    { arbitrary: fc.record({ do: fc.constant('read' as const), count: fc.integer({ min: 1, max: 5 }) }), weight: 4 },
    { arbitrary: fc.record({ do: fc.constant('retract' as const), back: fc.nat(20) }), weight: 1 },
    { arbitrary: fc.record({ do: fc.constant('peek' as const) }), weight: 1 },
  );
  return fc.array(step, { minLength: 1, maxLength: 200, size: 'max' });
}

function act(step: Step, { writer, reader }: Ring, model: Model): void {
  if (step.do === 'write') {
    const id = model.all.length + 1;
    const data = step.text ? Buffer.from('ü'.repeat(step.size >> 1)) : pattern(step.size, id);
    const position = writer.position;
    const expected = model.hasRoomFor(data.length);
    assert.equal(writer.hasRoomFor(data.length), expected);
    assert.equal(writer.write(1, id, ~id, id >> 1, step.text ? data.toString() : data, data.length), expected);
    if (!expected) return;
    const entry = { id, position, data, retracted: false };
    model.entries.push(entry);
    model.all.push(entry);
  } else if (step.do === 'read') {
    for (let i = 0; i < step.count; i++) {
      const expected = model.entries.shift();
      const record = take(reader);
      if (expected === undefined) return assert.equal(record, undefined);
      assert.ok(record !== undefined && record.data.equals(expected.data), `record ${expected.id} came as ${record?.messageId}`);
      const { data: _, ...header } = record;
      assert.deepEqual(header, { type: 1, flags: expected.retracted ? RETRACTED : 0, messageId: expected.id, callbackId: ~expected.id, status: expected.id >> 1 });
    }
  } else if (step.do === 'retract') {
    const entry = model.all.at(-1 - step.back);
    if (entry === undefined) return;
    const there = model.entries.includes(entry);
    assert.equal(writer.retract(entry.position, 1), there);
    if (there) entry.retracted = true;
  } else {
    assert.equal(reader.hasData(), model.entries.length > 0);
    assert.equal(writer.isDrained, model.entries.length === 0);
  }
}

const runs: [length: number, numRuns: number][] = [
  [PAGE, 1200],
  [2 * PAGE, 600],
  [64 * 1024, 300],
  [1024 * 1024, 150],
];

for (const [length, numRuns] of runs) {
  test(`a ring of ${length} bytes and a plain queue do the same, step by step`, (t) => {
    const sides = makeSides(t, length);
    fc.assert(
      fc.property(steps(length), fc.nat(2 ** 29 - 1), (sequence, start) => {
        const ring = ringOver(sides, { start: start * 8 });
        const model = new Model(length);
        for (const step of sequence) act(step, ring, model);
        act({ do: 'read', count: model.entries.length + 1 }, ring, model);
        act({ do: 'peek' }, ring, model);
      }),
      { numRuns },
    );
  });
}

test('a writer far ahead and a reader far behind pass a million records of all sizes and never disagree', (t) => {
  const length = 16 * PAGE;
  const { writer, reader } = ringOver(makeSides(t, length), { start: 2 ** 32 - 1024 });
  const source = pattern(4096, 1);
  const sizeOf = (i: number): number => (Math.imul(i, 2654435761) >>> 8) % (i % 97 === 0 ? 4000 : 200);
  let sent = 0;
  let received = 0;
  while (received < 1_000_000) {
    while (sent < 1_000_000 && writer.write(3, sent, sizeOf(sent), 0, source.subarray(0, sizeOf(sent)), sizeOf(sent))) sent++;
    for (let batch = 1 + (sent % 301); batch > 0 && reader.next(); batch--) {
      if (reader.messageId !== received || reader.dataLength !== sizeOf(received) || reader.callbackId !== reader.dataLength) assert.fail(`record ${received} came as ${reader.messageId} of ${reader.dataLength}`);
      reader.release();
      received++;
    }
  }
  assert.equal(take(reader), undefined);
  assert.equal(writer.isDrained, true);
});
