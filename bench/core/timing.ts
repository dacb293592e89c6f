/**
 * Loops that time calls. The clock itself costs some 30 to 80 ns a look in JavaScript, a quarter of the fastest call: so a call
 * is timed from the look before it to the look after it, which is the next one's look before; and calls under two microseconds
 * are timed by sixteen for the median (in the C baseline likewise). The 99th percentile is of single calls, the look included.
 */
import { bytesOf, type Answer } from '../peer.js';
import { Samples } from './statistics.js';

export interface CallTimes {
  /** Microseconds. */
  readonly median: number;
  readonly p99: number;
}

const GROUP = 16;
const GROUP_BELOW = 0.002;

/** Calls one after the other for `ms`; times in microseconds. */
export async function timeAwaited(call: () => Promise<unknown>, ms: number): Promise<CallTimes> {
  const samples = new Samples();
  let before = performance.now();
  const end = before + ms;
  while (before < end) {
    await call();
    const after = performance.now();
    if (!samples.add(after - before)) break;
    before = after;
  }
  return inMicroseconds(samples);
}

export function timeBlocking(call: () => unknown, ms: number): CallTimes {
  const singles = timeGroups(call, 1, ms / 2);
  const [median] = singles.quantiles(0.5);
  const times = inMicroseconds(singles);
  if (median >= GROUP_BELOW) return times;
  return { median: inMicroseconds(timeGroups(call, GROUP, ms / 2)).median, p99: times.p99 };
}

function timeGroups(call: () => unknown, group: number, ms: number): Samples {
  const samples = new Samples();
  let before = performance.now();
  const end = before + ms;
  while (before < end) {
    for (let i = 0; i < group; i++) call();
    const after = performance.now();
    if (!samples.add((after - before) / group)) break;
    before = after;
  }
  return samples;
}

export function inMicroseconds(samples: Samples): CallTimes {
  const [median, p99] = samples.quantiles(0.5, 0.99);
  return { median: median * 1000, p99: p99 * 1000 };
}

/** Calls for `ms` without looking at the times, so that what runs afterwards is compiled code. */
export async function warmUp(call: () => unknown, ms: number): Promise<void> {
  const end = performance.now() + ms;
  while (performance.now() < end) await call();
}

/** One call, whose answer must be what was sent. */
export async function checkAnswer(call: () => Promise<Answer> | Answer, data: Uint8Array): Promise<void> {
  const answer = bytesOf(await call());
  if (Buffer.compare(answer, data) !== 0) throw new Error(`the answer (${answer.length} bytes) is not what was sent (${data.length} bytes)`);
}

/** Bytes of a message: an ArrayBuffer to itself, and no run of zeros. */
export function payload(size: number): Buffer {
  const data = Buffer.from(new ArrayBuffer(size));
  for (let i = 0; i < size; i++) data[i] = (i * 31 + 7) & 0xff;
  return data;
}
