/**
 * The work itself: which files there are, what a word is, and how a text is cut so that its words can be counted piece by
 * piece, by somebody who sees no more than one piece at a time.
 *
 * A word is a run of bytes with no white space among them, much as `wc -w` counts. A cut may go right through a word, and
 * then its second half must not be counted again. So each piece begins with one byte that says whether the text before it
 * ended inside a word; the text follows:
 *
 *     "one two three"   cut into   [0]"one tw"  [1]"o three"   counted   2 + 1
 *
 * Whoever counts needs to remember nothing from one piece to the next: a client may die between two of them, and whoever
 * takes its place simply begins the file again.
 */
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MAX_DATA_LENGTH } from '../../src/index.js';
import { Histogram, type HistogramData } from './histogram.js';

/** By byte: 0 for white space (space, tab, line ends, form feed), 1 for all others. */
const IN_WORD = new Uint8Array(256).fill(1);
for (const space of ' \t\n\v\f\r') IN_WORD[space.charCodeAt(0)] = 0;

/** The words that begin in `text`, from the place `at` on. `inside`: the byte before it was inside a word. */
export function countWords(text: Uint8Array, at = 0, inside = 0): number {
  let words = 0;
  for (let before = inside; at < text.length; at++) {
    const now = IN_WORD[text[at]!]!;
    words += now & (before ^ 1);
    before = now;
  }
  return words;
}

/**
 * How many bytes of text to put into a piece: so many that all files together make some 256,000 pieces, large or small. The
 * first ten thousand calls of a process are slow, as its code is compiled while it runs; few calls would tell of nothing
 * else. A message carries at most `MAX_DATA_LENGTH` bytes, 65,503; one of them goes in front.
 */
export function pieceLength(bytes: number): number {
  return Math.max(64, Math.min(MAX_DATA_LENGTH - 1, Math.ceil(bytes / 256_000)));
}

/** Cuts a text into pieces. They all are the same memory, one after the other: send one before you ask for the next. */
export function* pieces(text: Uint8Array, length: number): Generator<Uint8Array, void, undefined> {
  const piece = new Uint8Array(1 + Math.min(length, text.length));
  for (let from = 0; from < text.length; from += length) {
    const part = text.subarray(from, from + length);
    piece[0] = from === 0 ? 0 : IN_WORD[text[from - 1]!]!;
    piece.set(part, 1);
    yield piece.subarray(0, 1 + part.length);
  }
}

/** What a server has done so far. */
export interface ServerFigures {
  readonly calls: number;
  /** How long it counted, a call. */
  readonly times: HistogramData;
}

/** The server's part of a call, the same whatever brought the piece: count, and write the answer as four bytes. */
export class PieceCounter {
  readonly #times = new Histogram();

  answer(piece: Uint8Array): Buffer {
    const before = performance.now();
    const words = countWords(piece, 1, piece[0]);
    this.#times.add(performance.now() - before);
    const answer = Buffer.allocUnsafe(4);
    answer.writeUInt32LE(words);
    return answer;
  }

  figures(): ServerFigures {
    return { calls: this.#times.count, times: this.#times.toJSON() };
  }
}

/** How many files, bytes and words. */
export interface Totals {
  readonly files: number;
  readonly bytes: number;
  readonly words: number;
}

/** Every .ts, .js and .md file below a directory. Symbolic links are not followed, so nothing is found twice. */
export function findTexts(directory: string): string[] {
  // Not by `recursive`: whether that follows links is different from version to version of Node.
  const below = (path: string): string[] =>
    readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
      if (entry.isDirectory()) return below(join(path, entry.name));
      return entry.isFile() && /\.(?:ts|js|md)$/.test(entry.name) ? [join(path, entry.name)] : [];
    });
  return below(directory).toSorted();
}

/** Counts in this process, with no server and no pieces: what the others must come to. */
export async function countDirectly(files: readonly string[], onFile: (files: number) => void): Promise<Totals> {
  let [bytes, words, done] = [0, 0, 0];
  for (const file of files) {
    const text = await readFile(file);
    bytes += text.length;
    words += countWords(text);
    onFile(++done);
  }
  return { files: files.length, bytes, words };
}
