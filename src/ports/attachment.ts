/**
 * What travels with one message besides its bytes, ready to be sent: attributes, each checked and prepared by whoever knows it. It comes to
 * nothing, or is sent, once, all of it.
 */
import { ATTRIBUTES } from '../memory/layout.js';

/** One attribute of a message. */
export interface AttachmentPart {
  readonly attribute: number;
  /** What stands in the record. */
  readonly words: Int32Array;
  /** The record is in the ring. */
  sent?(): void;
  /** The record will not be sent. */
  undo?(): void;
}

export class Attachment {
  readonly attributes: number;
  readonly block: Int32Array;
  /** Empty once it is settled. */
  readonly #parts: AttachmentPart[];

  constructor(parts: AttachmentPart[]) {
    this.#parts = parts;
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
    for (const part of this.#parts.splice(0)) part.sent?.();
  }

  /** The record will not be sent. Does nothing when it has been. */
  undo(): void {
    for (const part of this.#parts.splice(0)) part.undo?.();
  }
}
