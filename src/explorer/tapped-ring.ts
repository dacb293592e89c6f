/**
 * One direction of a connection, listened to from outside: which records came since the last look, and which of them were consumed.
 *
 * The writer does not know of it and waits for nobody, so it may have overwritten what this one wants to read. What was read counts
 * only if the writer's tail, asked again afterwards, is not yet a ring's length away; else it is told how many went by unseen.
 * Payloads are copied with the records, and dropped.
 */
import { align8, attributesLength, Control, Record, RECORD_HEADER, RecordType } from '../memory/layout.js';
import { pageSize } from '../platform/descriptors.js';
import { openForeignFile, readAt } from '../platform/foreign-memory.js';
import { closeDescriptor } from '../platform/system.js';
import type { MemoryFile } from './census.js';
import type { TraceEvent } from './model.js';
import { type ControlPage, readControlPage } from './pages.js';

export interface SeenRecord {
  readonly type: TraceEvent['type'] & string;
  readonly messageId: number;
  readonly bytes: number;
}

interface InFlight extends SeenRecord {
  /** Where it ends, in bytes ever published, modulo 2^32. */
  readonly end: number;
}

export interface News {
  readonly sent: SeenRecord[];
  /** Records that were overwritten before they could be seen. */
  readonly missed: number;
}

const TYPES = new Map<number, SeenRecord['type']>(Object.entries(RecordType).map(([name, type]) => [type, name as SeenRecord['type']]));
/** So many records that nobody consumes are remembered; a ring of 64 MiB could hold two million. */
const MOST_IN_FLIGHT = 65_536;

export class TappedRing implements Disposable {
  page: ControlPage;
  readonly #file: number;
  readonly #size: number;
  #tail: number;
  #messages: number;
  readonly #inFlight: InFlight[] = [];

  private constructor(file: number, size: number, page: ControlPage) {
    this.#file = file;
    this.#size = size;
    this.page = page;
    this.#tail = page.tail;
    this.#messages = page.words[Control.sentMessages]!;
  }

  /** Listens from now on; undefined when it can't be read. */
  static open({ holders, inode, size }: MemoryFile): TappedRing | undefined {
    for (const { pid, fd } of holders) {
      const file = openForeignFile(pid, fd, inode);
      if (typeof file === 'string') continue;
      const page = readControlPage(readAt(file, 0, pageSize()), size);
      if (typeof page !== 'string') return new TappedRing(file, size, page);
      closeDescriptor(file);
    }
    return undefined;
  }

  /** What was published since the last look. Undefined: it has become something that is no outbox. */
  look(): News | undefined {
    const page = this.#readPage();
    if (page === undefined) return undefined;
    this.page = page;
    const messages = page.words[Control.sentMessages]!;
    const sent = this.#records(page.tail);
    const missed = Math.max(0, ((messages - this.#messages) | 0) - sent.length);
    this.#messages = messages;
    return { sent, missed };
  }

  /** Those of the records seen that the peer, by its head, has consumed since the last look. */
  consumed(head: number): SeenRecord[] {
    const waiting = this.#inFlight.findIndex(({ end }) => ((head - end) | 0) < 0);
    return this.#inFlight.splice(0, waiting < 0 ? this.#inFlight.length : waiting);
  }

  [Symbol.dispose](): void {
    closeDescriptor(this.#file);
  }

  #records(tail: number): SeenRecord[] {
    const { ringLength } = this.page;
    const start = this.#tail;
    const length = (tail - start) >>> 0;
    this.#tail = tail;
    if (length === 0) return [];
    const bytes = length > ringLength ? undefined : this.#readRing(start, length);
    const now = this.#readPage();
    if (bytes === undefined || now === undefined || (now.tail - start) >>> 0 > ringLength) {
      this.#inFlight.length = 0;
      return [];
    }
    return this.#parse(bytes, start);
  }

  #parse(bytes: Buffer, start: number): SeenRecord[] {
    const records: SeenRecord[] = [];
    for (let at = 0; at + RECORD_HEADER <= bytes.length; ) {
      const word = (index: number): number => bytes.readInt32LE(at + index * 4);
      const length = word(Record.length);
      const type = TYPES.get(word(Record.type) & 0xff);
      if (length < RECORD_HEADER || at + align8(length) > bytes.length || type === undefined) break; // it breaks the rules: its peer will see to that
      const record = { type, messageId: word(Record.messageId), bytes: length - RECORD_HEADER - (attributesLength(word(Record.attributes)) ?? 0) };
      at += align8(length);
      records.push(record);
      if (this.#inFlight.length < MOST_IN_FLIGHT) this.#inFlight.push({ ...record, end: (start + at) | 0 });
    }
    return records;
  }

  #readRing(start: number, length: number): Buffer | undefined {
    const { ringLength } = this.page;
    const at = (start >>> 0) % ringLength;
    const first = readAt(this.#file, pageSize() + at, Math.min(length, ringLength - at));
    const rest = first.length < length ? readAt(this.#file, pageSize(), length - first.length) : Buffer.alloc(0);
    return first.length + rest.length === length ? Buffer.concat([first, rest]) : undefined;
  }

  #readPage(): ControlPage | undefined {
    const page = readControlPage(readAt(this.#file, 0, pageSize()), this.#size);
    return typeof page === 'string' ? undefined : page;
  }
}
