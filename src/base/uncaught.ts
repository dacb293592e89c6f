/**
 * Errors of functions that are called on behalf of somebody who has no part in them: who notifies, or the listeners that come after. Such an
 * error reaches neither; it comes to the process as an uncaught exception, from a tick of its own.
 */

export function throwApart(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
  // For who was called by the system and not by Node: there no ticks follow.
  setImmediate(() => {});
}
