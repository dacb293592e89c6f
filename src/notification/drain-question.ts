/**
 * A question to the threads that own ports at a completion port: whether all that was sent to those ports before has become packets. What still lies in
 * rings only they can see, on their event loops.
 *
 * Each lane has two words. Who asks adds to `asked`; the owner, when it finds every ring empty and nothing that waits for room or a token, stores what was
 * asked by then in `drained`. So an answer is never older than its question, and several may ask at once.
 */
import { isThreadAlive } from '../platform/thread-id.js';
import { Lane, laneAt, MAX_LANES } from './completion-memory.js';
import { Seats } from './seats.js';

const LOOKS_PER_WAKE = 8;

export class DrainQuestion {
  readonly #words: Int32Array;
  readonly #seats: Seats;
  #looks = 0;

  /** Asks. */
  constructor(words: Int32Array) {
    this.#words = words;
    this.#seats = new Seats(words);
    for (let lane = 0; lane < MAX_LANES; lane++) Atomics.add(words, laneAt(lane) + Lane.asked, 1);
  }

  /** Whether an owner of ports has not found everything drained yet, and has not ended; such an owner is woken now and then, to look again: that costs a look at all its connections. */
  isOpen(): boolean {
    let isOpen = false;
    const wakes = this.#looks++ % LOOKS_PER_WAKE === 0;
    for (let lane = 0; lane < MAX_LANES; lane++) {
      const at = laneAt(lane);
      const owner = Atomics.load(this.#words, at + Lane.owner);
      if (owner === 0 || Atomics.load(this.#words, at + Lane.ports) === 0 || Atomics.load(this.#words, at + Lane.drained) === Atomics.load(this.#words, at + Lane.asked)) continue;
      if (!isThreadAlive(this.#seats.threadOf(owner - 1))) continue;
      isOpen = true;
      if (!wakes) continue;
      Atomics.add(this.#words, at + Lane.wake, 1);
      Atomics.notify(this.#words, at + Lane.wake);
    }
    return isOpen;
  }
}
