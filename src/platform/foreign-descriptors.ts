/**
 * Descriptors that a stranger sent and nobody wants. To close one can take as long as its maker likes: a stream socket that lingers
 * over data that is never read, a file of a file system that its maker runs. The last one to close it waits, in the kernel, and
 * the whole thread with it. So what is not plain memory is closed by Node's pool of threads, and a lingering socket is told
 * not to linger.
 *
 * What this does not promise: descriptors that are made to wait otherwise hold a thread of the pool for as long as their
 * maker likes. Nothing here ever waits.
 */
import { close, fstatSync } from 'node:fs';
import { closeDescriptor, libc } from './system.js';

const F_GET_SEALS = 1034;
const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_LINGER = 13;
const SO_DOMAIN = 39;
const SOCK_STREAM = 1;
const AF_INET = 2;
const AF_INET6 = 10;
/** To let go of more memory than any peer may share takes time too. */
const MAX_MEMORY = 2 ** 27;

/** Closes a descriptor that came from a peer, now or soon. */
export function discardDescriptor(fd: number): void {
  if (libc().fcntl(fd, F_GET_SEALS, 0) >= 0 && fstatSync(fd).size <= MAX_MEMORY) return closeDescriptor(fd);
  const domain = socketOption(fd, SO_DOMAIN);
  if ((domain === AF_INET || domain === AF_INET6) && socketOption(fd, SO_TYPE) === SOCK_STREAM) libc().setsockopt(fd, SOL_SOCKET, SO_LINGER, Int32Array.of(1, 0), 8);
  close(fd, () => {});
}

/** Undefined for what is no socket. */
function socketOption(fd: number, option: number): number | undefined {
  const value = new Int32Array(1);
  return libc().getsockopt(fd, SOL_SOCKET, option, value, Int32Array.of(4)) < 0 ? undefined : value[0];
}
