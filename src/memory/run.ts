/**
 * Several records in a row, copied out of a ring in one go: for who takes many messages at a time. One long copy costs a fraction of many short
 * ones, and the headers are then read from memory that the peer can't reach any more.
 *
 * A run reads records of one type, as long as they follow each other whole, have no attributes and look right. What does not is left to `RingReader.next`,
 * which is the one place that judges.
 */
import { align8, Record, RECORD_HEADER } from './layout.js';
import type { RingReader, RunCopies } from './ring.js';

const { length: LENGTH, type: TYPE, messageId: MESSAGE_ID, attributes: ATTRIBUTES } = Record;

/** Bytes copied at once: some eighty small records; what is copied of a record that is not whole is copied again. */
const LENGTH_OF_RUN = 8192;

export class Run {
  // The record at hand: its payload is `dataLength` bytes of the copies' memory, from `dataStart` on.
  messageId = 0;
  dataLength = 0;
  dataStart = 0;

  readonly #reader: RingReader;
  readonly #copies: RunCopies;
  #type = 0;
  #start = 0;
  #at = 0;
  #end = 0;
  #records = 0;

  constructor(reader: RingReader, copies: RunCopies) {
    this.#reader = reader;
    this.#copies = copies;
  }

  /** Copies out what waits, as far as it goes. False when there is nothing of this type. Follow with `next`, and `end`. */
  begin(type: number): boolean {
    const length = this.#reader.copyRun(this.#copies, type, LENGTH_OF_RUN);
    if (length === 0) return false;
    this.#type = type;
    this.#start = this.#at = this.#copies.start;
    this.#end = this.#start + length;
    this.#records = 0;
    return true;
  }

  /** The next record, if it is whole and of the run's type. */
  next(): boolean {
    const at = this.#at;
    if (at + RECORD_HEADER > this.#end) return false;
    const { words } = this.#copies;
    const length = words[(at >> 2) + LENGTH]!;
    if (words[(at >> 2) + TYPE] !== this.#type || words[(at >> 2) + ATTRIBUTES] !== 0 || length < RECORD_HEADER || length > this.#reader.maxMessageLength) return false;
    const next = at + align8(length);
    if (next > this.#end) return false;
    this.messageId = words[(at >> 2) + MESSAGE_ID]!;
    this.dataLength = length - RECORD_HEADER;
    this.dataStart = at + RECORD_HEADER;
    this.#at = next;
    this.#records++;
    return true;
  }

  /** Done with the records that `next` found: how many there were. The reader is to release them. */
  end(): number {
    if (this.#records === 0) return 0; // the reader's `next` judges the first one: none is at hand here
    this.#copies.keepRun(this.#at - this.#start);
    this.#reader.endRun(this.#at - this.#start, this.#records);
    return this.#records;
  }
}
