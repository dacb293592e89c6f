/** Records in a ring, as `RingReader` reads them and as the page has them. The memory is a peer's, made by hand; the tail may say anything. */
import { SlabCopies } from '../../../src/memory/copies.js';
import { ProtocolViolation } from '../../../src/memory/layout.js';
import { Outbox } from '../../../src/memory/outbox.js';
import { RingReader } from '../../../src/memory/ring.js';
import { duplicateDescriptor } from '../../../src/platform/descriptors.js';
import { thisThread } from '../../../src/ports/thread.js';
import { CONTROL, MAX_MESSAGE_LENGTH, PAGE } from '../peer.js';
import { HandFile } from '../raw.js';
import type { Random } from './random.js';
import { makeRecords, readRecords } from './records.js';
import { agree, roughly, type Target } from './target.js';

const RING = PAGE;

export interface RingCase {
  /** Where reader and writer stand, and where the tail says that the writer stands. */
  readonly start: number;
  readonly tail: number;
  readonly maxMessageLength: number;
  /** What is in the ring, from `start` on; the rest is zeros. */
  readonly bytes: Buffer;
}

export class RingTarget implements Target<RingCase> {
  readonly name = 'ring';
  readonly #memory = HandFile.make(PAGE + RING, { name: 'alpc:fuzz' });
  readonly #own = Outbox.create(thisThread().arena, 'alpc:fuzz', PAGE, 0);
  readonly #peer = Outbox.open(thisThread().arena, duplicateDescriptor(this.#memory.fd), RING);
  readonly #ring = this.#memory.bytes.subarray(PAGE);
  readonly #copies = new SlabCopies();

  make(random: Random): RingCase {
    const start = (random.oneIn(4) ? 2 ** 32 - 8 * (1 + random.below(300)) : random.oneIn(4) ? 2 ** 31 - 8 * random.below(300) : random.below(2 ** 29) * 8) | 0;
    const maxMessageLength = random.oneIn(2) ? MAX_MESSAGE_LENGTH : 64 + random.below(200);
    const { bytes, published } = makeRecords(random, RING);
    return { start, tail: (start + published) | 0, maxMessageLength, bytes };
  }

  run({ start, tail, maxMessageLength, bytes }: RingCase): string {
    this.#ring.fill(0);
    const at = start & (RING - 1);
    this.#ring.set(bytes.subarray(0, RING - at), at);
    this.#ring.set(bytes.subarray(RING - at), 0);
    Atomics.store(this.#memory.words, CONTROL.tail / 4, tail);
    const page = readRecords(this.#ring, start, tail, maxMessageLength);
    const reader = new RingReader(this.#own, this.#peer, maxMessageLength, start);
    let count = 0;
    let end = 'empty';
    let why = '';
    try {
      for (; reader.next(); count++) {
        reader.copyData(this.#copies);
        const data = Buffer.from(this.#copies.memory, this.#copies.start, reader.dataLength);
        const expected = page.records[count];
        if (expected === undefined) agree(`a record of ${data.length} bytes after ${count}`, `${count} records, then ${page.end}`);
        const same = expected!.data.equals(data) && expected!.type === (reader.type | reader.flags) && expected!.messageId === reader.messageId && expected!.callbackId === reader.callbackId && expected!.status === reader.status;
        if (!same) agree(`${reader.type | reader.flags} ${reader.messageId} ${reader.callbackId} ${reader.status} ${data.toString('hex')}`, JSON.stringify(expected));
        reader.release();
      }
    } catch (error) {
      if (!(error instanceof ProtocolViolation)) throw error;
      end = 'violation';
      why = `: ${error.message.replaceAll(/0x[\da-f]+|\d+/g, 'N')}`;
    }
    agree(`${count} records, then ${end}`, `${page.records.length} records, then ${page.end}`);
    const wraps = at + ((page.position - start) >>> 0) > RING ? ', round the end' : '';
    const longest = Math.max(0, ...page.records.map(({ data }) => data.length));
    return `${roughly(count)}, longest ${roughly(longest)}${wraps}, then ${end}${why}`;
  }

  encode({ start, tail, maxMessageLength, bytes }: RingCase): string {
    return [start, tail, maxMessageLength, bytes.toString('hex')].join(':');
  }

  decode(text: string): RingCase {
    const [start, tail, maxMessageLength, bytes] = text.split(':');
    return { start: Number(start), tail: Number(tail), maxMessageLength: Number(maxMessageLength), bytes: Buffer.from(bytes!, 'hex') };
  }

  close(): void {
    this.#own.close();
    this.#peer.close();
    this.#memory.close();
  }
}
