/**
 * One directory under watch: what it held at the last look, and whether the kernel (inotify) says that it is time for
 * another. Watched first and listed then, so that nothing falls between.
 *
 * Invariant: no descriptor of the directory is kept, for an open directory would not be reported as gone. So the directory
 * is opened anew at each look, by its name, and known again by device, inode and time of birth.
 */
import { type BigIntStats, type FSWatcher, watch } from 'node:fs';
import { AlpcError } from '../base/errors.js';
import { descriptorPath, fileKind, hasErrno, listOf, OPEN, openAbsolute, openBeneath, statIn, statOf } from '../platform/directory.js';
import { SystemError, translate } from '../platform/system.js';
import { naming, type ObjectType, openByName, typeOf } from './lookup.js';
import { isObjectPart, parseObjectName, pathOfName } from './object-name.js';
import { openRootToLookUp, type RootOptions } from './root.js';

/** What is remembered of an object: which one it is, and how it is. */
interface Seen {
  readonly type: ObjectType;
  readonly identity: string;
  readonly state: string;
}

export interface Difference {
  readonly event: 'created' | 'removed' | 'changed';
  readonly part: string;
  readonly type: ObjectType;
}

export class WatchedDirectory {
  /** Something happened since the last look. */
  stale = true;
  readonly #root: string;
  readonly #identity: string;
  readonly #watcher: FSWatcher;
  #seen: ReadonlyMap<string, Seen> = new Map();

  /** @param stirred called when there is reason to look, or when watching has failed */
  constructor(readonly name: string, options: RootOptions, stirred: (failure?: { readonly error: unknown }) => void) {
    const what = `'${name}'`;
    using root = openRootToLookUp(options);
    using directory = openByName(root.fd, parseObjectName(name), OPEN.read);
    this.#root = root.path;
    this.#identity = identityOf(naming(what, () => statOf(directory.fd)));
    this.#watcher = naming(what, () => startWatching(descriptorPath(directory.fd)));
    this.#watcher.on('change', () => {
      this.stale = true;
      stirred();
    });
    this.#watcher.on('error', (error: NodeJS.ErrnoException) => stirred({ error: translate(new SystemError('inotify', error.code ?? error.message), what) }));
  }

  /**
   * Lists the directory again, and tells in what it differs from the last look: what is gone first, then what came or
   * changed, by name. Something else under an old name is a removal and a creation.
   * @throws AlpcError ERR_ALPC_NAME_NOT_FOUND when it is gone
   */
  look(): Difference[] {
    this.stale = false;
    const before = this.#seen;
    const now = (this.#seen = this.#list());
    const gone = inOrder(before).filter(([part, { identity }]) => now.get(part)?.identity !== identity);
    const here = inOrder(now).filter(([part, { state }]) => before.get(part)?.state !== state);
    return [
      ...gone.map(([part, { type }]) => ({ event: 'removed' as const, part, type })),
      ...here.map(([part, { type, identity }]) => ({ event: before.get(part)?.identity === identity ? ('changed' as const) : ('created' as const), part, type })),
    ];
  }

  /** What it held at the last look. */
  held(): { part: string; type: ObjectType }[] {
    return [...this.#seen].map(([part, { type }]) => ({ part, type }));
  }

  close(): void {
    this.#watcher.close();
  }

  #list(): ReadonlyMap<string, Seen> {
    try {
      using root = openAbsolute(this.#root, OPEN.directory); // as it is: a root that is gone is not made again
      using directory = openBeneath(root.fd, pathOfName(parseObjectName(this.name)), OPEN.read);
      if (identityOf(statOf(directory.fd)) !== this.#identity) throw new SystemError('open', 'ENOENT');
      return new Map(listOf(directory.fd).filter(({ name }) => isObjectPart(name)).flatMap(({ name }) => seenAs(directory.fd, name)));
    } catch (error) {
      if (!hasErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw translate(error, `'${this.name}'`);
      throw new AlpcError('ERR_ALPC_NAME_NOT_FOUND', `directory '${this.name}' went away while it was watched`, { cause: error });
    }
  }
}

/** Nothing, when it has just gone. */
function seenAs(directory: number, name: string): [string, Seen][] {
  const stat = statIn(directory, name);
  if (stat === undefined) return [];
  const identity = identityOf(stat);
  const size = stat.isFile() ? stat.size : 0n;
  return [[name, { type: typeOf(fileKind(stat)), identity, state: `${identity}:${stat.mode}:${stat.uid}:${stat.gid}:${size}` }]];
}

function inOrder(entries: ReadonlyMap<string, Seen>): [string, Seen][] {
  return [...entries].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function identityOf(stat: BigIntStats): string {
  return `${stat.dev}:${stat.ino}:${stat.birthtimeNs}`;
}

function startWatching(path: string): FSWatcher {
  try {
    return watch(path);
  } catch (error) {
    throw new SystemError('inotify_add_watch', (error as NodeJS.ErrnoException).code ?? String(error));
  }
}
