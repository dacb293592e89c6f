/**
 * Names of events: how one is made, found, kept and given back. An event is a FIFO; what is in it is gone when its last
 * holder closes it. So an event lives as long as somebody holds it, and its name should go with the last.
 *
 * Who holds an event has a shared range lock on its FIFO (see range-lock.ts), which the kernel takes away when the holder
 * dies: so everybody can tell a living event from a name that was left behind. A FIFO is made under a reserved name, held,
 * and then renamed into its place: a name that can be seen has, or had, a holder. Whoever gives up an event, or replaces a
 * dead one, locks the directory, and then asks for the holders' lock alone: nobody gets hold of what goes away just then.
 *
 * Invariants: a living event keeps its name; the last holder removes it, unless it is killed or may not; a name that was
 * left does not keep the next creator out.
 */
import { type BigIntStats, chownSync } from 'node:fs';
import { type Deadline, deadlineAfter } from '../base/deadline.js';
import { AlpcError } from '../base/errors.js';
import { factsOfDescriptor } from '../platform/descriptor-facts.js';
import { changeMode, Descriptor, descriptorPath, fileKind, OPEN, openAbsolute, openBeneath, pathOf, removeName, renameIn, sameFile, statIn, statOf } from '../platform/directory.js';
import { makeFifo, putByte, reopenFifo } from '../platform/fifo.js';
import { type LockedDirectory, runBlocking, type Steps } from '../platform/file-lock.js';
import { findLock, type Range, tryLockRange, unlockRange } from '../platform/range-lock.js';
import { SystemError, translate } from '../platform/system.js';
import { LOCK_TIMEOUT, lockParent, temporaryName } from './locked-parent.js';
import { naming, openObject, typeMismatch, typeOf } from './lookup.js';
import { leafOf, type ObjectName, parseObjectName } from './object-name.js';
import { checkFileSystem, openRoot, openRootToLookUp, type RootOptions } from './root.js';

/** The numbers of a FIFO that are locked, and what for. */
export const EVENT_LOCKS = {
  /** Exclusively, for a moment: whoever changes what is in it and who waits (src/notification/tokens.ts). */
  state: { start: 0, end: 1 },
  /** Shared: whoever holds it open. */
  holders: { start: 1, end: 2 },
  /** One number, exclusively, for each wait. */
  waits: { start: 2 ** 32, end: 2 ** 53 },
} as const satisfies Record<string, Range>;

export interface MakeEventOptions extends RootOptions {
  /** Permission bits of the FIFO, set exactly. */
  readonly mode: number;
  /** The group that it is given to. */
  readonly gid: number | undefined;
  /** Whether something is in it from the beginning. */
  readonly full: boolean;
  /** Longest wait for the directory's lock, in milliseconds. */
  readonly timeout: number;
}

/** A FIFO that is held, open for reading and writing by an open file of its own. */
export interface HeldEvent {
  readonly fd: number;
  readonly name: string;
  /** The path of the namespace's root. */
  readonly root: string;
}

/**
 * Makes an event's FIFO under a name, and holds it. Blocks for at most `timeout`.
 * @throws AlpcError ERR_ALPC_NAME_IN_USE when somebody holds an event of this name, ERR_ALPC_OBJECT_TYPE_MISMATCH,
 *   ERR_ALPC_NAME_NOT_FOUND naming the part that is missing, ERR_ALPC_NAME_INVALID, ERR_ALPC_ACCESS_DENIED, ERR_ALPC_TIMEOUT
 */
export function makeEvent(name: string, options: MakeEventOptions): HeldEvent {
  const parsed = parseObjectName(name);
  return naming(`'${parsed.text}'`, () => runBlocking(makeSteps(parsed, options, deadlineAfter(options.timeout))));
}

/**
 * Opens and holds an event's FIFO by its name, links followed. Waits for at most a moment, while its last holder leaves it.
 * @throws AlpcError ERR_ALPC_NAME_NOT_FOUND when there is none or nobody holds it any more, ERR_ALPC_OBJECT_TYPE_MISMATCH,
 *   ERR_ALPC_NAME_INVALID, ERR_ALPC_ACCESS_DENIED, ERR_ALPC_TIMEOUT
 */
export function openHeldEvent(name: string, options?: RootOptions): HeldEvent {
  const parsed = parseObjectName(name);
  return naming(`'${parsed.text}'`, () => {
    using root = openRootToLookUp(options);
    using file = openObject(root.fd, parsed, 'Event');
    using fifo = reopenFifo(file.fd);
    if (!isHeld(fifo.fd)) throw nobodyHolds(parsed);
    runBlocking(holdSteps(fifo.fd, parsed));
    if (statOf(fifo.fd).nlink === 0n) throw nobodyHolds(parsed);
    return { fd: fifo.take(), name: parsed.text, root: root.path };
  });
}

/**
 * Opens and holds an event whose FIFO came by a descriptor, which stays the caller's; its name is told when it has one in this namespace.
 * One with a name must lie in the file system of the namespace: to open another may take as long as whoever runs that likes.
 * @throws AlpcError ERR_ALPC_OBJECT_TYPE_MISMATCH when it does not; SystemError EACCES for who may not open it
 */
export function openReceivedEvent(fd: number, options: RootOptions): { readonly fifo: Descriptor; readonly name: string | undefined; readonly root: string } {
  const path = pathOf(fd);
  const isNameless = !path.startsWith('/');
  if (!isNameless) checkFileSystem(factsOfDescriptor(fd).device, options, `event of descriptor ${fd}`); // else to open it may take as long as its sender likes
  using fifo = reopenFifo(fd);
  if (isNameless) return { fifo: new Descriptor(fifo.take()), name: undefined, root: '' };
  tryLockRange(fifo.fd, EVENT_LOCKS.holders, 'shared');
  using root = openRootToLookUp(options);
  const above = pathOf(root.fd);
  const name = path.startsWith(`${above}/`) ? parseObjectName(path.slice(above.length)).text : undefined;
  return { fifo: new Descriptor(fifo.take()), name, root: root.path };
}

