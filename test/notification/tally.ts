/** What the threads of a test have seen of the numbers from 0 on: how many, and each how often. */
export class Tally {
  readonly #words: Int32Array;

  constructor(readonly memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  static of(count: number): Tally {
    return new Tally(new SharedArrayBuffer(4 * (1 + count)));
  }

  add(number: number): void {
    Atomics.add(this.#words, 1 + number, 1);
    Atomics.add(this.#words, 0, 1);
  }

  get count(): number {
    return Atomics.load(this.#words, 0);
  }

  /** Numbers that were not seen exactly once. */
  get wrong(): number[] {
    const wrong: number[] = [];
    for (let at = 1; at < this.#words.length; at++) if (this.#words[at] !== 1) wrong.push(at - 1);
    return wrong;
  }
}
