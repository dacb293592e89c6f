/** A link: it rings a peer that said that it sleeps, and nobody else; a bell that can't be rung is no error. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SlabCopies } from '../../src/memory/copies.js';
import { Control, ProtocolViolation } from '../../src/memory/layout.js';
import { closeDescriptor } from '../../src/platform/system.js';
import { createSocketPair, receiveBytes, ringBell } from '../../src/platform/unix-socket.js';
import { Link } from '../../src/memory/link.js';
import { withLedger } from '../support/ledger.js';
import { makeLinks, makeSides, PAGE, take } from './support.js';

withLedger();

/** Bells that wait at a socket; reads them. */
function bells(socket: number): number {
  let count = 0;
  while (receiveBytes(socket, Buffer.alloc(8)) === 1) count++;
  return count;
}

const sendFrom = (link: Link, data: string): boolean => link.send(3, 0, 0, 0, data, data.length);

test('both directions carry records, each its own', (t) => {
  const { a, b } = makeLinks(t);
  sendFrom(a, 'from a');
  sendFrom(b, 'from b');
  assert.equal(take(a.reader)!.data.toString(), 'from b');
  assert.equal(take(b.reader)!.data.toString(), 'from a');
});

test('a peer that is awake is not rung', (t) => {
  const { a, b, socketB } = makeLinks(t);
  for (let i = 0; i < 10; i++) sendFrom(a, 'x');
  assert.equal(b.isArmed, false);
  assert.equal(bells(socketB), 0);
  assert.equal(a.own.words[Control.bellsRung], 0);
});

test('a peer that sleeps is rung once, however much is sent, and again when it went to sleep again', (t) => {
  const { a, b, socketB } = makeLinks(t);
  for (let round = 1; round <= 3; round++) {
    assert.equal(b.armForData(), true);
    assert.equal(b.isArmed, true);
    for (let i = 0; i < 5; i++) sendFrom(a, 'x');
    assert.equal(bells(socketB), 1);
    assert.equal(b.peer.words[Control.bellsRung], round);
    b.disarm();
    while (take(b.reader) !== undefined);
  }
});

test('who prepares to sleep while something is there stays awake, and is not rung', (t) => {
  const { a, b, socketB } = makeLinks(t);
  sendFrom(a, 'x');
  assert.equal(b.armForData(), false);
  assert.equal(b.isArmed, false);
  sendFrom(a, 'y');
  assert.equal(bells(socketB), 0);
});

test('who waits for room is rung when half of the ring is free, and not for each record before', (t) => {
  const { a, b, socketA } = makeLinks(t);
  const size = PAGE / 8 - 32;
  while (sendFrom(a, 'x'.repeat(size)));
  assert.equal(a.armForSpace(size), true);
  const rung: number[] = [];
  for (let i = 0; i < 8; i++) {
    b.reader.next();
    b.release();
    rung.push(bells(socketA));
  }
  assert.deepEqual(rung, [0, 0, 0, 1, 0, 0, 0, 0]);
});

test('who wants more room than half of the ring is rung again each time that it asks again', (t) => {
  const { a, b, socketA } = makeLinks(t);
  const size = PAGE / 8 - 32;
  while (sendFrom(a, 'x'.repeat(size)));
  const wanted = PAGE - 64;
  let woken = 0;
  assert.equal(a.armForSpace(wanted), true);
  while (b.reader.next()) {
    b.release();
    if (bells(socketA) === 0) continue;
    woken++;
    if (!a.armForSpace(wanted)) break;
  }
  assert.equal(woken, 5);
  assert.equal(a.send(3, 0, 0, 0, Buffer.alloc(wanted), wanted), true);
});

test('who wants room that is there is not put to sleep', (t) => {
  const { a, b, socketA } = makeLinks(t);
  assert.equal(a.armForSpace(0), false);
  sendFrom(a, 'x');
  b.reader.next();
  b.release();
  assert.equal(bells(socketA), 0);
  a.disarmForSpace();
});

test('a socket full of bells, or a peer that is gone, does not keep a record from being published', (t) => {
  const sides = makeSides(t);
  const [socketA, socketB] = createSocketPair();
  const a = new Link(sides.a.own, sides.a.peer, socketA, 65_535);
  const b = new Link(sides.b.own, sides.b.peer, socketB, 65_535);
  while (ringBell(socketA) === 'sent');
  b.armForData();
  assert.equal(sendFrom(a, 'to a full socket'), true);
  closeDescriptor(socketB);
  b.armForData();
  assert.equal(sendFrom(a, 'to nobody'), true);
  assert.equal(take(b.reader)!.data.toString(), 'to a full socket');
  assert.equal(take(b.reader)!.data.toString(), 'to nobody');
  closeDescriptor(socketA);
});

test('a peer that says that it sleeps all the time gets one bell for each record at most', (t) => {
  const { a, b, socketB } = makeLinks(t);
  for (let i = 0; i < 50; i++) {
    Atomics.store(b.own.words, Control.dataSleep, 2 * i + 1);
    sendFrom(a, 'x');
    sendFrom(a, 'y');
    assert.equal(bells(socketB), 1);
    while (take(b.reader) !== undefined);
  }
});

test('a lie of the peer is told where it is met, by whoever sends or reads', (t) => {
  const { a, b } = makeLinks(t);
  Atomics.store(b.own.words, Control.head, 4);
  assert.throws(() => a.send(3, 0, 0, 0, Buffer.alloc(PAGE), PAGE), ProtocolViolation);
  Atomics.store(b.own.words, Control.tail, 12);
  assert.equal(a.armForData(), false);
  assert.throws(() => a.reader.next(), ProtocolViolation);
});

test('a link that was closed reads nothing and takes nothing, whatever it was in the middle of, and can be closed again', (t) => {
  const { a, b } = makeLinks(t);
  for (let i = 0; i < 3; i++) sendFrom(b, 'unread');
  const { position } = a.writer;
  sendFrom(a, 'on its way');
  a.reader.next();
  a.close();
  a.close();
  // Whoever comes next gets the same memory.
  const next = makeLinks(t);
  for (let i = 0; i < 10; i++) assert.ok(sendFrom(next.a, 'secret') && sendFrom(next.b, 'secret'));
  const copies = new SlabCopies();
  for (let i = 0; i < 2; i++) {
    a.reader.copyData(copies);
    assert.equal(a.reader.dataLength, 0);
    a.release();
    assert.equal(a.reader.hasData(), false);
    assert.equal(a.reader.next(), false);
    assert.equal(sendFrom(a, 'too late'), false);
    assert.equal(sendFrom(a, ''), false);
    assert.equal(a.writer.retract(position, 1), false);
    assert.equal(a.armForData(), true);
    assert.equal(a.armForSpace(0), true);
    a.disarm();
    a.disarmForSpace();
  }
  assert.equal(bells(next.socketA) + bells(next.socketB), 0);
  for (let i = 0; i < 10; i++) for (const link of [next.a, next.b]) assert.equal(take(link.reader)!.data.toString(), 'secret');
});
