/**
 * How long to look at memory before going to sleep.
 *
 * The budget, in looks, is full while spinning pays, halves each time it does not, and ends at nothing. Then every 32nd wait looks for
 * longer than ever, to see whether it pays again: two processes that sleep and wake each other in turn would else do so for ever, as
 * neither is still awake when the other comes, however fast both are. Where waking takes long, and in a virtual machine it may take a
 * millisecond, one such look is worth a hundred calls. On one core it is always nothing: whoever is awaited needs the core.
 */
import { availableParallelism } from 'node:os';

const PROBE_EVERY = 32;
/** A probe is so many times the largest budget: a peer that is being woken should be seen to come. */
const PROBE = 8;
const SMALLEST = 16;

export class AdaptiveSpin {
  /** The largest number of looks, but for a probe. */
  readonly max: number;
  #budget: number;
  #skipped = 0;

  /** A look takes about 10 to 20 ns. */
  constructor(max: number) {
    this.max = max;
    this.#budget = max;
  }

  /** How many looks to take in this wait, where each goes to so many places: all together cost what they would cost at one. */
  next(places = 1): number {
    const budget = this.#next();
    return places <= 1 ? budget : Math.ceil(budget / places);
  }

  paid(): void {
    this.#budget = this.max;
  }

  wasted(): void {
    this.#budget >>= 1;
    if (this.#budget < SMALLEST) this.#budget = 0;
  }

  #next(): number {
    if (this.#budget > 0 || this.max === 0) return this.#budget;
    if (++this.#skipped < PROBE_EVERY) return 0;
    this.#skipped = 0;
    return PROBE * this.max;
  }
}

/** Asked once: both answers cost system calls. */
const DEFAULT_LOOKS = process.env['ALPC_SPIN'] === '0' || availableParallelism() === 1 ? 0 : 3000;

/** The default: about as long as it takes to be woken; nothing on one core, or where ALPC_SPIN=0 says so. */
export function defaultSpin(): number {
  return DEFAULT_LOOKS;
}
