/**
 * Names of ports: how a server gets one, keeps it and gives it back, and how a client finds what it stands for.
 *
 * A server's socket is made under a reserved name, gets its permissions, listens, and is then renamed into its place. So a
 * name that can be seen always has a server that listens, or had one that died; and a dead server's name is replaced in one
 * step. Test and rename happen under the directory's lock.
 *
 * Invariants: a server that lives keeps its name; of any number that ask for one name at most one gets it; whoever is
 * killed at any point leaves at worst a name without a server, which does not keep the next one out. It does not promise
 * anything against programs that write to the directory without taking its lock.
 */
import type { BigIntStats } from 'node:fs';
import { checkInteger, checkOptions, checkSignal, checkTimeout } from '../base/arguments.js';
import { type Deadline, deadlineAfter } from '../base/deadline.js';
import { AlpcError } from '../base/errors.js';
import { changeMode, Descriptor, fileKind, hasErrno, OPEN, openAbsolute, openBeneath, removeName, renameIn, sameFile, statIn, statOf } from '../platform/directory.js';
import { LockedDirectory, runAwaited, runBlocking, type Steps } from '../platform/file-lock.js';
import { bindIn, listenOn } from '../platform/listener.js';
import { SystemError, translate } from '../platform/system.js';
import { createSeqpacketSocket } from '../platform/unix-socket.js';
import { LOCK_TIMEOUT, lockOrThrow, lockParent, temporaryName, unguessableName } from './locked-parent.js';
import { openObject, typeMismatch, typeOf } from './lookup.js';
import { leafOf, type ObjectName, parentOf, parseObjectName, pathOfName } from './object-name.js';
import { checkDead } from './removal.js';
import { openRoot, openRootToLookUp, type RootOptions } from './root.js';
import { checkDirectory } from './trust.js';

export interface BindOptions extends RootOptions {
  /** Permission bits of the socket file, set exactly; 0o600 when left out. See `fileMode`. */
  mode?: number;
  /** Connections that may wait to be accepted, 1 to 65535 (the system may hold it lower); 511 when left out. */
  backlog?: number;
  /** Longest wait for the directory's lock, in milliseconds; 5000 when left out, and 0 tries once. */
  timeout?: number;
  /** Ends the wait of an awaited form. */
  signal?: AbortSignal;
}

type LockOptions = Pick<BindOptions, 'timeout' | 'signal'>;

/** A name that a listening socket has. */
export class BoundPortName {
  /** Device and inode of the socket file. */
  readonly dev: bigint;
  readonly ino: bigint;
  readonly #root: string;
  readonly #directory: BigIntStats;

  /**
   * @param name the full name, in its canonical form
   * @param fd the socket: listening, non-blocking, close-on-exec; the caller owns it, and closes it after `remove`
   */
  constructor(readonly name: string, readonly fd: number, file: BigIntStats, directory: BigIntStats, root: string) {
    this.dev = file.dev;
    this.ino = file.ino;
    this.#directory = directory;
    this.#root = root;
  }

