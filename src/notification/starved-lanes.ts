/**
 * Who found no room for a packet: lanes in turn. Half of the room at most is kept for the one whose turn it is: otherwise small packets would take each
 * bit of room as it is made, and a large one would never find enough of it together. All others, `post` among them, go on in the other half: whoever has
 * the turn may be busy, or wait for one of them.
 *
 * Changed under the completion port's lock, one store after the other. A thread that ends between two of them is made good by `remove`, which
 * whoever finds it dead calls for its lane. Invariant: while any lane waits, it is somebody's turn.
 */
import { MAX_LANES, Word } from './completion-memory.js';

export class StarvedLanes {
  readonly #words: Int32Array;

  constructor(words: Int32Array) {
    this.#words = words;
  }

  /** The lane whose turn it is; -1 when none waits. Who made room tells all that wait. */
  get first(): number {
    return Atomics.load(this.#words, Word.turn) - 1;
  }

  has(lane: number): boolean {
    return (Atomics.load(this.#words, Word.starved) & (1 << lane)) !== 0;
  }

  /** It found no room. */
  add(lane: number): void {
    Atomics.or(this.#words, Word.starved, 1 << lane);
    if (this.first < 0) Atomics.store(this.#words, Word.turn, lane + 1);
  }

  /** It found some, or wants none any more. If it was its turn it is the next one's now. */
  remove(lane: number): void {
    Atomics.and(this.#words, Word.starved, ~(1 << lane));
    if (this.first === lane) Atomics.store(this.#words, Word.turn, this.#behind(lane) + 1);
  }

  #behind(lane: number): number {
    for (let step = 1; step < MAX_LANES; step++) if (this.has((lane + step) % MAX_LANES)) return (lane + step) % MAX_LANES;
    return -1;
  }
}
