/** Regular files of a directory, by descriptor. Every descriptor made here is close-on-exec and an open file of its own. */
import { chownSync, constants } from 'node:fs';
import { Descriptor, descriptorPath } from './directory.js';
import { check, lastErrno, libc, SystemError } from './system.js';

const O_CLOEXEC = 0x80000;

/** A new file for its owner alone, open for reading and writing. */
export function createFile(directory: number, name: string): Descriptor {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW | O_CLOEXEC;
  return new Descriptor(check('open', libc().open(descriptorPath(directory, name), flags, 0o600)));
}

/** The file that an O_PATH descriptor refers to, opened. */
export function reopenFile(fd: number, writable: boolean): Descriptor {
  return new Descriptor(check('open', libc().open(descriptorPath(fd), (writable ? constants.O_RDWR : constants.O_RDONLY) | O_CLOEXEC, 0)));
}

/**
 * Makes an empty file so long, of zeros, with room for each of them: so no write to a mapping of it finds the file system full, which
 * would end the process. A file system that can't promise that (ENOTSUP) only makes it long.
 */
export function allocateFile(fd: number, size: number): void {
  check('ftruncate', libc().ftruncate(fd, size));
  for (;;) {
    if (libc().fallocate(fd, 0, 0, size) === 0) return;
    const errno = lastErrno();
    if (errno === 'ENOTSUP') return;
    if (errno !== 'EINTR') throw new SystemError('fallocate', errno);
  }
}

export function giveToGroup(fd: number, gid: number): void {
  try {
    chownSync(descriptorPath(fd), -1, gid);
  } catch (error) {
    throw new SystemError('chown', (error as NodeJS.ErrnoException).code ?? String(error));
  }
}