  /** A reference to the socket file, as whoever looks the name up gets it. The caller closes it. @throws AlpcError ERR_ALPC_NAME_NOT_FOUND when the name stands for this socket no more */
  refer(): number {
    using port = new Descriptor(openPort(this.name, { root: this.#root }).fd);
    if (!sameFile(statOf(port.fd), this)) throw new AlpcError('ERR_ALPC_NAME_NOT_FOUND', `'${this.name}' stands for this port no more`);
    return port.take();
  }

  /**
   * Gives the name back: removes it if it still stands for this socket. Call it while the socket is open: that keeps the
   * file's number from being given to another. Waits for the directory's lock.
   * @returns whether there was something to remove
   * @throws AlpcError ERR_ALPC_TIMEOUT, ERR_ALPC_ACCESS_DENIED; the signal's reason
   */
  async remove(options?: LockOptions): Promise<boolean> {
    const { timeout, signal } = checkOptions(options, 'options', ['timeout', 'signal']);
    return runAwaited(this.#remove(deadlineAfter(checkTimeout(timeout ?? LOCK_TIMEOUT))), checkSignal(signal));
  }

  /** As `remove`, blocking this thread for at most `timeout`, and throwing what that rejects with. */
  removeSync(options?: Pick<LockOptions, 'timeout'>): boolean {
    const { timeout } = checkOptions(options, 'options', ['timeout']);
    return runBlocking(this.#remove(deadlineAfter(checkTimeout(timeout ?? LOCK_TIMEOUT))));
  }

  *#remove(deadline: Deadline): Steps<boolean> {
    const name = parseObjectName(this.name);
    try {
      using root = openAbsolute(this.#root, OPEN.directory); // as it is: a root that is gone is not made again
      using directory = new LockedDirectory(openBeneath(root.fd, pathOfName(parentOf(name)), OPEN.read).take());
      yield* lockOrThrow(directory.fd, name, deadline);
      const held = statIn(directory.fd, leafOf(name));
      if (held === undefined || !sameFile(held, this) || !sameFile(statOf(directory.fd), this.#directory)) return false;
      removeName(directory.fd, leafOf(name), 'other');
      return true;
    } catch (error) {
      if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return false;
      throw translate(error, `'${this.name}'`);
    }
  }
}

/**
 * Gives a new listening socket a name. A name that a dead server left is taken over. Waits only for the directory's lock.
 * @param name the port's full name; its directory must be there
 * @throws AlpcError ERR_ALPC_NAME_IN_USE when a server lives there, ERR_ALPC_OBJECT_TYPE_MISMATCH when something else than
 *   a port stands there, ERR_ALPC_NAME_NOT_FOUND naming the part that is missing, ERR_ALPC_NAME_INVALID,
 *   ERR_ALPC_ACCESS_DENIED (also for another user's port that cannot be tested or replaced, and for a directory in which others
 *   could exchange the name), ERR_ALPC_TIMEOUT,
 *   ERR_ALPC_INVALID_ARGUMENT; the signal's reason
 * Windows: the naming part of NtAlpcCreatePort.
 */
export async function bindPortName(name: string, options?: BindOptions): Promise<BoundPortName> {
  const checked = checkOptions(options, 'options', ['root', 'mode', 'backlog', 'timeout', 'signal']);
  return runAwaited(bindSteps(name, checked), checkSignal(checked.signal));
}

/** As `bindPortName`, blocking this thread for at most `timeout`, and throwing what that rejects with. */
export function bindPortNameSync(name: string, options?: Omit<BindOptions, 'signal'>): BoundPortName {
  return runBlocking(bindSteps(name, checkOptions(options, 'options', ['root', 'mode', 'backlog', 'timeout'])));
}

/**
 * Opens the socket file that a port's name stands for, symbolic links followed. Does not wait, and does not connect: do
 * that to `addressOfSocketFile(fd)`.
 * @returns an O_PATH descriptor, close-on-exec, that the caller owns
 * @throws AlpcError ERR_ALPC_NAME_NOT_FOUND naming the part that is missing, ERR_ALPC_OBJECT_TYPE_MISMATCH when no port
 *   stands there, ERR_ALPC_NAME_INVALID, ERR_ALPC_ACCESS_DENIED
 * Windows: the lookup of NtAlpcConnectPort.
 */
export function openPort(name: string, options?: RootOptions): { readonly fd: number } {
  const parsed = parseObjectName(name);
  using root = openRootToLookUp(options);
  using port = openObject(root.fd, parsed, 'ALPC Port');
  return { fd: port.take() };
}

function* bindSteps(name: string, options: BindOptions): Steps<BoundPortName> {
  const parsed = parseObjectName(name);
  const mode = checkInteger(options.mode ?? 0o600, 'mode', 0, 0o777);
  const backlog = checkInteger(options.backlog ?? 511, 'backlog', 1, 65535);
  const deadline = deadlineAfter(checkTimeout(options.timeout ?? LOCK_TIMEOUT));
  try {
    using root = openRoot(options.root === undefined ? {} : { root: options.root });
    using directory = yield* lockParent(root.fd, parsed, deadline);
    checkDirectory(root, directory, parsed);
    return bindLocked(directory, parsed, mode, backlog, root.path);
  } catch (error) {
    throw translate(error, `'${parsed.text}'`);
  }
}

function bindLocked(directory: LockedDirectory, name: ObjectName, mode: number, backlog: number, root: string): BoundPortName {
  const overDead = isHeldByDead(directory, name);
  using socket = new Descriptor(createSeqpacketSocket());
  const temporary = bindTemporarily(socket, directory);
  try {
    using file = openBeneath(directory.fd, temporary, OPEN.link);
    const made = statOf(file.fd);
    if (!made.isSocket()) throw new SystemError('bind', 'EEXIST'); // exchanged by somebody who did not take the lock
    changeMode(file.fd, mode);
    listenOn(socket.fd, backlog);
    const bound = new BoundPortName(name.text, socket.fd, made, statOf(directory.fd), root);
    renameIn(directory.fd, temporary, leafOf(name), overDead);
    socket.take();
    return bound;
  } catch (error) {
    discard(directory, temporary);
    if (hasErrno(error, 'EISDIR')) throw typeMismatch(name, 'ALPC Port', 'Directory'); // put there by somebody who did not take the lock
    throw overDead && hasErrno(error, 'EPERM', 'EACCES') ? notOurs(name, error) : error;
  }
}

/** Binds the socket under a name for unfinished things; the name. */
function bindTemporarily(socket: Descriptor, directory: LockedDirectory): string {
  const usual = temporaryName(directory);
  try {
    bindIn(socket.fd, directory.fd, usual);
    return usual;
  } catch (error) {
    if (!hasErrno(error, 'EADDRINUSE')) throw error;
  }
  const other = unguessableName(); // somebody who does not take the lock was faster
  bindIn(socket.fd, directory.fd, other);
  return other;
}

/** False when the name is free, true when a server that is gone has it; throws when it is to be left alone. */
function isHeldByDead(directory: LockedDirectory, name: ObjectName): boolean {
  const held = statIn(directory.fd, leafOf(name));
  if (held === undefined) return false;
  using file = openBeneath(directory.fd, leafOf(name), OPEN.link);
  const type = typeOf(fileKind(statOf(file.fd)));
  if (type !== 'ALPC Port') throw typeMismatch(name, 'ALPC Port', type);
  checkDead(file.fd, name);
  return true;
}

function notOurs(name: ObjectName, cause: unknown): AlpcError {
  return new AlpcError('ERR_ALPC_ACCESS_DENIED', `'${name.text}' was left by another user's dead server, and its directory lets only that user remove it`, { cause });
}

function discard(directory: LockedDirectory, temporary: string): void {
  try {
    removeName(directory.fd, temporary, 'other');
  } catch (error) {
    if (!(error instanceof SystemError)) throw error; // gone, or to be removed by whoever comes next
  }
}
