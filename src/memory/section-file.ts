/**
 * The memory file of a section, from either side. What may be done with it is in its seals, which the kernel keeps: of a `read-only`
 * section only its owner writes, of a `read-write` one whoever has it, and a `secure` one nobody any more. None can change its length, so
 * no reader is ever pulled the ground from under its feet.
 */
import { adoptDescriptor, pageSize, releaseDescriptor } from '../platform/descriptors.js';
import { discardDescriptor } from '../platform/foreign-descriptors.js';
import { createMemoryFile, inspectMemoryFile, sealMemoryFile, type Sealing } from '../platform/memory-file.js';
import { closeDescriptor } from '../platform/system.js';
import { Window } from '../platform/window.js';
import { ProtocolViolation } from './layout.js';

export type SectionKind = 'read-only' | 'read-write' | 'secure';

const SEALING: Record<SectionKind, Sealing> = { 'read-only': 'owned', 'read-write': 'shared', secure: 'frozen' };

/** A length in whole pages. */
export function wholePages(length: number): number {
  return Math.ceil(length / pageSize()) * pageSize();
}

/** A connection through which the file went. */
export interface FileWatcher {
  forgetSection(file: SectionFile): void;
}

/** A file of this side. */
export class SectionFile {
  readonly fd: number;
  readonly size: number;
  readonly kind: SectionKind;
  /** Told when it is closed. */
  readonly watchers = new Set<FileWatcher>();
  readonly #window: Window;
  #isOpen = true;

  /** @param size bytes, whole pages. @throws SystemError */
  constructor(name: string, size: number, kind: SectionKind) {
    const fd = createMemoryFile(name, size);
    let window: Window | undefined;
    try {
      this.#window = window = new Window(fd, size, 'shared');
      if (kind !== 'secure') sealMemoryFile(fd, SEALING[kind]);
      this.fd = adoptDescriptor(fd);
    } catch (error) {
      window?.close();
      closeDescriptor(fd);
      throw error;
    }
    this.size = size;
    this.kind = kind;
  }

  get window(): Window {
    return this.#window;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Nobody writes to it any more, this side included: its window is gone with that. For `secure` ones. */
  freeze(): void {
    this.#window.close();
    sealMemoryFile(this.fd, 'frozen');
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const watcher of Array.from(this.watchers)) watcher.forgetSection(this);
    this.#window.close();
    releaseDescriptor(this.fd);
  }
}

/**
 * Maps the file of a section that a peer sent. Takes the descriptor over.
 * @throws ProtocolViolation that says what is wrong with it; SystemError when there is no room for it here
 */
export function openPeerFile(fd: number, size: number, kind: SectionKind, mayWrite: boolean): Window {
  let wrong: number | string;
  try {
    wrong = inspectMemoryFile(fd, size, SEALING[kind]);
    if (typeof wrong === 'string') throw new ProtocolViolation(`the peer's section is refused: ${wrong}`);
  } catch (error) {
    discardDescriptor(fd);
    throw error;
  }
  try {
    return new Window(fd, size, kind === 'secure' ? 'sealed' : kind === 'read-write' && mayWrite ? 'shared' : 'private');
  } finally {
    closeDescriptor(fd);
  }
}
