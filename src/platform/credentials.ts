/**
 * Who is at the other end, as the kernel says. Asked once, when the connection is made, and kept: the kernel recorded it
 * at connect() (for the client) and at listen() (for the server), so it stays true when a pid is used again.
 */
import { readFileSync } from 'node:fs';
import { check, libc } from './system.js';

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SO_PEERGROUPS = 59;

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

/** The command name of a process, for messages to people; undefined when it is gone. Never a proof of identity. */
export function commandOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return undefined;
  }
}
