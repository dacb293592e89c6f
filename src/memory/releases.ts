/**
 * How a receiver tells that it is done with a view, or has taken a direct message: by a row of numbers in its own outbox, and a count. No
 * record, no system call.
 *
 * The row has as many places as may be out at once, so it can't overflow as long as both count: the sender sends no more than that, and a
 * place is used again only after it has been told of.
 *
 *   SYNC view.released: the receiver's store publishes what it is done with; the owner's load sees it, and may use the region again.
 *   SYNC direct.told: the same for direct messages.
 */
import { Control, MAX_DIRECT, MAX_VIEWS, ProtocolViolation } from './layout.js';
import type { Outbox } from './outbox.js';

/** One row of the control page: where its count and its numbers are, and what they are of. */
export interface ReleaseRow {
  readonly count: number;
  readonly numbers: number;
  /** A power of two. */
  readonly places: number;
  /** What is done with what, in words. */
  readonly done: string;
  readonly what: string;
}

export const VIEW_ROW: ReleaseRow = { count: Control.released, numbers: Control.releases, places: MAX_VIEWS, done: 'released', what: 'views' };
export const DIRECT_ROW: ReleaseRow = { count: Control.told, numbers: Control.tellings, places: MAX_DIRECT, done: 'took', what: 'direct messages' };

export class ReleaseWriter {
  readonly #own: Outbox;
  readonly #row: ReleaseRow;
  #count = 0;

  constructor(own: Outbox, row: ReleaseRow) {
    this.#own = own;
    this.#row = row;
  }

  /** This side is done with it. */
  release(number: number): void {
    const { words } = this.#own;
    const { count, numbers, places } = this.#row;
    words[numbers + (this.#count & (places - 1))] = number;
    this.#count = (this.#count + 1) | 0;
    Atomics.store(words, count, this.#count); // SYNC view.released, SYNC direct.told
  }
}

export class ReleaseReader {
  readonly #peer: Outbox;
  readonly #row: ReleaseRow;
  #seen = 0;

  constructor(peer: Outbox, row: ReleaseRow) {
    this.#peer = peer;
    this.#row = row;
  }

  /** Whether the peer has told of anything since the last `take`. */
  hasNews(): boolean {
    return Atomics.load(this.#peer.words, this.#row.count) !== this.#seen; // SYNC view.released, SYNC direct.told
  }

  /** Tells the numbers that the peer told, each once. `out` is how many it has. @throws ProtocolViolation */
  take(out: number, tell: (number: number) => void): void {
    const { words } = this.#peer;
    const { numbers, places, done, what } = this.#row;
    const count = Atomics.load(words, this.#row.count); // SYNC view.released, SYNC direct.told
    const news = (count - this.#seen) >>> 0;
    if (news > out) throw new ProtocolViolation(`the peer says that it ${done} ${news} ${what}, it has ${out}`);
    let at = this.#seen;
    this.#seen = count; // before anybody is told, who may look again
    for (; at !== count; at = (at + 1) | 0) tell(words[numbers + (at & (places - 1))]!);
  }
}
