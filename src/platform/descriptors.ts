/**
 * Descriptors that live as long as a connection.
 *
 * Descriptors belong to the process, so a worker thread that is terminated would leave its sockets open and its peers would
 * wait for ever. So in a worker a long-lived descriptor is given to a handle of Node's own, which Node closes in whatever way
 * the worker ends. In the main thread the process's own end does all that is needed.
 */
import { isMainThread } from 'node:worker_threads';
import { type NodePipe, nodePipeOver } from './node-pipe.js';
import { check, closeDescriptor, libc } from './system.js';

const F_DUPFD_CLOEXEC = 1030;

/** This worker's handles by their descriptors: a register of what the thread owns, as the kernel's table of descriptors is. */
const handles = new Map<number, NodePipe>();

/** Takes over `fd` for this thread, until `releaseDescriptor`. On failure `fd` stays the caller's. */
export function adoptDescriptor(fd: number): number {
  if (isMainThread) return fd;
  const handle = nodePipeOver(fd);
  handle.unref();
  handles.set(fd, handle);
  return fd;
}

/** Closes a descriptor that was adopted. */
export function releaseDescriptor(fd: number): void {
  const handle = handles.get(fd);
  if (handle === undefined) return closeDescriptor(fd);
  handles.delete(fd);
  handle.close();
}

/** A second descriptor for the same thing; the caller owns it. */
export function duplicateDescriptor(fd: number): number {
  return check('fcntl', libc().fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

/** The size of a page of memory: the unit of every mapping. */
export function pageSize(): number {
  return libc().getpagesize();
}
