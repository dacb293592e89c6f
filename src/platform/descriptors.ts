/**
 * Descriptors that live as long as a connection.
 *
 * Descriptors belong to the process, so a worker thread that is terminated would leave its sockets open and its peers
 * would wait for ever. Node closes what a worker opened with `fs.open` when the worker ends, however it ends: so in a
 * worker a long-lived descriptor is moved to a number that `fs.openSync` gave. In the main thread the process's own end
 * does all that is needed.
 */
import { closeSync, openSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { check, closeDescriptor, libc } from './system.js';

const O_CLOEXEC = 0o2000000;
const F_DUPFD_CLOEXEC = 1030;

/** Takes over `fd` and returns the number to use in its place. On failure `fd` stays the caller's. */
export function adoptDescriptor(fd: number): number {
  if (isMainThread) return fd;
  const tracked = openSync('/dev/null', 'r');
  try {
    check('dup3', libc().dup3(fd, tracked, O_CLOEXEC));
  } catch (error) {
    closeSync(tracked);
    throw error;
  }
  closeDescriptor(fd);
  return tracked;
}

/** A second descriptor for the same thing; the caller owns it. */
export function duplicateDescriptor(fd: number): number {
  return check('fcntl', libc().fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

/** Closes what `adoptDescriptor` returned. */
export function releaseDescriptor(fd: number): void {
  if (isMainThread) closeDescriptor(fd);
  else closeSync(fd);
}

/** The size of a page of memory: the unit of every mapping. */
export function pageSize(): number {
  return libc().getpagesize();
}
