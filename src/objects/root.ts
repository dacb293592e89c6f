/**
 * Which directory on disk is the root `\` of the namespace, and whether it can be trusted.
 *
 * The first of these that applies: the option `root`, `$ALPC_ROOT`, `/run/alpc` where an administrator made it,
 * `$XDG_RUNTIME_DIR/alpc`, `alpc-<uid>` in the system's temporary directory. What stands there is opened first and judged
 * by its descriptor, and everything else goes through that descriptor, so it cannot be exchanged in between.
 *
 * Invariants: nobody but the user and root can exchange what is in a root that was accepted; a root of one's own always
 * has the standard directories. It does not promise that two processes with different surroundings share a root.
 */
import { type BigIntStats, lstatSync, mkdirSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { checkOptions, invalidArgument } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { factsOfDescriptor } from '../platform/descriptor-facts.js';
import { changeMode, Descriptor, fileKind, hasErrno, makeMissingDirectory, OPEN, openAbsolute, openBeneath, statOf } from '../platform/directory.js';
import { libc, SystemError, translate } from '../platform/system.js';
import { whyDistrusted } from './trust.js';

/** The directories that a root of one's own always has. */
export const STANDARD_DIRECTORIES = ['RPC Control', 'BaseNamedObjects', 'Callback', 'Sessions'] as const;

export interface RootOptions {
  /** The absolute path of the directory that is `\`. Left out: `$ALPC_ROOT` and what follows it. */
  root?: string;
}

/** What the choice of a root depends on. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly temporary: string;
  /** `/run/alpc`, but in tests. */
  readonly system: string;
  readonly uid: number;
}

/** `given` by the caller, made by the administrator for the `system`, or of one user's `own`. */
interface Candidate {
  readonly path: string;
  readonly rule: 'given' | 'system' | 'own';
}

/** The root, open. Leaving its `using` block closes it. */
export class Root extends Descriptor {
  constructor(fd: number, readonly path: string) {
    super(fd);
  }
}

/**
 * The path of the directory that is `\`; it is made if it is missing, with its standard directories. Does not wait.
 * @throws AlpcError ERR_ALPC_ACCESS_DENIED when it is not to be trusted (somebody else's, a symbolic link, writable for
 *   others) or cannot be made; ERR_ALPC_OBJECT_TYPE_MISMATCH when something else than a directory stands there; ERR_ALPC_INVALID_ARGUMENT
 *   when `root` or `$ALPC_ROOT` is no absolute path; ERR_ALPC_INSUFFICIENT_RESOURCES; ERR_ALPC_UNSUPPORTED_PLATFORM. Everything that takes
 *   a `root` may fail with these
 * Windows: the root directory object, of which there is one.
 */
export function namespaceRoot(options?: RootOptions): string {
  using root = openRoot(options);
  return root.path;
}

/** Opens the root, for as long as the caller keeps it. */
export function openRoot(options?: RootOptions, surroundings: Surroundings = presentSurroundings()): Root {
  return openTrusted(options, surroundings, true);
}

/** The same for who only looks a name up: in a standard directory that is missing nothing would be found, so none is made. */
export function openRootToLookUp(options?: RootOptions): Root {
  return openTrusted(options, presentSurroundings(), false);
}

/**
 * Holds the file system of a file that came by a descriptor against the one that the namespace is on. One that a stranger runs says of its
 * files what it likes, whose they are, say, and answers when it likes; the namespace's own does not. `device` is the kernel's number for it.
 * @throws AlpcError ERR_ALPC_OBJECT_TYPE_MISMATCH when it is another one
 */
export function checkFileSystem(device: bigint, options: RootOptions, what: string): void {
  using root = openRootToLookUp(options);
  if (factsOfDescriptor(root.fd).device !== device) throw new AlpcError('ERR_ALPC_OBJECT_TYPE_MISMATCH', `${what}: it is a file of another file system than the namespace's`);
}

