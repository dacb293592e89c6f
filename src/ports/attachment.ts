/**
 * What travels with one message besides its bytes, ready to be sent: attributes, each checked and prepared by whoever knows it. It comes to
 * nothing, or is sent, once, all of it.
 */
import { ATTRIBUTES } from '../memory/layout.js';

/** One attribute of a message. */
export interface AttachmentPart {
  /** Its bit; 0 for what is this side's affair alone. */
  readonly attribute: number;
  /** What stands in the record. */
  readonly words: Int32Array;
  /** The record is in the ring. */
  sent?(): void;
  /** The record will not be sent. */
  undo?(): void;
}

const NONE: readonly AttachmentPart[] = [];

export class Attachment {
  readonly attributes: number;
  readonly block: Int32Array;
  /** Whether its record goes into room that was kept for it. */
  readonly isReserved: boolean;
  /** None once it is settled. */
  #parts: readonly AttachmentPart[];

  constructor(parts: readonly AttachmentPart[], isReserved: boolean) {
    this.#parts = parts;
    this.isReserved = isReserved;
    const [only] = parts;
    if (only !== undefined && parts.length === 1) {
      this.attributes = only.attribute;
      this.block = only.words;
      return;
    }
    const inOrder = ATTRIBUTES.flatMap(({ bit }) => parts.filter((part) => part.attribute === bit));
    this.attributes = inOrder.reduce((bits, part) => bits | part.attribute, 0);
    this.block = Int32Array.from(inOrder.flatMap(({ words }) => Array.from(words)));
  }

  get byteLength(): number {
    return this.block.byteLength;
  }

  /** The record is in the ring. */
  sent(): void {
    for (const part of this.#settle()) part.sent?.();
  }

  /** The record will not be sent. Does nothing when it has been. */
  undo(): void {
    for (const part of this.#settle()) part.undo?.();
  }

  #settle(): readonly AttachmentPart[] {
    const parts = this.#parts;
    this.#parts = NONE;
    return parts;
  }
}
