/**
 * A writer and a reader of one ring as step machines, and a search through all their interleavings. Each step is one call
 * into the product that touches at most one word of the other side; between any two steps the other may take any number of
 * its own.
 *
 * Private state can't be copied, so a state is reached by running its steps anew from the start, and is recognized by its
 * shared words, both places in the program, and what each side remembers of the other, which is noted beside it.
 */
import { Ringer, Sleeper } from '../../src/memory/doorbell.js';
import { Control, MAX_MESSAGE_LENGTH, RECORD_HEADER } from '../../src/memory/layout.js';
import type { Outbox } from '../../src/memory/outbox.js';
import { RingReader, RingWriter } from '../../src/memory/ring.js';

export type Mutant =
  | 'reader sleeps without a second look'
  | 'writer sleeps without a second look'
  | 'reader looks before it arms'
  | 'writer looks before it arms'
  | 'writer asks before it publishes'
  | 'reader asks before it releases';

const CONTROL = 1024;

/** An outbox in ordinary memory, with a ring so small that no kernel would map it. Records are headers alone, so none wraps. */
export function fakeOutbox(ringLength: number): Outbox {
  const buffer = new ArrayBuffer(CONTROL + ringLength);
  return { words: new Int32Array(buffer), bytes: Buffer.from(buffer), ringLength, ringStart: CONTROL } as unknown as Outbox;
}

type Place = 'work' | 'ask first' | 'ask' | 'ring' | 'arm' | 'second look' | 'asleep' | 'awake' | 'release' | 'done';

/** Both sides and what is between them. A bell is there or not: a second one finds the first unread. */
class World {
  readonly a: Outbox;
  readonly b: Outbox;
  readonly writer: RingWriter;
  readonly reader: RingReader;
  readonly forSpace: Sleeper;
  readonly forData: Sleeper;
  readonly owesData: Ringer;
  readonly owesSpace: Ringer;
  writerAt: Place = 'work';
  readerAt: Place = 'work';
  bellOfWriter = false;
  bellOfReader = false;
  sent = 0;
  received = 0;
  // What the product keeps in private, noted here to recognize states.
  knownHead = 0;
  knownTail = 0;
  readerHead = 0;
  answeredData = 0;
  answeredSpace = 0;
  // What a mutant remembers.
  owed = false;
  asked = false;
  slept = 0;

  constructor(readonly ringLength: number, readonly records: number, readonly mutant: Mutant | undefined) {
    this.a = fakeOutbox(ringLength);
    this.b = fakeOutbox(ringLength);
    this.writer = new RingWriter(this.a, this.b);
    this.reader = new RingReader(this.b, this.a, MAX_MESSAGE_LENGTH);
    this.forSpace = new Sleeper(this.a, Control.spaceSleep);
    this.forData = new Sleeper(this.b, Control.dataSleep);
    this.owesData = new Ringer(this.b, Control.dataSleep);
    this.owesSpace = new Ringer(this.a, Control.spaceSleep);
  }

  /** Of a sleep counter only matters whether it is odd and whether it has been answered; of places in the ring, their distances. */
  get key(): string {
    const { sent, received } = this;
    const space = this.a.words[Control.spaceSleep]!;
    const data = this.b.words[Control.dataSleep]!;
    const memory = [this.records - sent, sent - received, this.a.words[Control.tail]! - this.knownHead, this.knownTail - this.readerHead, this.a.words[Control.tail]! - this.b.words[Control.head]!, space & 1, data & 1];
    return [...memory, space === this.answeredSpace, data === this.answeredData, this.writerAt, this.readerAt, this.bellOfWriter, this.bellOfReader, this.owed, this.asked].join();
  }

  get canWrite(): boolean {
    return this.writerAt !== 'done' && (this.writerAt !== 'asleep' || this.bellOfWriter);
  }

  get canRead(): boolean {
    return this.readerAt !== 'asleep' || this.bellOfReader;
  }

