/**
 * The sending end of a stream: takes items from an iterable and sends them, several in one message when they come fast, as far as the
 * receiver's credit goes. So the source is asked for the next item only when there is somewhere to put it.
 *
 * An item that fits into no message goes by view, or in parts to a peer that has as many views as it takes. It may go beyond the credit when
 * there is any; it counts with all its bytes, and what comes after it waits until that is consumed.
 */
import { HEADER, Kind, WINDOW, writeHeader } from './frame.js';
import { largeLength } from './large-values.js';
import { type ValueBounds, ValueEncoder } from './value-encoder.js';

/** Items are sent together until a message has so many bytes. */
const TOGETHER = 16_384;

/** Items that are taken before the event loop must turn: others have their turn, and the word that no more are wanted is heard. */
const IN_A_ROW = 256;

/** Milliseconds until a receiver that holds as many long values as it may is asked again, doubled each time. */
const FIRST_PAUSE = 5;
const LONGEST_PAUSE = 160;

export type Source = Iterable<unknown> | AsyncIterable<unknown>;

/** The way to the receiver. */
export interface ItemWay {
  readonly bounds: ValueBounds;
  readonly maxDataLength: number;
  tryPost(frame: Buffer): 'sent' | 'full' | 'disconnected';
  post(frame: Buffer): Promise<void>;
  /** Sends an item that fits into no message, as `largeLength` has it. False when the receiver has no room for it now, or nobody wants it any more. @throws what the receiver says */
  sendLong(flags: number, number: number, frame: Buffer, runs: readonly Uint8Array[], isStopped: () => boolean): Promise<boolean>;
}

export class Outflow {
  readonly #way: ItemWay;
  readonly #flags: number;
  readonly #number: number;
  readonly #encoder: ValueEncoder;
  /** The end of what waits to be sent, behind the header. */
  #at = HEADER;
  #credit = WINDOW;
  #sent = 0;
  #stopped = false;
  #room: Promise<void> | undefined;
  readonly #runs: Uint8Array[] = [];
  #wake: (() => void) | undefined;
  #scheduled = false;

  constructor(way: ItemWay, flags: number, number: number) {
    this.#way = way;
    this.#flags = flags;
    this.#number = number;
    this.#encoder = new ValueEncoder(way.bounds);
  }

  /** Bytes of items sent. */
  get sent(): number {
    return this.#sent;
  }

  get isStopped(): boolean {
    return this.#stopped;
  }

  /** The receiver has room for more. False: it says so of more than was sent. */
  credit(bytes: number): boolean {
    if (this.#credit + bytes > WINDOW) return false;
    this.#credit += bytes;
    this.#wake?.();
    return true;
  }

  /** No more items are wanted, or can be sent. */
  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }

  /** Sends all items; ends early when it is stopped. The source is told either way. @throws what the source throws; ERR_ALPC_BAD_VALUE */
  async pump(source: Source): Promise<void> {
    const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
    let finished = false;
    let count = 0;
    try {
      while (!this.#stopped) {
        const given = iterator.next();
        const step = given instanceof Promise ? await this.#orStopped(given) : given;
        if (step === undefined) break;
        if (step.done === true) {
          finished = true;
          break;
        }
        const value: unknown = step.value instanceof Promise ? await step.value : step.value;
        const more = this.#add(value);
        if (more !== undefined) await more;
        if (++count % IN_A_ROW === 0) await this.#turn();
      }
    } finally {
      // What came before an error arrives before it.
      while (!this.#stopped && this.#at > HEADER) await this.#flush();
      if (this.#room !== undefined) await this.#room;
      if (!finished) endSource(iterator);
    }
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  /** The step, or undefined when it is stopped meanwhile: a source may never yield again. */
  #orStopped<T>(step: Promise<T>): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      this.#wake = () => void (this.#stopped && resolve(undefined));
      step.then(
        (value) => {
          this.#wake = undefined;
          resolve(value);
        },
        (error) => {
          this.#wake = undefined;
          reject(error as Error);
        },
      );
    });
  }

