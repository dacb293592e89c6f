/** The words that the threads of a test count in together. */
export const Board = { working: 0, peak: 1, gate: 2, taken: 3 } as const;
