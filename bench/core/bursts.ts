/**
 * Bursts of things that go one way, made as long as their carrier is fast, so that each is measured for the same time: the bursts
 * that warm up grow until one takes as long as the measurement, and the next one counts.
 */
import type { Pace } from '../peer.js';

/** Things a second. `burst` carries so many of them, and settles when the last one is there. */
export async function rateOfBursts(burst: (count: number) => Promise<void>, pace: Pace, lengths: { readonly first: number; readonly longest: number }): Promise<number> {
  let count = lengths.first;
  const seconds = async (): Promise<number> => {
    const before = performance.now();
    await burst(count);
    return (performance.now() - before) / 1000;
  };
  for (let spent = 0; spent < pace.warmUpMs; ) {
    const took = await seconds();
    spent += took * 1000;
    count = Math.min(lengths.longest, Math.ceil((count / took) * (pace.measureMs / 1000)));
  }
  return count / (await seconds());
}
