/**
 * Where memory files are mapped: slots of large reserved ranges, each range seen through one ArrayBuffer.
 *
 * Why not one ArrayBuffer per mapping: V8 counts external memory, and a buffer for each connection made it collect
 * garbage at every other connect (measured: 36 us for a view of 516 KiB, of which 34 us were collections). With slots a
 * mapping costs two mmap calls and two typed arrays.
 *
 * A slot that is given back is covered by anonymous zero pages at once: a stale read sees zeros and can never crash, and
 * the file's memory is let go. Ranges themselves are kept for reuse until the process ends.
 */
import { check, libc, SystemError, viewOfMemory } from './system.js';

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;
const MAX_SLOTS_PER_RANGE = 64;
/** Node 20 ends the process at a view of more than 4 GiB. A peer chooses the length of its ring, so this must hold for any number of any length. */
const MAX_RANGE_LENGTH = 2 ** 30;

/** A stretch of address space that one mapping uses. `offset` is where it begins in `buffer`. */
export interface Slot {
  readonly buffer: ArrayBuffer;
  readonly offset: number;
  readonly length: number;
  readonly address: number;
}

/** One per thread: ArrayBuffers over foreign memory can't be handed between threads. */
export class Arena {
  /** Free slots by their length. */
  readonly #free = new Map<number, Slot[]>();
  readonly #rangeSlots = new Map<number, number>();
  #inUse = 0;

  /** Slots that are mapped now; the tests' ledger looks at it. */
  get inUse(): number {
    return this.#inUse;
  }

  /** Maps `parts` of `fd` one behind the other; a part may name the same bytes as another. Lengths and offsets are whole pages. */
  map(fd: number, parts: readonly { offset: number; length: number }[], writable: boolean): Slot {
    const slot = this.#take(parts.reduce((sum, part) => sum + part.length, 0));
    const protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    let address = slot.address;
    try {
      for (const part of parts) {
        mapAt(address, part.length, protection, MAP_SHARED | MAP_FIXED, fd, part.offset);
        address += part.length;
      }
    } catch (error) {
      this.unmap(slot);
      throw error;
    }
    return slot;
  }

  /** Lets go of the mapping. The caller drops its typed arrays; one that it forgot reads zeros and must not be written to. */
  unmap(slot: Slot): void {
    mapAt(slot.address, slot.length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    this.#inUse--;
    this.#free.get(slot.length)!.push(slot);
  }

  #take(length: number): Slot {
    let free = this.#free.get(length);
    if (free === undefined) this.#free.set(length, (free = []));
    if (free.length === 0) this.#reserve(length, free);
    this.#inUse++;
    return free.pop()!;
  }

  /** A new range; each is twice the one before, so that a process with one connection reserves little. */
  #reserve(length: number, free: Slot[]): void {
    const most = Math.max(1, Math.min(MAX_SLOTS_PER_RANGE, Math.floor(MAX_RANGE_LENGTH / length)));
    const count = Math.min(most, (this.#rangeSlots.get(length) ?? 1) * 2);
    this.#rangeSlots.set(length, count);
    const base = mapAt(0, length * count, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    const buffer = viewOfMemory(base, length * count);
    for (let i = count - 1; i >= 0; i--) free.push({ buffer, offset: i * length, length, address: base + i * length });
  }
}

function mapAt(address: number, length: number, protection: number, flags: number, fd: number, offset: number): number {
  const result = libc().mmap(address, length, protection, flags, fd, offset);
  if (result === -1) check('mmap', -1);
  if (address !== 0 && result !== address) throw new SystemError('mmap', 'EFAULT');
  return result;
}
