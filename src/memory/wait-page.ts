/**
 * The wait page: one small page per thread, sealed like an outbox and handed to every peer in the handshake. It says
 * whether the thread is blocked, on which other thread, for which message.
 *
 * It is written only around a sleep, never on the fast path: publish, look, sleep, withdraw. Of two threads that come to
 * sleep for each other's reply, both publish before they look at the other's page, so at least one of them sees it.
 *
 *   SYNC wait.sequence: WaitPage.publish stores it last; PeerWaitPage.read loads it before and after the rest.
 *
 * Threads are named by their page's inode number and connections by the inode number of the client's outbox. The kernel gave the numbers, but
 * whoever was handed a page can hand it on as its own: that two connections show one page makes them one thread's only where the kernel
 * says that they are of one process. A peer may lie on its own page; it gains an error for its own calls.
 */
import type { Arena, Slot } from '../platform/arena.js';
import { adoptDescriptor, pageSize, releaseDescriptor } from '../platform/descriptors.js';
import { discardDescriptor } from '../platform/foreign-descriptors.js';
import { createMemoryFile, inodeOf, inspectMemoryFile, sealMemoryFile } from '../platform/memory-file.js';
import { closeDescriptor } from '../platform/system.js';
import { MAGIC, PROTOCOL_VERSION, ProtocolViolation, WAIT_PAGE_FIELDS, WaitPageWords as W } from './layout.js';

const HALF = 2 ** 32;

/** What the page of a peer shows that was let go: a thread that is awake. */
const NO_WORDS = new Int32Array(WAIT_PAGE_FIELDS.at(-1)!.offset / 4 + 1);

/** This thread's own page. */
export class WaitPage {
  readonly inode: number;
  readonly fd: number;
  readonly #arena: Arena;
  readonly #slot: Slot;
  readonly #words: Int32Array;
  #sequence = 0;

  constructor(arena: Arena, tid: number) {
    const size = pageSize();
    const fd = createMemoryFile('alpc:wait', size);
    let slot: Slot | undefined;
    try {
      slot = arena.map(fd, [{ offset: 0, length: size }], true);
      this.#arena = arena;
      this.#slot = slot;
      this.#words = new Int32Array(slot.buffer, slot.offset, size / 4);
      this.#words.set([MAGIC, PROTOCOL_VERSION, process.pid, tid], W.magic);
      sealMemoryFile(fd);
      this.inode = inodeOf(fd);
      this.fd = adoptDescriptor(fd);
    } catch (error) {
      if (slot !== undefined) arena.unmap(slot);
      closeDescriptor(fd);
      throw error;
    }
  }

  /** This thread is about to sleep until `onThread` answers `messageId` on `connection`. Look at its page next. */
  publish(onThread: number, connection: number, messageId: number): void {
    const words = this.#words;
    Atomics.store(words, W.onLow, onThread | 0);
    Atomics.store(words, W.onHigh, (onThread / HALF) | 0);
    Atomics.store(words, W.connectionLow, connection | 0);
    Atomics.store(words, W.connectionHigh, (connection / HALF) | 0);
    Atomics.store(words, W.messageId, messageId);
    words[W.sinceSeconds] = (Date.now() / 1000) | 0;
    this.#sequence = (this.#sequence + 1) | 0;
    Atomics.store(words, W.sequence, this.#sequence); // SYNC wait.sequence
  }

  /** Awake again, and about to consume what came. */
  withdraw(): void {
    this.#sequence = (this.#sequence + 1) | 0;
    Atomics.store(this.#words, W.sequence, this.#sequence); // SYNC wait.sequence
  }

  close(): void {
    this.#arena.unmap(this.#slot);
    releaseDescriptor(this.fd);
  }
}

/** What a peer's page said at one moment. */
export interface BlockedOn {
  readonly sequence: number;
  readonly thread: number;
  readonly connection: number;
  readonly messageId: number;
}

/** The page of a peer's thread, mapped once for all connections with that thread. */
export class PeerWaitPage {
  readonly inode: number;
  readonly #arena: Arena;
  readonly #slot: Slot;
  #words: Int32Array;

  /** Takes over `fd`. @throws ProtocolViolation that says what is wrong with it */
  constructor(arena: Arena, fd: number, inode: number) {
    const size = pageSize();
    try {
      this.#arena = arena;
      this.#slot = arena.map(fd, [{ offset: 0, length: size }], false);
      this.#words = new Int32Array(this.#slot.buffer, this.#slot.offset, size / 4);
      this.inode = inode;
    } finally {
      closeDescriptor(fd);
    }
  }

  /** On whom the thread is blocked; undefined when it is not, or moves just now. */
  read(): BlockedOn | undefined {
    const words = this.#words;
    const sequence = Atomics.load(words, W.sequence); // SYNC wait.sequence
    if ((sequence & 1) === 0) return undefined;
    const thread = join(Atomics.load(words, W.onLow), Atomics.load(words, W.onHigh));
    const connection = join(Atomics.load(words, W.connectionLow), Atomics.load(words, W.connectionHigh));
    const messageId = Atomics.load(words, W.messageId);
    return Atomics.load(words, W.sequence) === sequence ? { sequence, thread, connection, messageId } : undefined;
  }

  /** Once. Whoever still looks at it sees a thread that is awake: the memory may be another's by then. */
  close(): void {
    this.#words = NO_WORDS;
    this.#arena.unmap(this.#slot);
  }
}

/** Checks a wait page's descriptor that a peer sent; its inode number. Leaves the descriptor open when it is good, closes it when not. */
export function checkPeerWaitPage(fd: number): number {
  try {
    const inode = inspectMemoryFile(fd, pageSize());
    if (typeof inode === 'number') return inode;
    throw new ProtocolViolation(`the peer's wait page is refused: ${inode}`);
  } catch (error) {
    discardDescriptor(fd);
    throw error;
  }
}

function join(low: number, high: number): number {
  return (high >>> 0) * HALF + (low >>> 0);
}
