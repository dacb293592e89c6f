/**
 * Named sections: memory that every process finds under a name, without a port between them. `createNamedSection` makes one,
 * `openNamedSection` opens it. It outlives the processes that use it, until `removeObject` removes its name and the last one closes it.
 *
 * There is no owner here who says which part is in use: what lies where, and who may write when, is for the users to agree on, with
 * `Atomics` and `wait` and `notify`. Not promised: that a process of the same user, or of a user whose section was opened, does not shorten
 * the file under a reader; that ends the reader. Where that matters, send views through a port: those are sealed.
 */
import { checkBoolean, checkInteger, checkOptions, checkTimeout, invalidArgument } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { createSecurityDescriptor, type SecurityOptions } from '../objects/index.js';
import { filePermissions } from '../objects/security-descriptor.js';
import { checkSectionFile, makeNamedFile, type NamedFile, openNamedFile } from '../objects/section-name.js';
import { checkFileSystem, type RootOptions } from '../objects/root.js';
import { type DescriptorToOpen, factsOfNumber } from '../platform/descriptor-facts.js';
import { adoptDescriptor, releaseDescriptor } from '../platform/descriptors.js';
import { Descriptor, statOf } from '../platform/directory.js';
import { discardDescriptor } from '../platform/foreign-descriptors.js';
import { inspectMemoryFile } from '../platform/memory-file.js';
import { libc, translate } from '../platform/system.js';
import { Window } from '../platform/window.js';
import { asHandle, type HandleSource } from './handle-source.js';
import { wholePages } from './section-file.js';
import { MAX_SECTION_SIZE } from './section.js';
import { type Lender, MAX_VIEW_LENGTH, View } from './view.js';

export interface CreateNamedSectionOptions extends RootOptions {
  /** Who may open it besides its owner and root: for reading. By default nobody. */
  security?: SecurityOptions;
  /** Milliseconds to wait for the directory's lock; 5,000 by default. */
  timeout?: number;
}

export interface OpenNamedSectionOptions extends RootOptions {
  /** Whether it is written to from here, too; only by its owner, and root. */
  writable?: boolean;
  /** A user besides this one and root whose section is taken. That user can end this process by shortening the file. */
  owner?: number;
}

/**
 * Makes a section of zeros under a name, and opens it for writing. NtCreateSection. Its memory is all there, or it is not made: where the
 * file system of the names is full, that is told here, and not by the end of whoever writes. (A file system that can't set memory aside,
 * as tmpfs can, is taken at its word.)
 * @param size bytes, rounded up to whole pages
 * @throws AlpcError ERR_ALPC_NAME_IN_USE, ERR_ALPC_NAME_NOT_FOUND when its directory is missing, ERR_ALPC_NAME_INVALID, ERR_ALPC_ACCESS_DENIED,
 *   ERR_ALPC_TIMEOUT, ERR_ALPC_INVALID_ARGUMENT, ERR_ALPC_INSUFFICIENT_RESOURCES when there is no room for all of it, or no descriptor
 */
export function createNamedSection(name: string, size: number, options?: CreateNamedSectionOptions): NamedSection {
  const { security, root, timeout = 5000 } = checkOptions(options, 'options', ['security', 'root', 'timeout']);
  checkInteger(size, 'size', 1, MAX_SECTION_SIZE);
  checkTimeout(timeout, 'options.timeout');
  const { mode, gid } = filePermissions(createSecurityDescriptor(security, 'options.security'), 'options.security');
  const readable = mode & 0o644; // others than its owner never write
  return adopt(makeNamedFile(name, { ...(root === undefined ? {} : { root }), size: wholePages(size), mode: readable, gid, timeout }), true);
}

/**
 * Opens a section: by its name, links followed, or by the descriptor that came with a message (`{ fd: message.handles.take(0, 'section') }`), which it
 * takes over when it is a file. Of a received one that can't be shortened any more the owner does not matter. NtOpenSection.
 * @throws AlpcError ERR_ALPC_NAME_NOT_FOUND, ERR_ALPC_OBJECT_TYPE_MISMATCH, ERR_ALPC_NAME_INVALID, ERR_ALPC_ACCESS_DENIED (also for one of
 *   another user's, see `owner`), ERR_ALPC_INVALID_ARGUMENT, ERR_ALPC_INSUFFICIENT_RESOURCES
 */
export function openNamedSection(name: string | DescriptorToOpen, options?: OpenNamedSectionOptions): NamedSection {
  const { root, writable = false, owner } = checkOptions(options, 'options', ['root', 'writable', 'owner']);
  checkBoolean(writable, 'options.writable');
  const owners = [libc().geteuid(), 0, ...(owner === undefined ? [] : [checkInteger(owner, 'options.owner', 0, 0xffffffff)])];
  if (typeof name === 'object' && name !== null) return openReceivedSection(name, writable, owners, root === undefined ? {} : { root });
  return adopt(openNamedFile(name, writable, owners, root === undefined ? {} : { root }), writable);
}

