/**
 * A view: a stretch of shared memory, seen by one side. Its owner's view of a region is where a message's bytes are made; the
 * receiver's is where they are read, without a copy. `bytes` is an ordinary array of bytes and `buffer` an ordinary
 * ArrayBuffer: typed arrays and `Atomics` work on it, between processes too.
 *
 * Invariants: a released view throws when it is asked for its bytes, and what was taken from it before can never end the process: it is
 * detached (Node 22 and later, views shorter than 64 MiB), or shows zeros or the bytes of a later message. What is written to a view that
 * is not `writable` never reaches the other side; it makes a copy of the page that only this process sees, so do not.
 *
 * Not promised: that bytes stay as they are while their owner may write to them. Only a `secure` view's do; of others copy first, then check.
 */
import { checkInteger, checkTimeout, invalidArgument } from '../base/arguments.js';
import { deadlineAfter, timeLeft } from '../base/deadline.js';
import { AlpcError } from '../base/errors.js';
import { waitOnWord, wakeOnWord } from '../platform/futex.js';
import type { Window } from '../platform/window.js';
import { withoutPlace } from './place.js';

/** The longest view, in bytes. */
export const MAX_VIEW_LENGTH = 2 ** 31;
/** A thread that sleeps in the kernel can't be ended, so no single sleep is longer, in ms. */
const LONGEST_SLEEP = 250;
/** An awaited wait looks at once per turn of the event loop for so long, then by timers, further and further apart; in ms. */
const LOOKS_FOR = 1;
const LONGEST_PAUSE = 16;

/** Whoever a view was lent by: kept alive by the view, and keeps nothing of it alive. */
export interface Lender {
  readonly window: Window;
  /** Where the view begins there. */
  readonly start: number;
  readonly what: string;
  /** It has let go of the memory by itself. */
  readonly isOver: boolean;
}

export type WaitResult = 'ok' | 'not-equal' | 'timed-out';

/** A view stays for as long as somebody can read through what was taken from it. */
const origins = new WeakMap<object, View>();

export abstract class View {
  /** Bytes of it. */
  readonly length: number;
  /** Whether what is written here reaches the other side. */
  readonly writable: boolean;
  /** Whether nobody can change what is read here: the kernel keeps everybody from it. */
  readonly secure: boolean;
  readonly #lender: Lender;
  #buffer: ArrayBuffer | undefined;
  #bytes: Buffer | undefined;
  #over: string | undefined;

  protected constructor(lender: Lender, length: number, writable: boolean, secure: boolean) {
    this.#lender = lender;
    this.length = length;
    this.writable = writable;
    this.secure = secure;
  }

  /** Its memory: typed arrays of any kind can be laid over it. @throws AlpcError ERR_ALPC_CLOSED when it has been released */
  get buffer(): ArrayBuffer {
    if (this.released) throw this.#overError();
    if (this.#buffer === undefined) {
      const { window, start } = this.#lender;
      this.#buffer = window.lend(start, this.length);
      const isKept = window.keeps(this.#buffer, start);
      if (!isKept) origins.set(this.#buffer, this);
      this.onLent(isKept);
    }
    return this.#buffer;
  }

  /** Its bytes. @throws AlpcError ERR_ALPC_CLOSED when it has been released */
  get bytes(): Buffer {
    if (this.#bytes === undefined || this.released) {
      this.#bytes = this.#lender.window.bytesOf(this.buffer, this.#lender.start);
      origins.set(this.#bytes, this);
    }
    return this.#bytes;
  }

  /** Whether it has been given back, and can't be used any more. */
  get released(): boolean {
    return this.#over !== undefined || this.#lender.isOver;
  }

  /**
   * As `Atomics.wait`, which takes no memory of this kind: blocks this thread while the Int32 at `index` is `value`, until somebody
   * notifies it, in whichever process.
   * @param timeout milliseconds; Infinity by default
   * @throws AlpcError ERR_ALPC_INVALID_ARGUMENT, ERR_ALPC_CLOSED
   */
  waitSync(index: number, value: number, timeout?: number): WaitResult {
    const words = this.#wordsAt(index, value);
    const deadline = deadlineAfter(checkTimeout(timeout));
    const address = this.#lender.window.waitAddress(this.#lender.start + 4 * index);
    for (;;) {
      if (Atomics.load(words, index) !== value) return 'not-equal';
      const left = timeLeft(deadline);
      if (left <= 0) return 'timed-out';
      if (withoutPlace(() => waitOnWord(address, value, Math.min(left, LONGEST_SLEEP))) === 'woken') return 'ok';
    }
  }

  /**
   * As `waitSync`, without blocking the thread. There is nothing that an event loop could sleep on: it looks every turn for a moment and
   * then every few milliseconds. Where that is too often or too late, wait for an `Event` or a message.
   */
  async wait(index: number, value: number, timeout?: number): Promise<WaitResult> {
    const deadline = deadlineAfter(checkTimeout(timeout));
    if (Atomics.load(this.#wordsAt(index, value), index) !== value) return 'not-equal';
    const looksUntil = performance.now() + LOOKS_FOR;
    for (let pause = 1; timeLeft(deadline) > 0; ) {
      if (performance.now() < looksUntil) await new Promise((resolve) => void setImmediate(resolve));
      else {
        await new Promise((resolve) => void setTimeout(resolve, Math.min(pause, timeLeft(deadline))));
        pause = Math.min(2 * pause, LONGEST_PAUSE);
      }
      if (Atomics.load(this.#wordsAt(index, value), index) !== value) return 'ok';
    }
    return 'timed-out';
  }

  /** Wakes who waits for the Int32 at `index`, in whichever process: at most `count`, all by default. How many blocking waits there were. */
  notify(index: number, count = Infinity): number {
    this.#wordsAt(index, 0);
    if (count !== Infinity) checkInteger(count, 'count', 0, 2 ** 31 - 1);
    return wakeOnWord(this.#lender.window.waitAddress(this.#lender.start + 4 * index), Math.min(count, 2 ** 31 - 1));
  }

  /** Gives it back: the bytes can't be reached any more. A second call does nothing. */
  release(): void {
    if (this.#over !== undefined) return;
    this.withdraw('released');
    this.onReleased();
  }

  [Symbol.dispose](): void {
    this.release();
  }

  /** Engine room: its bytes are out of reach from now on; why. */
  withdraw(why: string): void {
    this.#over = why;
    const buffer = this.#buffer;
    const bytes = this.#bytes;
    this.#buffer = undefined;
    this.#bytes = undefined;
    if (buffer !== undefined) this.#lender.window.takeBack(buffer, this.#lender.start, bytes);
  }

  /** Its memory has been lent to whoever asked for it, for the first time. */
  protected onLent(_isKept: boolean): void {}

  protected abstract onReleased(): void;

  toString(): string {
    return `view of ${this.length} bytes of ${this.#lender.what}`;
  }

  #wordsAt(index: number, value: number): Int32Array {
    const last = Math.floor(this.length / 4) - 1;
    if (last < 0) throw invalidArgument('index', `a place in a view of at least 4 bytes`, index);
    checkInteger(index, 'index', 0, last);
    checkInteger(value, 'value', -(2 ** 31), 2 ** 31 - 1);
    return new Int32Array(this.buffer, 0, last + 1);
  }

  #overError(): AlpcError {
    return new AlpcError('ERR_ALPC_CLOSED', `${this}: it has been ${this.#over ?? 'released with its port, which was closed'}`);
  }
}
