/**
 * The receiving end of a stream: an async iterator of the items that come. What has come and was not yet asked for stays here as
 * bytes, and is never more than one window and one long item: who sends without credit breaks the rules. Credit goes back as items are
 * asked for, so a slow reader slows its writer and nobody else. A long item stays where it came, in its sender's memory, until it is asked for.
 */
import { AlpcError } from '../base/errors.js';
import type { Codec } from './codec.js';
import { HEADER, LONGEST_AHEAD, WINDOW } from './frame.js';
import type { Check } from './schema.js';

export interface InflowSides {
  /** So many bytes of items more may be sent. */
  credit(bytes: number): void;
  /** No more items are wanted. Called at most once, and not after the end. */
  stop(): void;
  /** It is over, for whatever reason. */
  over?(): void;
}

/** An item that did not fit into a message. */
export interface LongItem {
  readonly length: number;
  /** Where it stands, maybe in memory that its sender can change. */
  readonly bytes: Buffer;
  /** Its bytes are not needed any more. */
  release(): void;
}

interface Waiter<T> {
  readonly resolve: (step: IteratorResult<T, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

export class Inflow<T = unknown> implements AsyncIterableIterator<T, undefined> {
  readonly #codec: Codec;
  readonly #check: Check;
  readonly #sides: InflowSides;
  #bodies: (Buffer | LongItem)[] = [];
  #first = 0;
  #at = HEADER;
  #received = 0;
  #consumed = 0;
  #granted = 0;
  readonly #waiters: Waiter<T>[] = [];
  /** Bytes of items that there will have been; known at the end. */
  #total: number | undefined;
  #error: unknown;
  #state: 'open' | 'over' = 'open';

  constructor(codec: Codec, check: Check, sides: InflowSides) {
    this.#codec = codec;
    this.#check = check;
    this.#sides = sides;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#waiters.length === 0 && this.#first < this.#bodies.length) return this.#take();
    if (this.#state === 'over') return this.#last();
    if (this.#total === this.#received && this.#waiters.length === 0) return this.#end();
    const promise = new Promise<IteratorResult<T, undefined>>((resolve, reject) => void this.#waiters.push({ resolve, reject }));
    this.#grant(1);
    return promise;
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.cancel(undefined);
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  // ---- the sender's side of it -------------------------------------------------------------------------------------

  /** Items have come, behind a header. False: more than the credit or the end allows. */
  push(frame: Buffer): boolean {
    const length = frame.length - HEADER;
    if (this.#received + length - this.#granted > WINDOW) return false;
    return this.#add(length, length > 0 ? frame : undefined);
  }

  /** A long item has come, which belongs to this stream now. It may go beyond the credit by itself, when there is any. False: as `push`. */
  pushLong(item: LongItem): boolean {
    if (this.#received - this.#granted >= WINDOW || !this.#add(item.length, item)) {
      item.release();
      return false;
    }
    if (this.#state === 'over') item.release();
    return true;
  }

  /** No more will come than `total` bytes of items since the beginning, modulo 2^32; what is on its way still counts. With an error if that was the end. */
  finish(total: number, error?: unknown): void {
    if (this.#state === 'over') return;
    const ahead = (total - this.#received) >>> 0;
    if (ahead > LONGEST_AHEAD) return this.cancel(new AlpcError('ERR_ALPC_PROTOCOL', 'a stream ended elsewhere than where it can'));
    this.#total = this.#received + ahead;
    this.#error = error;
    this.#serve();
  }

  /** How many bytes of items have come: for an end that stands behind them all. */
  get received(): number {
    return this.#received;
  }

  /** It is over at once; what was not asked for is dropped. */
  cancel(error: unknown): void {
    if (this.#state === 'over') return;
    const wasOpen = this.#total === undefined;
    this.#over(error);
    if (wasOpen) this.#sides.stop();
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  #add(length: number, body: Buffer | LongItem | undefined): boolean {
    this.#received += length;
    if (this.#total !== undefined && this.#received > this.#total) return false;
    if (this.#state === 'over') this.#granted = this.#received; // nobody waits for it; the sender will hear soon
    else {
      if (body !== undefined) this.#bodies.push(body);
      this.#serve();
    }
    return true;
  }

  #serve(): void {
    while (this.#waiters.length > 0 && this.#first < this.#bodies.length) {
      const waiter = this.#waiters.shift()!;
      this.#take().then(waiter.resolve, waiter.reject);
    }
    if (this.#total === this.#received && this.#first === this.#bodies.length && this.#waiters.length > 0) {
      const waiter = this.#waiters.shift()!;
      this.#end().then(waiter.resolve, waiter.reject);
    }
  }

  #take(): Promise<IteratorResult<T, undefined>> {
    const body = this.#bodies[this.#first]!;
    let value: unknown;
    try {
      if (body instanceof Uint8Array) {
        value = this.#codec.next(body, this.#at);
        this.#consumed += this.#codec.position - this.#at;
        this.#at = this.#codec.position;
        if (this.#at === body.length) this.#nextBody();
      } else {
        value = this.#codec.large(body.bytes);
        this.#consumed += body.length;
        this.#nextBody();
        body.release();
      }
      this.#grant(WINDOW / 2);
      if (this.#check !== undefined) value = this.#check(value);
    } catch (error) {
      this.cancel(undefined);
      return Promise.reject(error);
    }
    if (!(value instanceof Promise)) return Promise.resolve({ done: false, value: value as T });
    return value.then(
      (checked) => ({ done: false, value: checked as T }),
      (error) => {
        this.cancel(undefined);
        throw error;
      },
    );
  }

  #nextBody(): void {
    this.#at = HEADER;
    if (++this.#first < this.#bodies.length) {
      if (this.#first < 64) return;
      this.#bodies = this.#bodies.slice(this.#first);
    } else this.#bodies = [];
    this.#first = 0;
  }

  /** Gives credit back, if it is at least so much. */
  #grant(least: number): void {
    const bytes = this.#consumed - this.#granted;
    if (bytes < least || this.#state === 'over' || this.#total !== undefined) return;
    this.#granted = this.#consumed;
    this.#sides.credit(bytes);
  }

  #end(): Promise<IteratorResult<T, undefined>> {
    this.#over(this.#error);
    return this.#last();
  }

  #over(error: unknown): void {
    this.#state = 'over';
    for (const body of this.#bodies.splice(this.#first)) if (!(body instanceof Uint8Array)) body.release();
    this.#first = 0;
    this.#error = error;
    this.#granted = this.#received;
    this.#sides.over?.();
    for (const waiter of this.#waiters.splice(0)) this.#last().then(waiter.resolve, waiter.reject);
  }

  /** The end: an error is told once. */
  #last(): Promise<IteratorResult<T, undefined>> {
    const error = this.#error;
    this.#error = undefined;
    return error === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(error);
  }
}
