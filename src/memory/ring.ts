/**
 * The ring of records in an outbox: `RingWriter` for its owner, `RingReader` for the peer.
 *
 * Invariant: 0 <= tail - head <= ring length (modulo 2^32), both multiples of 8, or the peer broke the rules. The owner
 * alone writes the records and `tail`; the reader alone writes `head`, in its own outbox. Each keeps its own counter in
 * private and looks at the other's once per decision.
 *
 *   SYNC ring.tail: the writer's store publishes a record; the reader's load makes it visible.
 *   SYNC ring.head: the reader's store frees room; the writer's load sees it.
 *
 * The reader stores its head when it has consumed all that it knew of, when half of the ring has become free, and at least every
 * eighth of a ring: such a store waits for all that were made before it. `publish` does so before a sleep.
 *
 * A writer may keep a part of the ring for records that must find room: all others are measured against what is left, so that this
 * costs them nothing. Invariant: they take no more than that, however many of the kept ones are in the ring.
 *
 * Nothing here waits, rings or throws for a full or an empty ring; a peer's lie is a ProtocolViolation.
 */
import type { MessageData } from '../base/arguments.js';
import { untrustedNumber, within } from '../base/untrusted.js';
import { align8, attributesLength, Control, MAX_ATTRIBUTE_WORDS, MAX_MESSAGE_LENGTH, ProtocolViolation, Record, RECORD_HEADER, RETRACTED } from './layout.js';
import type { Outbox } from './outbox.js';

const { tail: TAIL, head: HEAD, sentMessages: SENT_MESSAGES, sentKiB: SENT_KIB, sentBytes: SENT_BYTES, receivedMessages: RECEIVED_MESSAGES } = Control;
const { length: LENGTH, type: TYPE, messageId: MESSAGE_ID, callbackId: CALLBACK_ID, status: STATUS, sequence: SEQUENCE, attributes: ATTRIBUTES, reserved1: RESERVED1 } = Record;
const NO_BLOCK = new Int32Array(0);

export class RingWriter {
  readonly #own: Outbox;
  readonly #peer: Outbox;
  /** What records may take: the ring, less what is kept. */
  #length: number;
  readonly #mask: number;
  #tail = 0;
  /** The peer's head as last seen: enough while there is room. */
  #head = 0;
  #asked = 0;
  /** How often `tail` wrapped around, as it does every 4 GiB. */
  #wraps = 0;
  #sequence = 0;
  /** Payload published: whole KiB, and what is over. Small integers, as the rest: with a number that grows beyond them a record takes a sixth longer. */
  #sentKiB = 0;
  #sentRest = 0;
  #isClosed = false;

