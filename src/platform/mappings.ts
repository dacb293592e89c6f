/**
 * How many more mappings this process may make of memory files: for connections, sections and views. The kernel allows a process so many and
 * no more (`vm.max_map_count`, 65,530 by default, all threads together), and V8 ends the process when it can't have one. Peers bring about most
 * of ours, so the last quarter is kept: for V8, for the allocator, for whatever else this process maps.
 *
 * How many there are the kernel says, in a list that takes milliseconds to read when there are tens of thousands. So it is read now and then: this
 * thread counts what it makes itself, and reads again after a thousand of them, for other threads make some meanwhile. Where nothing is
 * left it is read again, but seldom.
 */
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { SystemError } from './system.js';

const DEFAULT_MOST = 65_530;
const LARGEST_RESERVE = 16_384;
/** Mappings that are made between two counts. */
const UNCOUNTED = 1024;
/** Those before the first one: most processes never make more, and need not be counted. */
const UNCOUNTED_AT_FIRST = 256;
/** Where nothing is left, a count is followed by so many times its length without one. */
const PAUSE = 20;

export class MappingQuota {
  /** How many this thread may make before it counts again. */
  #left = UNCOUNTED_AT_FIRST;
  #most: number | undefined;
  #pausesUntil = 0;

  /** So many are about to be made. @throws SystemError ENOMEM, as from the kernel, when that would take from the reserve */
  take(count: number): void {
    if (this.#left < count) this.#look(count);
    if (this.#left < count) throw new SystemError('mmap', 'ENOMEM', `, for of the process's ${this.most} mappings ${reserveOf(this.most)} are kept for others`);
    this.#left -= count;
  }

  /** So many are gone, or did not come to be. */
  giveBack(count: number): void {
    this.#left = Math.min(this.#left + count, UNCOUNTED);
  }

  /** What the kernel allows. */
  get most(): number {
    return (this.#most ??= readMost());
  }

  /** How many there may be of them before none are made here. */
  get limit(): number {
    return this.most - reserveOf(this.most);
  }

  /** How many there are. */
  inUse(): number {
    const list = readFileSync('/proc/self/maps');
    let count = 0;
    for (let at = list.indexOf(10); at >= 0; at = list.indexOf(10, at + 1)) count++;
    return count;
  }

  #look(wanted: number): void {
    const begun = performance.now();
    if (begun < this.#pausesUntil) return;
    try {
      this.#left = Math.max(0, Math.min(UNCOUNTED, this.limit - this.inUse()));
    } catch {
      this.#left = wanted; // no descriptor is left to read it with: who has none gets no mapping by a stranger's doing, for each of those comes with one
    }
    const ended = performance.now();
    if (this.#left < wanted) this.#pausesUntil = ended + PAUSE * (ended - begun);
  }
}

function reserveOf(most: number): number {
  return Math.min(Math.ceil(most / 4), LARGEST_RESERVE);
}

function readMost(): number {
  try {
    return Number.parseInt(readFileSync('/proc/sys/vm/max_map_count', 'utf8'), 10) || DEFAULT_MOST;
  } catch {
    return DEFAULT_MOST;
  }
}

/** This thread's. */
export const mappingQuota = new MappingQuota();
