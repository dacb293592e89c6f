/**
 * An exclusive lock on a directory, by flock: one owner among all processes and threads, freed by the kernel when its owner
 * dies. It is advisory: it keeps out those who ask for it, and anyone who can read the directory can hold it. So waiting
 * for it is bounded, by polling: flock itself could only wait without end.
 *
 * A wait is written once, as a generator that yields pauses (`Steps`), and run in either of two ways: blocking or awaited.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Deadline, isOver, timeLeft } from '../base/deadline.js';
import { Descriptor, hasErrno } from './directory.js';
import { check, libc } from './system.js';

const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;
/** Longest pause between two looks, in milliseconds. What is done under the lock takes a fraction of one. */
const MAX_PAUSE = 8;

/** Work with pauses in it: yields the milliseconds to pause. */
export type Steps<T> = Generator<number, T, void>;

/** Waits for the lock; false when it was not free before the deadline. `directory` must be open for reading. */
export function* lockDirectory(directory: number, deadline: Deadline): Steps<boolean> {
  for (let longest = 1; !tryLock(directory); longest = Math.min(2 * longest, MAX_PAUSE)) {
    if (isOver(deadline)) return false;
    yield Math.min(Math.ceil(Math.random() * longest), timeLeft(deadline));
  }
  return true;
}

/** A directory that is closed, and unlocked, at the end of its `using` block. */
export class LockedDirectory extends Descriptor {
  override [Symbol.dispose](): void {
    // Unlocked by name and not by closing alone: a child that is just being started may hold a copy of the descriptor.
    if (this.fd >= 0) libc().flock(this.fd, LOCK_UN);
    super[Symbol.dispose]();
  }
}

function tryLock(directory: number): boolean {
  try {
    check('flock', libc().flock(directory, LOCK_EX | LOCK_NB));
    return true;
  } catch (error) {
    if (hasErrno(error, 'EAGAIN', 'EINTR')) return false;
    throw error;
  }
}

/** Runs steps to their end; blocks this thread in the pauses. */
export function runBlocking<T>(steps: Steps<T>): T {
  const nothing = new Uint8Array(8);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    libc().poll(nothing, 0, Math.ceil(step.value));
  }
}

/** Runs steps to their end; pauses on the event loop. Rejects with the signal's reason, after the steps have cleaned up. */
export async function runAwaited<T>(steps: Steps<T>, signal?: AbortSignal): Promise<T> {
  try {
    for (;;) {
      signal?.throwIfAborted();
      const step = steps.next();
      if (step.done === true) return step.value;
      await sleep(step.value);
    }
  } finally {
    steps.return(undefined as never);
  }
}