  /** Adds an item to what waits; a promise when it must be waited for room. */
  #add(value: unknown): Promise<void> | undefined {
    const before = this.#at;
    const end = this.#encoder.append(value, before, this.#runs);
    const longest = Math.min(this.#way.maxDataLength, WINDOW + HEADER) - HEADER;
    if (this.#runs.length > 0 || end - before > longest) return this.#addLong(before, end, this.#runs.splice(0));
    if (end - HEADER <= Math.min(longest, this.#credit)) {
      this.#at = end;
      if (end >= TOGETHER) return this.#flush();
      this.#schedule();
      return undefined;
    }
    return this.#makeRoom(before, end);
  }

  /** Sends what stands before the last item, and keeps that. */
  async #makeRoom(before: number, end: number): Promise<void> {
    const item = Buffer.from(this.#encoder.written(end).subarray(before));
    while (this.#at > HEADER && !this.#stopped) await this.#flush();
    while (item.length > this.#credit && !this.#stopped) await this.#waitForCredit();
    if (this.#stopped) return;
    this.#encoder.written(HEADER + item.length).set(item, HEADER);
    this.#at = HEADER + item.length;
    await this.#flush();
  }

  /** Sends what stands before a long item, and then the item: its skeleton is still where it was encoded. */
  async #addLong(before: number, end: number, runs: readonly Uint8Array[]): Promise<void> {
    while (this.#at > HEADER && !this.#stopped) await this.#flush();
    if (this.#room !== undefined) await this.#room;
    while (this.#credit <= 0 && !this.#stopped) await this.#waitForCredit();
    const frame = this.#encoder.written(end).subarray(before - HEADER);
    const length = largeLength(frame, runs);
    for (let pause = FIRST_PAUSE; !this.#stopped; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      this.#count(length); // credit may come before this side hears that it was sent
      if (await this.#way.sendLong(this.#flags, this.#number, frame, runs, () => this.#stopped)) break;
      this.#count(-length);
      await this.#pause(pause);
    }
    this.#encoder.trim();
  }

  /** Ends early when it is stopped. */
  #pause(milliseconds: number): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(end, milliseconds);
      this.#wake = () => void (this.#stopped && end());
    });
  }

  async #turn(): Promise<void> {
    if (this.#at > HEADER) await this.#flush();
    await new Promise((resolve) => void setImmediate(resolve));
  }

  /** When the source has nothing more for now, what waits is sent. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(() => {
      this.#scheduled = false;
      if (!this.#stopped && this.#room === undefined && this.#at > HEADER && this.#at - HEADER <= this.#credit) this.#send();
    });
  }

  async #flush(): Promise<void> {
    if (this.#room !== undefined) await this.#room;
    if (this.#stopped || this.#at === HEADER) return;
    if (this.#at - HEADER > this.#credit) await this.#waitForCredit();
    else {
      this.#send();
      if (this.#room !== undefined) await this.#room; // oxlint-disable-line typescript/no-unnecessary-condition -- #send sets it
    }
  }

  #send(): void {
    const length = this.#at - HEADER;
    writeHeader(this.#encoder.view, Kind.items, this.#flags, 0, this.#number, 0);
    const frame = this.#encoder.written(this.#at);
    const outcome = this.#way.tryPost(frame);
    if (outcome === 'disconnected') return this.stop();
    if (outcome === 'full') {
      this.#room = this.#way.post(frame).then(
        () => void (this.#room = undefined),
        () => {
          this.#room = undefined;
          this.stop();
        },
      );
    }
    this.#count(length);
    this.#at = HEADER;
  }

  #count(length: number): void {
    this.#credit -= length;
    this.#sent = (this.#sent + length) >>> 0;
  }

  async #waitForCredit(): Promise<void> {
    await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#wake = undefined;
  }
}

/** Tells a source that nothing more is wanted. Nobody waits for it: it may be in the middle of a wait of its own. */
function endSource(iterator: Iterator<unknown> | AsyncIterator<unknown>): void {
  const ended = iterator.return?.();
  if (ended instanceof Promise) ended.catch(() => {});
}
