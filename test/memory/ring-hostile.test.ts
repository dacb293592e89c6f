/**
 * A peer may write anything into its own outbox, at any moment: tails, heads, record headers. Whatever it says, this side
 * either goes on as if it were true, within the bytes of the ring, or tells a ProtocolViolation. Nothing else.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ATTRIBUTES, align8, Control, MAX_MESSAGE_LENGTH, ProtocolViolation, Record, RECORD_FIELDS, RECORD_HEADER } from '../../src/memory/layout.js';
import type { Copies, RingReader } from '../../src/memory/ring.js';
import { times } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';
import { makeRing, makeSides, PAGE, pattern, post, randomFrom, ringOver } from './support.js';

withLedger();

/** What a look may end with. */
type Outcome = 'violation' | 'empty' | { length: number; at: number };

/** Notes from where a payload would be copied, and that it lies in the ring's two copies. */
class BoundsCheck implements Copies {
  at = 0;
  length = 0;
  readonly memory = new ArrayBuffer(0);
  readonly start = 0;
  constructor(readonly ringStart: number, readonly ringLength: number) {}

  copy(words: Int32Array, bytes: Buffer, at: number, length: number): void {
    const inside = at % 8 === 0 && at >= this.ringStart + RECORD_HEADER && length >= 0 && length <= this.ringLength && align8(at + length) <= this.ringStart + 2 * this.ringLength;
    if (!inside || bytes.length < at + length || words.length * 4 < align8(at + length)) assert.fail(`copies ${length} bytes from ${at}`);
    this.at = at;
    this.length = length;
  }
}

function look(reader: RingReader, check: BoundsCheck): Outcome {
  try {
    if (!reader.next()) return 'empty';
  } catch (error) {
    if (!(error instanceof ProtocolViolation)) throw error;
    return 'violation';
  }
  reader.copyData(check);
  reader.release();
  return { length: check.length, at: check.at };
}

/** A million exceptions, quickly: without their stacks. */
function withoutStacks(body: () => void): void {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    body();
  } finally {
    Error.stackTraceLimit = limit;
  }
}

function agree(outcome: Outcome, expected: Outcome, why: () => string): void {
  const same = typeof outcome === 'string' || typeof expected === 'string' ? outcome === expected : outcome.length === expected.length && outcome.at === expected.at;
  if (!same) assert.deepEqual(outcome, expected, why());
}

/** 2^32 values can't be tried; these are the neighbours of every boundary, all single bits, and random ones. */
function wildWords(around: readonly number[], count: number, seed: number): number[] {
  const random = randomFrom(seed);
  const words = around.flatMap((value) => Array.from({ length: 33 }, (_, offset) => value + offset - 16));
  for (const value of around) for (let bit = 0; bit < 32; bit++) words.push(value ^ (1 << bit));
  for (let i = 0; i < count; i++) words.push(random(2 ** 32));
  return words.map((value) => value | 0);
}

test('a tail is believed only if it is a multiple of 8 and no further than the ring is long; whatever it is, nothing is read out of bounds', (t) => {
  const sides = makeSides(t);
  const check = new BoundsCheck(sides.b.peer.ringStart, PAGE);
  const seen = { violation: 0, empty: 0, record: 0 };
  const data = pattern(10, 1);
  withoutStacks(() => {
    for (const start of [0, 8 * 13, 2 ** 31 - 16, 2 ** 32 - 8]) {
      const record: Outcome = { length: 10, at: sides.b.peer.ringStart + (start & (PAGE - 1)) + RECORD_HEADER };
      for (const tail of wildWords([start, start + 48, start + PAGE, start + 2 * PAGE, 0, -1], times(100_000, 250_000), start)) {
        const { writer, reader } = ringOver(sides, { start });
        post(writer, data);
        Atomics.store(sides.a.own.words, Control.tail, tail);
        const published = (tail - start) >>> 0;
        const outcome = look(reader, check);
        const believed = published <= PAGE && (tail & 7) === 0;
        agree(outcome, published === 0 ? 'empty' : believed && published >= 48 ? record : 'violation', () => `start ${start}, tail ${tail}`);
        seen[typeof outcome === 'string' ? outcome : 'record']++;
      }
    }
  });
  for (const [what, count] of Object.entries(seen)) assert.ok(count > 0, what);
});

test('a head is believed only between where it was and the tail; whatever it is, no unread record is overwritten', (t) => {
  const sides = makeSides(t);
  const data = pattern(10, 1);
  const asked = (ask: () => boolean): boolean | 'violation' => {
    try {
      return ask();
    } catch (error) {
      if (!(error instanceof ProtocolViolation)) throw error;
      return 'violation';
    }
  };
  withoutStacks(() => {
    for (const start of [0, 2 ** 31 - 16, 2 ** 32 - 8]) {
      for (const head of wildWords([start, start + 48, start + 96, start + PAGE], 100_000, start + 1)) {
        const { writer } = ringOver(sides, { start });
        for (let i = 0; i < 2; i++) post(writer, data);
        Atomics.store(sides.b.own.words, Control.head, head);
        const consumed = (head - start) >>> 0;
        const expected = consumed <= 96 && consumed % 8 === 0 ? consumed === 96 : 'violation';
        const wholeRing = asked(() => writer.hasRoomFor(PAGE - RECORD_HEADER));
        const drained = asked(() => writer.isDrained);
        if (wholeRing !== expected || drained !== expected) assert.fail(`start ${start}, head ${head}: ${wholeRing}, ${drained}`);
      }
    }
  });
});

