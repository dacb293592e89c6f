/**
 * Histograms of latency: the server's are totals since each connection began, so what happened between two pictures is their difference. A connection that
 * has gone takes its calls out of the port's total; a bucket that got smaller therefore counts as nothing, and the rest is still right.
 *
 * A quantile is known only up to its bucket; within it, calls are taken to lie evenly.
 */
import type { LatencyHistogram } from '../../src/explorer/model.js';

export type Buckets = LatencyHistogram['buckets'];

export interface LatencySample {
  /** Seconds since 1970. */
  at: number;
  /** Missing when there was no call. */
  medianMicroseconds?: number;
  p99Microseconds?: number;
  callsPerSecond: number;
}

/** What happened after `earlier`. */
export function difference(later: LatencyHistogram, earlier: LatencyHistogram): LatencyHistogram {
  const before = new Map(earlier.buckets.map(({ upToMicroseconds, count }) => [upToMicroseconds, count]));
  const buckets = later.buckets.map(({ upToMicroseconds, count }) => ({ upToMicroseconds, count: Math.max(0, count - (before.get(upToMicroseconds) ?? 0)) }));
  return { sampledOneIn: later.sampledOneIn, count: Math.max(0, later.count - earlier.count), buckets };
}

/** Of `share` of the calls (0 to 1): they took no longer than so many microseconds. Undefined where there is no call. */
export function quantile(buckets: Buckets, share: number): number | undefined {
  const total = buckets.reduce((sum, { count }) => sum + count, 0);
  if (total === 0) return undefined;
  let [left, floor] = [share * total, 0];
  for (const { upToMicroseconds, count } of buckets) {
    if (upToMicroseconds === null) return floor;
    if (count > 0 && left <= count) return floor + (upToMicroseconds - floor) * (left / count);
    left -= count;
    floor = upToMicroseconds;
  }
  return floor;
}

/** The buckets from the first to the last that holds something, so that a chart shows what there is. */
export function withoutEmptyEnds(buckets: Buckets): Buckets {
  const first = buckets.findIndex(({ count }) => count > 0);
  return first < 0 ? [] : buckets.slice(first, buckets.findLastIndex(({ count }) => count > 0) + 1);
}

/** The latency of one port over time: one sample for every two pictures, at most `limit` of them. */
export class LatencyHistory {
  readonly samples: LatencySample[] = [];
  readonly #limit: number;
  #last: { at: number; histogram: LatencyHistogram } | undefined;

  constructor(limit = 600) {
    this.#limit = limit;
  }

  /** `at`: when the picture was taken, an ISO string. A picture that is not later than the last says nothing new. */
  push(at: string, histogram: LatencyHistogram | undefined): void {
    const seconds = Date.parse(at) / 1000;
    const last = this.#last;
    if (histogram === undefined || (last !== undefined && seconds <= last.at)) return;
    this.#last = { at: seconds, histogram };
    if (last === undefined) return;
    const { count, buckets } = difference(histogram, last.histogram);
    const [median, p99] = [quantile(buckets, 0.5), quantile(buckets, 0.99)];
    this.samples.push({
      at: seconds, callsPerSecond: count / (seconds - last.at),
      ...(median === undefined ? {} : { medianMicroseconds: median }), ...(p99 === undefined ? {} : { p99Microseconds: p99 }),
    });
    if (this.samples.length > this.#limit) this.samples.shift();
  }
}
