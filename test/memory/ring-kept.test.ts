/**
 * Room that a writer keeps: whatever else is written, read, kept and given up, in whatever order, a record for which room is kept finds it as
 * soon as the one before it has been consumed. Random runs against plain arithmetic; the seed that fast-check prints repeats the one that fails.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { align8, RECORD_HEADER } from '../../src/memory/layout.js';
import { withLedger } from '../support/ledger.js';
import { makeRing, makeSides, PAGE, pattern, post, type Ring, ringOver, take } from './support.js';

withLedger();

const bytesFor = (size: number): number => align8(RECORD_HEADER + size);

interface Kept {
  readonly size: number;
  /** Where its last record ends; 0 when there was none. */
  end: number;
}

type Step = { do: 'write' | 'keep'; size: number } | { do: 'use' | 'give up'; which: number } | { do: 'read'; count: number };

const size = fc.oneof({ arbitrary: fc.integer({ min: 0, max: 300 }), weight: 4 }, { arbitrary: fc.integer({ min: 0, max: PAGE - RECORD_HEADER }), weight: 1 });
const steps = fc.array(
  fc.oneof(
    { arbitrary: fc.record({ do: fc.constant('write' as const), size }), weight: 8 },
    { arbitrary: fc.record({ do: fc.constant('use' as const), which: fc.nat(20) }), weight: 5 },
    { arbitrary: fc.record({ do: fc.constant('read' as const), count: fc.integer({ min: 1, max: 6 }) }), weight: 4 },
    { arbitrary: fc.record({ do: fc.constant('keep' as const), size: fc.integer({ min: 0, max: 800 }) }), weight: 2 },
    { arbitrary: fc.record({ do: fc.constant('give up' as const), which: fc.nat(20) }), weight: 1 },
  ),
  { minLength: 1, maxLength: 150, size: 'max' },
);

/** What the ring must hold, by arithmetic alone. */
class Model {
  readonly kept: Kept[] = [];
  /** Bytes of each record that is in the ring. */
  readonly records: number[] = [];

  get left(): number {
    return PAGE - sum(this.records) - sum(this.kept.map(({ size: bytes }) => bytesFor(bytes)));
  }
}

function act(step: Step, { writer, reader }: Ring, model: Model): void {
  if (step.do === 'read') {
    for (let i = 0; i < step.count; i++) assert.equal(take(reader) === undefined ? undefined : true, model.records.shift() === undefined ? undefined : true);
    return reader.publish();
  }
  if ('size' in step) {
    const fits = bytesFor(step.size) <= model.left;
    const done = step.do === 'keep' ? writer.keep(bytesFor(step.size)) : post(writer, pattern(step.size, 1));
    assert.equal(done, fits, `${step.do} ${step.size} with ${model.left} left`);
    if (done && step.do === 'keep') model.kept.push({ size: step.size, end: 0 });
    if (done && step.do === 'write') model.records.push(bytesFor(step.size));
    return;
  }
  const kept = model.kept[step.which % Math.max(1, model.kept.length)];
  if (kept === undefined) return;
  if (step.do === 'give up') {
    writer.giveUp(bytesFor(kept.size));
    model.kept.splice(model.kept.indexOf(kept), 1);
  } else if (writer.hasConsumed(kept.end)) {
    assert.equal(writer.withAll(() => post(writer, pattern(kept.size, 2))), true, `a record of ${kept.size} bytes, for which room is kept, found none`);
    kept.end = writer.position;
    model.records.push(bytesFor(kept.size));
  }
}

test('a record for which room is kept always finds it, and no other takes more than what is left, step by step', (t) => {
  const sides = makeSides(t);
  fc.assert(
    fc.property(steps, fc.nat(2 ** 29 - 1), (sequence, start) => {
      const ring = ringOver(sides, { start: start * 8 });
      const model = new Model();
      for (const step of sequence) act(step, ring, model);
      act({ do: 'read', count: model.records.length + 1 }, ring, model);
      for (const which of model.kept.keys()) act({ do: 'use', which }, ring, model);
    }),
    { numRuns: 1500 },
  );
});

test('what has been consumed is known of records from long ago, across the counter\'s wrap-around', (t) => {
  const { writer, reader } = makeRing(t, { start: -64 });
  assert.equal(writer.hasConsumed(0), true);
  assert.ok(post(writer, pattern(32, 1)));
  const end = writer.position;
  assert.ok(post(writer, pattern(32, 1)));
  assert.deepEqual([writer.hasConsumed(0), writer.hasConsumed(end), writer.hasConsumed(writer.position)], [true, false, false]);
  take(reader);
  reader.publish();
  assert.deepEqual([writer.hasConsumed(end), writer.hasConsumed(writer.position)], [true, false]);
  take(reader);
  assert.deepEqual([writer.hasConsumed(end), writer.hasConsumed(writer.position)], [true, true]);
});

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
