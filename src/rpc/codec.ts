/**
 * Frames with their values, for all connections of one server or client: one encoder, one decoder, whose memory is used again. A frame is
 * good until the next one is made, so it is handed to a port (which copies) before anything else runs.
 */
import { AlpcError } from '../base/errors.js';
import type { ContextHandle } from './context-handle.js';
import { HEADER, writeHeader } from './frame.js';
import { longest } from './large-values.js';
import { ValueDecoder } from './value-decoder.js';
import { type ValueBounds, ValueEncoder } from './value-encoder.js';

/** A message, as far as it matters here. */
export interface Placed {
  readonly memory: ArrayBuffer;
  readonly start: number;
  readonly dataLength: number;
}

export class Codec {
  readonly bounds: ValueBounds;
  readonly #encoder: ValueEncoder;
  readonly #decoder: ValueDecoder;
  /** A getter of a value that is encoded may make a call of its own. */
  #busy = false;
  #memory = Buffer.alloc(0);

  constructor(bounds: ValueBounds) {
    this.bounds = bounds;
    this.#encoder = new ValueEncoder(bounds);
    this.#decoder = new ValueDecoder(bounds);
  }

  /** With `runs`, long runs of bytes are added to it instead of being copied: then the frame is that of a long value. @throws AlpcError ERR_ALPC_BAD_VALUE */
  frame(kind: number, flags: number, procedure: number, number: number, extra: number, value: unknown, runs?: Uint8Array[]): Buffer {
    const encoder = this.#busy ? new ValueEncoder(this.bounds) : this.#encoder;
    this.#busy = true;
    try {
      const bytes = encoder.encode(value, HEADER, runs);
      writeHeader(encoder.view, kind, flags, procedure, number, extra);
      return bytes;
    } finally {
      if (encoder === this.#encoder) this.#busy = false;
    }
  }

  /** The value of a frame, or of other bytes from `start` to `end`. @throws AlpcError ERR_ALPC_BAD_VALUE */
  value(bytes: Buffer, start = HEADER, end = bytes.length): unknown {
    return this.#decoder.decode(bytes, start, end);
  }

  /** A long value, which may stand in shared memory. @throws as `value` */
  large(bytes: Buffer): unknown {
    if (bytes.length > longest(this.bounds.valueLength)) throw new AlpcError('ERR_ALPC_BAD_VALUE', `a value of ${bytes.length} bytes came; the limit 'valueLength' here is ${this.bounds.valueLength}`);
    return this.#decoder.decodeLarge(bytes);
  }

  /** The context handles that stand in a frame's value, or in a long one. @throws as `value` */
  handlesIn(frame: Buffer, long: Buffer | undefined): readonly ContextHandle[] {
    const handles: ContextHandle[] = [];
    this.#decoder.handles = handles;
    try {
      if (long === undefined) this.value(frame);
      else this.large(long);
    } finally {
      this.#decoder.handles = undefined;
    }
    return handles;
  }

  /** The memory in which a message's frame lies, from `message.start`: to make a view of each frame takes as long as to decode a small value. */
  memoryOf(message: Placed): Buffer {
    if (message.memory !== this.#memory.buffer) this.#memory = Buffer.from(message.memory);
    return this.#memory;
  }

  /** One of several values that stand one behind the other; where it ends says `position`. @throws as `value` */
  next(bytes: Buffer, start: number): unknown {
    return this.#decoder.decodeNext(bytes, start);
  }

  get position(): number {
    return this.#decoder.position;
  }

  /** After a long value: lets go of its memory. */
  trim(): void {
    this.#encoder.trim();
  }
}
