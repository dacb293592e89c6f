/**
 * What the tests of this floor share: the two sides of a connection's memory in one process, seen as two processes would
 * see them, each through mappings of its own.
 */
import { type TestContext } from 'node:test';
import { SlabCopies } from '../../src/memory/copies.js';
import { MAX_MESSAGE_LENGTH } from '../../src/memory/layout.js';
import { Link } from '../../src/memory/link.js';
import { Outbox } from '../../src/memory/outbox.js';
import { RingReader, RingWriter } from '../../src/memory/ring.js';
import { thisThread } from '../../src/ports/thread.js';
import { duplicateDescriptor, pageSize } from '../../src/platform/descriptors.js';
import { closeDescriptor } from '../../src/platform/system.js';
import { createSocketPair } from '../../src/platform/unix-socket.js';
import { atEnd } from '../support/at-end.js';

export const PAGE = pageSize();

/** One side: its own outbox, and the peer's, read-only. */
export interface Side {
  readonly own: Outbox;
  readonly peer: Outbox;
}

export function makeSides(t: TestContext, ringLength = PAGE, otherRingLength = ringLength): { a: Side; b: Side } {
  const { arena } = thisThread();
  const ownOfA = Outbox.create(arena, 'alpc:a', ringLength, 0);
  const ownOfB = Outbox.create(arena, 'alpc:b', otherRingLength, 1);
  const a = { own: ownOfA, peer: Outbox.open(arena, duplicateDescriptor(ownOfB.fd), otherRingLength) };
  const b = { own: ownOfB, peer: Outbox.open(arena, duplicateDescriptor(ownOfA.fd), ringLength) };
  atEnd(t, () => {
    for (const outbox of [a.own, a.peer, b.own, b.peer]) outbox.close();
  });
  return { a, b };
}

/** A ring from `a` to `b`: its writer, its reader, and both sides' memory. */
export interface Ring {
  readonly writer: RingWriter;
  readonly reader: RingReader;
  readonly a: Side;
  readonly b: Side;
}

export function makeRing(t: TestContext, options: { length?: number; start?: number; maxMessageLength?: number } = {}): Ring {
  return ringOver(makeSides(t, options.length), options);
}

/** A fresh ring over memory that was used before: both counters begin anew. */
export function ringOver({ a, b }: { a: Side; b: Side }, { start = 0, maxMessageLength = MAX_MESSAGE_LENGTH }: { start?: number; maxMessageLength?: number } = {}): Ring {
  return { writer: new RingWriter(a.own, a.peer, start), reader: new RingReader(b.own, b.peer, maxMessageLength, start), a, b };
}

export function makeLinks(t: TestContext, ringLength = PAGE, maxMessageLength = MAX_MESSAGE_LENGTH): { a: Link; b: Link; socketA: number; socketB: number } {
  const sides = makeSides(t, ringLength);
  const [socketA, socketB] = createSocketPair();
  atEnd(t, () => [socketA, socketB].forEach(closeDescriptor));
  return { a: new Link(sides.a.own, sides.a.peer, socketA, maxMessageLength), b: new Link(sides.b.own, sides.b.peer, socketB, maxMessageLength), socketA, socketB };
}

export interface ReadRecord {
  readonly type: number;
  readonly flags: number;
  readonly messageId: number;
  readonly callbackId: number;
  readonly status: number;
  readonly data: Buffer;
}

const copies = new SlabCopies();

/** Takes the next record, or undefined. */
export function take(reader: RingReader): ReadRecord | undefined {
  if (!reader.next()) return undefined;
  const { type, flags, messageId, callbackId, status } = reader;
  reader.copyData(copies);
  const data = Buffer.from(copies.memory, copies.start, reader.dataLength);
  reader.release();
  reader.publish();
  return { type, flags, messageId, callbackId, status, data };
}

export function post(writer: RingWriter, data: Uint8Array | string, messageId = 0): boolean {
  return writer.write(3, messageId, 0, 0, data, Buffer.byteLength(data));
}

/** Bytes that tell where they belong: no two records of a test alike. */
export function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) bytes[i] = (Math.imul(i + 1, 31) + Math.imul(seed, 17)) ^ (i >> 8);
  return bytes;
}

/** Pseudo-random integers from 0 to `below` - 1; the same for the same seed. */
export function randomFrom(seed: number): (below: number) => number {
  const state = { x: (seed ^ 0x9e3779b9) | 1 };
  return (below) => {
    state.x ^= state.x << 13;
    state.x ^= state.x >>> 17;
    state.x ^= state.x << 5;
    return (state.x >>> 0) % below;
  };
}
