/**
 * A lock between the threads of this process, in shared memory: two words. Who finds it held looks for a moment, then sleeps.
 *
 * A worker can be terminated anywhere, also while it holds the lock. So whoever waits long asks whether the holder is still there, and
 * takes the lock over from a dead one. What the lock protects must therefore be whole at every moment: each section commits with
 * one store, or can be done again.
 *
 *   SYNC lock.word: `lock`'s compare-exchange sees everything before the store in `unlock`.
 *   SYNC lock.sleepers: a sleeper counts itself before it waits for the word to change; `unlock` stores the word and then looks at the count.
 */
const LOOKS = 200;
const SUSPICIOUS_AFTER = 50;

export class SharedLock {
  readonly #words: Int32Array;
  readonly #word: number;
  readonly #sleepers: number;
  readonly #isAlive: (holder: number) => boolean;

  /** Uses two words from `at` on. */
  constructor(words: Int32Array, at: number, isAlive: (holder: number) => boolean) {
    this.#words = words;
    this.#word = at;
    this.#sleepers = at + 1;
    this.#isAlive = isAlive;
  }

  /** `me` is not 0, and names the thread. Not for a thread that holds it already: one of its number that does is dead, and the kernel has given the number anew. */
  lock(me: number): void {
    for (let looks = 0; looks < LOOKS; looks++) if (this.#tryLock(0, me)) return;
    while (!this.#tryLock(0, me)) {
      const holder = Atomics.load(this.#words, this.#word);
      if (holder === me) return;
      if (holder === 0) continue;
      Atomics.add(this.#words, this.#sleepers, 1); // SYNC lock.sleepers
      const outcome = Atomics.wait(this.#words, this.#word, holder, SUSPICIOUS_AFTER);
      Atomics.sub(this.#words, this.#sleepers, 1);
      if (outcome === 'timed-out' && !this.#isAlive(holder) && this.#tryLock(holder, me)) return;
    }
  }

  unlock(): void {
    Atomics.store(this.#words, this.#word, 0); // SYNC lock.word
    if (Atomics.load(this.#words, this.#sleepers) > 0) Atomics.notify(this.#words, this.#word, 1); // SYNC lock.sleepers
  }

  #tryLock(from: number, me: number): boolean {
    return Atomics.compareExchange(this.#words, this.#word, from, me) === from;
  }
}
