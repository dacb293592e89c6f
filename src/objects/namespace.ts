/**
 * Making directories and symbolic links, and asking what a name stands for.
 *
 * Each is a single call to the kernel on what the name's directory was when it was looked up: of two processes that make
 * the same name one succeeds and one gets ERR_ALPC_NAME_IN_USE. Permissions are those of the directories on disk. Nothing
 * here waits. What is told of an object was true at some moment during the call.
 */
import { checkBoolean, checkInteger, checkOptions } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { changeMode, fileKind, makeDirectory, makeLink, OPEN, openBeneath, pathOf, readLink, statOf } from '../platform/directory.js';
import { naming, type ObjectType, openByName, openParent, typeMismatch, typeOf } from './lookup.js';
import { leafOf, nameOf, type ObjectName, parseLinkTarget, parseObjectName, showLinkTarget } from './object-name.js';
import { openRoot, openRootToLookUp, type Root, type RootOptions } from './root.js';

export interface CreateDirectoryOptions extends RootOptions {
  /** Permission bits of each directory that is made, 0 to 0o1777, set exactly; left out, 0o755 less what the umask takes away. */
  mode?: number;
  /** Make the directories above it too where they are missing, and be content when it is there already. */
  recursive?: boolean;
}

/** What can be told of an object without opening it. */
export interface ObjectInformation {
  /** The full name. */
  readonly name: string;
  readonly type: ObjectType;
  readonly owner: { readonly uid: number; readonly gid: number };
  /** Permission bits. */
  readonly mode: number;
  /** When its file was made; where the file system does not keep that, when it was last changed otherwise than by writing. */
  readonly created: Date;
  /** Where a symbolic link leads. */
  readonly target?: string;
}

/**
 * Makes a directory. Does not wait.
 * @throws AlpcError ERR_ALPC_NAME_IN_USE when the name is taken (with `recursive`: by something else than a directory,
 *   ERR_ALPC_OBJECT_TYPE_MISMATCH), ERR_ALPC_NAME_NOT_FOUND when the directory above is missing, ERR_ALPC_NAME_INVALID,
 *   ERR_ALPC_ACCESS_DENIED, ERR_ALPC_INVALID_ARGUMENT
 * Windows: NtCreateDirectoryObject.
 */
export function createDirectory(name: string, options?: CreateDirectoryOptions): void {
  const parsed = parseObjectName(name);
  const { mode, recursive = false, root: path } = checkOptions(options, 'options', ['mode', 'recursive', 'root']);
  if (mode !== undefined) checkInteger(mode, 'mode', 0, 0o1777);
  using root = openRoot(path === undefined ? {} : { root: path });
  if (!checkBoolean(recursive, 'recursive')) return makeOne(root, parsed, mode);
  for (let depth = 1; depth <= parsed.parts.length; depth++) makeMissing(root, nameOf(parsed.parts.slice(0, depth)), mode);
}

/**
 * Makes `\Sessions\<n>` with its `Windows` and `BaseNamedObjects`; what is there already stays. Does not wait.
 * @param session the session's number, 0 to 2^31 - 1
 * @throws AlpcError as `createDirectory` does
 * Windows: the directories that the session manager makes for each session.
 */
export function createSessionDirectories(session: number, options?: RootOptions): void {
  checkInteger(session, 'session', 0, 2 ** 31 - 1);
  const given = checkOptions(options, 'options', ['root']);
  for (const part of ['Windows', 'BaseNamedObjects']) createDirectory(`\\Sessions\\${session}\\${part}`, { ...given, recursive: true });
}

/**
 * Makes a symbolic link. The target need not be there. Does not wait.
 * @param target a full name, or one relative to the directory that holds the link
 * @throws AlpcError ERR_ALPC_NAME_IN_USE, ERR_ALPC_NAME_NOT_FOUND when the directory that holds it is missing, ERR_ALPC_NAME_INVALID,
 *   ERR_ALPC_ACCESS_DENIED, ERR_ALPC_INVALID_ARGUMENT
 * Windows: NtCreateSymbolicLinkObject.
 */
