/**
 * The store-buffering litmus: both sides store their own word and then load the other's. If both can load the old value,
 * no protocol of sleepers and ringers holds. Each trial begins when both sides have arrived.
 */
import { yieldProcessor } from '../../src/platform/poller.js';
import type { Party } from './exchange.js';

export type Stores = 'atomic' | 'plain';

// Words of the control page that the protocol leaves free, each on a line of its own.
const ROUND = 512;
const MINE = 576;
const LAST = 640;

/**
 * For each trial 1 where this side loaded the old value. On a busy machine a trial can take as long as a turn at the
 * processor, so the side that gives a time ends both when it is over.
 */
export function litmus({ link }: Party, stores: Stores, trials: number, milliseconds = Infinity): Uint8Array {
  const own = link.own.words;
  const peer = link.peer.words;
  const stale = new Uint8Array(trials + 1);
  const deadline = performance.now() + milliseconds;
  for (let trial = 1; trial <= trials; trial++) {
    if (trial % 1024 === 0 && performance.now() > deadline) Atomics.store(own, LAST, trial);
    Atomics.store(own, ROUND, trial);
    for (let looks = 1; Atomics.load(peer, ROUND) < trial; looks++) if (looks % 5000 === 0) yieldProcessor();
    if (stores === 'atomic') {
      Atomics.store(own, MINE, trial);
      stale[trial] = Atomics.load(peer, MINE) === trial ? 0 : 1;
    } else {
      own[MINE] = trial;
      stale[trial] = peer[MINE] === trial ? 0 : 1;
    }
    if (Atomics.load(own, LAST) === trial || Atomics.load(peer, LAST) === trial) return stale.subarray(0, trial + 1);
  }
  return stale;
}

/** Trials in which both sides loaded the old value. */
export function bothStale(mine: Uint8Array, theirs: Uint8Array): number {
  let count = 0;
  for (let trial = 1; trial < mine.length; trial++) count += mine[trial]! & theirs[trial]!;
  return count;
}