test('a head that goes back is a violation, even to where it once was', (t) => {
  const { writer, reader, b } = makeRing(t);
  for (let i = 0; i < 2; i++) {
    post(writer, 'x');
    reader.next();
    reader.release();
  }
  assert.equal(writer.isDrained, true);
  post(writer, 'y');
  Atomics.store(b.own.words, Control.head, 40);
  assert.throws(() => writer.isDrained, ProtocolViolation);
});

test('a tail that goes back behind what was read is a violation', (t) => {
  const { writer, reader, a } = makeRing(t);
  post(writer, 'x');
  reader.next();
  reader.release();
  Atomics.store(a.own.words, Control.tail, 0);
  assert.throws(() => reader.next(), ProtocolViolation);
});

test('each bit of a record header, flipped: length and attributes are checked, everything else is the sender\'s to say', (t) => {
  const sides = makeSides(t);
  const check = new BoundsCheck(sides.b.peer.ringStart, PAGE);
  for (const field of RECORD_FIELDS) {
    for (let bit = 0; bit < 32; bit++) {
      const { writer, reader, a } = ringOver(sides);
      writer.write(3, 0x1234, 0x5678, 0, pattern(10, 1), 10);
      a.own.words[(a.own.ringStart + field.offset) / 4]! ^= 1 << bit;
      const outcome = look(reader, check);
      if (field.name === 'length') {
        const length = (RECORD_HEADER + 10) ^ (1 << bit);
        assert.deepEqual(outcome, length >= RECORD_HEADER && length <= 48 ? { length: length - RECORD_HEADER, at: check.at } : 'violation');
        continue;
      }
      if (field.name === 'attributes') {
        const known = ATTRIBUTES.find((attribute) => (attribute.bit | 0) === 1 << bit);
        const fits = known !== undefined && known.length <= 10;
        assert.deepEqual(outcome, fits ? { length: 10 - known.length, at: check.at } : 'violation', 'unknown, or longer than the record');
        continue;
      }
      assert.equal((outcome as { length: number }).length, 10);
      const flipped = (name: string, value: number): number => (name === field.name ? value ^ (1 << bit) : value);
      assert.equal(reader.messageId, flipped('messageId', 0x1234));
      assert.equal(reader.callbackId, flipped('callbackId', 0x5678));
      assert.equal(reader.status, flipped('status', 0));
      assert.equal(reader.type | reader.flags, flipped('type', 3));
    }
  }
});

test('any length in a record, with any number of published bytes behind it, is read within them or is a violation', (t) => {
  const sides = makeSides(t);
  const check = new BoundsCheck(sides.b.peer.ringStart, PAGE);
  const random = randomFrom(7);
  withoutStacks(() => {
    for (let i = 0; i < 300_000; i++) {
      const start = random(PAGE / 8) * 8;
      const maxMessageLength = i % 2 === 0 ? MAX_MESSAGE_LENGTH : 200;
      const { reader, a } = ringOver(sides, { start, maxMessageLength });
      const published = (1 + random(PAGE / 8)) * 8;
      const length = [random(PAGE + 100), random(300), published - random(10), random(2 ** 32), -random(100)][i % 5]! | 0;
      a.own.words[(a.own.ringStart + start) / 4 + Record.length] = length;
      a.own.words[(a.own.ringStart + start) / 4 + Record.attributes] = 0;
      Atomics.store(a.own.words, Control.tail, (start + published) | 0);
      const outcome = look(reader, check);
      const good = length >= RECORD_HEADER && length <= maxMessageLength && align8(length) <= published;
      agree(outcome, good ? { length: length - RECORD_HEADER, at: a.own.ringStart + start + RECORD_HEADER } : 'violation', () => `length ${length}, ${published} published at ${start}`);
    }
  });
});

test('a ring full of noise is read to a violation or its end, and never for longer than it is', (t) => {
  const sides = makeSides(t);
  const check = new BoundsCheck(sides.b.peer.ringStart, PAGE);
  const random = randomFrom(99);
  for (let round = 0; round < 2000; round++) {
    const { reader, a } = ringOver(sides, { start: random(2 ** 29) * 8 });
    const words = a.own.words;
    for (let at = a.own.ringStart / 4; at < (a.own.ringStart + PAGE) / 4; at++) words[at] = random(4) === 0 ? random(2 ** 32) : 32 + random(100);
    Atomics.store(words, Control.tail, Atomics.load(sides.b.own.words, Control.head) + (random(2) === 0 ? PAGE : random(PAGE / 8) * 8));
    let bytes = 0;
    for (let outcome = look(reader, check); typeof outcome !== 'string'; outcome = look(reader, check)) bytes += align8(RECORD_HEADER + outcome.length);
    assert.ok(bytes <= PAGE);
  }
});