/** Whether somebody else holds the event whose FIFO is open. */
export function isHeld(fifo: number): boolean {
  return findLock(fifo, EVENT_LOCKS.holders) !== undefined;
}

/** Holds an event whose FIFO one has open already. */
export function holdEvent(fifo: number): void {
  tryLockRange(fifo, EVENT_LOCKS.holders, 'shared');
}

/**
 * Lets go of an event, before its descriptor is closed, and removes its name when nobody else holds it. Blocks for at most
 * `timeout` while another process holds the directory's lock; then, and where the user may not, the name is left.
 */
export function releaseEvent({ fd, root }: Omit<HeldEvent, 'name'>, timeout = LOCK_TIMEOUT): void {
  try {
    runBlocking(releaseSteps(fd, root, deadlineAfter(timeout)));
  } catch (error) {
    if (!AlpcError.is(error) && !(error instanceof SystemError)) throw error;
  } finally {
    unlockRange(fd, EVENT_LOCKS.holders);
  }
}

function* makeSteps(name: ObjectName, options: MakeEventOptions, deadline: Deadline): Steps<HeldEvent> {
  using root = openRoot(options.root === undefined ? {} : { root: options.root });
  using directory = yield* lockParent(root.fd, name, deadline);
  using dead = lockDead(directory, name);
  const temporary = temporaryName(directory);
  makeFifo(directory.fd, temporary, options.mode);
  try {
    using file = openBeneath(directory.fd, temporary, OPEN.link);
    if (!statOf(file.fd).isFIFO()) throw new SystemError('mkfifoat', 'EEXIST'); // exchanged by somebody who did not take the lock
    if (options.gid !== undefined) giveToGroup(file.fd, options.gid);
    changeMode(file.fd, options.mode);
    using fifo = reopenFifo(file.fd);
    holdEvent(fifo.fd);
    if (options.full) putByte(fifo.fd);
    renameIn(directory.fd, temporary, leafOf(name), dead !== undefined);
    return { fd: fifo.take(), name: name.text, root: root.path };
  } catch (error) {
    discard(directory, temporary);
    throw error;
  }
}

/** What stands at the name, locked so that nobody can get hold of it any more; undefined when the name is free. Throws when somebody holds it. */
function lockDead(directory: LockedDirectory, name: ObjectName): Descriptor | undefined {
  if (statIn(directory.fd, leafOf(name)) === undefined) return undefined;
  using file = openBeneath(directory.fd, leafOf(name), OPEN.link);
  return lockDeadEvent(file.fd, name);
}

/**
 * Opens the FIFO behind an O_PATH descriptor, if nobody holds it; nobody will for as long as it is open.
 * @throws AlpcError ERR_ALPC_NAME_IN_USE when somebody does
 */
export function lockDeadEvent(file: number, name: ObjectName): Descriptor {
  const type = typeOf(fileKind(statOf(file)));
  if (type !== 'Event') throw typeMismatch(name, 'Event', type);
  using fifo = reopenFifo(file);
  if (!tryLockRange(fifo.fd, EVENT_LOCKS.holders, 'exclusive')) throw new AlpcError('ERR_ALPC_NAME_IN_USE', `'${name.text}' is the name of an event that somebody holds`);
  return new Descriptor(fifo.take());
}

/** The lock is only ever refused while the last holder leaves, or a dead event is replaced. */
function* holdSteps(fifo: number, name: ObjectName): Steps<void> {
  const deadline = deadlineAfter(LOCK_TIMEOUT);
  while (!tryLockRange(fifo, EVENT_LOCKS.holders, 'shared')) {
    if (performance.now() >= deadline) throw new AlpcError('ERR_ALPC_TIMEOUT', `'${name.text}': another process keeps the event from being opened`);
    yield 1;
  }
}

/** By the name that the FIFO has now: it may have been found through links. */
function* releaseSteps(fd: number, root: string, deadline: Deadline): Steps<void> {
  using top = openAbsolute(root, OPEN.directory); // as it is: a root that is gone is not made again
  const [above, path] = [pathOf(top.fd), pathOf(fd)];
  if (!path.startsWith(`${above}/`)) return;
  const name = parseObjectName(path.slice(above.length));
  using directory = yield* lockParent(top.fd, name, deadline);
  const held: BigIntStats | undefined = statIn(directory.fd, leafOf(name));
  if (held === undefined || !sameFile(held, statOf(fd))) return;
  // Let go under the directory's lock: of the last two who leave one sees that it is the last.
  if (tryLockRange(fd, EVENT_LOCKS.holders, 'exclusive')) removeName(directory.fd, leafOf(name), 'other');
  else unlockRange(fd, EVENT_LOCKS.holders);
}

function giveToGroup(file: number, gid: number): void {
  try {
    chownSync(descriptorPath(file), -1, gid);
  } catch (error) {
    throw translate(new SystemError('chown', (error as NodeJS.ErrnoException).code ?? String(error)), `group ${gid}`);
  }
}

function nobodyHolds(name: ObjectName): AlpcError {
  return new AlpcError('ERR_ALPC_NAME_NOT_FOUND', `'${name.text}': nobody holds this event any more; only its name was left`);
}

function discard(directory: LockedDirectory, temporary: string): void {
  try {
    removeName(directory.fd, temporary, 'other');
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
}
