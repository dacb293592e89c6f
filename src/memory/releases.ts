/**
 * How a receiver tells that it is done with a view: by a row of numbers in its own outbox, and a count. No record, no system call.
 *
 * The row has as many places as views may be out at once, so it can't overflow as long as both count: the owner of the views sends
 * no more than the receiver takes, and a place is used again only after its view came back.
 *
 *   SYNC view.released: the receiver's store publishes what it is done with; the owner's load sees it, and may use the region again.
 */
import { Control, MAX_VIEWS, ProtocolViolation } from './layout.js';
import type { Outbox } from './outbox.js';

export class ReleaseWriter {
  readonly #own: Outbox;
  #count = 0;

  constructor(own: Outbox) {
    this.#own = own;
  }

  /** This side no longer looks at the view. */
  release(view: number): void {
    const { words } = this.#own;
    words[Control.releases + (this.#count & (MAX_VIEWS - 1))] = view;
    this.#count = (this.#count + 1) | 0;
    Atomics.store(words, Control.released, this.#count); // SYNC view.released
  }
}

export class ReleaseReader {
  readonly #peer: Outbox;
  #seen = 0;

  constructor(peer: Outbox) {
    this.#peer = peer;
  }

  /** Whether the peer has released anything since the last `take`. */
  hasNews(): boolean {
    return Atomics.load(this.#peer.words, Control.released) !== this.#seen; // SYNC view.released
  }

  /** Tells the numbers of the views that the peer released, each once. `out` is how many it has. @throws ProtocolViolation */
  take(out: number, tell: (view: number) => void): void {
    const count = Atomics.load(this.#peer.words, Control.released); // SYNC view.released
    const news = (count - this.#seen) >>> 0;
    if (news > out) throw new ProtocolViolation(`the peer says that it released ${news} views, it has ${out}`);
    let at = this.#seen;
    this.#seen = count; // before anybody is told, who may look again
    for (; at !== count; at = (at + 1) | 0) tell(this.#peer.words[Control.releases + (at & (MAX_VIEWS - 1))]!);
  }
}