export function createSymbolicLink(name: string, target: string, options?: RootOptions): void {
  const parsed = parseObjectName(name);
  const stored = parseLinkTarget(target);
  using root = openRoot(options);
  using parent = openParent(root.fd, parsed, OPEN.directory);
  naming(`'${parsed.text}'`, () => makeLink(parent.fd, leafOf(parsed), stored));
}

/**
 * Where a symbolic link leads, as it was said when the link was made. Does not wait.
 * @throws AlpcError ERR_ALPC_NAME_NOT_FOUND, ERR_ALPC_OBJECT_TYPE_MISMATCH when it is no link, ERR_ALPC_NAME_INVALID,
 *   ERR_ALPC_ACCESS_DENIED, ERR_ALPC_INVALID_ARGUMENT
 * Windows: NtQuerySymbolicLinkObject.
 */
export function readSymbolicLink(name: string, options?: RootOptions): string {
  const parsed = parseObjectName(name);
  using root = openRootToLookUp(options);
  using link = openByName(root.fd, parsed, OPEN.link);
  const type = typeOf(fileKind(statOf(link.fd)));
  if (type !== 'SymbolicLink') throw typeMismatch(parsed, 'SymbolicLink', type);
  return showLinkTarget(naming(`'${parsed.text}'`, () => readLink(link.fd)));
}

/**
 * What can be told of an object; of a symbolic link itself, not of its target. Does not wait.
 * @throws AlpcError ERR_ALPC_NAME_NOT_FOUND, ERR_ALPC_NAME_INVALID, ERR_ALPC_ACCESS_DENIED, ERR_ALPC_INVALID_ARGUMENT
 * Windows: NtQueryObject.
 */
export function queryObject(name: string, options?: RootOptions): ObjectInformation {
  const parsed = parseObjectName(name);
  using root = openRootToLookUp(options);
  using object = openByName(root.fd, parsed, OPEN.link);
  const stat = statOf(object.fd);
  const information = {
    name: parsed.text,
    type: typeOf(fileKind(stat)),
    owner: { uid: Number(stat.uid), gid: Number(stat.gid) },
    mode: Number(stat.mode) & 0o7777,
    created: stat.birthtimeMs > 0n ? stat.birthtime : stat.ctime,
  };
  return information.type === 'SymbolicLink' ? { ...information, target: showLinkTarget(readLink(object.fd)) } : information;
}

/**
 * The name behind symbolic links: that of the object itself, whichever links the given name went through. Does not wait.
 * @throws AlpcError ERR_ALPC_NAME_NOT_FOUND, ERR_ALPC_NAME_INVALID (links that lead in a circle), ERR_ALPC_ACCESS_DENIED,
 *   ERR_ALPC_INVALID_ARGUMENT
 * Windows: the name that NtQueryObject gives for a handle.
 */
export function resolveName(name: string, options?: RootOptions): string {
  const parsed = parseObjectName(name);
  using root = openRootToLookUp(options);
  using object = openByName(root.fd, parsed, OPEN.path);
  return naming(`'${parsed.text}'`, () => {
    const [top, path] = [pathOf(root.fd), pathOf(object.fd)];
    if (path === top) return '\\';
    const below = top === '/' ? path : path.startsWith(`${top}/`) ? path.slice(top.length) : undefined;
    if (below === undefined || statOf(object.fd).nlink === 0n) throw new AlpcError('ERR_ALPC_NAME_NOT_FOUND', `'${parsed.text}' went away while it was looked up`);
    return below.replaceAll('/', '\\');
  });
}

function makeOne(root: Root, name: ObjectName, mode: number | undefined): void {
  using parent = openParent(root.fd, name, OPEN.directory);
  naming(`'${name.text}'`, () => {
    makeDirectory(parent.fd, leafOf(name), mode ?? 0o755);
    if (mode === undefined) return;
    using made = openBeneath(parent.fd, leafOf(name), OPEN.link);
    changeMode(made.fd, mode);
  });
}

function makeMissing(root: Root, name: ObjectName, mode: number | undefined): void {
  try {
    makeOne(root, name, mode);
  } catch (error) {
    if (!AlpcError.is(error) || error.code !== 'ERR_ALPC_NAME_IN_USE') throw error;
    openByName(root.fd, name, OPEN.directory)[Symbol.dispose]();
  }
}
