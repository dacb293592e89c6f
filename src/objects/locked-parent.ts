/**
 * The directory that holds a name, open and locked: what giving a port its name, replacing a dead port's and removing any
 * name are done under. So whoever tests a name and then changes it cannot be overtaken by another who does the same.
 *
 * Invariant: what is returned is locked, and was, after it was locked, still the directory that the name leads to. Who
 * writes to the directory without the library is not kept out.
 */
import { randomBytes } from 'node:crypto';
import type { Deadline } from '../base/deadline.js';
import { AlpcError } from '../base/errors.js';
import { hasErrno, listOf, OPEN, removeName, sameFile, statOf } from '../platform/directory.js';
import { lockDirectory, LockedDirectory, type Steps } from '../platform/file-lock.js';
import { libc, SystemError } from '../platform/system.js';
import { openParent } from './lookup.js';
import { type ObjectName, RESERVED_PREFIX } from './object-name.js';

/** How long to wait for a directory's lock when the caller does not say, in milliseconds. */
export const LOCK_TIMEOUT = 5000;

export function* lockParent(root: number, name: ObjectName, deadline: Deadline): Steps<LockedDirectory> {
  for (;;) {
    using directory = new LockedDirectory(openParent(root, name, OPEN.read).take());
    yield* lockOrThrow(directory.fd, name, deadline);
    using again = openParent(root, name, OPEN.directory);
    if (sameFile(statOf(directory.fd), statOf(again.fd))) return new LockedDirectory(directory.take());
  }
}

export function* lockOrThrow(directory: number, name: ObjectName, deadline: Deadline): Steps<void> {
  if (yield* lockDirectory(directory, deadline)) return;
  throw new AlpcError('ERR_ALPC_TIMEOUT', `'${name.text}': the lock of its directory did not become free in time; another process holds it`);
}

/**
 * A name for something unfinished in a locked directory. It is the same for all of a user's processes: the lock lets one
 * of them use it at a time, so what a process left there that was killed is removed here, with no search for it.
 */
export function temporaryName(directory: LockedDirectory): string {
  const name = `${RESERVED_PREFIX}${libc().geteuid()}`;
  try {
    removeName(directory.fd, name, 'other');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return name;
    if (!(error instanceof SystemError)) throw error;
    removeLeftovers(directory);
    return unguessableName(); // another user sits on that name
  }
  return name;
}

/** One that nobody can sit on before it is used; whoever is killed leaves it for `removeLeftovers`. */
export function unguessableName(): string {
  return `${RESERVED_PREFIX}${libc().geteuid()}-${randomBytes(8).toString('hex')}`;
}

/** Removes what processes left unfinished in a locked directory, as far as the directory lets this user remove it. */
export function removeLeftovers(directory: LockedDirectory): void {
  for (const { name, kind } of listOf(directory.fd)) {
    if (!name.startsWith(RESERVED_PREFIX)) continue;
    try {
      removeName(directory.fd, name, kind === 'directory' ? 'directory' : 'other');
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
    }
  }
}
