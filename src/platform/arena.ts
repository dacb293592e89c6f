/**
 * Where memory files are mapped: slots of large reserved ranges, each range seen through one ArrayBuffer.
 *
 * Why not one ArrayBuffer per mapping: V8 counts external memory, and a buffer for each connection made it collect
 * garbage at every other connect (measured: 36 us for a view of 516 KiB, of which 34 us were collections). With slots a
 * mapping costs two mmap calls and two typed arrays.
 *
 * A slot that is given back is covered by anonymous zero pages at once: a stale read sees zeros and can never crash, and
 * the file's memory is let go. Where the kernel refuses that (a process may have so many mappings and no more), the file stays
 * mapped for now, which is harmless, and is let go when the next slot is given back. Ranges are kept until the process ends.
 */
import { MAP_ANONYMOUS, MAP_FIXED, MAP_NORESERVE, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE } from './libc.js';
import { type MappingQuota, mappingQuota } from './mappings.js';
import { check, libc, SystemError, viewOfMemory } from './system.js';

const MAX_SLOTS_PER_RANGE = 64;
/** Node 20 ends the process at a view of more than 4 GiB. A peer chooses the length of its ring, so this must hold for any number of any length. */
const MAX_RANGE_LENGTH = 2 ** 30;

/** A stretch of address space that one mapping uses. `offset` is where it begins in `buffer`. */
export interface Slot {
  readonly buffer: ArrayBuffer;
  readonly offset: number;
  readonly length: number;
  readonly address: number;
  /** Mappings that it is made of now. */
  mappings: number;
}

/** One per thread: ArrayBuffers over foreign memory can't be handed between threads. */
export class Arena {
  /** Free slots by their length. */
  readonly #free = new Map<number, Slot[]>();
  readonly #rangeSlots = new Map<number, number>();
  /** Slots that were given back and could not be covered. */
  readonly #uncovered = new Set<Slot>();
  #inUse = 0;
  readonly #quota: MappingQuota;

  constructor(quota = mappingQuota) {
    this.#quota = quota;
  }

  /** Slots that are mapped now; the tests' ledger looks at it. */
  get inUse(): number {
    return this.#inUse;
  }

  /** Maps `parts` of `fd` one behind the other; a part may name the same bytes as another. Lengths and offsets are whole pages. @throws SystemError */
  map(fd: number, parts: readonly { offset: number; length: number }[], writable: boolean): Slot {
    this.#quota.take(parts.length);
    let slot: Slot;
    try {
      slot = this.#take(parts.reduce((sum, part) => sum + part.length, 0));
      slot.mappings = parts.length;
    } catch (error) {
      this.#quota.giveBack(parts.length);
      throw error;
    }
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

  /** Lets go of the mapping; can't fail. The caller drops its typed arrays; one that it forgot reads zeros and must not be written to. */
  unmap(slot: Slot): void {
    this.#uncovered.add(slot);
    this.#inUse--;
    this.#quota.giveBack(slot.mappings);
    this.#free.get(slot.length)!.push(slot);
    for (const each of this.#uncovered) {
      if (!cover(each)) return;
      this.#uncovered.delete(each);
    }
  }

  #take(length: number): Slot {
    let free = this.#free.get(length);
    if (free === undefined) this.#free.set(length, (free = []));
    if (free.length === 0) this.#reserve(length, free);
    this.#inUse++;
    const slot = free.pop()!;
    this.#uncovered.delete(slot); // what is mapped now goes over it
    return slot;
  }

  /** A new range; each is twice the one before, so that a process with one connection reserves little. */
  #reserve(length: number, free: Slot[]): void {
    const most = Math.max(1, Math.min(MAX_SLOTS_PER_RANGE, Math.floor(MAX_RANGE_LENGTH / length)));
    let count = Math.min(most, (this.#rangeSlots.get(length) ?? 1) * 2);
    let base = reserveAddresses(length * count);
    // Where address space is short one slot may still be had.
    while (base === undefined && count > 1) base = reserveAddresses(length * (count >>= 1));
    if (base === undefined) throw new SystemError('mmap', 'ENOMEM');
    this.#rangeSlots.set(length, count);
    const buffer = viewOfMemory(base, length * count);
    for (let i = count - 1; i >= 0; i--) free.push({ buffer, offset: i * length, length, address: base + i * length, mappings: 0 });
  }
}

/** Addresses for later: they cost nothing until something is mapped there. */
function reserveAddresses(length: number): number | undefined {
  const address = libc().mmap(0, length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return address === -1 ? undefined : address;
}

/** Lays zero pages over a slot. False where the kernel has no memory for that. */
function cover({ address, length }: Slot): boolean {
  return libc().mmap(address, length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) === address;
}

function mapAt(address: number, length: number, protection: number, flags: number, fd: number, offset: number): void {
  const result = libc().mmap(address, length, protection, flags, fd, offset);
  if (result === -1) check('mmap', -1);
  if (result !== address) throw new SystemError('mmap', 'EFAULT');
}
