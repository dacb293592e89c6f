/**
 * How long requests take, for inspectors: a row of counts in this side's own control page.
 *
 * A clock costs more than a few stores, so one call in sixteen is measured, and stands for those since the last one measured; but
 * every one while they are slow, for then a clock is nothing, and they are few. One is measured at a time: calls that begin meanwhile
 * are of those that the next one stands for. A call that comes to nothing is not counted.
 */
import { performance } from 'node:perf_hooks';
import { Control, LATENCY_PLACES, LATENCY_STEPS } from '../memory/layout.js';

/** Words that only this side writes: those of its outbox, whatever they are at the time. */
export interface Figures {
  readonly words: Int32Array;
}

/** Where figures go that nobody sees: a scratch constant. */
export const UNSEEN: Figures = { words: new Int32Array(1024) };

const ONE_IN = 16;
/** Milliseconds from which on a call is slow. */
const SLOW = 0.1;

export class LatencyMeter {
  readonly #figures: Figures;
  /** The number of the first call that is to be measured next. */
  #next = 1;
  /** The call that is being measured, or 0, and since when. */
  #id = 0;
  #since = 0;
  /** The last call that those before are counted to. */
  #counted = 0;

  constructor(figures: Figures) {
    this.#figures = figures;
  }

  /** A call gets its number now; numbers follow each other. */
  begin(id: number): void {
    if (this.#id !== 0 || ((id - this.#next) | 0) < 0) return;
    this.#id = id;
    this.#next = (id + ONE_IN) | 0;
    this.#since = performance.now();
  }

  /** Its reply is there. */
  end(id: number): void {
    if (id === this.#id) this.#count();
  }

  /** It will have none, or has had it. */
  drop(id: number): void {
    if (id === this.#id) this.#id = 0;
  }

  #count(): void {
    const milliseconds = performance.now() - this.#since;
    const calls = (this.#id - this.#counted) | 0;
    this.#counted = this.#id;
    if (milliseconds >= SLOW) this.#next = (this.#id + 1) | 0;
    this.#id = 0;
    const { words } = this.#figures;
    const place = Control.latencies + placeOf(milliseconds * 1000);
    words[place] = words[place]! + Math.max(1, calls);
  }
}

/** Where a round trip of so many microseconds is counted. */
export function placeOf(microseconds: number): number {
  return Math.max(0, Math.min(LATENCY_PLACES - 1, Math.ceil(Math.log2(microseconds) * LATENCY_STEPS) + LATENCY_STEPS));
}
