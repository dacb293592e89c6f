/**
 * Values that do not fit into one message: their bytes, and the shared memory that they go in.
 *
 *     0  length of the skeleton, 32 bits; 4 bytes that are zero
 *     8  the skeleton: the value, in which each long run of bytes is only named
 *     .  the runs, in their order, each at the next multiple of 8
 *
 * So a long typed array is copied once into shared memory and once out of it, and by nothing else. What stands in shared memory may change
 * while it is read: the skeleton is copied before it is looked at, and a run is nothing that could be believed.
 */
import { AlpcError } from '../base/errors.js';
import type { OwnView, Section } from '../memory/section.js';
import type { CommunicationPort } from '../ports/index.js';
import { HEADER } from './frame.js';
import { SHORTEST_RUN } from './value-tags.js';

const PREFIX = 8;
/** A section of so many bytes is kept for the next value; one that had to be longer is let go of. */
const KEPT = 4 * 1024 * 1024;

export const alignRun = (at: number): number => Math.ceil(at / 8) * 8;

/** How long a value of at most `valueLength` bytes may be, with what stands before and between its runs. */
export function longest(valueLength: number): number {
  return Math.ceil(valueLength + (8 * valueLength) / SHORTEST_RUN) + 2 * PREFIX;
}

/** Where the runs begin. */
export function runsFrom(skeletonLength: number): number {
  return alignRun(PREFIX + skeletonLength);
}

/** Bytes of all of it: of a frame, whose header does not count, and runs of bytes. */
export function largeLength(frame: Buffer, runs: readonly Uint8Array[]): number {
  return runs.reduce((length, run) => alignRun(length) + run.length, runs.length === 0 ? PREFIX + frame.length - HEADER : runsFrom(frame.length - HEADER));
}

/** All of it, for who sends it in parts. */
export function joinLarge(frame: Buffer, runs: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.alloc(largeLength(frame, runs));
  writeLarge(bytes, frame, runs);
  return bytes;
}

export function writeLarge(target: Buffer, frame: Buffer, runs: readonly Uint8Array[]): void {
  target.writeUInt32LE(frame.length - HEADER, 0);
  target.writeUInt32LE(0, 4);
  target.set(frame.subarray(HEADER), PREFIX);
  let at = runsFrom(frame.length - HEADER);
  for (const run of runs) {
    target.set(run, at);
    at = alignRun(at + run.length);
  }
}

/** The skeleton, in memory of its own, which nobody can change any more. @throws AlpcError ERR_ALPC_BAD_VALUE */
export function copySkeleton(bytes: Buffer): Buffer {
  const length = bytes.length < PREFIX ? Infinity : bytes.readUInt32LE(0);
  if (length > bytes.length - PREFIX) throw new AlpcError('ERR_ALPC_BAD_VALUE', `a long value of ${bytes.length} bytes does not hold what it says it does`);
  const skeleton = Buffer.allocUnsafe(length);
  bytes.copy(skeleton, 0, PREFIX, PREFIX + length);
  return skeleton;
}

/** One side's shared memory for its long values. */
export class LargeValues {
  readonly #port: CommunicationPort;
  #kept: Section | undefined;

  constructor(port: CommunicationPort) {
    this.#port = port;
  }

  /** Puts a value into a view. Undefined when it can't go by view: the peer takes none, or as many as it takes are out. */
  pack(frame: Buffer, runs: readonly Uint8Array[]): Packed | undefined {
    if (!this.#port.takesViews) return undefined;
    const length = largeLength(frame, runs);
    const packed = this.#room(length);
    if (packed !== undefined && this.#port.takes(packed.view)) {
      writeLarge(packed.view.bytes, frame, runs);
      return packed;
    }
    packed?.done();
    return undefined;
  }

  #room(length: number): Packed | undefined {
    try {
      if (length <= KEPT) {
        this.#kept ??= this.#port.createSection(KEPT);
        const view = this.#kept.tryCreateView(length);
        if (view !== undefined) return new Packed(view, undefined);
      }
      const section = this.#port.createSection(length);
      return new Packed(section.createView(length), section);
    } catch (error) {
      if (AlpcError.is(error) && (error.code === 'ERR_ALPC_QUOTA_EXCEEDED' || error.code === 'ERR_ALPC_INSUFFICIENT_RESOURCES')) return undefined;
      throw error;
    }
  }
}

/** A value in a view. */
export class Packed {
  readonly view: OwnView;
  /** Made for this value alone. */
  readonly #section: Section | undefined;

  constructor(view: OwnView, section: Section | undefined) {
    this.view = view;
    this.#section = section;
  }

  /** It is on its way, or will not go. The peer keeps what it has for as long as it needs it. */
  done(): void {
    this.view.release();
    this.#section?.close();
  }
}
