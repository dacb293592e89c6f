/**
 * The little statistics that a benchmark needs, without a mean: one interrupt in ten thousand calls ruins a mean and leaves a
 * median alone. Within a job the figures are quantiles of calls; across jobs (one a round, each in fresh processes) they are
 * medians of those, with the spread of the rounds beside them, so that the reader sees how far a figure can be trusted.
 */

/** The q-th quantile (0..1) of values sorted ascending, by the nearest rank: always a value that was measured. */
export function quantileOfSorted(sorted: ArrayLike<number>, q: number): number {
  if (sorted.length === 0) return NaN;
  const rank = Math.ceil(q * sorted.length);
  return sorted[Math.min(sorted.length - 1, Math.max(0, rank - 1))]!;
}

/** The median; of an even number of values, the mean of the middle two. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return NaN;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The median distance from the median, as a part of it: 0.1 says that half the rounds are within 10%. */
export function relativeSpread(values: readonly number[]): number {
  const centre = median(values);
  if (values.length < 2 || centre === 0) return 0;
  return median(values.map((value) => Math.abs(value - centre))) / Math.abs(centre);
}

/**
 * Times of single calls, in a buffer made beforehand so that measuring allocates nothing. What does not fit is not kept:
 * 200,000 calls tell the 99th percentile of the fastest peer well enough.
 */
export class Samples {
  readonly #values: Float64Array;
  #length = 0;

  constructor(capacity = 200_000) {
    this.#values = new Float64Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** False when full. */
  add(value: number): boolean {
    if (this.#length === this.#values.length) return false;
    this.#values[this.#length++] = value;
    return true;
  }

  /** Sorts in place: read quantiles when all has been added. */
  quantiles<Qs extends readonly number[]>(...qs: Qs): { [I in keyof Qs]: number } {
    const sorted = this.#values.subarray(0, this.#length);
    sorted.sort();
    return qs.map((q) => quantileOfSorted(sorted, q)) as { [I in keyof Qs]: number };
  }
}
