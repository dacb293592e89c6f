/**
 * Watching a directory, or the tree below it, for objects that come, go and change.
 *
 * What is told is the difference between what the reader has been told so far and what is there when it reads. So however
 * many events the kernel had to drop, none is lost for good and none is told twice, and a slow reader costs no memory. What
 * came and went between two reads is not told.
 *
 * Invariants: a directory's objects are told of after it came and before it goes. Symbolic links are told of and not
 * followed. A directory below the watched one that the user may not read shows no contents.
 */
import { checkBoolean, checkOptions, checkSignal } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import type { ObjectType } from './lookup.js';
import { joinName, parseObjectName } from './object-name.js';
import { openRoot, type RootOptions } from './root.js';
import { WatchedDirectory } from './watched-directory.js';

export interface WatchOptions extends RootOptions {
  /** Ends the watch: a pending or the next read rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Watch the directories below as well. Costs one inotify watch each. */
  recursive?: boolean;
}

/** One thing that happened. */
export interface NamespaceEvent {
  /** `changed`: its permissions, its owner, or a section's size. Another object under an old name is `removed`, then `created`. */
  readonly event: 'created' | 'removed' | 'changed';
  /** The object's full name. */
  readonly name: string;
  readonly type: ObjectType;
}

/**
 * Watches a directory from now on; what it holds already is not told. A root that is missing is made, with its standard directories, as who
 * serves would make it: so one may wait for the first of them. Keeps the process alive until it is ended: by leaving the loop, by
 * `return()`, by `await using`, or by the signal.
 *
 *     for await (const { event, name } of watchDirectory('\\RPC Control', { signal })) console.log(event, name);
 *
 * @param name the directory's full name; links in it are followed once, now
 * @returns an async iterator; it rejects once and is then done when the directory goes away (ERR_ALPC_NAME_NOT_FOUND), is
 *   closed to this user (ERR_ALPC_ACCESS_DENIED), or the system refuses another watch (ERR_ALPC_INSUFFICIENT_RESOURCES)
 * @throws AlpcError as `listDirectory` does; the reason of a signal that is aborted already
 * Windows: no counterpart; WinObj lists again.
 */
export function watchDirectory(name: string, options?: WatchOptions): DirectoryWatch {
  return watch(name, options, true);
}

/** The same for who changes nothing. @throws AlpcError ERR_ALPC_NAME_NOT_FOUND also when the root is missing */
export function watchWithoutMaking(name: string, options: WatchOptions): DirectoryWatch {
  return watch(name, options, false);
}

function watch(name: string, options: WatchOptions | undefined, makes: boolean): DirectoryWatch {
  const { text } = parseObjectName(name);
  const { signal, recursive = false, root } = checkOptions(options, 'options', ['signal', 'recursive', 'root']);
  checkBoolean(recursive, 'recursive');
  const checked = checkSignal(signal);
  checked?.throwIfAborted();
  const where: RootOptions = root === undefined ? {} : { root };
  if (makes) openRoot(where)[Symbol.dispose]();
  return new DirectoryWatch(text, recursive, where, checked);
}

interface Reader {
  resolve(result: IteratorResult<NamespaceEvent, undefined>): void;
  reject(error: unknown): void;
}

/** What `watchDirectory` gives: read it by `for await`. Whoever made it ends it. */
export class DirectoryWatch implements AsyncIterableIterator<NamespaceEvent>, AsyncDisposable {
  readonly #options: { readonly recursive: boolean; readonly where: RootOptions; readonly signal: AbortSignal | undefined };
  readonly #directories = new Map<string, WatchedDirectory>();
  readonly #top: string;
  readonly #readers: Reader[] = [];
  readonly #onAbort = (): void => this.#end({ error: this.#options.signal?.reason });
  /** Found and not read yet, from `#read` on. */
  #events: NamespaceEvent[] = [];
  #read = 0;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  #scheduled = false;

