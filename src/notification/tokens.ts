/**
 * The state of an event, which is what is in its FIFO: it is set while a byte is in there, and everybody who has it open can
 * poll for that. Nothing but the kernel keeps it, so it survives any process that uses it, killed at whatever point.
 *
 * A notification event has no more to it: any byte means set, and `reset` empties it. In a synchronization event each byte is
 * a token that lets one wait go on, and the one that reads it has it: the kernel gives a byte to one reader. So that a
 * second `set` is not lost while the first one's waiter is still on its way, and yet is not counted when nobody waits, there
 * may be one token for each wait and one more, which is "set, and for nobody yet". How many wait, the kernel knows too: each
 * wait locks a number of the FIFO (`EVENT_LOCKS.waits`), and the locks of who dies are gone.
 *
 * Look and change are one step under a lock (`EVENT_LOCKS.state`). A process that is stopped within these microseconds holds
 * others up for `PATIENCE` at most; then they go on without the lock, and of two that set at one moment both may count. One that
 * dies there loses nothing but what it had taken already. What a stranger writes into the FIFO is cut to what may be there.
 */
import { performance } from 'node:perf_hooks';
import { EVENT_LOCKS } from '../objects/event-name.js';
import { statOf } from '../platform/directory.js';
import { bytesIn, putByte, takeBytes } from '../platform/fifo.js';
import { pause, yieldProcessor } from '../platform/poller.js';
import { countLocked, tryLockRange, unlockRange } from '../platform/range-lock.js';

export type EventKind = 'notification' | 'synchronization';

/** How long others may keep the lock, in milliseconds: far longer than a process that runs can be kept from going on. */
const PATIENCE = 1000;
/** Looks for the lock, with the processor given up in between, before each next one is a millisecond later. */
const QUICK_LOOKS = 32;
/** Waits of one handle: each has a number, and each handle a place for so many. */
const PLACE = 2 ** 20;
const PLACES = (EVENT_LOCKS.waits.end - EVENT_LOCKS.waits.start) / PLACE;
const TRIES = 64;

export class Tokens {
  /** The same for everybody who has this event open, and for no other. */
  readonly identity: string;
  readonly inode: number;
  #waiting = 0;
  /** Where this handle's waits are locked; undefined until it has some. */
  #place: number | undefined;
  #patience = PATIENCE;

  constructor(readonly fd: number, readonly kind: EventKind) {
    const { dev, ino } = statOf(fd);
    this.identity = `${dev}:${ino}`;
    this.inode = Number(ino);
  }

