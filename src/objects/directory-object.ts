/**
 * Looking at directories: what one holds, and the whole tree.
 *
 * A listing is what the directory held at some moment during the call. Each name is given once; things with reserved names
 * (unfinished ports) and names that no object can have are left out. What the user may not read is left out or marked as
 * unreadable, and is never an error for what lies beside it. Nothing here waits.
 */
import { checkOptions } from '../base/arguments.js';
import { AlpcError, type AlpcErrorCode } from '../base/errors.js';
import { listOf, OPEN, readLink } from '../platform/directory.js';
import { SystemError } from '../platform/system.js';
import { naming, type ObjectType, openByName, typeOf } from './lookup.js';
import { isObjectPart, joinName, parseObjectName, showLinkTarget } from './object-name.js';
import { openRootToLook, openRootToLookUp, type RootOptions } from './root.js';

/** One object in a directory. */
export interface DirectoryEntry {
  /** The object's name in its directory: the last part of its full name. */
  readonly name: string;
  readonly type: ObjectType;
  /** Where a symbolic link leads: an absolute name, or one relative to this directory. */
  readonly target?: string;
}

/** One object of the tree. */
export interface TreeEntry extends DirectoryEntry {
  /** The full name, `\RPC Control\spooler`. */
  readonly name: string;
  /** Why the contents of this directory are not shown. */
  readonly unreadable?: AlpcErrorCode;
}

/**
 * What a directory holds, sorted by name. Symbolic links are shown and not followed, except in `name` itself. Makes nothing: a root
 * of one's own that nobody has made yet holds nothing. Does not wait.
 * @param name the directory's full name; `\` is the root
 * @throws AlpcError ERR_ALPC_NAME_INVALID, ERR_ALPC_NAME_NOT_FOUND, ERR_ALPC_OBJECT_TYPE_MISMATCH when it is no directory,
 *   ERR_ALPC_ACCESS_DENIED when the user may not read it, ERR_ALPC_INVALID_ARGUMENT
 * Windows: NtQueryDirectoryObject.
 */
export function listDirectory(name: string, options?: RootOptions): DirectoryEntry[] {
  const parsed = parseObjectName(name);
  using root = parsed.text === '\\' ? openRootToLook(options) : openRootToLookUp(options);
  if (root === undefined) return [];
  using directory = openByName(root.fd, parsed, OPEN.read);
  const entries = naming(`'${parsed.text}'`, () => listOf(directory.fd)).filter((entry) => isObjectPart(entry.name));
  return entries.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(({ name, kind }) => {
    const target = kind === 'link' ? targetOf(directory.fd, name) : undefined;
    return { name, type: typeOf(kind), ...(target === undefined ? {} : { target }) };
  });
}

/** Options of `walkNamespace`. */
export interface WalkOptions extends RootOptions {
  /** The directory to begin with; left out, the root. It is not among the results. */
  from?: string;
}

/**
 * Every object of the tree, each directory before what it holds. Symbolic links are not followed, so the walk ends. A
 * directory that the user may not read is marked `unreadable`; one that goes away meanwhile shows as empty. Holds nothing
 * open between two results, and does not wait.
 * @throws AlpcError as `listDirectory` does, for the directory to begin with
 * Windows: WinObj's tree, by NtQueryDirectoryObject.
 */
export function* walkNamespace(options?: WalkOptions): Generator<TreeEntry, void, undefined> {
  const { from = '\\', root } = checkOptions(options, 'options', ['from', 'root']);
  const where: RootOptions = root === undefined ? {} : { root };
  const start = parseObjectName(from, 'from').text;
  yield* below(start, listDirectory(start, where), where);
}

function* below(directory: string, entries: readonly DirectoryEntry[], where: RootOptions): Generator<TreeEntry, void, undefined> {
  for (const entry of entries) {
    const name = joinName(directory, entry.name);
    if (entry.type !== 'Directory') {
      yield { ...entry, name };
      continue;
    }
    const held = tryList(name, where);
    if (typeof held === 'string') yield { ...entry, name, unreadable: held };
    else {
      yield { ...entry, name };
      yield* below(name, held, where);
    }
  }
}

/** The contents, or the code of the error that keeps them from being read. */
function tryList(name: string, where: RootOptions): DirectoryEntry[] | AlpcErrorCode {
  try {
    return listDirectory(name, where);
  } catch (error) {
    if (!AlpcError.is(error)) throw error;
    return error.code === 'ERR_ALPC_NAME_NOT_FOUND' ? [] : error.code;
  }
}

/** Undefined when it cannot be read, as when it has just gone. */
function targetOf(directory: number, name: string): string | undefined {
  try {
    return showLinkTarget(readLink(directory, name));
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}
