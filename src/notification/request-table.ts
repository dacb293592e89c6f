/**
 * What has become of each request that is on its way through the threads of a completion port: the words of the tokens (completion-memory.ts),
 * and who may change them how. A request is queued, then held by one thread after another, then answered; or given up, or orphaned.
 *
 * A token is made queued by the owner of its lane, and free again by that or by whoever finds it dead (lane.ts, `abandonLane`). Each change is
 * one store or one compare-exchange, so a thread may end between any two of them. Who ended is named by its seat, whoever sits there later.
 */
import { isThreadAlive } from '../platform/thread-id.js';
import { generationOf, holderOf, Lane, laneAt, MAX_LANES, stateOf, tokenAt, TOKENS, TokenState, tokenWord } from './completion-memory.js';
import type { Seats } from './seats.js';

export class RequestTable {
  readonly #words: Int32Array;
  readonly #seats: Seats;

  constructor(words: Int32Array, seats: Seats) {
    this.#words = words;
    this.#seats = seats;
  }

  isHeld(lane: number, token: number, generation: number): boolean {
    const word = Atomics.load(this.#words, tokenAt(lane, token));
    return stateOf(word) === TokenState.held && generationOf(word) === generation;
  }

  /** From now on the seat holds a request that was queued. False when the caller has given up. */
  hold(lane: number, token: number, generation: number, seat: number): boolean {
    return this.#leaveQueue(lane, token, generation, tokenWord(generation, TokenState.held, seat));
  }

  /** Nobody will hold a request that is queued. False when somebody does, or its caller has given up. */
  orphanQueued(lane: number, token: number, generation: number): boolean {
    return this.#leaveQueue(lane, token, generation, tokenWord(generation, TokenState.orphaned));
  }

  /** Makes a request that some thread holds this seat's, in a state of its own. Its token's word now; or why it is nobody's any more. */
  claim(lane: number, token: number, generation: number, state: number, seat: number): number | 'answered' | 'canceled' {
    const at = tokenAt(lane, token);
    const mine = tokenWord(generation, state, seat);
    for (let word = Atomics.load(this.#words, at); ; word = Atomics.load(this.#words, at)) {
      if (generationOf(word) !== generation) return 'canceled';
      if (stateOf(word) !== TokenState.held) return stateOf(word) === TokenState.answered ? 'answered' : 'canceled';
      if (Atomics.compareExchange(this.#words, at, word, mine) === word) return mine;
    }
  }

  /** Whether nothing has become of a token since `claim` gave its word. */
  isClaimed(lane: number, token: number, claim: number): boolean {
    return Atomics.load(this.#words, tokenAt(lane, token)) === claim;
  }

  /** The seats whose threads hold requests that somebody waits for still. */
  holders(): Set<number> {
    const holders = new Set<number>();
    for (let lane = 0; lane < MAX_LANES; lane++) {
      const owner = Atomics.load(this.#words, laneAt(lane) + Lane.owner);
      if (owner === 0 || !isThreadAlive(this.#seats.threadOf(owner - 1))) continue; // nobody would give their answers
      for (let token = 0; token < TOKENS; token++) {
        const word = Atomics.load(this.#words, tokenAt(lane, token));
        if (stateOf(word) === TokenState.held) holders.add(holderOf(word));
      }
    }
    return holders;
  }

  /** Marks what a seat holds as nobody's, and tells the lanes. */
  orphanHeldBy(seat: number): void {
    for (let lane = 0; lane < MAX_LANES; lane++) if (this.#orphanIn(lane, seat)) Atomics.store(this.#words, laneAt(lane) + Lane.orphans, 1);
  }

  /** The owner of a lane has ended, and its ports with it: nobody waits for the answers. Who has made one, and waits for room, goes on. */
  abandonLane(lane: number): void {
    for (let token = 0; token < TOKENS; token++) {
      const at = tokenAt(lane, token);
      Atomics.store(this.#words, at, tokenWord(generationOf(Atomics.load(this.#words, at)) + 1, TokenState.free));
    }
    Atomics.store(this.#words, laneAt(lane) + Lane.owner, 0);
    Atomics.add(this.#words, laneAt(lane) + Lane.room, 1);
    Atomics.notify(this.#words, laneAt(lane) + Lane.room);
  }

  #leaveQueue(lane: number, token: number, generation: number, word: number): boolean {
    const queued = tokenWord(generation, TokenState.queued);
    return Atomics.compareExchange(this.#words, tokenAt(lane, token), queued, word) === queued;
  }

  #orphanIn(lane: number, seat: number): boolean {
    let any = false;
    for (let token = 0; token < TOKENS; token++) {
      const at = tokenAt(lane, token);
      const word = Atomics.load(this.#words, at);
      const state = stateOf(word);
      // An answer that it gave is in the lane already, where it counts before this; or it never came so far.
      if ((state !== TokenState.held && state !== TokenState.answered) || holderOf(word) !== seat) continue;
      if (Atomics.compareExchange(this.#words, at, word, tokenWord(generationOf(word), TokenState.orphaned)) === word) any = true;
    }
    return any;
  }
}
