/**
 * Kill points: named moments of a process at which something may happen to it, its death for one.
 *
 *     const points = new KillPoints();          // before the first use of a port
 *     points.begin();                           // from here on every point is noted
 *     points.stage = 'connect';
 *     connectPortSync(name);
 *     points.end();                             // ['connect: openat2 1 before', 'connect: openat2 1 after', ...]
 *
 *     points.begin({ at: 'connect: sendmsg 1 after', act: () => process.kill(process.pid, 'SIGKILL') });
 *
 * There is one before and one after each system call that the library makes, each store that a peer can see, and each copy
 * of a payload into shared memory. All of them are put around the library from outside: around the tables of functions of the C
 * library and of libuv through which it calls (libc.ts), the functions of node:fs that it uses, `Atomics`, and the methods that copy. So the
 * library itself holds nothing of this, in use or not.
 *
 * A name is unique in a run: the stage, the call, its number within the stage. How often a thread that waits looks and polls
 * depends on the moment, so not every run comes to every point.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import koffi from 'koffi';
import { Control, WaitPageWords } from '../../src/memory/layout.js';
import { libc, libuv } from '../../src/platform/system.js';

export interface Plan {
  readonly at: string;
  readonly act: (point: string) => void;
}

type AnyFunction = (this: unknown, ...given: unknown[]) => unknown;
type Table = Record<string, AnyFunction>;

/** The functions of node:fs that make a system call at once: those that src/ uses are among them. */
export const FILE_CALLS: readonly string[] = [...Object.keys(fs).filter((name) => name.endsWith('Sync')), 'close'];
/** No system call; and one that changes nothing, and is made as often as chance will have it. */
const NOT_COUNTED = new Set(['getpagesize', 'sched_yield', 'uv_default_loop', 'uv_handle_size', 'uv_ref', 'uv_unref']);

export class KillPoints {
  /** What the process is about; the first part of a point's name. */
  stage = 'start';
  #plan: Plan | undefined;
  #trace: string[] | undefined;
  readonly #counts = new Map<string, number>();

  /** Once in a process, and before anything of the library is used. */
  constructor() {
    for (const table of [libc(), libuv()] as unknown as Table[]) {
      for (const name of Object.keys(table)) if (!NOT_COUNTED.has(name)) this.#wrap(table, name, name.replace('syscall_', ''));
    }
    for (const name of FILE_CALLS) this.#wrap(fs as unknown as Table, name, name.replace('Sync', ''));
    syncBuiltinESMExports();
    this.#wrapStores();
    this.#wrapCopies();
  }

  /** From here on points are noted, until the end; at the plan's one it acts, once. */
  begin(plan?: Plan): void {
    this.#plan = plan;
    this.#trace = [];
    this.#counts.clear();
    this.stage = 'start';
  }

  /** The points that were passed, in their order. */
  end(): string[] {
    const trace = this.#trace ?? [];
    this.#trace = undefined;
    this.#plan = undefined;
    return trace;
  }

  #wrap(table: Table, name: string, call: string): void {
    const original = table[name]!;
    // oxlint-disable-next-line typescript/no-this-alias -- the wrapper has a `this` of its own, which it passes on
    const points = this;
    table[name] = function (this: unknown, ...given) {
      return points.#around(call, () => original.apply(this, given));
    };
  }

  /** Words are told by their place: an outbox is longer than a wait page. */
  #wrapStores(): void {
    const table = Atomics as unknown as Table;
    for (const name of ['store', 'compareExchange']) {
      const original = table[name]!;
      table[name] = (...given: unknown[]) => {
        const [words, index] = given as [Int32Array, number];
        if (this.#trace === undefined || words.buffer instanceof SharedArrayBuffer) return original.apply(Atomics, given);
        return this.#around(`store ${nameOfWord(words, index)}`, () => original.apply(Atomics, given));
      };
    }
  }

  /** A payload goes into the ring by one of these, and the header before it by plain stores: a death between the two is a death here. */
  #wrapCopies(): void {
    const copies = [[Object.getPrototypeOf(Uint8Array.prototype) as Table, 'set'], [Buffer.prototype as unknown as Table, 'write']] as const;
    for (const [table, name] of copies) {
      const original = table[name]!;
      // oxlint-disable-next-line typescript/no-this-alias
      const points = this;
      table[name] = function (this: unknown, ...given) {
        const into = this as Uint8Array;
        if (points.#trace === undefined || !(into instanceof Buffer) || into.length < OUTBOX_BYTES || into.buffer.byteLength < into.length * 2) return original.apply(into, given);
        return points.#around('copy', () => original.apply(into, given));
      };
    }
  }

  #around<T>(call: string, make: () => T): T {
    if (this.#trace === undefined) return make();
    const key = `${this.stage}: ${call}`;
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    this.#reach(`${key} ${count} before`);
    const result = make();
    const errno = koffi.errno();
    this.#reach(`${key} ${count} after`);
    koffi.errno(errno);
    return result;
  }

  #reach(point: string): void {
    this.#trace!.push(point);
    const plan = this.#plan;
    if (plan?.at !== point) return;
    this.#plan = undefined;
    const trace = this.#trace;
    this.#trace = undefined; // what is done here has no points of its own
    plan.act(point);
    this.#trace = trace;
  }
}

/** One page of memory and the smallest ring, twice. */
const OUTBOX_BYTES = 3 * 4096;

function nameOfWord(words: Int32Array, index: number): string {
  const names = words.byteLength < OUTBOX_BYTES ? WaitPageWords : Control;
  return Object.entries(names).find(([, at]) => at === index)?.[0] ?? 'type'; // of a record that is taken back
}
