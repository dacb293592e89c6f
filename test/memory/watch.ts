/**
 * Watches who touches the words of outboxes, access by access: for tests that say how often a word may be read, and in which
 * order. Plain accesses are seen through a proxy in place of the outbox's `words`, atomic ones by standing in for `Atomics`.
 */
import { mock, type TestContext } from 'node:test';
import { CONTROL_FIELDS } from '../../src/memory/layout.js';
import type { Outbox } from '../../src/memory/outbox.js';
import { atEnd } from '../support/at-end.js';

/** The words that the protocol rests on, by their indexes. */
export const atomicWords = new Map<number, string>(CONTROL_FIELDS.filter((field) => 'atomic' in field).map((field) => [field.offset / 4, field.name]));

/** Notes each access to the words of outboxes, as `a.own load tail`, `b.peer get 1026`. */
export class Watch {
  readonly log: string[] = [];
  readonly #plain = new Map<Int32Array, { words: Int32Array; name: string }>();

  constructor(t: TestContext) {
    const { load, store } = Atomics;
    const instead = (how: string, act: (words: Int32Array, index: number, value: number) => number) => (words: Int32Array, index: number, value: number) => {
      const watched = this.#plain.get(words);
      if (watched !== undefined) this.log.push(`${watched.name} ${how} ${atomicWords.get(index) ?? index}`);
      return act(watched?.words ?? words, index, value);
    };
    mock.method(Atomics, 'load', instead('load', load) as typeof Atomics.load);
    mock.method(Atomics, 'store', instead('store', store) as typeof Atomics.store);
    atEnd(t, () => mock.restoreAll());
  }

  on(outbox: Outbox, name: string): void {
    const words = outbox.words;
    const note = (how: string, key: string | symbol): void => {
      if (typeof key === 'string' && /^\d+$/.test(key)) this.log.push(`${name} ${how} ${atomicWords.get(Number(key)) ?? key}`);
    };
    const watched = new Proxy(words, {
      get: (target, key) => {
        note('get', key);
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
      set: (target, key, value) => {
        note('set', key);
        return Reflect.set(target, key, value, target);
      },
    });
    this.#plain.set(watched, { words, name });
    outbox.words = watched;
  }

  /** What was done since the last time. */
  take(): string[] {
    return this.log.splice(0);
  }
}

/** What a load of a shared word gives from now on, until the end of the test: the truth is asked for by `load`. */
export function insteadOfLoad(t: TestContext, look: (load: (words: Int32Array, index: number) => number, words: Int32Array, index: number) => number): void {
  const { load } = Atomics;
  Atomics.load = ((words: Int32Array, index: number) => look(load, words, index)) as typeof Atomics.load;
  atEnd(t, () => {
    Atomics.load = load;
  });
}