export class NamedSection implements HandleSource {
  /** Undefined for one that came with a message. */
  readonly name: string | undefined;
  /** Bytes of it. */
  readonly size: number;
  /** Whether what is written here is seen by the others. */
  readonly writable: boolean;
  readonly #fd: number;
  readonly #window: Window;
  readonly #views = new Set<NamedView>();
  #isOpen = true;

  /** Engine room: made by `createNamedSection` and `openNamedSection`. Takes over the descriptor. */
  constructor(name: string | undefined, fd: number, window: Window, writable: boolean) {
    this.name = name;
    this.#fd = fd;
    this.size = window.length;
    this.writable = writable;
    this.#window = window;
  }

  get closed(): boolean {
    return !this.#isOpen;
  }

  /**
   * A view of a part of it: all of it from `offset` on, unless `length` says how much. Views may overlap.
   * @param offset a multiple of 8
   * @throws AlpcError ERR_ALPC_INVALID_ARGUMENT, ERR_ALPC_CLOSED
   */
  createView(offset = 0, length = this.size - offset): View {
    if (!this.#isOpen) throw new AlpcError('ERR_ALPC_CLOSED', `${this}: it has been closed`);
    checkInteger(offset / 8, 'offset / 8', 0, this.size / 8 - 1);
    checkInteger(length, 'length', 1, Math.min(MAX_VIEW_LENGTH, this.size - offset));
    const view = new NamedView({ window: this.#window, start: offset, what: String(this), isOver: false }, length, this.writable, (gone) => this.#views.delete(gone));
    this.#views.add(view);
    return view;
  }

  /** Releases its views. The name and what is in it stay. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const view of this.#views) view.release();
    this.#window.close();
    releaseDescriptor(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Engine room: as a message's handle. */
  [asHandle](): { fd: number; kind: 'section' } {
    if (!this.#isOpen) throw new AlpcError('ERR_ALPC_CLOSED', `${this}: it has been closed`);
    return { fd: this.#fd, kind: 'section' };
  }

  toString(): string {
    return `section ${this.name ?? 'without a name'} of ${this.size} bytes`;
  }
}

class NamedView extends View {
  readonly #onGone: (view: NamedView) => void;

  constructor(lender: Lender, length: number, writable: boolean, onGone: (view: NamedView) => void) {
    super(lender, length, writable, false);
    this.#onGone = onGone;
  }

  protected override onReleased(): void {
    this.#onGone(this);
  }
}

function openReceivedSection({ fd }: DescriptorToOpen, writable: boolean, owners: readonly number[], options: RootOptions): NamedSection {
  const facts = factsOfNumber(fd);
  if (facts === undefined) throw invalidArgument('name', 'a name, or the descriptor of a section', fd);
  const { type, access, device } = facts;
  const what = `section of descriptor ${fd}`;
  if (type !== 'memory' && type !== 'sealed' && type !== 'file') throw new AlpcError('ERR_ALPC_OBJECT_TYPE_MISMATCH', `${what}: it is a ${type}`);
  let size: number;
  try {
    if (access === 'none' || access === 'write' || (writable && access === 'read')) throw new AlpcError('ERR_ALPC_ACCESS_DENIED', `${what}: it came for access '${access}' only`);
    if (type === 'file') checkFileSystem(device, options, what);
    size = type === 'sealed' ? sealedSize(fd, what) : checkSectionFile(fd, owners, what);
  } catch (error) {
    discardDescriptor(fd); // of a file system that a stranger runs, maybe: to close it may take as long as it likes
    throw translate(error, what);
  }
  return adopt({ file: new Descriptor(fd), name: undefined, size }, writable);
}

/** The size of a memory file that nobody can shorten, whoever its owner is. */
function sealedSize(fd: number, what: string): number {
  const size = Number(statOf(fd).size);
  const looks = (['owned', 'shared', 'frozen'] as const).map((sealing) => inspectMemoryFile(fd, size, sealing));
  if (looks.every((look) => typeof look === 'string')) throw new AlpcError('ERR_ALPC_OBJECT_TYPE_MISMATCH', `${what}: ${looks[0]}`);
  if (size === 0 || size !== wholePages(size) || size > MAX_SECTION_SIZE) throw new AlpcError('ERR_ALPC_OBJECT_TYPE_MISMATCH', `${what} has ${size} bytes, a section has whole pages, of at most ${MAX_SECTION_SIZE} bytes`);
  return size;
}

function adopt(named: Omit<NamedFile, 'name'> & { name: string | undefined }, writable: boolean): NamedSection {
  using file = named.file;
  let window: Window | undefined;
  try {
    window = new Window(file.fd, named.size, writable ? 'shared' : 'private');
    const section = new NamedSection(named.name, adoptDescriptor(file.fd), window, writable);
    file.take();
    return section;
  } catch (error) {
    window?.close();
    throw translate(error, `section ${named.name ?? 'without a name'}`);
  }
}
