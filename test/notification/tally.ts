/** What the threads of a test have seen of the numbers from 0 on: how many, and each how often; and how often they slept until somebody woke them. */
const Word = { count: 0, sleeps: 1, numbers: 2 } as const;

export class Tally {
  readonly #words: Int32Array;

  constructor(readonly memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  static of(count: number): Tally {
    return new Tally(new SharedArrayBuffer(4 * (Word.numbers + count)));
  }

  add(number: number): void {
    Atomics.add(this.#words, Word.numbers + number, 1);
    Atomics.notify(this.#words, Word.numbers + number);
    Atomics.add(this.#words, Word.count, 1);
  }

  /** Blocks this thread until somebody has seen it. */
  waitFor(number: number): void {
    Atomics.wait(this.#words, Word.numbers + number, 0);
  }

  addSleep(): void {
    Atomics.add(this.#words, Word.sleeps, 1);
  }

  get count(): number {
    return Atomics.load(this.#words, Word.count);
  }

  get sleeps(): number {
    return Atomics.load(this.#words, Word.sleeps);
  }

  /** Numbers that were not seen exactly once. */
  get wrong(): number[] {
    const wrong: number[] = [];
    for (let at = Word.numbers; at < this.#words.length; at++) if (this.#words[at] !== 1) wrong.push(at - Word.numbers);
    return wrong;
  }
}
