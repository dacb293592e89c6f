/**
 * Which directory on disk is the root `\` of the namespace, and whether it can be trusted.
 *
 * The first of these that applies: the option `root`, `$ALPC_ROOT`, `/run/alpc` where an administrator made it,
 * `$XDG_RUNTIME_DIR/alpc`, `alpc-<uid>` in the system's temporary directory. What stands there is opened first and judged
 * by its descriptor, and everything else goes through that descriptor, so it cannot be exchanged in between.
 *
 * Invariants: nobody but the user and root can exchange what is in a root that was accepted; a root of one's own has the standard
 * directories for whoever makes something in it. Who only looks makes nothing: neither a root that is missing nor what is missing in it.
 * It does not promise that two processes with different surroundings share a root.
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

/** Opens the root, for as long as the caller keeps it, for who makes something in it: it is made if it is missing. */
export function openRoot(options?: RootOptions, surroundings: Surroundings = presentSurroundings()): Root {
  const candidate = choose(options, surroundings);
  return about(candidate, () => {
    using root = openTrusted(candidate, surroundings) ?? openMade(candidate, surroundings);
    const stat = statOf(root.fd);
    if (stat.uid === BigInt(surroundings.uid)) makeStandardDirectories(root.fd, Number(stat.mode) & 0o1777);
    return new Root(root.take(), root.path);
  });
}

/**
 * The same for who only looks: nothing is made.
 * @returns undefined when it is a root of one's own that nobody has made yet: nothing is in such a namespace
 * @throws AlpcError as `namespaceRoot`, and ERR_ALPC_NAME_NOT_FOUND when there is none where `root` or `$ALPC_ROOT` says
 */
export function openRootToLook(options?: RootOptions, surroundings: Surroundings = presentSurroundings()): Root | undefined {
  const candidate = choose(options, surroundings);
  const root = about(candidate, () => openTrusted(candidate, surroundings));
  if (root === undefined && candidate.rule === 'given') throw notThere(candidate.path);
  return root;
}

/**
 * The same for who looks for something in it, which is not there if the root is not.
 * @throws AlpcError as `namespaceRoot`, and ERR_ALPC_NAME_NOT_FOUND when there is none
 */
export function openRootToLookUp(options?: RootOptions): Root {
  const root = openRootToLook(options);
  if (root === undefined) throw notThere(findRoot(options).path);
  return root;
}

/** Where the root is, or would be made. @throws AlpcError as `namespaceRoot` */
export function findRoot(options?: RootOptions): { readonly path: string; readonly isThere: boolean } {
  const surroundings = presentSurroundings();
  const candidate = choose(options, surroundings);
  using root = about(candidate, () => openTrusted(candidate, surroundings));
  return { path: candidate.path, isThere: root !== undefined };
}

/**
 * Holds the file system of a file that came by a descriptor against the one that the namespace is on. One that a stranger runs says of its
 * files what it likes, whose they are, say, and answers when it likes; the namespace's own does not. `device` is the kernel's number for it.
 * @throws AlpcError ERR_ALPC_OBJECT_TYPE_MISMATCH when it is another one
 */
export function checkFileSystem(device: bigint, options: RootOptions, what: string): void {
  using root = openRoot(options);
  if (factsOfDescriptor(root.fd).device !== device) throw new AlpcError('ERR_ALPC_OBJECT_TYPE_MISMATCH', `${what}: it is a file of another file system than the namespace's`);
}

function choose(options: RootOptions | undefined, surroundings: Surroundings): Candidate {
  const { root } = checkOptions(options, 'options', ['root']);
  return root === undefined ? chooseRoot(surroundings) : { path: checkPath(root, 'root'), rule: 'given' };
}

/** Undefined when nothing stands there. */
function openTrusted({ path, rule }: Candidate, { uid }: Surroundings): Root | undefined {
  using directory = tryOpen(path);
  if (directory === undefined) return undefined;
  checkTrust(statOf(directory.fd), whatOf(path), rule, uid);
  return new Root(directory.take(), path);
}

function openMade(candidate: Candidate, surroundings: Surroundings): Root {
  const { path } = candidate;
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 }); // content with what another process made a moment ago
  } catch (error) {
    throw new SystemError('mkdir', (error as NodeJS.ErrnoException).code ?? String(error));
  }
  const made = openTrusted(candidate, surroundings);
  if (made === undefined) throw new SystemError('open', 'ENOENT'); // removed in the same moment
  return made;
}

function about<T>({ path }: Candidate, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw translate(error, whatOf(path));
  }
}

function whatOf(path: string): string {
  return `the namespace's root '${path}'`;
}

function notThere(path: string): AlpcError {
  return new AlpcError('ERR_ALPC_NAME_NOT_FOUND', `${whatOf(path)} is not there`);
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

function tryOpen(path: string): Descriptor | undefined {
  try {
    return openAbsolute(path, OPEN.path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
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
