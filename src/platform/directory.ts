/**
 * Directories by descriptor. A path is looked up beneath a directory that is already open, by openat2 with
 * RESOLVE_IN_ROOT: absolute symbolic links start at that directory, `..` ends at it, and nothing that a link says leads out
 * of it. What a name stood for when it was opened is what the descriptor stays, whoever renames what meanwhile.
 *
 * Invariants: every descriptor is close-on-exec and has one owner, a `Descriptor`, that closes it; a failing call throws
 * `SystemError`. It needs Linux 5.6 (openat2) and a mounted /proc. It does not promise that a name still stands for the
 * same file a moment later: compare with `sameFile`, under a lock where it matters.
 */
import { isUtf8 } from 'node:buffer';
import { type BigIntStats, chmodSync, constants, fstatSync, lstatSync, readdirSync } from 'node:fs';
import { SYS } from './libc.js';
import { AT_FDCWD, check, closeDescriptor, lastErrno, libc, SystemError } from './system.js';

const O_CLOEXEC = 0x80000;
const O_PATH = 0x200000;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_IN_ROOT = 0x10;
const AT_REMOVEDIR = 0x200;
const RENAME_NOREPLACE = 1;
const MAX_LINK = 4096;
/** openat2 answers EAGAIN when a rename elsewhere got between its steps; so often it tries again. */
const LOOKUP_TRIES = 64;

/** How to open: `path` for a reference to whatever it is, `link` the same without following a last link, `directory` a reference to a directory, `read` a directory that can be locked and listed. */
export const OPEN = {
  path: O_PATH | O_CLOEXEC,
  link: O_PATH | O_CLOEXEC | constants.O_NOFOLLOW,
  directory: O_PATH | O_CLOEXEC | constants.O_DIRECTORY,
  read: constants.O_RDONLY | O_CLOEXEC | constants.O_DIRECTORY,
} as const;

export type OpenFlags = (typeof OPEN)[keyof typeof OPEN];
export type FileKind = 'directory' | 'socket' | 'file' | 'fifo' | 'link' | 'other';

/** A descriptor with one owner. Leaving its `using` block closes it, unless `take` has handed it over. */
export class Descriptor implements Disposable {
  #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  get fd(): number {
    return this.#fd;
  }

  /** The number, which the caller now has to close. */
  take(): number {
    const fd = this.#fd;
    this.#fd = -1;
    return fd;
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) closeDescriptor(this.take());
  }
}

/** Opens what stands at an absolute path of the file system itself. A last link is not followed. */
export function openAbsolute(path: string, flags: OpenFlags): Descriptor {
  return new Descriptor(check('open', libc().open(path, flags | constants.O_NOFOLLOW, 0)));
}

/** Opens `path` (parts joined by `/`; `.` is the root itself) in the tree whose root is the directory `root`. */
export function openBeneath(root: number, path: string, flags: OpenFlags): Descriptor {
  const how = BigUint64Array.of(BigInt(flags), 0n, BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS));
  for (let tries = 1; ; tries++) {
    try {
      return new Descriptor(check('openat2', libc().syscall_openat2(SYS.openat2, root, path, how, how.byteLength)));
    } catch (error) {
      if (tries === LOOKUP_TRIES || !hasErrno(error, 'EAGAIN')) throw error;
    }
  }
}

/** A path to an open descriptor: the way to bind, connect, watch and chmod without a name that could be swapped. */
export function descriptorPath(fd: number, name?: string): string {
  return name === undefined ? `/proc/self/fd/${fd}` : `/proc/self/fd/${fd}/${name}`;
}

export function statOf(fd: number): BigIntStats {
  return throughNode('fstat', () => fstatSync(fd, { bigint: true }));
}

/** What `name` in the directory is, links not followed; undefined when there is nothing. */
export function statIn(directory: number, name: string): BigIntStats | undefined {
  return throughNode('lstat', () => lstatSync(descriptorPath(directory, name), { bigint: true, throwIfNoEntry: false }));
}

