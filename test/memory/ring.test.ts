/** The ring of records: what goes in comes out, in order, of every size and at every place, and a full ring refuses without a trace. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { align8, Control, MAX_DATA_LENGTH, ProtocolViolation, RECORD_HEADER, RETRACTED } from '../../src/memory/layout.js';
import { withLedger } from '../support/ledger.js';
import { makeRing, makeSides, PAGE, pattern, post, ringOver, take } from './support.js';

withLedger();

test('an empty ring has no record, and looking changes nothing', (t) => {
  const { reader, writer } = makeRing(t);
  for (let i = 0; i < 3; i++) {
    assert.equal(reader.hasData(), false);
    assert.equal(reader.next(), false);
  }
  assert.equal(writer.isDrained, true);
});

test('a record comes out with every field as it was written, the extremes too', (t) => {
  const { reader, writer } = makeRing(t);
  for (const [type, id, callback, status] of [[1, 1, 0, 0], [2, 2 ** 31 - 1, -1, 3], [3, -(2 ** 31), 2 ** 31 - 1, -7], [255, 0, 0, 0]] as const) {
    assert.equal(writer.write(type, id, callback, status, Buffer.from('payload'), 7), true);
    assert.equal(reader.hasData(), true);
    assert.deepEqual(take(reader), { type, flags: 0, messageId: id, callbackId: callback, status, data: Buffer.from('payload') });
  }
  assert.equal(reader.hasData(), false);
});

for (const size of [0, 1, 7, 8, 9, MAX_DATA_LENGTH - 1, MAX_DATA_LENGTH]) {
  test(`a record of ${size} bytes comes out whole, bytes or string, and nothing of its neighbours`, (t) => {
    const { reader, writer } = makeRing(t, { length: 256 * 1024 });
    const text = 'x'.repeat(size);
    for (let i = 0; i < 5; i++) {
      const between = pattern(i * 3, i);
      assert.ok(post(writer, between) && post(writer, pattern(size, i)) && post(writer, text));
      assert.deepEqual(take(reader)!.data, between);
      assert.deepEqual(take(reader)!.data, pattern(size, i));
      assert.equal(take(reader)!.data.toString(), text);
    }
  });
}

test('strings travel as UTF-8', (t) => {
  const { reader, writer } = makeRing(t);
  for (const text of ['', 'a', 'grüße', '日本語', '😀', 'é'.repeat(100), '\0', 'lone \ud800 surrogate']) {
    assert.ok(post(writer, text));
    assert.deepEqual(take(reader)!.data, Buffer.from(text));
  }
});

test('a record wraps around the end of the ring at each residue and comes out whole', (t) => {
  const sides = makeSides(t);
  for (let start = 0; start < PAGE; start += 8) {
    const { reader, writer } = ringOver(sides, { start });
    const data = pattern(61, start);
    assert.ok(post(writer, data));
    assert.deepEqual(take(reader)!.data, data);
    assert.equal(reader.hasData(), false);
  }
});

test('the smallest ring takes a record that fills it whole, at each residue', (t) => {
  const sides = makeSides(t);
  for (let start = 0; start < PAGE; start += 8) {
    const { reader, writer } = ringOver(sides, { start });
    const data = pattern(PAGE - RECORD_HEADER, start);
    assert.equal(writer.hasRoomFor(data.length), true);
    assert.ok(post(writer, data));
    assert.equal(post(writer, ''), false);
    assert.deepEqual(take(reader)!.data, data);
    assert.equal(post(writer, ''), true);
  }
});

test('a record longer than the ring is refused, full or empty', (t) => {
  const { writer } = makeRing(t);
  assert.equal(writer.hasRoomFor(PAGE - RECORD_HEADER + 1), false);
  assert.equal(post(writer, Buffer.alloc(PAGE - RECORD_HEADER + 1)), false);
  assert.equal(writer.isDrained, true);
});

test('a full ring refuses and leaves tail and records alone; it is full exactly when no multiple of 8 is left', (t) => {
  const { reader, writer, a } = makeRing(t);
  let count = 0;
  while (post(writer, pattern(24, count))) count++;
  assert.equal(count, Math.floor(PAGE / align8(RECORD_HEADER + 24)));
  const left = PAGE - count * align8(RECORD_HEADER + 24);
  const before = Buffer.from(a.own.bytes);
  for (const size of [left - RECORD_HEADER + 1, 24, 1000]) {
    if (size < 0) continue;
    assert.equal(writer.hasRoomFor(size), false);
    assert.equal(post(writer, Buffer.alloc(size, 255)), false);
  }
  assert.deepEqual(Buffer.from(a.own.bytes), before);
  for (let i = 0; i < count; i++) assert.deepEqual(take(reader)!.data, pattern(24, i));
  assert.equal(take(reader), undefined);
});

test('room is the writer\'s again when the record is released, and not when it is only read', (t) => {
  const { reader, writer } = makeRing(t);
  assert.ok(post(writer, Buffer.alloc(PAGE - RECORD_HEADER)));
  assert.equal(reader.next(), true);
  assert.equal(post(writer, ''), false);
  assert.equal(writer.isDrained, false);
  reader.release();
  assert.equal(writer.isDrained, true);
  assert.equal(post(writer, ''), true);
});

test('release tells when half of the ring is free: time to wake a writer that waits', (t) => {
  const { reader, writer } = makeRing(t);
  const size = PAGE / 8 - RECORD_HEADER;
  for (let i = 0; i < 8; i++) assert.ok(post(writer, Buffer.alloc(size)));
  assert.equal(writer.hasRoomToGoOn(0), false);
  const told: boolean[] = [];
  const goesOn: boolean[] = [];
  for (let i = 0; i < 8; i++) {
    reader.next();
    told.push(reader.release());
    goesOn.push(writer.hasRoomToGoOn(0));
  }
  assert.deepEqual(told, [false, false, false, true, true, true, true, true]);
  assert.deepEqual(goesOn, told, 'the writer goes on exactly when it was told');
});

test('a writer that waited for more than half of the ring goes on when there is that much', (t) => {
  const { reader, writer } = makeRing(t);
  const size = PAGE / 8 - RECORD_HEADER;
  for (let i = 0; i < 8; i++) assert.ok(post(writer, Buffer.alloc(size)));
  const wanted = PAGE - PAGE / 8 - RECORD_HEADER;
  for (let i = 0; i < 8; i++) {
    assert.equal(writer.hasRoomToGoOn(wanted), i === 7);
    take(reader);
  }
  assert.equal(writer.hasRoomToGoOn(PAGE - RECORD_HEADER), true);
  assert.equal(writer.hasRoomToGoOn(PAGE - RECORD_HEADER + 1), false);
});

test('what has been consumed is published when it is all, when half of the ring is free, at each eighth, and when asked for', (t) => {
  const length = 8 * PAGE;
  const { reader, writer, a } = makeRing(t, { length });
  const published = (): number => a.peer.words[Control.head]!;
  const record = RECORD_HEADER + 32;
  const fit = length / record;
  for (let i = 0; i < fit; i++) assert.ok(post(writer, Buffer.alloc(32)));
  const stores: number[] = [];
  for (let i = 1, seen = 0; i <= fit; i++) {
    assert.ok(reader.next());
    assert.equal(reader.release(), published() === i * record && i >= fit / 2);
    if (published() !== seen) stores.push((seen = published()));
  }
  assert.deepEqual(stores, Array.from({ length: 8 }, (_, i) => ((i + 1) * length) / 8));

  for (let i = 0; i < 10; i++) assert.ok(post(writer, Buffer.alloc(32)));
  for (let i = 0; i < 3; i++) {
    assert.ok(reader.next());
    assert.equal(reader.release(), false); // a writer that waited for half of the ring has been woken long ago
  }
  assert.equal(published(), length);
  reader.publish();
  assert.equal(published(), length + 3 * record);
});

test('whoever takes a record from a ring that is more than half full wakes the writer when it is half full, to the record', (t) => {
  const length = 8 * PAGE;
  const { reader, writer } = makeRing(t, { length });
  const data = Buffer.alloc(1000 - RECORD_HEADER);
  let written = 0;
  while (post(writer, data)) written++;
  let taken = 0;
  for (let woken = false; !woken; taken++) {
    assert.ok(reader.next());
    woken = reader.release();
  }
  assert.equal((written - taken) * 1000 <= length / 2, true);
  assert.equal((written - taken + 1) * 1000 > length / 2, true);
});

test('progress is told once for each time that the peer consumed something', (t) => {
  const { reader, writer } = makeRing(t);
  assert.equal(writer.hasProgressed(), false);
  post(writer, 'a');
  post(writer, 'b');
  assert.equal(writer.hasProgressed(), false);
  take(reader);
  assert.equal(writer.hasProgressed(), true);
  assert.equal(writer.hasProgressed(), false);
  take(reader);
  assert.equal(writer.hasProgressed(), true);
});

test('a record longer than this side takes is a violation, and one as long as that is not', (t) => {
  const { reader, writer } = makeRing(t, { maxMessageLength: 100 });
  assert.ok(post(writer, Buffer.alloc(100 - RECORD_HEADER)));
  assert.equal(take(reader)!.data.length, 100 - RECORD_HEADER);
  assert.ok(post(writer, Buffer.alloc(101 - RECORD_HEADER)));
  assert.throws(() => reader.next(), (error) => error instanceof ProtocolViolation && /says that it has 101 bytes, of 104 published and at most 100 allowed/.test(error.message));
});

test('a record can be taken back until it is consumed; then it says so, and its data is as it was', (t) => {
  const { reader, writer } = makeRing(t);
  const first = writer.position;
  writer.write(1, 5, 0, 0, 'first', 5);
  const second = writer.position;
  writer.write(1, 6, 0, 0, 'second', 6);
  assert.equal(writer.retract(second, 1), true);
  assert.deepEqual(take(reader), { type: 1, flags: 0, messageId: 5, callbackId: 0, status: 0, data: Buffer.from('first') });
  assert.equal(writer.retract(first, 1), false);
  assert.deepEqual(take(reader), { type: 1, flags: RETRACTED, messageId: 6, callbackId: 0, status: 0, data: Buffer.from('second') });
  assert.equal(writer.retract(second, 1), false);
});

test('figures for inspectors count records and payload', (t) => {
  const { reader, writer, a, b } = makeRing(t, { length: 256 * 1024 });
  for (let i = 0; i < 100; i++) {
    post(writer, Buffer.alloc(1000));
    take(reader);
  }
  assert.equal(b.peer.words[Control.sentMessages], 100);
  assert.equal(b.peer.words[Control.sentKiB], Math.floor(100_000 / 1024));
  assert.equal(a.peer.words[Control.receivedMessages], 100);
});

for (const start of [2 ** 31 - 8, 2 ** 32 - 8, 2 ** 31 - 8 * PAGE, 2 ** 32 - 16]) {
  test(`a hundred thousand messages pass while the counters run on from ${start}`, (t) => {
    const { reader, writer } = makeRing(t, { start });
    let sent = 0;
    let received = 0;
    while (received < 100_000) {
      while (sent < 100_000 && writer.write(3, sent, 0, 0, 'payload', sent % 8 === 0 ? 0 : 7)) sent++;
      for (let i = 0; i < 7 && reader.next(); i++) {
        if (reader.messageId !== received || reader.dataLength !== (received % 8 === 0 ? 0 : 7)) assert.fail(`record ${received} came as ${reader.messageId} of ${reader.dataLength}`);
        reader.release();
        received++;
      }
    }
    assert.equal(reader.hasData(), false);
    assert.equal(writer.isDrained, true);
  });
}

test('a record that was written four gigabytes ago is not taken for the one that stands at its place now', (t) => {
  const length = 64 * 1024;
  const { reader, writer } = makeRing(t, { length });
  const old = writer.position;
  const filler = Buffer.alloc(length / 2 - RECORD_HEADER);
  for (let i = 0; i < 2 ** 32 / (length / 2); i++) {
    assert.ok(post(writer, filler));
    reader.next();
    reader.release();
  }
  assert.ok(writer.write(1, 77, 0, 0, filler, filler.length));
  assert.equal(writer.retract(old, 1), false);
  assert.equal(take(reader)!.flags, 0);
});
