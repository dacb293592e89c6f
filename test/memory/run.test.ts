/** Runs: several records copied out at once are the same records as one by one, and a peer's lies in them are left to who judges them. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { array, assert as check, constant, integer, oneof, property, record } from 'fast-check';
import { SlabCopies } from '../../src/memory/copies.js';
import { Record, RECORD_HEADER, RETRACTED } from '../../src/memory/layout.js';
import type { RingReader, RingWriter } from '../../src/memory/ring.js';
import { Run } from '../../src/memory/run.js';
import { withLedger } from '../support/ledger.js';
import { makeRing, makeSides, PAGE, pattern, post, ringOver, take } from './support.js';

withLedger();

const TYPE = 3;

function takeRun(reader: RingReader, run: Run, copies: SlabCopies, max = Infinity): { id: number; data: Buffer }[] {
  const taken: { id: number; data: Buffer }[] = [];
  if (!run.begin(TYPE)) return taken;
  while (taken.length < max && run.next()) taken.push({ id: run.messageId, data: Buffer.from(copies.memory, run.dataStart, run.dataLength) });
  if (run.end() > 0) reader.release();
  return taken;
}

function withRun(t: TestContext, length = 4 * PAGE): { reader: RingReader; writer: RingWriter; run: Run; copies: SlabCopies; words: Int32Array; start: number } {
  const { reader, writer, a } = makeRing(t, { length });
  const copies = new SlabCopies();
  return { reader, writer, copies, run: new Run(reader, copies), words: a.own.words, start: a.own.ringStart >> 2 };
}

test('a run and single reads in any order give all records, in their order, whole', (t) => {
  const sides = makeSides(t, 4 * PAGE);
  const step = oneof(
    record({ do: constant('write' as const), type: oneof(constant(TYPE), constant(TYPE), integer({ min: 1, max: 12 })), length: oneof(integer({ min: 0, max: 100 }), integer({ min: 0, max: 5000 })) }),
    record({ do: constant('run' as const), max: oneof(integer({ min: 1, max: 5 }), constant(Infinity)) }),
    record({ do: constant('one' as const) }),
  );
  check(
    property(integer({ min: 0, max: 2 ** 29 - 1 }), array(step, { maxLength: 80 }), (start, steps) => {
      const { reader, writer } = ringOver(sides, { start: start * 8 });
      const copies = new SlabCopies();
      const run = new Run(reader, copies);
      const sent: { id: number; data: Buffer }[] = [];
      const seen: { id: number; data: Buffer }[] = [];
      const one = (): boolean => {
        const record = take(reader);
        if (record !== undefined) seen.push({ id: record.messageId, data: record.data });
        return record !== undefined;
      };
      for (const [number, given] of steps.entries()) {
        if (given.do === 'run') seen.push(...takeRun(reader, run, copies, given.max));
        else if (given.do === 'one') one();
        else {
          const data = pattern(given.length, number);
          if (writer.write(given.type, number, 0, 0, data, data.length)) sent.push({ id: number, data });
        }
      }
      while (one());
      assert.deepEqual(seen, sent);
      assert.equal(writer.isDrained, true);
    }),
    { numRuns: 300 },
  );
});

test('a run takes many records at once, and ends before one of another type, one that was taken back, and one that is not whole in it', (t) => {
  const { reader, writer, run, copies, words, start } = withRun(t);
  for (let i = 0; i < 5; i++) assert.ok(post(writer, pattern(20, i), i));
  assert.ok(writer.write(1, 5, 0, 0, '', 0));
  assert.equal(takeRun(reader, run, copies).length, 5);
  assert.deepEqual(takeRun(reader, run, copies), [], 'another type');
  assert.equal(take(reader)?.messageId, 5);
  assert.ok(post(writer, 'long'.repeat(2100)));
  assert.deepEqual(takeRun(reader, run, copies), [], 'longer than a run');
  assert.equal(take(reader)?.data.length, 8400);
  const at = start + ((reader.position & (4 * PAGE - 1)) >> 2);
  assert.ok(post(writer, 'a') && post(writer, 'b'));
  words[at + Record.type] = TYPE | RETRACTED;
  assert.deepEqual(takeRun(reader, run, copies), [], 'taken back');
  assert.equal(take(reader)?.flags, RETRACTED);
  assert.deepEqual(takeRun(reader, run, copies).map(({ data }) => String(data)), ['b']);
});

test('whatever length a record says that it has, a run reads within what was published, and the single read tells the violation', (t) => {
  const { reader, writer, run, copies, words, start } = withRun(t, PAGE);
  for (const lie of [0, 1, RECORD_HEADER - 1, -1, -(2 ** 31), 2 ** 31 - 1, 65_536, 200, 49]) {
    const at = start + ((reader.position & (PAGE - 1)) >> 2);
    assert.ok(post(writer, 'true') && post(writer, 'lie'));
    words[at + (RECORD_HEADER + 8) / 4 + Record.length] = lie;
    assert.deepEqual(takeRun(reader, run, copies).map(({ data }) => String(data)), ['true'], `${lie}`);
    assert.deepEqual(takeRun(reader, run, copies), [], `${lie}`);
    assert.throws(() => reader.next(), { name: 'ProtocolViolation' }, `${lie}`);
    words[at + (RECORD_HEADER + 8) / 4 + Record.length] = RECORD_HEADER + 3;
    assert.equal(take(reader)?.data.toString(), 'lie');
  }
});

test('what the writer changes after a run has begun is not seen in it', (t) => {
  const { reader, writer, run, copies, words, start } = withRun(t, PAGE);
  assert.ok(post(writer, 'as it was', 7));
  assert.ok(run.begin(TYPE));
  words.fill(-1, start, start + 16);
  assert.ok(run.next());
  assert.deepEqual([run.messageId, String(Buffer.from(copies.memory, run.dataStart, run.dataLength))], [7, 'as it was']);
  assert.equal(run.end(), 1);
  reader.release();
  assert.equal(writer.isDrained, true);
});

test('a message that is kept is not overwritten by the runs that follow', (t) => {
  const { reader, writer, run, copies } = withRun(t);
  const kept: Buffer[] = [];
  for (let round = 0; round < 100; round++) {
    for (let i = 0; i < 20; i++) assert.ok(post(writer, pattern(64, round * 20 + i)));
    while (kept.length < (round + 1) * 20) for (const { data } of takeRun(reader, run, copies, 7)) kept.push(data);
  }
  for (const [number, data] of kept.entries()) assert.deepEqual(data, pattern(64, number));
});
