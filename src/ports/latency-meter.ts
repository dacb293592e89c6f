/**
 * How long requests take, for inspectors: a row of counts in this side's own control page.
 *
 * A clock costs more than a few stores, so one call is measured and stands for those since the last one: as many as take 64 microseconds
 * together, so that quick calls pay little, and slow ones, for which a clock is nothing, are measured each. One is measured at a
 * time: calls that begin meanwhile are of those that the next one stands for. A call that comes to nothing is not counted.
 */
import { performance } from 'node:perf_hooks';
import { Control, LATENCY_ONE_IN, LATENCY_PLACES, LATENCY_STEPS } from '../memory/layout.js';

/** Words that only this side writes: those of its outbox, whatever they are at the time. */
export interface Figures {
  readonly words: Int32Array;
}

/** Where figures go that nobody sees: a scratch constant. */
export const UNSEEN: Figures = { words: new Int32Array(1024) };

/** Microseconds of calls, one after the other, that one of them is measured for: two looks at a clock take a tenth of one. */
const ONE_EACH = 64;

/** Further than calls get while one is measured; one that never ends is forgotten after so many. */
const WHILE_MEASURED = 2 ** 30;

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
    if (((id - this.#next) | 0) < 0) return;
    this.#id = id;
    this.#next = (id + WHILE_MEASURED) | 0;
    this.#since = performance.now();
  }

  /** Its reply is there. */
  end(id: number): void {
    if (id === this.#id) this.#count();
  }

  /** It will have none, or has had it. */
  drop(id: number): void {
    if (id !== this.#id) return;
    this.#id = 0;
    this.#next = (id + 1) | 0;
  }

  #count(): void {
    const microseconds = (performance.now() - this.#since) * 1000;
    const calls = (this.#id - this.#counted) | 0;
    this.#counted = this.#id;
    this.#next = (this.#id + Math.max(1, Math.min(LATENCY_ONE_IN, Math.floor(ONE_EACH / microseconds)))) | 0;
    this.#id = 0;
    const { words } = this.#figures;
    const place = Control.latencies + placeOf(microseconds);
    words[place] = words[place]! + Math.max(1, calls);
  }
}

/** Where a round trip of so many microseconds is counted. */
export function placeOf(microseconds: number): number {
  return Math.max(0, Math.min(LATENCY_PLACES - 1, Math.ceil(Math.log2(microseconds) * LATENCY_STEPS) + LATENCY_STEPS));
}
