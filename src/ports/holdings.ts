/**
 * What waits in this process for the clients of one port: records for which there is no room, because a client does not read, and messages that
 * were read ahead of who takes them. Each connection has quotas of its own; a thousand connections that keep just below them would
 * hold more than a process has. So there is a sum for each user, and one for the port.
 *
 * Every message counts for a page at least: what it takes of the heap is less, but V8 ends a process whose heap is full, and there is less heap than memory.
 * Nothing here is touched by a message that goes straight into a ring, or comes straight out of one.
 */
import type { Limits } from './limits.js';

/** Bytes that a waiting record takes besides its payload, about: an object with its fields, a place in a queue, the object that a buffer is. */
export const WAITING_COST = 256;
/** What each message counts for in the sums, at least. */
export const SMALLEST_HOLDING = 4096;

/** The sums of one port. The kernel says who is whose. */
export class PortHoldings {
  readonly #ofUser = new Map<number, number>();
  readonly #owner: number;
  readonly #limits: Pick<Limits, 'pendingBytesPerPort' | 'pendingBytesPerUser'>;
  readonly #onRoom: () => void;
  #total = 0;
  /** Somebody found no room, and nothing has left since. */
  #wasFull = false;

  /** `owner` is the port's own user: it and root may have all that others leave, everybody else a share at most. `onRoom`: where there was none something has left, and who did not read on may. */
  constructor(owner: number, limits: Pick<Limits, 'pendingBytesPerPort' | 'pendingBytesPerUser'>, onRoom: () => void = () => {}) {
    this.#owner = owner;
    this.#limits = limits;
    this.#onRoom = onRoom;
  }

  hasRoomFor(uid: number, bytes: number): boolean {
    const hasRoom = this.#total + bytes <= this.#limits.pendingBytesPerPort && this.#hasShareFor(uid, bytes);
    if (!hasRoom) this.#wasFull = true;
    return hasRoom;
  }

  /** Whether a user has all that it may have; not what others have. */
  isFull(uid: number): boolean {
    return this.#mayHaveAll(uid) ? !this.hasRoomFor(uid, SMALLEST_HOLDING) : !this.#hasShareFor(uid, SMALLEST_HOLDING);
  }

  change(uid: number, bytes: number): void {
    this.#total += bytes;
    const now = (this.#ofUser.get(uid) ?? 0) + bytes;
    if (now > 0) this.#ofUser.set(uid, now);
    else this.#ofUser.delete(uid);
    if (bytes >= 0 || !this.#wasFull) return;
    this.#wasFull = false;
    this.#onRoom();
  }

  #hasShareFor(uid: number, bytes: number): boolean {
    return this.#mayHaveAll(uid) || (this.#ofUser.get(uid) ?? 0) + bytes <= this.#limits.pendingBytesPerUser;
  }

  #mayHaveAll(uid: number): boolean {
    return uid === 0 || uid === this.#owner;
  }
}

/** One connection's part in them, in one direction. */
export class HoldingShare {
  readonly #all: PortHoldings | undefined;
  readonly #uid: number;
  #bytes = 0;

  /** A connection that is its port's only one has no sum to be part of. */
  constructor(all?: PortHoldings, uid = 0) {
    this.#all = all;
    this.#uid = uid;
  }

  hasRoomFor(length: number): boolean {
    return this.#all === undefined || this.#all.hasRoomFor(this.#uid, chargeFor(length));
  }

  /** A message of so many bytes waits from now on. */
  add(length: number): void {
    this.#change(chargeFor(length));
  }

  /** It waits no more. */
  remove(length: number): void {
    this.#change(-chargeFor(length));
  }

  clear(): void {
    this.#change(-this.#bytes);
  }

  #change(bytes: number): void {
    this.#bytes += bytes;
    this.#all?.change(this.#uid, bytes);
  }
}

function chargeFor(length: number): number {
  return Math.max(SMALLEST_HOLDING, WAITING_COST + length);
}
