/**
 * What is fuzzed. A target makes cases, runs each through the library and through a second reading of docs/protocol.md that is
 * written here by hand, and complains when the two differ, or when the library does anything but read or refuse. What a case
 * came to is told in a few words; a case that comes to something new is worth keeping.
 */
import type { Random } from './random.js';

export interface Target<Case = unknown> {
  readonly name: string;
  make(random: Random): Case;
  /** What it came to. @throws Disagreement, or whatever escaped from the library */
  run(made: Case): string | Promise<string>;
  /** The case as one word of text, for the corpus and for who has to look at it. */
  encode(made: Case): string;
  decode(text: string): Case;
  close(): void | Promise<void>;
}

export class Disagreement extends Error {
  override readonly name = 'Disagreement';
}

/** Complains when the library and the page say different things. */
export function agree(library: string, page: string): void {
  if (library !== page) throw new Disagreement(`the library: ${library}\n     the page: ${page}`);
}

/** `none`, `one`, `some`, `many`: sizes as outcomes tell them. */
export function roughly(count: number): string {
  return count === 0 ? 'none' : count === 1 ? 'one' : count < 100 ? 'some' : 'many';
}
