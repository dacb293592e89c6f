/**
 * The doorbell protocol: who may sleep, and who must ring.
 *
 * Each side has sleep counters in its own outbox, one for each thing that it may wait for (data, room). The sleeper makes
 * its counter odd, looks once more, and then waits on the socket. Whoever has published looks at the counter, and when it
 * is odd and has not been answered yet, rings once. It is Dekker's pattern: each stores its own word and then loads the
 * other's, so at least one of the two sees the other, and no wake-up is lost. No word is written by both.
 *
 *   SYNC bell.sleep: Sleeper.arm's store before the second look; Ringer.owes' load after the publishing store.
 */
import type { Outbox } from './outbox.js';

/** The sleeping side of one counter. */
export class Sleeper {
  readonly #outbox: Outbox;
  readonly #word: number;
  #counter = 0;

  constructor(own: Outbox, word: number) {
    this.#outbox = own;
    this.#word = word;
  }

  get isArmed(): boolean {
    return (this.#counter & 1) === 1;
  }

  /** Asks to be rung from now on, anew even if it was asked before. The caller must look once more before it sleeps. */
  arm(): void {
    this.#counter = (this.#counter + ((this.#counter & 1) === 1 ? 2 : 1)) | 0;
    Atomics.store(this.#outbox.words, this.#word, this.#counter); // SYNC bell.sleep
  }

  /** Awake: no bell is needed. */
  disarm(): void {
    if ((this.#counter & 1) === 0) return;
    this.#counter = (this.#counter + 1) | 0;
    Atomics.store(this.#outbox.words, this.#word, this.#counter);
  }
}

/** The publishing side of the peer's counter. */
export class Ringer {
  readonly #outbox: Outbox;
  readonly #word: number;
  #answered = 0;

  constructor(peer: Outbox, word: number) {
    this.#outbox = peer;
    this.#word = word;
  }

  /** To be asked after a publishing store. True once for each time that the peer went to sleep: then ring. */
  owes(): boolean {
    const counter = Atomics.load(this.#outbox.words, this.#word); // SYNC bell.sleep
    if ((counter & 1) === 0 || counter === this.#answered) return false;
    this.#answered = counter;
    return true;
  }

  /** The bell could not be rung: it is owed still. */
  failed(): void {
    this.#answered = 0;
  }
}
