/**
 * Names of sections: regular files of the namespace, mapped by who opens them. A file is made whole under a reserved name and then
 * renamed into its place, so whoever finds the name finds a section. It stays until it is removed, whoever has it open.
 *
 * A file of the file system can't be sealed: who may write to it may also shorten it, and that ends every process that looks at what is
 * gone. So others than its owner never get to write to it, and who opens one asks whose it is first.
 */
import { deadlineAfter, type Deadline } from '../base/deadline.js';
import { AlpcError } from '../base/errors.js';
import { changeMode, Descriptor, OPEN, openBeneath, removeName, renameIn, statIn, statOf } from '../platform/directory.js';
import { type LockedDirectory, runBlocking, type Steps } from '../platform/file-lock.js';
import { allocateFile, createFile, giveToGroup, reopenFile } from '../platform/plain-file.js';
import { libc, SystemError } from '../platform/system.js';
import { lockParent, temporaryName } from './locked-parent.js';
import { naming, openObject } from './lookup.js';
import { leafOf, type ObjectName, parseObjectName } from './object-name.js';
import { openRoot, openRootToLookUp, type RootOptions } from './root.js';

export interface MakeSectionOptions extends RootOptions {
  /** Bytes, whole pages. */
  readonly size: number;
  /** Permission bits of the file, set exactly. */
  readonly mode: number;
  /** The group that it is given to. */
  readonly gid: number | undefined;
  /** Longest wait for the directory's lock, in milliseconds. */
  readonly timeout: number;
}

export interface NamedFile {
  readonly file: Descriptor;
  readonly name: string;
  readonly size: number;
}

/**
 * Makes a section's file, of zeros, under a name. Blocks for at most `timeout`.
 * @throws AlpcError ERR_ALPC_NAME_IN_USE, ERR_ALPC_NAME_NOT_FOUND, ERR_ALPC_NAME_INVALID, ERR_ALPC_ACCESS_DENIED, ERR_ALPC_TIMEOUT, ERR_ALPC_INSUFFICIENT_RESOURCES
 */
export function makeNamedFile(name: string, options: MakeSectionOptions): NamedFile {
  const parsed = parseObjectName(name);
  return naming(`'${parsed.text}'`, () => runBlocking(makeSteps(parsed, options, deadlineAfter(options.timeout))));
}

/**
 * Opens a section's file by its name, links followed.
 * @param owners whose sections are taken
 * @throws AlpcError ERR_ALPC_NAME_NOT_FOUND, ERR_ALPC_OBJECT_TYPE_MISMATCH, ERR_ALPC_NAME_INVALID, ERR_ALPC_ACCESS_DENIED
 */
export function openNamedFile(name: string, writable: boolean, owners: readonly number[], options: RootOptions): NamedFile {
  const parsed = parseObjectName(name);
  return naming(`'${parsed.text}'`, () => {
    using root = openRootToLookUp(options);
    using found = openObject(root.fd, parsed, 'Section');
    using file = reopenFile(found.fd, writable);
    const size = checkSectionFile(file.fd, owners, `'${parsed.text}'`);
    return { file: new Descriptor(file.take()), name: parsed.text, size };
  });
}

/** Whether a file that can't be sealed is one to be mapped: its size. @throws AlpcError ERR_ALPC_ACCESS_DENIED, ERR_ALPC_OBJECT_TYPE_MISMATCH */
export function checkSectionFile(fd: number, owners: readonly number[], what: string): number {
  const { uid, mode, size } = statOf(fd);
  const why = !owners.includes(Number(uid)) ? `it belongs to user ${uid}, who could end this process by shortening it` : (mode & 0o022n) !== 0n ? `its mode ${(mode & 0o7777n).toString(8)} lets others than its owner write to it` : undefined;
  if (why !== undefined) throw new AlpcError('ERR_ALPC_ACCESS_DENIED', `${what}: ${why}`);
  const page = BigInt(libc().getpagesize());
  if (size === 0n || size % page !== 0n) throw new AlpcError('ERR_ALPC_OBJECT_TYPE_MISMATCH', `${what} is a file of ${size} bytes, a section has whole pages`);
  return Number(size);
}

function* makeSteps(name: ObjectName, options: MakeSectionOptions, deadline: Deadline): Steps<NamedFile> {
  using root = openRoot(options.root === undefined ? {} : { root: options.root });
  using directory = yield* lockParent(root.fd, name, deadline);
  if (statIn(directory.fd, leafOf(name)) !== undefined) throw new AlpcError('ERR_ALPC_NAME_IN_USE', `'${name.text}': the name is taken`);
  const temporary = temporaryName(directory);
  using made = createFile(directory.fd, temporary);
  try {
    using file = openBeneath(directory.fd, temporary, OPEN.link);
    if (statOf(file.fd).ino !== statOf(made.fd).ino) throw new SystemError('open', 'EEXIST'); // exchanged by somebody who did not take the lock
    allocateFile(made.fd, options.size);
    if (options.gid !== undefined) giveToGroup(file.fd, options.gid);
    changeMode(file.fd, options.mode);
    renameIn(directory.fd, temporary, leafOf(name), false);
    return { file: new Descriptor(made.take()), name: name.text, size: options.size };
  } catch (error) {
    discard(directory, temporary);
    throw error;
  }
}

function discard(directory: LockedDirectory, temporary: string): void {
  try {
    removeName(directory.fd, temporary, 'other');
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
}
