/**
 * Locks on ranges of a file's numbers, held by an open file and not by a process (Linux's "open file description" locks).
 * The kernel keeps them beside the file: nothing is stored, any number of processes see them, and those of a holder that
 * dies are gone. The numbers need not exist in the file: a FIFO, and even a pipe, can be locked like this.
 *
 * Invariants: nothing here waits; what one open file locks twice is locked once; its own locks are never in its way.
 */
import { check, lastErrno, libc, SystemError } from './system.js';

const F_OFD_GETLK = 36;
const F_OFD_SETLK = 37;
const F_RDLCK = 0;
const F_WRLCK = 1;
const F_UNLCK = 2;

/** struct flock: type and whence in the first long, then start, length and a process number that stays 0. A scratch constant. */
const flock = new BigInt64Array(4);
const flockShorts = new Int16Array(flock.buffer);

/** A range of numbers, from `start` to before `end`. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** Takes the range; false when another open file holds some of it (for `shared`: exclusively). */
export function tryLockRange(fd: number, { start, end }: Range, how: 'shared' | 'exclusive'): boolean {
  fill(how === 'shared' ? F_RDLCK : F_WRLCK, start, end);
  if (libc().fcntl_lock(fd, F_OFD_SETLK, flock) === 0) return true;
  const errno = lastErrno();
  if (errno === 'EAGAIN' || errno === 'EACCES') return false;
  throw new SystemError('fcntl', errno);
}

export function unlockRange(fd: number, { start, end }: Range): void {
  fill(F_UNLCK, start, end);
  libc().fcntl_lock(fd, F_OFD_SETLK, flock);
}

/** Some range that another open file holds in this one, cut to it; not always the first. Undefined when it is free. */
export function findLock(fd: number, { start, end }: Range): Range | undefined {
  fill(F_WRLCK, start, end);
  check('fcntl', libc().fcntl_lock(fd, F_OFD_GETLK, flock));
  if (flockShorts[0] === F_UNLCK) return undefined;
  const [from, length] = [Number(flock[1]), Number(flock[2])];
  return { start: Math.max(start, from), end: length === 0 ? end : Math.min(end, from + length) };
}

/** How many numbers of the range others hold, counted up to `enough`. */
export function countLocked(fd: number, range: Range, enough: number): number {
  const unseen = [range];
  let count = 0;
  for (let part = unseen.pop(); part !== undefined && count < enough; part = unseen.pop()) {
    const held = findLock(fd, part);
    if (held === undefined) continue;
    count += held.end - held.start;
    if (held.start > part.start) unseen.push({ start: part.start, end: held.start });
    if (held.end < part.end) unseen.push({ start: held.end, end: part.end });
  }
  return count;
}

function fill(type: number, start: number, end: number): void {
  flock.fill(0n);
  flockShorts[0] = type;
  flock[1] = BigInt(start);
  flock[2] = BigInt(end - start);
}
