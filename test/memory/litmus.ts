/**
 * The store-buffering litmus: both sides store their own word and then load the other's. If both can load the old value,
 * no protocol of sleepers and ringers holds. Each trial begins when both sides have arrived.
 */
import { pause } from '../../src/platform/poller.js';
import type { Party } from './exchange.js';

export type Stores = 'atomic' | 'plain';

// Words of the control page that the protocol leaves free, each on a line of its own.
const ROUND = 512;
const MINE = 576;

/** For each trial 1 where this side loaded the old value. */
export function litmus({ link }: Party, stores: Stores, trials: number): Uint8Array {
  const own = link.own.words;
  const peer = link.peer.words;
  const stale = new Uint8Array(trials + 1);
  for (let trial = 1; trial <= trials; trial++) {
    Atomics.store(own, ROUND, trial);
    for (let looks = 0; Atomics.load(peer, ROUND) < trial; looks++) if (looks % 20_000 === 19_999) pause(1);
    if (stores === 'atomic') {
      Atomics.store(own, MINE, trial);
      stale[trial] = Atomics.load(peer, MINE) === trial ? 0 : 1;
    } else {
      own[MINE] = trial;
      stale[trial] = peer[MINE] === trial ? 0 : 1;
    }
  }
  return stale;
}

/** Trials in which both sides loaded the old value. */
export function bothStale(mine: Uint8Array, theirs: Uint8Array): number {
  let count = 0;
  for (let trial = 1; trial < mine.length; trial++) count += mine[trial]! & theirs[trial]!;
  return count;
}
