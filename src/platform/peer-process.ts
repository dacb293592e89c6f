/**
 * The process at the other end of a socket: which program it runs, since when, in which login session. The kernel shows that in /proc, by
 * the process's number; and numbers are used again. So it is believed only because a descriptor of the process itself (a pidfd, from the
 * socket) says behind the look that the process lives still: then the number was its own all the while.
 *
 * What can't be seen is undefined: the process is gone, is another user's or hides itself, or the kernel is older than Linux 6.5. No look
 * waits for anybody: programs may lie in file systems that their owners serve, and those are not asked.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { peerProcess } from './credentials.js';
import { SYS } from './libc.js';
import { waitReadable } from './poller.js';
import { AT_FDCWD, check, closeDescriptor, libc, SystemError } from './system.js';

/** A program's file, by device and inode: a path is what a process's own mounts make of it. 'none' is no file's. */
export type ProgramFile = string;

export interface PeerProcess {
  /** The path of the program, for people to read. */
  readonly executable: string | undefined;
  readonly program: ProgramFile | undefined;
  /** In clock ticks since the machine began. */
  readonly startTime: number | undefined;
  /** The login session. */
  readonly session: number | 'none' | undefined;
}

const UNKNOWN: PeerProcess = { executable: undefined, program: undefined, startTime: undefined, session: undefined };
/** What the kernel shows for a process in no session. */
const NO_SESSION = 0xffffffff;
/** Where in /proc/<pid>/stat, behind the command's name, the start time is. */
const START_TIME = 19;

// Of statx(2).
const AT_STATX_DONT_SYNC = 0x4000;
const STATX_INO = 0x100;
const INODE = 4;
const DEVICE = 17;
/** A scratch constant. */
const longs = new BigUint64Array(32);

/** `pid` is the number that the kernel recorded with the socket. */
export function lookAtPeer(socket: number, pid: number): PeerProcess {
  const pidfd = peerProcess(socket);
  if (pidfd === undefined) return UNKNOWN;
  try {
    const folder = `/proc/${pid}`;
    const program = programAt(`${folder}/exe`);
    const found = {
      executable: quietly(() => readlinkSync(`${folder}/exe`)),
      program: program === 'none' ? undefined : program,
      startTime: quietly(() => Number(readFileSync(`${folder}/stat`, 'latin1').split(') ').at(-1)!.split(' ')[START_TIME])),
      session: sessionOf(folder),
    };
    return waitReadable(pidfd, 0) ? UNKNOWN : found;
  } finally {
    closeDescriptor(pidfd);
  }
}

/** The file that a path leads to now; undefined when it may not be looked at. */
export function programAt(path: string): ProgramFile | undefined {
  try {
    check('statx', libc().syscall_statx(SYS.statx, AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_INO, longs));
    return `${longs[DEVICE]}:${longs[INODE]}`;
  } catch (error) {
    return error instanceof SystemError && (error.errno === 'ENOENT' || error.errno === 'ENOTDIR') ? 'none' : undefined;
  }
}

/** The login session of this process. */
export function ownSession(): PeerProcess['session'] {
  return sessionOf('/proc/self');
}

function sessionOf(folder: string): PeerProcess['session'] {
  const text = quietly(() => readFileSync(`${folder}/sessionid`, 'latin1').trim());
  if (text === undefined || !/^\d+$/.test(text)) return undefined;
  return Number(text) === NO_SESSION ? 'none' : Number(text);
}

function quietly<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