function openTrusted(options: RootOptions | undefined, surroundings: Surroundings, complete: boolean): Root {
  const { root } = checkOptions(options, 'options', ['root']);
  const { path, rule } = root === undefined ? chooseRoot(surroundings) : { path: checkPath(root, 'root'), rule: 'given' as const };
  const what = `the namespace's root '${path}'`;
  try {
    using directory = openOrMake(path);
    const stat = statOf(directory.fd);
    checkTrust(stat, what, rule, surroundings.uid);
    if (complete && stat.uid === BigInt(surroundings.uid)) makeStandardDirectories(directory.fd, Number(stat.mode) & 0o1777);
    return new Root(directory.take(), path);
  } catch (error) {
    throw translate(error, what);
  }
}

function presentSurroundings(): Surroundings {
  return {
    environment: process.env,
    get temporary() {
      return temporaryDirectory();
    },
    system: '/run/alpc',
    uid: libc().geteuid(),
  };
}

/** What os.tmpdir tells, which asks the kernel a dozen questions each time. */
function temporaryDirectory(): string {
  return process.env['TMPDIR'] || process.env['TMP'] || process.env['TEMP'] || '/tmp';
}

function chooseRoot(surroundings: Surroundings): Candidate {
  const { environment, system, uid } = surroundings;
  const { ALPC_ROOT: given, XDG_RUNTIME_DIR: runtime } = environment;
  if (given !== undefined && given !== '') return { path: checkPath(given, 'ALPC_ROOT'), rule: 'given' };
  if (isDirectoryOf(system, 0)) return { path: system, rule: 'system' };
  // After su or sudo the variable may still name another user's directory: then it says nothing about this one.
  if (runtime !== undefined && isAbsolute(runtime) && isDirectoryOf(runtime, uid)) return { path: resolve(runtime, 'alpc'), rule: 'own' };
  return { path: resolve(surroundings.temporary, `alpc-${uid}`), rule: 'own' };
}

/** An absolute path without a separator at its end (which would follow a link there). */
function checkPath(path: unknown, name: string): string {
  if (typeof path !== 'string' || !isAbsolute(path) || path.includes('\0')) throw invalidArgument(name, 'an absolute path', path);
  return resolve(path);
}

function isDirectoryOf(path: string, uid: number): boolean {
  try {
    const stat = lstatSync(path, { throwIfNoEntry: false }); // asked with every connect, and mostly there is none
    return stat?.isDirectory() === true && stat.uid === uid;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    return false;
  }
}

function openOrMake(path: string): Descriptor {
  try {
    return openAbsolute(path, OPEN.path);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error;
  }
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 }); // content with what another process made a moment ago
  } catch (error) {
    throw new SystemError('mkdir', (error as NodeJS.ErrnoException).code ?? String(error));
  }
  return openAbsolute(path, OPEN.path);
}

function checkTrust(stat: BigIntStats, what: string, rule: Candidate['rule'], uid: number): void {
  const refuse = (reason: string): AlpcError => new AlpcError('ERR_ALPC_ACCESS_DENIED', `${what} is refused: ${reason}`);
  if (stat.isSymbolicLink()) throw refuse('it is a symbolic link');
  if (!stat.isDirectory()) throw new AlpcError('ERR_ALPC_OBJECT_TYPE_MISMATCH', `${what} is no directory but a ${fileKind(stat)}`);
  const why = whyDistrusted(stat, rule === 'own' ? [uid] : rule === 'system' ? [0] : [uid, 0], rule !== 'own');
  if (why !== undefined) throw refuse(why);
}

/** They get the root's own mode: closed in a closed root, and in an open one open (and sticky) too. */
function makeStandardDirectories(root: number, mode: number): void {
  for (const name of STANDARD_DIRECTORIES) {
    try {
      if (!makeMissingDirectory(root, name, mode)) continue;
      using made = openBeneath(root, name, OPEN.link);
      if ((Number(statOf(made.fd).mode) & 0o1777) !== mode) changeMode(made.fd, mode); // what the umask took away
    } catch (error) {
      if (!hasErrno(error, 'EACCES', 'EPERM', 'EROFS')) throw error;
    }
  }
}
