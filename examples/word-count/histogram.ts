/**
 * How long calls took, in a few kilobytes however many there were.
 *
 * To know the median and the 99th percentile one need not keep every time. This counts how many fell into each of some 900
 * narrow ranges: up to 64 nanoseconds each one has its own, above that 32 equal ones share each doubling (64 to 128 ns,
 * 128 to 256 ns, ...), so a time is known to 3 percent, whether it is a microsecond or a second. Ranges that are
 * empty are not sent along: the few calls that a file takes travel in a hundred bytes.
 */

/** The ranges that something fell into, as [range, how often, range, how often, ...], and the sum of all times. */
export interface HistogramData {
  readonly counts: readonly number[];
  readonly milliseconds: number;
}

const BITS = 5;
const PER_DOUBLING = 1 << BITS;
const LONGEST = 2 ** 31 - 1; // nanoseconds: two seconds; what took longer counts as that
const RANGES = rangeOf(LONGEST) + 1;

/** The range that a time, in whole nanoseconds, falls into. */
function rangeOf(nanoseconds: number): number {
  const doublings = Math.max(0, 31 - Math.clz32(nanoseconds) - BITS);
  return doublings * PER_DOUBLING + (nanoseconds >>> doublings);
}

/** The middle of a range, in nanoseconds. */
function middleOf(range: number): number {
  const doublings = Math.max(0, Math.floor(range / PER_DOUBLING) - 1);
  const width = 2 ** doublings;
  return (range - doublings * PER_DOUBLING) * width + (width - 1) / 2;
}

export class Histogram {
  readonly #counts = new Uint32Array(RANGES);
  #count = 0;
  #milliseconds = 0;

  get count(): number {
    return this.#count;
  }

  /** All times together. */
  get milliseconds(): number {
    return this.#milliseconds;
  }

  /** Adds one time. */
  add(milliseconds: number): void {
    const range = rangeOf(Math.min(LONGEST, Math.round(milliseconds * 1e6)));
    this.#counts[range]!++;
    this.#count++;
    this.#milliseconds += milliseconds;
  }

  /** Adds all that another one counted. */
  merge({ counts, milliseconds }: HistogramData): void {
    for (let i = 0; i < counts.length; i += 2) {
      this.#counts[counts[i]!]! += counts[i + 1]!;
      this.#count += counts[i + 1]!;
    }
    this.#milliseconds += milliseconds;
  }

  /** The time, in microseconds, that a part `q` of all calls (0.5: the median) did not exceed; NaN when there were none. */
  quantile(q: number): number {
    let missing = Math.max(1, Math.ceil(q * this.#count));
    for (let range = 0; range < RANGES; range++) {
      missing -= this.#counts[range]!;
      if (missing <= 0) return middleOf(range) / 1000;
    }
    return NaN;
  }

  /** What `JSON.stringify` takes. */
  toJSON(): HistogramData {
    const counts: number[] = [];
    this.#counts.forEach((count, range) => {
      if (count > 0) counts.push(range, count);
    });
    return { counts, milliseconds: this.#milliseconds };
  }
}
