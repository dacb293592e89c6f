/**
 * Removing names. A name goes only for what was looked at: the test whether a port's server lives and the removal are one
 * step under the directory's lock, so that a living server does not lose its name to a test that is out of date.
 */
import { checkBoolean, checkOptions, checkTimeout } from '../base/arguments.js';
import { type Deadline, deadlineAfter } from '../base/deadline.js';
import { AlpcError } from '../base/errors.js';
import { fileKind, hasErrno, listOf, OPEN, openBeneath, removeName, statOf } from '../platform/directory.js';
import { LockedDirectory, runBlocking, type Steps } from '../platform/file-lock.js';
import { probeSocket } from '../platform/listener.js';
import { LOCK_TIMEOUT, lockOrThrow, lockParent, removeLeftovers } from './locked-parent.js';
import { lockDeadEvent } from './event-name.js';
import { naming } from './lookup.js';
import { leafOf, type ObjectName, parseObjectName } from './object-name.js';
import { openRootToLookUp, type RootOptions } from './root.js';

export interface RemoveOptions extends RootOptions {
  /** Remove a port's name even while its server lives, an event's even while somebody holds it: connections and holders stay, but nobody finds it any more. */
  force?: boolean;
  /** Longest wait for the directory's lock, in milliseconds; 5000 when left out. */
  timeout?: number;
}

/**
 * Removes an object's name: a symbolic link itself, a directory when it is empty, a port when its server is gone, an event
 * when nobody holds it. Blocks for at most `timeout`, while another process is just making or removing something in the same directory.
 * @throws AlpcError ERR_ALPC_NAME_IN_USE for a directory that is not empty, a port whose server lives or an event that somebody holds (see `force`),
 *   ERR_ALPC_ACCESS_DENIED (also when a port's permissions keep us from seeing whether it lives), ERR_ALPC_NAME_NOT_FOUND,
 *   ERR_ALPC_NAME_INVALID (the root itself among others), ERR_ALPC_TIMEOUT, ERR_ALPC_INVALID_ARGUMENT
 * Windows: NtMakeTemporaryObject and the last NtClose.
 */
export function removeObject(name: string, options?: RemoveOptions): void {
  const parsed = parseObjectName(name);
  const { force = false, timeout = LOCK_TIMEOUT, root: path } = checkOptions(options, 'options', ['force', 'timeout', 'root']);
  checkBoolean(force, 'force');
  const deadline = deadlineAfter(checkTimeout(timeout));
  using root = openRootToLookUp(path === undefined ? {} : { root: path });
  naming(`'${parsed.text}'`, () => runBlocking(removeSteps(root.fd, parsed, force, deadline)));
}

function* removeSteps(root: number, name: ObjectName, force: boolean, deadline: Deadline): Steps<void> {
  using parent = yield* lockParent(root, name, deadline);
  const leaf = leafOf(name);
  using object = openBeneath(parent.fd, leaf, OPEN.link);
  const kind = fileKind(statOf(object.fd));
  if (kind === 'socket' && !force) checkDead(object.fd, name);
  using _event = kind === 'fifo' && !force ? lockDeadEvent(object.fd, name) : undefined;
  if (kind === 'directory') yield* removeDirectory(parent.fd, name, deadline);
  else removeName(parent.fd, leaf, 'other');
}

/** A directory is empty when nothing is in it but what killed processes left unfinished. */
function* removeDirectory(parent: number, name: ObjectName, deadline: Deadline): Steps<void> {
  if (tryRemoveDirectory(parent, name)) return;
  using directory = new LockedDirectory(openBeneath(parent, leafOf(name), OPEN.read).take());
  yield* lockOrThrow(directory.fd, name, deadline);
  removeLeftovers(directory);
  if (tryRemoveDirectory(parent, name)) return;
  const held = listOf(directory.fd).map((entry) => entry.name);
  throw new AlpcError('ERR_ALPC_NAME_IN_USE', `directory '${name.text}' is not empty: it holds '${held[0] ?? '?'}'${held.length > 1 ? ` and ${held.length - 1} more` : ''}`);
}

function tryRemoveDirectory(parent: number, name: ObjectName): boolean {
  try {
    removeName(parent, leafOf(name), 'directory');
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOTEMPTY', 'EEXIST')) return false;
    throw error;
  }
}

/** Throws unless nobody listens any more at the socket file that is open. */
export function checkDead(socketFile: number, name: ObjectName): void {
  const state = probeSocket(socketFile);
  if (state === 'alive') throw new AlpcError('ERR_ALPC_NAME_IN_USE', `'${name.text}' is the name of a port whose server lives`);
  if (state === 'denied') {
    const owner = Number(statOf(socketFile).uid);
    throw new AlpcError('ERR_ALPC_ACCESS_DENIED', `'${name.text}' is a port of user ${owner}, and its permissions do not let us see whether its server lives`);
  }
}
