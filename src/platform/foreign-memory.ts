/**
 * Memory files that other processes have open, found in /proc/<pid>/fd and read from there: without their help, and without a trace in them.
 *
 * What stands there may be anything that looks like a memory file. So nothing is opened before the kernel has said, from what it knows
 * already, that it is one in ordinary memory (to open a file of somebody's own file system may take as long as they like); and
 * nothing is believed before its seals say that nobody can shrink it or pull a page away. It is read by copying, never mapped.
 */
import { SYS } from './libc.js';
import { AT_FDCWD, closeDescriptor, libc } from './system.js';
import { inodeOf, memoryDevice, sealsOf, SEALS } from './memory-file.js';

const AT_STATX_DONT_SYNC = 0x4000;
const STATX_BASIC_STATS = 0x7ff;
const STATX_BTIME = 0x800;
const O_RDONLY = 0;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
// Where in struct statx: the mask of what was filled in and the nanoseconds in words, the rest in double words.
const FILLED_IN = 0;
const INODE = 4;
const SIZE = 5;
const MADE_SECONDS = 10;
const MADE_NANOSECONDS = 22;
const DEVICE = 17;

/** Scratch constants. */
const longs = new BigUint64Array(32);
const words = new Uint32Array(longs.buffer);

export interface ForeignFile {
  readonly inode: number;
  readonly size: number;
  /**
   * When it was made, where the kernel keeps that: nobody changes it later. (The times of change move with the first write to each of its pages.)
   */
  readonly made?: Date;
}

/** What /proc/<pid>/fd/<fd> is, if it is a memory file; undefined when it is something else, gone, or hidden from this user. */
export function findForeignFile(pid: number, fd: number): ForeignFile | undefined {
  if (libc().syscall_statx(SYS.statx, AT_FDCWD, pathOf(pid, fd), AT_STATX_DONT_SYNC, STATX_BASIC_STATS | STATX_BTIME, longs) !== 0) return undefined;
  if (longs[DEVICE] !== memoryDevice()) return undefined;
  const isMadeKnown = (words[FILLED_IN]! & STATX_BTIME) !== 0;
  const made = Number(longs[MADE_SECONDS]) * 1000 + words[MADE_NANOSECONDS]! / 1e6;
  return { inode: Number(longs[INODE]), size: Number(longs[SIZE]), ...(isMadeKnown ? { made: new Date(made) } : {}) };
}

/**
 * Reads from the memory file that `findForeignFile` found there.
 * @param into takes it; left out, a buffer of its own does
 * @returns what was read, or in words why it was not
 */
export function readForeignFile(pid: number, fd: number, inode: number, offset: number, length: number, into?: Buffer): Buffer | string {
  const file = openForeignFile(pid, fd, inode);
  if (typeof file === 'string') return file;
  try {
    return readAt(file, offset, length, into);
  } finally {
    closeDescriptor(file);
  }
}

/** Opens it, for whoever looks again and again. @returns a descriptor that the caller closes, or in words why there is none */
export function openForeignFile(pid: number, fd: number, inode: number): number | string {
  const file = libc().open(pathOf(pid, fd), O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
  if (file < 0) return 'it can not be opened';
  const seals = sealsOf(file);
  const problem =
    seals === undefined ? 'it is not a memory file'
    : seals !== SEALS.owned ? `its seals are 0x${seals.toString(16)}, expected 0x${SEALS.owned.toString(16)}`
    : inodeOf(file) === inode ? undefined
    : 'its place has been taken by another';
  if (problem === undefined) return file;
  closeDescriptor(file);
  return problem;
}

/** What stands there now: less than was asked for at the end of the file. Nobody else may write to `into` as long as what was read is looked at. */
export function readAt(file: number, offset: number, length: number, into: Buffer = Buffer.allocUnsafeSlow(length)): Buffer {
  return into.subarray(0, Math.max(0, libc().pread(file, into, length, offset))); // what was not read is cut off
}

function pathOf(pid: number, fd: number): string {
  return `/proc/${pid}/fd/${fd}`;
}
