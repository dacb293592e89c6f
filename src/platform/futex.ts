/**
 * Waits for a word of shared memory, across processes: the kernel knows the word by its file, whoever mapped it where.
 * Expected outcomes are values. A signal that the process handles ends a wait early, and that is told: nobody has woken it.
 */
import { SYS } from './libc.js';
import { check, lastErrno, libc, SystemError } from './system.js';

const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;

/** Blocks this thread while the word at `address` is `value`, until it is woken. */
export function waitOnWord(address: number, value: number, milliseconds: number): 'woken' | 'not-equal' | 'timed-out' | 'interrupted' {
  const seconds = Math.floor(milliseconds / 1000);
  const timeout = BigInt64Array.of(BigInt(seconds), BigInt(Math.round((milliseconds - seconds * 1000) * 1e6)));
  if (libc().syscall_futex(SYS.futex, address, FUTEX_WAIT, value, timeout) === 0) return 'woken';
  const errno = lastErrno();
  if (errno === 'EAGAIN') return 'not-equal';
  if (errno === 'ETIMEDOUT') return 'timed-out';
  if (errno === 'EINTR') return 'interrupted';
  throw new SystemError('futex', errno);
}

/** Wakes at most so many who wait for the word; how many there were. To the kernel none is one. */
export function wakeOnWord(address: number, count: number): number {
  if (count === 0) return 0;
  return check('futex', libc().syscall_futex(SYS.futex, address, FUTEX_WAKE, count, null));
}
