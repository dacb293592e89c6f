/** Turns of the event loop: `await turn()`, and `await turnsUntil(() => heard === 3)`. A wait without end is ended by the file's limit of time. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

export async function turnsUntil(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}
