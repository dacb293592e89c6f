/**
 * Anonymous files in memory (memfd), the stuff of outboxes and wait pages.
 *
 * The owner maps its file read-write and then seals it: no growing, no shrinking, no new writer, no further seals. From
 * then on a peer that holds the descriptor can map it read-only and nothing else, and nobody can pull the ground away
 * from under a reader. A descriptor that a peer sent is looked at before it is mapped: type, exact size, all the seals.
 */
import { SYS } from './libc.js';
import { check, closeDescriptor, libc, SystemError } from './system.js';

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const MFD_NOEXEC_SEAL = 8;
const F_GETFL = 3;
const O_ACCMODE = 3;
const O_WRONLY = 1;
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;
const F_SEAL_SEAL = 1;
const F_SEAL_SHRINK = 2;
const F_SEAL_GROW = 4;
const F_SEAL_WRITE = 8;
const F_SEAL_FUTURE_WRITE = 16;
/** Never executable: harmless, and set by the kernel's own will where `vm.memfd_noexec` says so. */
const F_SEAL_EXEC = 32;
const SIZE_SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW;

/**
 * What seals leave of a file: `owned` is written by who mapped it before, `shared` by whoever has its descriptor, `frozen` by nobody
 * any more. The size of all three is what it is.
 */
export const SEALS = { owned: SIZE_SEALS | F_SEAL_FUTURE_WRITE, shared: SIZE_SEALS, frozen: SIZE_SEALS | F_SEAL_WRITE } as const;
export type Sealing = keyof typeof SEALS;

const AT_EMPTY_PATH = 0x1000;
const STATX_BASIC_STATS = 0x7ff;
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
// Where in struct statx: the mode in half words, the others in double words.
const MODE = 14;
const INODE = 4;
const SIZE = 5;
const DEVICE = 17;

/** The kernel allows 249 bytes in a memfd's name. */
const MAX_NAME_BYTES = 249;

/** Creates a file of zeros. Its name is seen in /proc/<pid>/fd. The caller owns the descriptor. */
export function createMemoryFile(name: string, size: number): number {
  const fd = createNamed(cutToBytes(name, MAX_NAME_BYTES));
  try {
    check('ftruncate', libc().ftruncate(fd, size));
    return fd;
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}

/** Not executable: `vm.memfd_noexec=2` asks for the flag, kernels before 6.3 do not know it. */
function createNamed(name: string): number {
  try {
    return check('memfd_create', libc().memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL));
  } catch (error) {
    if (!(error instanceof SystemError) || error.errno !== 'EINVAL') throw error;
    return check('memfd_create', libc().memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  }
}

/** Seals the file. `owned`: mappings that exist keep their right to write. `frozen`: there must be none. */
export function sealMemoryFile(fd: number, sealing: Sealing = 'owned'): void {
  check('fcntl', libc().fcntl(fd, F_ADD_SEALS, SEALS[sealing]));
}

/** A memory file's seals, but for the one that is harmless; undefined when it is none. */
export function sealsOf(fd: number): number | undefined {
  const seals = libc().fcntl(fd, F_GET_SEALS, 0);
  return seals < 0 ? undefined : seals & ~F_SEAL_EXEC;
}

/** The file's inode number, which names it among all memory files of this machine (a socket's among all sockets); the kernel gives it, nobody can claim it. */
export function inodeOf(fd: number): number {
  return factsOf(fd).inode;
}

/**
 * Looks at a descriptor that came from a peer.
 * @returns its inode number, or in words what is wrong with it
 */
export function inspectMemoryFile(fd: number, size: number, sealing: Sealing = 'owned'): number | string {
  const seals = sealsOf(fd);
  if (seals === undefined) return 'not a memory file';
  if (seals !== SEALS[sealing]) return `seals are 0x${seals.toString(16)}, expected 0x${SEALS[sealing].toString(16)}`;
  if ((libc().fcntl(fd, F_GETFL, 0) & O_ACCMODE) === O_WRONLY) return 'opened for writing only';
  const facts = factsOf(fd);
  if (!facts.isFile) return 'not a regular file';
  if (facts.size !== size) return `size is ${facts.size}, expected ${size}`;
  // A file on huge pages can be sealed too, but can't be mapped at the offsets used here, and its inode number is of another count.
  if (facts.device !== memoryDevice()) return 'not in ordinary memory';
  return facts.inode;
}

/** The kernel's own file system that holds all ordinary memory files. Its block size tells nothing: it is 2 MiB where transparent huge pages are on. */
const known: { device?: bigint } = {};

/** As `statx` gives it, in one number. */
export function memoryDevice(): bigint {
  if (known.device === undefined) {
    const fd = createMemoryFile('alpc:device', 0);
    try {
      known.device = factsOf(fd).device;
    } finally {
      closeDescriptor(fd);
    }
  }
  return known.device;
}

interface Facts {
  readonly isFile: boolean;
  readonly inode: number;
  readonly size: number;
  readonly device: bigint;
}

/** struct statx, as the kernel fills it on every architecture: a scratch constant. */
const statx = new ArrayBuffer(256);
const statxWords = new Uint16Array(statx);
const statxLongs = new BigUint64Array(statx);

/** Asked at every connect, so without the dates and the object of node:fs. */
function factsOf(fd: number): Facts {
  check('statx', libc().syscall_statx(SYS.statx, fd, '', AT_EMPTY_PATH, STATX_BASIC_STATS, statxLongs));
  return {
    isFile: (statxWords[MODE]! & S_IFMT) === S_IFREG,
    inode: Number(statxLongs[INODE]),
    size: Number(statxLongs[SIZE]),
    device: statxLongs[DEVICE]!,
  };
}

function cutToBytes(text: string, limit: number): string {
  let cut = text.slice(0, limit);
  while (Buffer.byteLength(cut) > limit) cut = cut.slice(0, -1);
  return cut;
}
