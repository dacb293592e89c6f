/**
 * What the processes of this example agree on: names, how a picture lies in memory, and the words that they count on together.
 *
 * A picture is one byte a pixel, row by row. Its number and its exposure travel as the bytes of the message that brings it.
 */
import type { View } from '../../src/index.js';

export const CAMERA = '\\RPC Control\\camera';
export const WIDTH = 640;
export const HEIGHT = 480;
export const FRAME = WIDTH * HEIGHT;

/** The board: a named section that everybody may write to, of 32-bit words. */
export const BOARD = '\\BaseNamedObjects\\camera-board';
export const Word = {
  /** Readers that are connected. */
  readers: 0,
  /** Light that the camera lets in, in percent. */
  exposure: 1,
  /** Frames that were looked at, by all readers together. */
  seen: 2,
} as const;

/** Its words, to use with `Atomics`. */
export function wordsOf(board: View): Int32Array {
  return new Int32Array(board.buffer);
}

/** What stands in the message beside the picture. */
export interface Caption {
  readonly number: number;
  readonly exposure: number;
}
