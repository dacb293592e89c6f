/**
 * How shared memory is touched: a word that the protocol rests on through `Atomics` alone, and once per decision; a record
 * is written before it is published and read after it is seen; and each side stores its own word before it loads the
 * other's. What is checked here is what was done, access by access: the arrays are watched.
 */
import assert from 'node:assert/strict';
import { mock, test, type TestContext } from 'node:test';
import { Ringer, Sleeper } from '../../src/memory/doorbell.js';
import { Control, Record, RecordType } from '../../src/memory/layout.js';
import { withLedger } from '../support/ledger.js';
import { makeLinks, makeRing, makeSides, PAGE, take } from './support.js';
import { atomicWords, Watch } from './watch.js';

withLedger();

/** A ring from a to b, all of whose words are watched. */
function watchedRing(t: TestContext): ReturnType<typeof makeRing> & { watch: Watch } {
  const ring = makeRing(t);
  const watch = new Watch(t);
  watch.on(ring.a.own, 'a.own');
  watch.on(ring.a.peer, 'a.peer');
  watch.on(ring.b.own, 'b.own');
  watch.on(ring.b.peer, 'b.peer');
  return { ...ring, watch };
}

const shared = (log: string[]): string[] => log.filter((line) => / (load|store) /.test(line));

test('writing stores the tail once, after every word of the record, and then figures alone; while there is room it looks at nothing of the peer', (t) => {
  const { writer, watch } = watchedRing(t);
  writer.write(3, 1, 0, 0, 'data', 4);
  const log = watch.take();
  assert.deepEqual(shared(log), ['a.own store tail']);
  const after = log.slice(log.indexOf('a.own store tail') + 1);
  assert.deepEqual(after, [Control.sentMessages, Control.sentBytes].map((word) => `a.own set ${word}`));
  const at = PAGE / 4;
  for (const word of [Record.length, Record.type, Record.messageId, Record.callbackId, Record.status, Record.sequence, Record.attributes]) assert.equal(log.filter((line) => line === `a.own set ${at + word}`).length, 1);
});

test('a writer that needs room looks at the head once, and stores nothing when there is none', (t) => {
  const { writer, watch } = watchedRing(t);
  writer.write(3, 1, 0, 0, Buffer.alloc(PAGE - 64), PAGE - 64);
  watch.take();
  assert.equal(writer.write(3, 2, 0, 0, Buffer.alloc(100), 100), false);
  assert.deepEqual(watch.take(), ['a.peer load head']);
  for (const ask of [() => writer.isDrained, () => writer.hasRoomToGoOn(0), () => writer.hasProgressed()]) {
    ask();
    assert.deepEqual(watch.take(), ['a.peer load head']);
  }
});

test('a reader loads the tail once, then each header word once, and stores the head when it is done with the record', (t) => {
  const { writer, reader, watch } = watchedRing(t);
  writer.write(3, 1, 0, 0, undefined, 0);
  watch.take();
  reader.next();
  const at = PAGE / 4;
  const header = [Record.length, Record.type, Record.messageId, Record.callbackId, Record.status, Record.attributes].map((word) => `b.peer get ${at + word}`);
  assert.deepEqual(watch.take(), ['b.peer load tail', ...header]);
  reader.release();
  assert.deepEqual(watch.take(), ['b.own store head', `b.own set ${Control.receivedMessages}`]);
});

test('a reader that knows of more records does not look at the tail for them, and looking for data loads at most one word', (t) => {
  const { writer, reader, watch } = watchedRing(t);
  for (let i = 0; i < 2; i++) writer.write(3, i, 0, 0, undefined, 0);
  watch.take();
  reader.hasData();
  assert.deepEqual(watch.take(), ['b.peer load tail']);
  take(reader);
  watch.take();
  reader.hasData();
  assert.deepEqual(watch.take(), []);
  reader.next();
  assert.deepEqual(shared(watch.take()), []);
});

test('a length that changes between two looks can not matter: the first is checked and used', (t) => {
  const { writer, reader, b } = makeRing(t);
  writer.write(3, 1, 0, 0, 'data', 4);
  const words = b.peer.words;
  const lengthAt = PAGE / 4 + Record.length;
  let reads = 0;
  // The peer writes another length after each read of ours.
  b.peer.words = new Proxy(words, { get: (target, key) => (key === String(lengthAt) ? (reads++ === 0 ? 36 : 0x7fffffff) : (Reflect.get(target, key, target) as unknown)) });
  const load = mock.method(Atomics, 'load', (_: Int32Array, index: number) => words[index]!);
  try {
    assert.equal(reader.next(), true);
  } finally {
    load.mock.restore();
    b.peer.words = words;
  }
  assert.equal(reader.dataLength, 4);
  assert.equal(reads, 1);
});

test('a sleeper and a ringer touch their one word once each time', (t) => {
  const { a, b } = makeSides(t);
  const watch = new Watch(t);
  watch.on(a.own, 'own');
  watch.on(b.peer, 'peer');
  const sleeper = new Sleeper(a.own, Control.dataSleep);
  const ringer = new Ringer(b.peer, Control.dataSleep);
  sleeper.disarm();
  assert.deepEqual(watch.take(), []);
  sleeper.arm();
  assert.deepEqual(watch.take(), ['own store dataSleep']);
  ringer.owes();
  assert.deepEqual(watch.take(), ['peer load dataSleep']);
  sleeper.disarm();
  assert.deepEqual(watch.take(), ['own store dataSleep']);
});

test('a link stores its own word before it loads the other\'s, in each of the four places where one may sleep', (t) => {
  const { a, b } = makeLinks(t);
  const watch = new Watch(t);
  watch.on(a.own, 'a.own');
  watch.on(a.peer, 'a.peer');
  watch.on(b.own, 'b.own');
  watch.on(b.peer, 'b.peer');
  b.armForData();
  assert.deepEqual(shared(watch.take()), ['b.own store dataSleep', 'b.peer load tail']);
  a.send(RecordType.datagram, 0, 0, 0, Buffer.alloc(PAGE - 32), PAGE - 32);
  assert.deepEqual(shared(watch.take()), ['a.own store tail', 'a.peer load dataSleep']);
  a.armForSpace(0);
  assert.deepEqual(shared(watch.take()), ['a.own store spaceSleep', 'a.peer load head']);
  b.reader.next();
  watch.take();
  b.release();
  assert.deepEqual(shared(watch.take()), ['b.own store head', 'b.peer load spaceSleep']);
});

test('in a long conversation no word of the protocol is ever touched but through Atomics, and none of the peer\'s is written', (t) => {
  const { a, b } = makeLinks(t);
  const watch = new Watch(t);
  watch.on(a.own, 'a.own');
  watch.on(a.peer, 'a.peer');
  watch.on(b.own, 'b.own');
  watch.on(b.peer, 'b.peer');
  for (let i = 0; i < 300; i++) {
    const [from, to] = i % 3 === 0 ? [b, a] : [a, b];
    if (i % 5 === 0) to.armForData();
    if (!from.send(RecordType.request, i, 0, 0, 'x'.repeat(i), i)) from.armForSpace(i);
    if (i % 4 === 3) while (to.reader.next()) to.release();
    if (i % 7 === 0) [a, b].forEach((link) => link.disarm());
  }
  const log = watch.take();
  assert.ok(log.length > 1000);
  const names = [...atomicWords.values()];
  assert.deepEqual(log.filter((line) => / (get|set) /.test(line) && names.includes(line.split(' ')[2]!)), []);
  assert.deepEqual(log.filter((line) => /peer (store|set) /.test(line)), []);
});
