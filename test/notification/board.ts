/** The words that the threads of a test count in together. `waits`: what a thread does next is the wait that it was told of. */
export const Board = { working: 0, peak: 1, gate: 2, taken: 3, waits: 4 } as const;
