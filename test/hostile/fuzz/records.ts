/** Records by hand: rows of them with something wrong, and how the page says that a ring is read. */
import { ATTRIBUTE, ATTRIBUTE_LENGTHS, RECORD, RECORD_HEADER, RECORD_TYPE, RETRACTED } from '../peer.js';
import { mutate, type Random } from './random.js';

const WORDS = Object.values(RECORD);
const TYPES = [RECORD_TYPE.request, RECORD_TYPE.request, RECORD_TYPE.reply, RECORD_TYPE.reply, RECORD_TYPE.datagram, RECORD_TYPE.datagram, RECORD_TYPE.cancel, RECORD_TYPE.request | RETRACTED];
/** Mostly small ones, so that the numbers of requests and of their cancellations meet. */
const IDS = [1, 1, 2, 2, 3, 4, 5, 0, -1, 2 ** 31 - 1, -(2 ** 31)];

/** One good record. */
function makeRecord(random: Random, most: number): Buffer {
  const length = random.oneIn(3) ? 0 : random.oneIn(30) ? random.below(most) : random.below(Math.min(48, most));
  const bytes = Buffer.alloc((RECORD_HEADER + length + 7) & ~7);
  for (let at = RECORD_HEADER; at < RECORD_HEADER + length; at += 4) bytes.writeUInt32LE(random.next(), at);
  bytes.writeInt32LE(RECORD_HEADER + length, RECORD.length);
  bytes.writeInt32LE(random.pick(TYPES), RECORD.type);
  bytes.writeInt32LE(random.pick(IDS), RECORD.messageId);
  if (random.oneIn(4)) bytes.writeInt32LE(random.pick(IDS), RECORD.callbackId);
  if (random.oneIn(3)) bytes.writeInt32LE(random.below(5), RECORD.status);
  return bytes;
}

/** A row of records that fits into a ring, some of them changed, and how many bytes of it the tail says are published. */
export function makeRecords(random: Random, ringLength: number): { bytes: Buffer; published: number } {
  const rows: Buffer[] = [];
  let used = 0;
  for (let count = random.oneIn(10) ? 40 : random.below(8); count > 0 && used + RECORD_HEADER + 8 <= ringLength; count--) {
    const room = ringLength - used - RECORD_HEADER - 8;
    let bytes = makeRecord(random, Math.max(1, room));
    if (random.oneIn(6)) bytes = mutate(random, bytes, WORDS);
    if (used + bytes.length > ringLength) break;
    rows.push(bytes);
    used += bytes.length;
  }
  const whole = (used + 7) & ~7;
  const published = random.oneIn(8) ? random.pick([whole - 8, whole + 8, whole + 1, whole - 4, ringLength, ringLength + 8, -8, random.wild(), random.below(ringLength / 8) * 8]) : whole;
  return { bytes: Buffer.concat(rows), published };
}

export interface ReadByPage {
  readonly records: { type: number; messageId: number; callbackId: number; status: number; attributes: number; number: number; data: Buffer }[];
  // `number` is the first word of the attributes, if there are any.
  /** What stops the reader. */
  readonly end: 'empty' | 'violation';
  /** Where it stands then. */
  readonly position: number;
}

/** "To consume", as the page has it. */
export function readRecords(ring: Buffer, start: number, tail: number, maxMessageLength: number): ReadByPage {
  const byteAt = (position: number): number => ring[position & (ring.length - 1)]!;
  const wordAt = (position: number): number => byteAt(position) | (byteAt(position + 1) << 8) | (byteAt(position + 2) << 16) | (byteAt(position + 3) << 24);
  const records: ReadByPage['records'] = [];
  let head = start | 0;
  for (;;) {
    const published = (tail - head) >>> 0;
    if (published === 0) return { records, end: 'empty', position: head };
    const length = wordAt(head);
    if ((tail & 7) !== 0 || published > ring.length || length < RECORD_HEADER || length > maxMessageLength || length > published) return { records, end: 'violation', position: head };
    const attributes = wordAt(head + RECORD.attributes);
    let [behind, unknown] = [0, attributes];
    for (const [name, bit] of Object.entries(ATTRIBUTE)) {
      if ((attributes & bit) !== 0) behind += ATTRIBUTE_LENGTHS[name as keyof typeof ATTRIBUTE];
      unknown &= ~bit;
    }
    if (unknown !== 0 || length < RECORD_HEADER + behind) return { records, end: 'violation', position: head };
    const data = Buffer.alloc(length - RECORD_HEADER - behind);
    for (let i = 0; i < data.length; i++) data[i] = byteAt(head + RECORD_HEADER + behind + i);
    records.push({ type: wordAt(head + RECORD.type), messageId: wordAt(head + RECORD.messageId), callbackId: wordAt(head + RECORD.callbackId), status: wordAt(head + RECORD.status), attributes, number: wordAt(head + RECORD_HEADER), data });
    head = (head + ((length + 7) & ~7)) | 0;
  }
}