  /** `start` is where both counters begin: 0, but for tests of their wrap-around. */
  constructor(own: Outbox, peer: Outbox, start = 0) {
    this.#own = own;
    this.#peer = peer;
    this.#length = own.ringLength;
    this.#mask = own.ringLength - 1;
    this.#tail = start | 0;
    this.#head = start | 0;
    Atomics.store(own.words, TAIL, this.#tail);
  }

  /** Where the next record will begin, in bytes ever written; names a record for `retract`, however long ago it was. */
  get position(): number {
    return this.#wraps * 2 ** 32 + (this.#tail >>> 0);
  }

  /** Whether everything written has been consumed. */
  get isDrained(): boolean {
    this.#look();
    return this.#head === this.#tail;
  }

  hasRoomFor(dataLength: number): boolean {
    const needed = align8(RECORD_HEADER + dataLength);
    if (this.#length - ((this.#tail - this.#head) >>> 0) >= needed) return true;
    this.#look();
    return this.#length - ((this.#tail - this.#head) >>> 0) >= needed;
  }

  /**
   * Whether a writer that waited may go on: there is room for `dataLength` bytes, and half of the ring is free. What waits stands
   * behind everything in the ring anyway, and to go on for each single record would cost a bell each.
   */
  hasRoomToGoOn(dataLength: number): boolean {
    return this.hasRoomFor(Math.max(dataLength, (this.#length >>> 1) - RECORD_HEADER));
  }

  /** Whether the peer has consumed anything since the last time this was asked: then it is worth looking on for room. */
  hasProgressed(): boolean {
    this.#look();
    if (this.#head === this.#asked) return false;
    this.#asked = this.#head;
    return true;
  }

  /** Keeps so many bytes more for `withAll`. False, and nothing is kept, when they are in use now. */
  keep(bytes: number): boolean {
    if (!this.hasRoomFor(bytes - RECORD_HEADER)) return false;
    this.#length -= bytes;
    return true;
  }

  /** Keeps so many bytes less. */
  giveUp(bytes: number): void {
    if (!this.#isClosed) this.#length += bytes;
  }

  /** Calls a function whose records may take what is kept, too: one record for each time that room was kept and is free. */
  withAll<T>(write: () => T): T {
    const kept = this.#own.ringLength - this.#length;
    this.#length += kept;
    try {
      return write();
    } finally {
      if (!this.#isClosed) this.#length -= kept;
    }
  }

  /** Whether everything before a position has been consumed. */
  hasConsumed(position: number): boolean {
    this.#look();
    return (this.#tail - this.#head) >>> 0 <= this.position - position;
  }

  /**
   * Writes and publishes one record, or returns false and has done nothing when there is no room. `dataLength` is the data's length in bytes;
   * `block` holds the attributes whose bits are set in `attributes`.
   */
  write(type: number, messageId: number, callbackId: number, status: number, data: MessageData | undefined, dataLength: number, attributes = 0, block: Int32Array = NO_BLOCK): boolean {
    const headerLength = attributes === 0 ? RECORD_HEADER : RECORD_HEADER + block.byteLength;
    const length = headerLength + dataLength;
    if (!this.hasRoomFor(length - RECORD_HEADER)) return false;
    const own = this.#own;
    const words = own.words;
    const tail = this.#tail;
    const start = own.ringStart + (tail & this.#mask);
    const at = start >> 2;
    words[at + LENGTH] = length;
    words[at + TYPE] = type;
    words[at + MESSAGE_ID] = messageId;
    words[at + CALLBACK_ID] = callbackId;
    words[at + STATUS] = status;
    words[at + SEQUENCE] = this.#sequence = (this.#sequence + 1) | 0;
    words[at + ATTRIBUTES] = attributes;
    words[at + RESERVED1] = 0; // what stood here before may be an old payload, and a later version may read it
    if (attributes !== 0) words.set(block, at + (RECORD_HEADER >> 2));
    if (dataLength !== 0) {
      if (typeof data === 'string') own.bytes.write(data, start + headerLength, dataLength, 'utf8');
      else own.bytes.set(data!, start + headerLength);
    }
    this.#tail = (tail + align8(length)) | 0;
    if (this.#tail >>> 0 < tail >>> 0) this.#wraps++;
    Atomics.store(words, TAIL, this.#tail); // SYNC ring.tail: publishes the record to RingReader.next
    // Figures for inspectors: the peer reads the record meanwhile.
    words[SENT_MESSAGES] = this.#sequence;
    const rest = this.#sentRest + dataLength;
    if (rest >= 1024) words[SENT_KIB] = this.#sentKiB = (this.#sentKiB + (rest >> 10)) | 0;
    this.#sentRest = rest & 1023;
    words[SENT_BYTES] = (this.#sentKiB << 10) + this.#sentRest;
    return true;
  }

  /** Marks the record at `position` as taken back, if the peer has not consumed it yet. A race with its reading is for the caller to settle. */
  retract(position: number, type: number): boolean {
    this.#look();
    const back = this.position - position;
    if (back > (this.#tail - this.#head) >>> 0 || this.#isClosed) return false;
    Atomics.store(this.#own.words, ((this.#own.ringStart + ((this.#tail - back) & this.#mask)) >> 2) + TYPE, type | RETRACTED);
    return true;
  }

  /** The memory of both sides is gone: no room any more, and nothing unread. */
  close(): void {
    this.#isClosed = true;
    this.#length = 0;
    this.#tail = 0;
    this.#head = 0;
  }

  /** SYNC ring.head: sees the room that RingReader.release made. */
  #look(): void {
    const head = Atomics.load(this.#peer.words, HEAD);
    if (head === this.#head) return;
    const used = within(untrustedNumber((this.#tail - head) >>> 0), 0, (this.#tail - this.#head) >>> 0);
    if (used === undefined || (head & 7) !== 0) throw new ProtocolViolation(`the peer's head ${head >>> 0} is not between ${this.#head >>> 0} and ${this.#tail >>> 0}`);
    this.#head = head;
  }
}

export class RingReader {
  // The record at hand: private copies, checked.
  type = 0;
  flags = 0;
  messageId = 0;
  callbackId = 0;
  status = 0;
  dataLength = 0;
  /** Bits of the attributes that it carries; what they say is in `block`. */
  attributes = 0;
  /** The attributes of the record at hand, one behind the other; there is one from the first record on that has any. */
  block: Int32Array = NO_BLOCK;

  readonly #own: Outbox;
  readonly #peer: Outbox;
  readonly #length: number;
  readonly #mask: number;
  readonly maxMessageLength: number;
  #head = 0;
  /** The peer's tail as last seen and checked: what lies before it may be read. */
  #tail = 0;
  /** The head as the writer may see it. */
  #published = 0;
  #dataAt = 0;
  #next = 0;
  #received = 0;

  constructor(own: Outbox, peer: Outbox, maxMessageLength = MAX_MESSAGE_LENGTH, start = 0) {
    this.#own = own;
    this.#peer = peer;
    this.#length = peer.ringLength;
    this.#mask = peer.ringLength - 1;
    this.maxMessageLength = maxMessageLength;
    this.#head = start | 0;
    this.#tail = start | 0;
    this.#published = start | 0;
    Atomics.store(own.words, HEAD, this.#head);
  }

  /** Bytes ever consumed, modulo 2^32. */
  get position(): number {
    return this.#head;
  }

  /** Whether a record waits; the look that spinning and the sleeper's second look are made of. */
  hasData(): boolean {
    return this.#head !== this.#tail || Atomics.load(this.#peer.words, TAIL) !== this.#head; // SYNC ring.tail
  }

  /** Copies out and checks the next record's header. False when the ring is empty. Follow with `copyData`, if wanted, and `release`. */
  next(): boolean {
    if (this.#head === this.#tail && !this.#look()) return false;
    const words = this.#peer.words;
    const start = this.#peer.ringStart + (this.#head & this.#mask);
    const at = start >> 2;
    const length = words[at + LENGTH]!;
    const type = words[at + TYPE]!;
    this.messageId = words[at + MESSAGE_ID]!;
    this.callbackId = words[at + CALLBACK_ID]!;
    this.status = words[at + STATUS]!;
    if (length < RECORD_HEADER || length > this.maxMessageLength || align8(length) > (this.#tail - this.#head) >>> 0) {
      throw new ProtocolViolation(`a record says that it has ${length} bytes, of ${(this.#tail - this.#head) >>> 0} published and at most ${this.maxMessageLength} allowed`);
    }
    this.type = type & 0xff;
    this.flags = type & ~0xff;
    this.dataLength = length - RECORD_HEADER;
    this.#dataAt = start + RECORD_HEADER;
    this.#next = (this.#head + align8(length)) | 0;
    this.attributes = words[at + ATTRIBUTES]!;
    if (this.attributes !== 0) this.#copyAttributes(at + (RECORD_HEADER >> 2));
    return true;
  }

  #copyAttributes(at: number): void {
    const length = attributesLength(this.attributes);
    if (length === undefined) throw new ProtocolViolation(`a record has attributes 0x${(this.attributes >>> 0).toString(16)}, of which some are unknown`);
    if (length > this.dataLength) throw new ProtocolViolation(`a record has ${this.dataLength} bytes behind its header, its attributes take ${length}`);
    if (this.block.length === 0) this.block = new Int32Array(MAX_ATTRIBUTE_WORDS);
    const { block } = this;
    const { words } = this.#peer;
    for (let word = length / 4 - 1; word >= 0; word--) block[word] = words[at + word]!; // a subarray, to copy ten words, costs more than they do
    this.dataLength -= length;
    this.#dataAt += length;
  }

  /** Copies the payload of the record at hand into memory of this process. */
  copyData(copies: Copies): void {
    copies.copy(this.#peer.words, this.#peer.bytes, this.#dataAt, this.dataLength);
  }

  /**
   * Copies out what waits, `limit` bytes of it at most, for a `Run` to read. How many bytes it is; 0 when the ring is empty, and when the next
   * record is of another type or longer: that is a hint, looked at in place, and saves a copy that would be for nothing.
   */
  copyRun(copies: RunCopies, type: number, limit: number): number {
    if (this.#head === this.#tail && !this.#look()) return 0;
    const words = this.#peer.words;
    const at = (this.#peer.ringStart + (this.#head & this.#mask)) >> 2;
    if (words[at + TYPE] !== type || words[at + LENGTH]! > limit) return 0;
    const length = Math.min((this.#tail - this.#head) >>> 0, limit);
    copies.copyRun(this.#peer.bytes, this.#peer.ringStart + (this.#head & this.#mask), length);
    return length;
  }

  /** So many records of a run, one at least, of together `length` bytes, are the record at hand from now on: `release` is for all of them. */
  endRun(length: number, records: number): void {
    this.#next = (this.#head + length) | 0;
    this.#received += records - 1;
  }

  /** Done with the record at hand: its room is the writer's again, at once or soon. True when half of the ring is free: time to wake a writer that waits for room. */
  release(): boolean {
    this.#head = this.#next;
    this.#received++;
    const used = (this.#tail - this.#head) >>> 0;
    const unpublished = (this.#head - this.#published) >>> 0;
    const half = this.#length >>> 1;
    if (used !== 0 && unpublished < this.#length >>> 3 && (used > half || used + unpublished <= half)) return false;
    this.publish();
    return used <= half;
  }

  /** Lets the writer see all that has been consumed. */
  publish(): void {
    if (this.#published === this.#head) return;
    this.#published = this.#head;
    const { words } = this.#own;
    Atomics.store(words, HEAD, this.#head); // SYNC ring.head: frees the room for RingWriter.#look
    words[RECEIVED_MESSAGES] = this.#received;
  }

  /** The memory of both sides is gone: empty from now on, and the record at hand has no payload any more. */
  close(): void {
    this.#head = 0;
    this.#published = 0;
    this.#tail = 0;
    this.#next = 0;
    this.dataLength = 0;
  }

  /** SYNC ring.tail: sees what RingWriter.write published. One load, checked before it is believed. */
  #look(): boolean {
    const tail = Atomics.load(this.#peer.words, TAIL);
    if (tail === this.#head) return false;
    const published = within(untrustedNumber((tail - this.#head) >>> 0), 0, this.#length);
    if (published === undefined || (tail & 7) !== 0) throw new ProtocolViolation(`the peer's tail ${tail >>> 0} is not within ${this.#length} bytes of ${this.#head >>> 0}`);
    this.#tail = tail;
    return true;
  }
}

/** Where payloads are copied to. Small ones share a slab, as Node's own Buffers do; a slab can't be transferred away. */
export interface Copies {
  /** `words` and `bytes` are the same memory; `at` is a multiple of 8, in bytes, and what is copied may be padded to the next one. */
  copy(words: Int32Array, bytes: Buffer, at: number, length: number): void;
  /** Where the last copy is, and begins. */
  readonly memory: ArrayBuffer;
  readonly start: number;
}

/** Where runs of records are copied to. */
export interface RunCopies {
  copyRun(source: Buffer, at: number, length: number): void;
  /** So many bytes of the last run are in use from now on; the rest is overwritten by what comes next. */
  keepRun(length: number): void;
  /** The memory that the last run was copied to, and where in it, in bytes. */
  readonly words: Int32Array;
  readonly start: number;
}