  /** Use `watchDirectory`. */
  constructor(top: string, recursive: boolean, where: RootOptions, signal: AbortSignal | undefined) {
    this.#options = { recursive, where, signal };
    this.#top = top;
    try {
      this.#enter(top);
    } catch (error) {
      this.#end();
      throw error;
    }
    this.#events = [];
    signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next event, or the end. Reads may be several at once, and are served in their order. Rejects as said at `watchDirectory`. */
  next(): Promise<IteratorResult<NamespaceEvent, undefined>> {
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
      this.#serve();
    });
  }

  /** Ends the watch; pending reads are done. */
  async return(): Promise<IteratorResult<NamespaceEvent, undefined>> {
    this.#end();
    return { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
  }

  /** Hands out events for as long as there are both events and readers. */
  #serve(): void {
    while (this.#readers.length > 0) {
      if (this.#read === this.#events.length && !this.#ended) this.#look();
      const event = this.#events[this.#read];
      if (event === undefined && !this.#ended) return;
      const reader = this.#readers.shift()!;
      const failure = this.#failure;
      if (event !== undefined) {
        this.#read++;
        reader.resolve({ done: false, value: event });
      } else if (failure !== undefined) {
        this.#failure = undefined;
        reader.reject(failure.error);
      } else reader.resolve({ done: true, value: undefined });
    }
  }

  #look(): void {
    this.#events = [];
    this.#read = 0;
    try {
      for (const directory of this.#directories.values()) {
        if (directory.stale) this.#lookAt(directory);
      }
    } catch (error) {
      this.#close({ error });
    }
  }

  #lookAt(directory: WatchedDirectory): void {
    try {
      this.#update(directory);
    } catch (error) {
      if (directory.name === this.#top || !isOutOfSight(error)) throw error;
      this.#leave(directory.name); // its own removal is told by the directory above it
    }
  }

  #update(directory: WatchedDirectory): void {
    for (const { event, part, type } of directory.look()) {
      const name = joinName(directory.name, part);
      if (event === 'removed') this.#leave(name);
      this.#events.push({ event, name, type });
      if (event !== 'removed' && type === 'Directory' && this.#options.recursive && !this.#directories.has(name)) this.#tryEnter(name);
    }
  }

  #tryEnter(name: string): void {
    try {
      this.#enter(name);
    } catch (error) {
      if (!isOutOfSight(error)) throw error;
      this.#leave(name);
    }
  }

  #enter(name: string): void {
    const directory = new WatchedDirectory(name, this.#options.where, (failure) => (failure === undefined ? this.#schedule() : this.#end(failure)));
    this.#directories.set(name, directory);
    this.#update(directory);
  }

  /** Stops watching a directory, and tells that what it held is gone. */
  #leave(name: string): void {
    const directory = this.#directories.get(name);
    if (directory === undefined) return;
    this.#directories.delete(name);
    directory.close();
    for (const { part, type } of directory.held()) {
      const child = joinName(name, part);
      this.#leave(child);
      this.#events.push({ event: 'removed', name: child, type });
    }
  }

  /** Many events of the kernel make one look. */
  #schedule(): void {
    if (this.#scheduled || this.#readers.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#serve();
    });
  }

  /** Ends at once: what was found and not read yet is dropped. */
  #end(failure?: { readonly error: unknown }): void {
    if (this.#ended) return;
    this.#events = [];
    this.#read = 0;
    this.#close(failure);
    this.#serve();
  }

  /** Watches no longer; what was found can still be read, and then the failure. */
  #close(failure: { readonly error: unknown } | undefined): void {
    this.#ended = true;
    this.#failure = failure;
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    for (const directory of this.#directories.values()) directory.close();
    this.#directories.clear();
  }
}

/** What a directory below the watched one may be at any time: gone, exchanged for something else, or closed to this user. */
function isOutOfSight(error: unknown): boolean {
  return AlpcError.is(error) && ['ERR_ALPC_NAME_NOT_FOUND', 'ERR_ALPC_OBJECT_TYPE_MISMATCH', 'ERR_ALPC_ACCESS_DENIED'].includes(error.code);
}
