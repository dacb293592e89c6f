/**
 * A first-in first-out queue whose both ends are cheap: a ring of places that doubles when it is full. Nothing is allocated while
 * it does not grow, and what was taken is let go of. A queue that has been long gives its places back when it is empty.
 */
const SMALLEST = 16;
/** An empty queue keeps so many places at most. */
const KEPT = 1024;

export class Fifo<T> {
  #items: (T | undefined)[] = Fifo.#places(SMALLEST);
  /** Places less one: there is always a power of two of them. */
  #mask = SMALLEST - 1;
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(item: T): void {
    if (this.#length > this.#mask) this.#grow();
    this.#items[(this.#head + this.#length++) & this.#mask] = item;
  }

  /** Puts one back: it is the next. */
  unshift(item: T): void {
    if (this.#length > this.#mask) this.#grow();
    this.#head = (this.#head - 1) & this.#mask;
    this.#items[this.#head] = item;
    this.#length++;
  }

  peek(): T | undefined {
    return this.#length === 0 ? undefined : this.#items[this.#head];
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & this.#mask;
    if (--this.#length === 0 && this.#mask >= KEPT) this.#begin();
    return item;
  }

  /** Takes out one item, wherever it stands. */
  remove(item: T): boolean {
    const items = this.#items;
    const mask = this.#mask;
    let at = 0;
    while (at < this.#length && items[(this.#head + at) & mask] !== item) at++;
    if (at === this.#length) return false;
    for (; at < this.#length - 1; at++) items[(this.#head + at) & mask] = items[(this.#head + at + 1) & mask];
    items[(this.#head + --this.#length) & mask] = undefined;
    return true;
  }

  /** Takes out those that are meant, in their order. */
  removeAll(isMeant: (item: T) => boolean): T[] {
    const all = this.clear();
    for (const item of all) if (!isMeant(item)) this.push(item);
    return all.filter(isMeant);
  }

  /** Takes out all of them, in their order. */
  clear(): T[] {
    const rest = Array.from({ length: this.#length }, (_, at) => this.#items[(this.#head + at) & this.#mask] as T);
    this.#begin();
    return rest;
  }

  #begin(): void {
    this.#items = Fifo.#places(SMALLEST);
    this.#mask = SMALLEST - 1;
    this.#head = 0;
    this.#length = 0;
  }

  #grow(): void {
    const places = this.#mask + 1;
    const items = Fifo.#places<T>(2 * places);
    for (let at = 0; at < this.#length; at++) items[at] = this.#items[(this.#head + at) & this.#mask];
    this.#items = items;
    this.#mask = 2 * places - 1;
    this.#head = 0;
  }

  static #places<T>(count: number): (T | undefined)[] {
    return Array.from({ length: count }, () => undefined);
  }
}
