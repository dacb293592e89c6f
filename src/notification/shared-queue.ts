/**
 * A first-in first-out queue of records in memory that the threads of this process share. A record is some words and a payload.
 * It does not lock: producers are one at a time, and so are consumers, by the locks of whoever uses it.
 *
 * A record is published by one store of `tail` and gone by one store of `head`; a thread that dies between leaves the queue whole.
 * A record is contiguous: what is left behind the last one that fits is skipped.
 *
 *   SYNC queue.tail: `push` publishes; `isEmpty` and `next` see it.   SYNC queue.head: `commit` frees room; `push` sees it.
 */
import type { MessageData } from '../base/arguments.js';
import { align8 } from '../memory/layout.js';

/** Words of a record that its user fills. */
export const FIELDS = 15;
const HEADER = 4 * (FIELDS + 1);
const SKIP = -1;

/** Room in which a record of so many bytes fits wherever the tail is: it may have to skip as much as it needs. */
export function roomForAny(dataLength: number): number {
  return 2 * align8(HEADER + dataLength);
}

export class SharedQueue {
  /** The record at hand, copied out. */
  readonly fields = new Int32Array(FIELDS);
  dataLength = 0;
  readonly #words: Int32Array;
  readonly #bytes: Buffer;
  readonly #head: number;
  readonly #tail: number;
  readonly #start: number;
  readonly #length: number;
  #position = 0;
  #dataAt = 0;

  /** Two words at `control`; `length` bytes, a power of two, from `start` on. */
  constructor(memory: SharedArrayBuffer, control: number, start: number, length: number) {
    this.#words = new Int32Array(memory);
    this.#bytes = Buffer.from(memory);
    this.#head = control;
    this.#tail = control + 1;
    this.#start = start;
    this.#length = length;
  }

  get isEmpty(): boolean {
    return Atomics.load(this.#words, this.#head) === Atomics.load(this.#words, this.#tail);
  }

  /** Bytes in use. */
  get used(): number {
    return (Atomics.load(this.#words, this.#tail) - Atomics.load(this.#words, this.#head)) >>> 0;
  }

  /** Whether more than so many records wait: a look at each of them. To be asked by who may `begin`. */
  hasMoreThan(count: number): boolean {
    const tail = Atomics.load(this.#words, this.#tail); // SYNC queue.tail
    let position = Atomics.load(this.#words, this.#head);
    for (let seen = 0; position !== tail; ) {
      const at = (position >>> 0) & (this.#length - 1);
      const dataLength = this.#words[(this.#start + at) >> 2]!;
      if (dataLength !== SKIP && ++seen > count) return true;
      position = (position + (dataLength === SKIP ? this.#length - at : align8(HEADER + dataLength))) | 0;
    }
    return false;
  }

  /** False when there is no room for it, or it would leave less than so many bytes. */
  push(fields: ArrayLike<number>, data: MessageData | undefined, dataLength: number, toLeave = 0): boolean {
    const words = this.#words;
    const needed = align8(HEADER + dataLength);
    let tail = Atomics.load(words, this.#tail);
    let at = (tail >>> 0) & (this.#length - 1);
    const skipped = at + needed > this.#length ? this.#length - at : 0;
    const used = (tail - Atomics.load(words, this.#head)) >>> 0; // SYNC queue.head
    if (used + skipped + needed > this.#length - toLeave) return false;
    if (skipped > 0) {
      words[(this.#start + at) >> 2] = SKIP;
      tail = (tail + skipped) | 0;
      at = 0;
    }
    const word = (this.#start + at) >> 2;
    words[word] = dataLength;
    for (let i = 0; i < FIELDS; i++) words[word + 1 + i] = fields[i] ?? 0;
    if (typeof data === 'string') this.#bytes.write(data, this.#start + at + HEADER, dataLength, 'utf8');
    else if (dataLength > 0) this.#bytes.set(data!, this.#start + at + HEADER);
    Atomics.store(words, this.#tail, (tail + needed) | 0); // SYNC queue.tail
    return true;
  }

  /** Starts to read at the oldest record. */
  begin(): void {
    this.#position = Atomics.load(this.#words, this.#head);
  }

  /** Copies the next record's fields out. False when there is none. It stays in the queue until `commit`. */
  next(): boolean {
    const words = this.#words;
    const tail = Atomics.load(words, this.#tail); // SYNC queue.tail
    for (;;) {
      if (this.#position === tail) return false;
      const at = (this.#position >>> 0) & (this.#length - 1);
      const word = (this.#start + at) >> 2;
      const dataLength = words[word]!;
      if (dataLength === SKIP) {
        this.#position = (this.#position + this.#length - at) | 0;
        continue;
      }
      for (let i = 0; i < FIELDS; i++) this.fields[i] = words[word + 1 + i]!;
      this.dataLength = dataLength;
      this.#dataAt = this.#start + at + HEADER;
      this.#position = (this.#position + align8(HEADER + dataLength)) | 0;
      return true;
    }
  }

  /** The payload of the record at hand, in place: good until `commit`. */
  get data(): Buffer {
    return this.#bytes.subarray(this.#dataAt, this.#dataAt + this.dataLength);
  }

  /** What was read is gone. */
  commit(): void {
    Atomics.store(this.#words, this.#head, this.#position); // SYNC queue.head
  }
}
