/** Two loads of one word, and a loop over one load: what a compiler may make one of, in a language that promises nothing about memory of others. */
export const FLIPPED = 4;
export const ENOUGH = 64;

/** How often two loads that stand side by side gave different values. */
export function differences(words: Int32Array, trials: number): number {
  let count = 0;
  for (let i = 0; i < trials; i++) if (words[FLIPPED] !== words[FLIPPED]) count++;
  return count;
}

/** After how many looks the word was another; -1 when it stayed as it was. */
export function looksUntilChanged(words: Int32Array, looks: number): number {
  const before = words[FLIPPED];
  for (let i = 1; i <= looks; i++) if (words[FLIPPED] !== before) return i;
  return -1;
}