/** Whether two are one and the same, as long as something keeps both from being deleted. */
export function sameFile(a: Pick<BigIntStats, 'dev' | 'ino'>, b: Pick<BigIntStats, 'dev' | 'ino'>): boolean {
  return a.ino === b.ino && a.dev === b.dev;
}

/** Names and kinds in a directory, in the order of the disk. Names that are not UTF-8 are left out: no string can say them. */
export function listOf(directory: number): { name: string; kind: FileKind }[] {
  const entries = throughNode('getdents64', () => readdirSync(descriptorPath(directory), { encoding: 'buffer', withFileTypes: true }));
  return entries.filter((entry) => isUtf8(entry.name)).map((entry) => ({ name: entry.name.toString(), kind: fileKind(entry) }));
}

export function fileKind(file: Pick<BigIntStats, 'isDirectory' | 'isSocket' | 'isFile' | 'isFIFO' | 'isSymbolicLink'>): FileKind {
  if (file.isDirectory()) return 'directory';
  if (file.isSocket()) return 'socket';
  if (file.isFile()) return 'file';
  if (file.isFIFO()) return 'fifo';
  return file.isSymbolicLink() ? 'link' : 'other';
}

export function makeDirectory(directory: number, name: string, mode: number): void {
  check('mkdirat', libc().mkdirat(directory, name, mode));
}

/** Makes the directory unless the name is taken; says whether it did. */
export function makeMissingDirectory(directory: number, name: string, mode: number): boolean {
  if (libc().mkdirat(directory, name, mode) === 0) return true;
  const errno = lastErrno();
  if (errno === 'EEXIST') return false;
  throw new SystemError('mkdirat', errno);
}

export function makeLink(directory: number, name: string, target: string): void {
  check('symlinkat', libc().symlinkat(target, directory, name));
}

/** What the link says that stands at `name` in the directory, or that was opened itself (`name` left empty). */
export function readLink(directory: number, name = ''): string {
  const buffer = Buffer.allocUnsafe(MAX_LINK);
  const length = check('readlinkat', libc().readlinkat(directory, name, buffer, buffer.length));
  return buffer.toString('utf8', 0, length);
}

/** Where an open file now stands in the file system. */
export function pathOf(fd: number): string {
  const buffer = Buffer.allocUnsafe(2 * MAX_LINK);
  return buffer.toString('utf8', 0, check('readlink', libc().readlinkat(AT_FDCWD, descriptorPath(fd), buffer, buffer.length)));
}

export function removeName(directory: number, name: string, kind: 'directory' | 'other'): void {
  check('unlinkat', libc().unlinkat(directory, name, kind === 'directory' ? AT_REMOVEDIR : 0));
}

/** Renames within a directory. Without `replace` a name that is taken stays as it is, and the call fails with EEXIST. */
export function renameIn(directory: number, from: string, to: string, replace: boolean): void {
  if (!replace) {
    try {
      check('renameat2', libc().syscall_renameat2(SYS.renameat2, directory, from, directory, to, RENAME_NOREPLACE));
      return;
    } catch (error) {
      if (!hasErrno(error, 'EINVAL')) throw error; // a file system without that flag: the caller's lock has to do
    }
  }
  check('renameat', libc().renameat(directory, from, directory, to));
}

/** Sets the mode of an open file exactly, whatever the umask. */
export function changeMode(fd: number, mode: number): void {
  throughNode('chmod', () => chmodSync(descriptorPath(fd), mode));
}

export function hasErrno(error: unknown, ...names: string[]): boolean {
  return error instanceof SystemError && names.includes(error.errno);
}

/** Node's own calls, with their errors turned into this floor's. */
function throughNode<T>(syscall: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw new SystemError(syscall, (error as NodeJS.ErrnoException).code ?? String(error));
  }
}