  /** One step of the writer: work, and if there is no room arm, look again, sleep. */
  stepWriter(): void {
    const looksFirst = this.mutant === 'writer looks before it arms';
    switch (this.writerAt) {
      case 'work':
        if (this.sent === this.records) return void (this.writerAt = 'done');
        if (this.mutant === 'writer asks before it publishes' && !this.asked) {
          this.owed = this.#askForData();
          this.asked = true;
          return;
        }
        this.asked = false;
        this.#noteHead(RECORD_HEADER);
        if (!this.writer.write(3, this.sent, 0, 0, undefined, 0)) return void (this.writerAt = looksFirst ? 'second look' : 'arm');
        this.sent++;
        return void (this.writerAt = 'ask');
      case 'ask': {
        const owes = this.mutant === 'writer asks before it publishes' ? this.owed : this.#askForData();
        this.owed = false;
        return void (this.writerAt = owes ? 'ring' : 'work');
      }
      case 'ring':
        this.bellOfReader = true;
        return void (this.writerAt = 'work');
      case 'arm':
        this.forSpace.arm();
        return void (this.writerAt = looksFirst || this.mutant === 'writer sleeps without a second look' ? 'asleep' : 'second look');
      case 'second look':
        this.#noteHead(Math.max(RECORD_HEADER, this.ringLength / 2));
        if (this.writer.hasRoomToGoOn(0)) return void (this.writerAt = 'awake');
        return void (this.writerAt = looksFirst ? 'arm' : 'asleep');
      case 'asleep':
        this.bellOfWriter = false;
        this.slept |= 1;
        return void (this.writerAt = 'awake');
      default:
        this.forSpace.disarm();
        this.writerAt = 'work';
    }
  }

  /** One step of the reader: read, release, ring; and if there is nothing arm, look again, sleep. */
  stepReader(): void {
    const looksFirst = this.mutant === 'reader looks before it arms';
    switch (this.readerAt) {
      case 'work':
        if (this.readerHead === this.knownTail) this.knownTail = this.a.words[Control.tail]!;
        if (!this.reader.next()) return void (this.readerAt = looksFirst ? 'second look' : 'arm');
        if (this.reader.messageId !== this.received) throw new Error(`record ${this.received} came as ${this.reader.messageId}`);
        return void (this.readerAt = this.mutant === 'reader asks before it releases' ? 'ask first' : 'release');
      case 'ask first':
        this.owed = this.#askForSpace();
        return void (this.readerAt = 'release');
      case 'release': {
        const worthABell = this.reader.release();
        this.received++;
        this.readerHead += RECORD_HEADER;
        return void (this.readerAt = worthABell ? 'ask' : 'work');
      }
      case 'ask': {
        const owes = this.mutant === 'reader asks before it releases' ? this.owed : this.#askForSpace();
        return void (this.readerAt = owes ? 'ring' : 'work');
      }
      case 'ring':
        this.bellOfWriter = true;
        return void (this.readerAt = 'work');
      case 'arm':
        this.forData.arm();
        return void (this.readerAt = looksFirst || this.mutant === 'reader sleeps without a second look' ? 'asleep' : 'second look');
      case 'second look':
        if (this.reader.hasData()) return void (this.readerAt = 'awake');
        return void (this.readerAt = looksFirst ? 'arm' : 'asleep');
      case 'asleep':
        this.bellOfReader = false;
        this.slept |= 2;
        return void (this.readerAt = 'awake');
      default:
        this.forData.disarm();
        this.readerAt = 'work';
    }
  }

  #askForData(): boolean {
    const owes = this.owesData.owes();
    if (owes) this.answeredData = this.b.words[Control.dataSleep]!;
    return owes;
  }

  #askForSpace(): boolean {
    const owes = this.owesSpace.owes();
    if (owes) this.answeredSpace = this.a.words[Control.spaceSleep]!;
    return owes;
  }

  #noteHead(needed: number): void {
    if (this.ringLength - (this.a.words[Control.tail]! - this.knownHead) < needed) this.knownHead = this.b.words[Control.head]!;
  }
}

/** Visits every state that some interleaving reaches. `stuck`: states where nobody can go on and something is left to do. */
export function explore(ringLength: number, records: number, mutant?: Mutant): { states: number; stuck: string[]; bothSlept: boolean } {
  const seen = new Set<string>();
  const stuck: string[] = [];
  let slept = 0;
  const open: string[] = [''];
  for (let way = open.pop(); way !== undefined; way = open.pop()) {
    const world = new World(ringLength, records, mutant);
    for (const who of way) if (who === 'w') world.stepWriter();
    else world.stepReader();
    if (seen.has(world.key)) continue;
    seen.add(world.key);
    slept |= world.slept;
    if (world.canWrite) open.push(`${way}w`);
    if (world.canRead) open.push(`${way}r`);
    if (!world.canWrite && !world.canRead && (world.writerAt !== 'done' || world.received < records)) stuck.push(way);
  }
  return { states: seen.size, stuck, bothSlept: slept === 3 };
}