  /** Whether the event is set, and for nobody who waits already. */
  get isSet(): boolean {
    const tokens = bytesIn(this.fd);
    return tokens > 0 && (this.kind === 'notification' || tokens > this.#waits(tokens));
  }

  /** Whether the event was set before. */
  set(): boolean {
    if (this.kind === 'synchronization') return this.locked(() => this.#add());
    const before = bytesIn(this.fd) > 0;
    if (!before) putByte(this.fd);
    return before;
  }

  /** Whether the event was set before. */
  reset(): boolean {
    if (this.kind === 'synchronization') return this.locked(() => this.#empty());
    return this.#empty();
  }

  /** A quick look whether `tryTake` may succeed. */
  get mayTake(): boolean {
    return bytesIn(this.fd) > 0;
  }

  /** What ends one wait; false when there is nothing. */
  tryTake(): boolean {
    return this.mayTake && (this.kind === 'notification' || this.locked(() => this.takeLocked()));
  }

  /** As `tryTake`, for a wait that has entered: if it succeeds the wait has left, in the same step, so that no `set` is for it any more. */
  tryEndWait(): boolean {
    if (!this.mayTake) return false;
    if (this.kind === 'notification') return true;
    return this.locked(() => {
      const taken = this.takeLocked();
      if (taken) this.#unlockWait();
      return taken;
    });
  }

  /** As `tryTake` of a synchronization event, under the lock. */
  takeLocked(): boolean {
    this.#trim();
    return takeBytes(this.fd, 1) === 1;
  }

  /** Gives back what was taken. */
  giveBack(): void {
    putByte(this.fd);
  }

  /** A wait begins: from now on a `set` is for it too. */
  enter(): void {
    if (this.kind === 'notification') return;
    if (this.#place === undefined) this.#findPlace();
    else this.#lockWait(this.#place + this.#waiting);
    this.#waiting++;
  }

  /** A wait is over that this event did not end. What was set for it is for others. */
  leave(): void {
    if (this.kind === 'notification') return;
    this.#unlockWait();
    if (bytesIn(this.fd) > 1) this.locked(() => this.#trim());
  }

  /** Runs `action` under the state's lock; or without it, when somebody keeps that too long. */
  locked<T>(action: () => T): T {
    const held = this.#lock();
    try {
      return action();
    } finally {
      if (held) unlockRange(this.fd, EVENT_LOCKS.state);
    }
  }

  #add(): boolean {
    const tokens = this.#trim();
    if (tokens === 0) {
      putByte(this.fd);
      return false;
    }
    const before = tokens > this.#waits(tokens);
    if (!before) putByte(this.fd);
    return before;
  }

  #empty(): boolean {
    const before = bytesIn(this.fd);
    return before > 0 && takeBytes(this.fd, before) > 0;
  }

  /** Takes out what is for nobody: the tokens of waits that ended otherwise, and a stranger's bytes. What is left. */
  #trim(): number {
    const tokens = bytesIn(this.fd);
    if (tokens <= 1) return tokens;
    const most = this.#waits(tokens) + 1;
    return tokens <= most ? tokens : tokens - takeBytes(this.fd, tokens - most);
  }

  /** How many wait, counted up to `enough`. */
  #waits(enough: number): number {
    return this.#waiting + countLocked(this.fd, EVENT_LOCKS.waits, enough - this.#waiting);
  }

  #lock(): boolean {
    const deadline = performance.now() + this.#patience;
    for (let looks = 0; !tryLockRange(this.fd, EVENT_LOCKS.state, 'exclusive'); looks++) {
      if (performance.now() >= deadline) {
        this.#patience = 0; // until it is got again
        return false;
      }
      if (looks < QUICK_LOOKS) yieldProcessor();
      else pause(1);
    }
    this.#patience = PATIENCE;
    return true;
  }

  /** A handle that finds none is not counted: then sets that follow each other closely may be one for its waits. */
  #findPlace(): void {
    for (let tries = 0; tries < TRIES; tries++) {
      const place = EVENT_LOCKS.waits.start + Math.floor(Math.random() * PLACES) * PLACE;
      if (!this.#lockWait(place)) continue;
      this.#place = place;
      return;
    }
  }

  #unlockWait(): void {
    this.#waiting--;
    if (this.#place === undefined) return;
    const number = this.#place + this.#waiting;
    unlockRange(this.fd, { start: number, end: number + 1 });
    if (this.#waiting === 0) this.#place = undefined;
  }

  #lockWait(number: number): boolean {
    return tryLockRange(this.fd, { start: number, end: number + 1 }, 'exclusive');
  }
}

/** What ends a wait for all of them: something of each, or nothing of any. */
export function takeAll(all: readonly Tokens[]): boolean {
  if (!all.every((tokens) => tokens.mayTake)) return false;
  const each = new Map(all.filter(({ kind }) => kind === 'synchronization').map((tokens) => [tokens.identity, tokens]));
  // In one order everywhere, so that of two who want the same ones none waits for the other.
  const ordered = [...each.values()].toSorted((a, b) => (a.identity < b.identity ? -1 : 1));
  const lockFrom = (at: number): boolean => ordered[at]?.locked(() => lockFrom(at + 1)) ?? takeEach(ordered, all);
  return lockFrom(0);
}

function takeEach(ordered: readonly Tokens[], all: readonly Tokens[]): boolean {
  if (!all.every((tokens) => tokens.mayTake)) return false;
  for (const [at, tokens] of ordered.entries()) {
    if (tokens.takeLocked()) continue;
    for (const taken of ordered.slice(0, at)) taken.giveBack(); // taken by somebody who did not take the lock
    return false;
  }
  return true;
}
