/**
 * What a descriptor is, as the kernel says, and what may be done through it: asked of descriptors that are sent and of those that came from
 * a stranger. Nothing here waits for whoever made the file: a file system that its maker runs is not asked, the kernel's own
 * notes do. And the same file opened once more, with less access.
 */
import { constants } from 'node:fs';
import { Descriptor, descriptorPath } from './directory.js';
import { SYS } from './libc.js';
import { check, libc, SystemError } from './system.js';

const F_GETFL = 3;
const F_GET_SEALS = 1034;
const O_PATH = 0x200000;
const O_CLOEXEC = 0x80000;
const AT_EMPTY_PATH = 0x1000;
const AT_STATX_DONT_SYNC = 0x4000;
const STATX_TYPE = 1;
const SOL_SOCKET = 1;
const SO_ACCEPTCONN = 30;
const NO_LENGTH_CHANGES = 2 | 4;
/** Where in struct statx: the mode in half words, the device in double words. */
const MODE = 14;
const DEVICE = 17;

/** `memory` is a file on tmpfs or a memory file, `sealed` one whose length nobody can change; `name` stands for a socket's name in the file system. */
export type DescriptorType = 'file' | 'memory' | 'sealed' | 'directory' | 'device' | 'socket' | 'server' | 'fifo' | 'name' | 'other';
export type Access = 'read' | 'write' | 'read-write' | 'none';

export interface DescriptorFacts {
  readonly type: DescriptorType;
  /** 'none' for a mere reference to a file. */
  readonly access: Access;
  /** The file system that it is on, by a number that the kernel gives. */
  readonly device: bigint;
}

const ACCESS: readonly Access[] = ['read', 'write', 'read-write', 'none'];

/** Scratch constants. */
const statx = new ArrayBuffer(256);
const longs = new BigUint64Array(statx);
const halves = new Uint16Array(statx);
const option = new Int32Array(1);

/** A descriptor that is handed over to whoever it is given to, as Node's own constructors take one. */
export interface DescriptorToOpen {
  readonly fd: number;
}

/** As `factsOfDescriptor`, of a number that a caller gave; undefined when it names nothing that is open. */
export function factsOfNumber(fd: number): DescriptorFacts | undefined {
  if (!Number.isInteger(fd) || fd < 0 || fd >= 2 ** 31) return undefined;
  try {
    return factsOfDescriptor(fd);
  } catch (error) {
    if (error instanceof SystemError && error.errno === 'EBADF') return undefined;
    throw error;
  }
}

/** @throws SystemError EBADF when it is not open */
export function factsOfDescriptor(fd: number): DescriptorFacts {
  const flags = check('fcntl', libc().fcntl(fd, F_GETFL, 0));
  check('statx', libc().syscall_statx(SYS.statx, fd, '', AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, longs));
  const device = longs[DEVICE]!;
  const isReference = (flags & O_PATH) !== 0;
  return { type: typeOf(fd, halves[MODE]! & constants.S_IFMT, isReference), access: isReference ? 'none' : ACCESS[flags & 3]!, device };
}

/** The same file, opened once more for reading or for writing alone. @throws SystemError EACCES where this user may not open it */
export function reopenWith(fd: number, access: 'read' | 'write'): Descriptor {
  const append = check('fcntl', libc().fcntl(fd, F_GETFL, 0)) & constants.O_APPEND;
  const flags = access === 'read' ? constants.O_RDONLY : constants.O_WRONLY | append;
  return new Descriptor(check('open', libc().open(descriptorPath(fd), flags | constants.O_NONBLOCK | O_CLOEXEC, 0)));
}

function typeOf(fd: number, format: number, isReference: boolean): DescriptorType {
  switch (format) {
    case constants.S_IFREG: {
      const seals = libc().fcntl(fd, F_GET_SEALS, 0);
      if (seals < 0) return 'file';
      return (seals & NO_LENGTH_CHANGES) === NO_LENGTH_CHANGES ? 'sealed' : 'memory';
    }
    case constants.S_IFDIR:
      return 'directory';
    case constants.S_IFCHR:
    case constants.S_IFBLK:
      return 'device';
    case constants.S_IFIFO:
      return 'fifo';
    case constants.S_IFSOCK:
      if (isReference) return 'name';
      check('getsockopt', libc().getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, option, Int32Array.of(4)));
      return option[0] === 0 ? 'socket' : 'server';
    default:
      return 'other';
  }
}
