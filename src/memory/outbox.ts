/**
 * An outbox: the memory that one side of a connection writes and the other may only read.
 *
 *   | control page | ring | the same ring again |
 *
 * The ring is mapped twice in a row, so a record is contiguous wherever it begins. The owner maps the file read-write and
 * seals it; the peer checks the seals and maps it read-only. So a peer can lie but never scribble.
 */
import type { Arena, Slot } from '../platform/arena.js';
import { adoptDescriptor, pageSize, releaseDescriptor } from '../platform/descriptors.js';
import { discardDescriptor } from '../platform/foreign-descriptors.js';
import { createMemoryFile, inodeOf, inspectMemoryFile, sealMemoryFile } from '../platform/memory-file.js';
import { closeDescriptor } from '../platform/system.js';
import { Control, MAGIC, OutboxState, PROTOCOL_VERSION, ProtocolViolation } from './layout.js';

export const MIN_RING_LENGTH = 4096;
export const MAX_RING_LENGTH = 64 * 1024 * 1024;
export const DEFAULT_RING_LENGTH = 128 * 1024;
export const DEFAULT_PEER_RING_LENGTH = 1024 * 1024;

/** What a closed outbox shows: zeros, so that a late look finds nothing and touches nothing. */
const NO_WORDS = new Int32Array(1024);
/** Where late writes to an own outbox go; nobody reads it. */
const LATE_WORDS = new Int32Array(1024);
const NO_BYTES = Buffer.alloc(0);

export type Role = 0 | 1 | 2;

/** What its owner takes with messages, for the peer to read. */
export interface Acceptance {
  /** Bits of `Accepts`. */
  readonly accepts: number;
  /** For inspectors. */
  readonly pendingMessages: number;
  readonly connections: number;
  readonly views: number;
  readonly sections: number;
  readonly sectionBytes: number;
  readonly handles: number;
}

const NOTHING: Acceptance = { accepts: 0, pendingMessages: 0, connections: 0, views: 0, sections: 0, sectionBytes: 0, handles: 0 };

/** One side's view of an outbox, its own or the peer's. */
export class Outbox {
  words: Int32Array;
  bytes: Buffer;
  readonly ringLength: number;
  /** Where the ring begins, in bytes. */
  readonly ringStart: number;
  #inode: number | undefined;
  readonly #arena: Arena;
  readonly #isOwn: boolean;
  #slot: Slot | undefined;
  #fd: number | undefined;

  private constructor(arena: Arena, slot: Slot, ringLength: number, controlLength: number, inode: number | undefined, isOwn: boolean) {
    this.#arena = arena;
    this.#isOwn = isOwn;
    this.#slot = slot;
    this.words = new Int32Array(slot.buffer, slot.offset, slot.length / 4);
    this.bytes = Buffer.from(slot.buffer, slot.offset, slot.length);
    this.ringLength = ringLength;
    this.ringStart = controlLength;
    this.#inode = inode;
  }

  /** A new outbox of this side. `name` is seen in /proc/<pid>/fd for as long as the descriptor is kept. */
  static create(arena: Arena, name: string, ringLength: number, role: Role, takes: Acceptance = NOTHING): Outbox {
    const controlLength = pageSize();
    const made = createMemoryFile(name, controlLength + ringLength);
    let fd: number;
    try {
      fd = adoptDescriptor(made); // first of all: what is not adopted stays open when this thread is terminated
    } catch (error) {
      closeDescriptor(made);
      throw error;
    }
    try {
      const outbox = new Outbox(arena, mapOutbox(arena, fd, controlLength, ringLength, true), ringLength, controlLength, undefined, true);
      try {
        outbox.words.set([MAGIC, PROTOCOL_VERSION, controlLength, ringLength, process.pid, role], Control.magic);
        if (takes.accepts !== 0) outbox.words.set([takes.accepts, takes.views, takes.sections, Math.floor(takes.sectionBytes / 1024), takes.handles], Control.accepts);
        outbox.words[Control.maxPendingMessages] = takes.pendingMessages;
        if (role === 1) outbox.words[Control.maxConnections] = takes.connections;
        Atomics.store(outbox.words, Control.state, OutboxState.open);
        sealMemoryFile(fd);
        outbox.#fd = fd;
        return outbox;
      } catch (error) {
        outbox.close();
        throw error;
      }
    } catch (error) {
      releaseDescriptor(fd);
      throw error;
    }
  }

  /**
   * The peer's outbox, from the descriptor that it sent. Takes the descriptor over, on success and on failure. The mapping
   * needs it no longer; `keep` keeps it all the same, until `close`, for inspectors to find it in /proc/<pid>/fd.
   * @throws ProtocolViolation that says what is wrong with it
   */
  static open(arena: Arena, fd: number, ringLength: number, keep = false): Outbox {
    const controlLength = pageSize();
    let inode: number | string;
    try {
      inode = isRingLength(ringLength) ? inspectMemoryFile(fd, controlLength + ringLength) : `a ring of ${ringLength} bytes is not allowed`;
      if (typeof inode === 'string') throw new ProtocolViolation(`the peer's outbox is refused: ${inode}`);
    } catch (error) {
      discardDescriptor(fd);
      throw error;
    }
    let outbox: Outbox | undefined;
    let kept = false;
    try {
      outbox = new Outbox(arena, mapOutbox(arena, fd, controlLength, ringLength, false), ringLength, controlLength, inode, false);
      if (keep) {
        outbox.#fd = adoptDescriptor(fd);
        kept = true;
      }
      return outbox;
    } catch (error) {
      outbox?.close();
      throw error;
    } finally {
      if (!kept) closeDescriptor(fd);
    }
  }

  /** Names it on this machine. Of an own one only until `closeDescriptor`, and only a client's is ever asked for. */
  get inode(): number {
    return (this.#inode ??= inodeOf(this.fd));
  }

  /** Tells inspectors which words belong together: see the table. */
  name(word: 'connectionLow' | 'socketLow', inode: number): void {
    this.words[Control[word]] = inode | 0;
    this.words[Control[word] + 1] = (inode / 2 ** 32) | 0;
  }

  /** The descriptor to hand to the peer; only of an own outbox, until `closeDescriptor`. */
  get fd(): number {
    return this.#fd!;
  }

  /** Lets go of the descriptor; the mapping stays. A server does this as soon as the peer has it. */
  closeDescriptor(): void {
    if (this.#fd !== undefined) releaseDescriptor(this.#fd);
    this.#fd = undefined;
  }

  /** Lets go of mapping and descriptor. Who looks at the peer's later sees zeros; what is written to an own one later is seen by nobody. */
  close(): void {
    this.closeDescriptor();
    if (this.#slot === undefined) return;
    this.words = this.#isOwn ? LATE_WORDS : NO_WORDS;
    this.bytes = NO_BYTES;
    this.#arena.unmap(this.#slot);
    this.#slot = undefined;
  }
}

/** Whether a ring can have this length: a power of two, whole pages, within the bounds. */
export function isRingLength(length: number): boolean {
  return Number.isInteger(length) && length >= pageSize() && length <= MAX_RING_LENGTH && (length & (length - 1)) === 0;
}

function mapOutbox(arena: Arena, fd: number, controlLength: number, ringLength: number, writable: boolean): Slot {
  const parts = [
    { offset: 0, length: controlLength + ringLength },
    { offset: controlLength, length: ringLength },
  ];
  return arena.map(fd, parts, writable);
}
