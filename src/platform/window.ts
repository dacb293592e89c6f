/**
 * A window: a memory file mapped as a whole, of which stretches are lent to JavaScript as ArrayBuffers.
 *
 * Such a buffer may be kept by anybody for as long as they like, and a look through it at addresses that are no longer mapped
 * would end the process. So what is given back is detached, where Node can do that (from 22 on, `ArrayBuffer.prototype.transfer`),
 * and addresses that a buffer may still name are never unmapped: zero pages are laid over them, and they are given up when the
 * buffer has been collected. A buffer that somebody moved away by `transfer` themselves can't be found again: its window stays.
 * Native work that has begun (a compression in Node's pool of threads) may still look at a range: it rests before it goes, see resting-ranges.ts.
 *
 * Large buffers, and all where Node can't detach, are made once and lent again: V8 counts a buffer's length as memory, and collects
 * garbage whenever much of it was made (measured in docs/decisions/0014-views-are-detached.md). So are those of a thread that blocks in a
 * loop: what Node keeps for a buffer it lets go of on the event loop alone.
 *
 * Reading is `private`: a stray write makes a copy of its page that only this process sees, where a read-only mapping would end it.
 */
import { MAP_NORESERVE, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE } from './libc.js';
import { coverRange, mapFile, rest, unmapFile } from './resting-ranges.js';
import { viewOfMemory } from './system.js';

interface Movable {
  transfer?: (length: number) => ArrayBuffer;
}

const CAN_DETACH = typeof (ArrayBuffer.prototype as Movable).transfer === 'function';
/** Longer ones are kept for the next time. */
const KEPT_FROM = 64 * 1024 * 1024;
const MOST_KEPT = 256;
/** Buffers made in one turn of the event loop, before they are kept. */
const MADE_IN_A_TURN = 1000;

/** This thread's: buffers made since its event loop turned. */
const turn = { made: 0 };

function isStalled(): boolean {
  if (turn.made === 0) setImmediate(() => void (turn.made = 0)).unref();
  return ++turn.made > MADE_IN_A_TURN;
}

interface Kept {
  readonly buffer: ArrayBuffer;
  /** All of it as bytes, when somebody has asked for that before and nobody has it now. */
  bytes: Buffer | undefined;
  users: number;
}

export class Window {
  readonly length: number;
  readonly #address: number;
  /** The same file once more, shared: see `waitAddress`. */
  #shared: number | undefined;
  /** By where they begin: buffers that are lent again. */
  readonly #kept = new Map<number, Kept>();
  /** Buffers through which somebody may look. */
  #lent = 0;
  #escaped = false;
  #closed = false;

  /**
   * Maps the file's first `length` bytes, whole pages; the descriptor may be closed afterwards. `shared`: writes are everybody's.
   * `private`: nobody else sees them. `sealed`: the same for a file that nobody writes to any more.
   * @throws SystemError
   */
  constructor(fd: number, length: number, sharing: 'shared' | 'private' | 'sealed') {
    this.length = length;
    this.#address = mapFile(fd, length, PROT_READ | PROT_WRITE, sharing === 'shared' ? MAP_SHARED : MAP_PRIVATE | MAP_NORESERVE);
    if (sharing !== 'private') return;
    try {
      this.#shared = mapFile(fd, length, PROT_READ, MAP_SHARED);
    } catch (error) {
      unmapFile(this.#address, length);
      throw error;
    }
  }

  /** A buffer over these bytes; whoever gets it gives it back. */
  lend(offset: number, length: number): ArrayBuffer {
    const isKept = !CAN_DETACH || length >= KEPT_FROM || isStalled();
    const kept = isKept ? this.#kept.get(offset) : undefined;
    if (kept?.buffer.byteLength === length) {
      kept.users++;
      return kept.buffer;
    }
    const buffer = viewOfMemory(this.#address + offset, length);
    this.#lent++;
    if (!CAN_DETACH) collected.register(buffer, this);
    if (isKept && (kept === undefined || kept.users === 0) && this.#makeRoom(offset)) this.#kept.set(offset, { buffer, bytes: undefined, users: 1 });
    return buffer;
  }

  /** All of a buffer that was lent, as bytes; given back with it. */
  bytesOf(buffer: ArrayBuffer, offset: number): Buffer {
    const kept = this.#kept.get(offset);
    if (kept?.bytes === undefined || kept.buffer !== buffer) return Buffer.from(buffer);
    const { bytes } = kept;
    kept.bytes = undefined; // for one borrower: whom it keeps alive is its borrower's affair
    return bytes;
  }

  /** Whether a buffer that was lent is one of those that are lent again. */
  keeps(buffer: ArrayBuffer, offset: number): boolean {
    return this.#kept.get(offset)?.buffer === buffer;
  }

  /** The borrower is done with it: nobody can look through it any more, or at nothing that can end the process. */
  takeBack(buffer: ArrayBuffer, offset: number, bytes?: Buffer): void {
    const kept = this.#kept.get(offset);
    if (kept?.buffer !== buffer) {
      this.#detach(buffer);
      return;
    }
    kept.users--;
    if (bytes !== undefined) kept.bytes = bytes;
  }

  /** A buffer that was lent, and is not kept, has been collected as garbage. */
  forget(): void {
    if (CAN_DETACH) this.#gone();
  }

  /** The address of these bytes where the kernel knows them as the file's own. Good until the window is closed. */
  waitAddress(offset: number): number {
    return (this.#shared ?? this.#address) + offset;
  }

  /** Lets go of the file. What is still lent is detached by whoever gives it back, and shows zeros until then. */
  close(): void {
    if (this.#closed) return;
    if (this.#shared !== undefined) unmapFile(this.#shared, this.length);
    coverRange(this.#address, this.length);
    for (const { buffer } of this.#kept.values()) this.#detach(buffer);
    if (!CAN_DETACH) this.#kept.clear(); // for the collector; elsewhere they stay known, for their borrowers give them back still
    this.#closed = true; // not before: the last of those that are kept would take the range with it, and it goes once
    this.#unmapIfUnused();
  }

  #detach(buffer: ArrayBuffer): void {
    if (!CAN_DETACH) return; // the collector tells
    if (buffer.byteLength === 0) this.#escaped = true; // moved away by its borrower: these addresses have a name that is not ours
    else (buffer as Movable).transfer!(0);
    this.#gone();
  }

  #gone(): void {
    this.#lent--;
    if (this.#closed) this.#unmapIfUnused();
  }

  /** Whether one more may be kept, in this place. */
  #makeRoom(offset: number): boolean {
    const old = this.#kept.size < MOST_KEPT ? offset : Array.from(this.#kept).find(([, { users }]) => users === 0)?.[0];
    if (old === undefined) return false;
    const kept = this.#kept.get(old);
    this.#kept.delete(old);
    if (kept !== undefined) this.#detach(kept.buffer);
    return true;
  }

  #unmapIfUnused(): void {
    if (this.#lent > 0 || this.#escaped) return;
    rest(this.#address, this.length);
  }

  /** Where buffers can't be detached the collector tells when one is gone. */
  static readonly onCollected = (window: Window): void => window.#gone();
}

const collected = new FinalizationRegistry<Window>(Window.onCollected);
