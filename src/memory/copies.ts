/**
 * Copies payloads out of a ring. Small ones are cut from slabs, one allocation for some hundred messages; as with Node's
 * own Buffers, a small payload that is kept keeps its slab. Slabs are marked untransferable: nobody can detach the
 * payloads of others by posting one to a thread. They are not filled with zeros first, which would cost four times the allocation: every
 * byte of a payload is written before anybody sees it.
 *
 * Large ones get memory of their own. Whoever has only passed such a payload on gives its memory back, and the next large one is copied there, whoever gets that: some
 * hundred MiB a second of fresh memory make the engine collect its whole heap again and again, for nothing (docs/decisions/0016).
 *
 * `copy` leaves where the bytes are now in `memory` and `start`: a view of them is made when somebody looks at the payload.
 */
import { markAsUntransferable } from 'node:worker_threads';
import type { Copies, RunCopies } from './ring.js';

const SLAB = 32 * 1024;
const SMALL = 256;
const LARGE = 4 * 1024;
const EMPTY = new ArrayBuffer(0);

export class SlabCopies implements Copies, RunCopies {
  memory: ArrayBuffer = EMPTY;
  start = 0;
  #slab = EMPTY;
  #bytes = new Uint8Array(EMPTY);
  #words = new Int32Array(EMPTY);
  #used = 0;
  /** Given back. */
  #spare: Buffer<ArrayBuffer> | undefined;

  copy(words: Int32Array, source: Buffer, at: number, length: number): void {
    if (length > LARGE) return this.#copyLarge(source, at, length);
    if (length === 0) {
      this.memory = EMPTY;
      this.start = 0;
      return;
    }
    if (this.#used + length > this.#words.length * 4) this.#renew();
    const start = this.#used;
    this.#used = (start + length + 7) & ~7;
    if (length <= SMALL) {
      // Word by word: a view of the source, which `set` needs, costs more than the copy.
      for (let from = at >> 2, to = start >> 2, end = (start + length + 3) >> 2; to < end; ) this.#words[to++] = words[from++]!;
    } else this.#bytes.set(source.subarray(at, at + length), start);
    this.memory = this.#slab;
    this.start = start;
  }

  get words(): Int32Array {
    return this.#words;
  }

  /** The headers are copied along: what is between the payloads is not used again. `length` is no more than a slab. */
  copyRun(source: Buffer, at: number, length: number): void {
    if (this.#used + length > this.#words.length * 4) this.#renew();
    this.#bytes.set(source.subarray(at, at + length), this.#used);
    this.memory = this.#slab;
    this.start = this.#used;
  }

  keepRun(length: number): void {
    this.#used += length;
  }

  /** The memory of a payload of `length` bytes that nobody else has, or ever will: what `copy` made for it. */
  giveBack(memory: ArrayBuffer, length: number): void {
    if (length > LARGE && memory.byteLength !== SLAB) this.#spare = Buffer.from(memory); // a slab has others' payloads
  }

  #copyLarge(source: Buffer, at: number, length: number): void {
    const own = this.#takeSpare(length) ?? Buffer.allocUnsafeSlow(length);
    own.set(source.subarray(at, at + length));
    this.memory = own.buffer;
    this.start = 0;
  }

  /** One that is more than twice as long would be memory kept for nothing, if the payload is. */
  #takeSpare(length: number): Buffer<ArrayBuffer> | undefined {
    const spare = this.#spare;
    if (spare === undefined || spare.length < length || spare.length > 2 * length) return undefined;
    this.#spare = undefined;
    return spare;
  }

  #renew(): void {
    this.#slab = Buffer.allocUnsafeSlow(SLAB).buffer;
    markAsUntransferable(this.#slab);
    this.#bytes = new Uint8Array(this.#slab);
    this.#words = new Int32Array(this.#slab);
    this.#used = 0;
  }
}
