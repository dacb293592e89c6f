/**
 * Who is at the other end, as the kernel says. Asked once, when the connection is made, and kept: the kernel recorded it
 * at connect() (for the client) and at listen() (for the server), so it stays true when a pid is used again.
 */
import { readFileSync } from 'node:fs';
import { check, libc } from './system.js';

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SO_PEERSEC = 31;
const SO_PEERGROUPS = 59;
const SO_PEERPIDFD = 77;

/** A scratch constant, as long as most lists. */
const FEW_GROUPS = new Uint32Array(256);

export interface Credentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export function peerCredentials(fd: number): Credentials {
  const value = new Int32Array(3);
  check('getsockopt', libc().getsockopt(fd, SOL_SOCKET, SO_PEERCRED, value, new Int32Array([12])));
  return { pid: value[0]!, uid: value[1]! >>> 0, gid: value[2]! >>> 0 };
}

/** The peer's supplementary groups. @throws SystemError when the kernel does not tell: then it is not known that it is in none */
export function peerGroups(fd: number): number[] {
  const length = new Int32Array([FEW_GROUPS.byteLength]);
  let value = FEW_GROUPS;
  if (libc().getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, value, length) < 0) {
    value = new Uint32Array(length[0]! / 4); // which says now how many there are
    check('getsockopt', libc().getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, value, length));
  }
  return Array.from(value.subarray(0, length[0]! / 4));
}

/** A descriptor for the peer's process itself, which no later process of the same pid is; the caller closes it. Undefined when the process is gone, or the kernel knows none (before 6.5). */
export function peerProcess(fd: number): number | undefined {
  const value = new Int32Array(1);
  return libc().getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, value, Int32Array.of(4)) < 0 ? undefined : value[0];
}

/** The peer's security label, where a module of the kernel gives any. */
export function peerLabel(fd: number): string | undefined {
  const value = Buffer.alloc(1024);
  const length = Int32Array.of(value.length);
  if (libc().getsockopt(fd, SOL_SOCKET, SO_PEERSEC, value, length) < 0) return undefined;
  const label = value.toString('utf8', 0, length[0]).replace(/\0.*$/s, '');
  return label === '' ? undefined : label;
}

/** The command name of a process, for messages to people; undefined when it is gone. Never a proof of identity. */
export function commandOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return undefined;
  }
}
