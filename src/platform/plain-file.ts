/** Regular files of a directory, by descriptor. Every descriptor made here is close-on-exec and an open file of its own. */
import { chownSync, constants } from 'node:fs';
import { Descriptor, descriptorPath } from './directory.js';
import { check, libc, SystemError } from './system.js';

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

export function resizeFile(fd: number, size: number): void {
  check('ftruncate', libc().ftruncate(fd, size));
}

export function giveToGroup(fd: number, gid: number): void {
  try {
    chownSync(descriptorPath(fd), -1, gid);
  } catch (error) {
    throw new SystemError('chown', (error as NodeJS.ErrnoException).code ?? String(error));
  }
}
