/** What the tests of this floor share. */
import { EVENT_LOCKS } from '../../src/objects/event-name.js';
import { countLocked } from '../../src/platform/range-lock.js';
import type { Event } from '../../src/notification/index.js';

export const READY = '\\BaseNamedObjects\\ready';

/** How many waits others have on the event now, as the kernel says. */
export function waitsOn(event: Event): number {
  return countLocked(event.tokens.fd, EVENT_LOCKS.waits, 1000);
}

/** Lets what is under way on this thread's event loop happen. */
export async function turns(count = 5): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => void setImmediate(resolve));
}

/** Counts promises as they settle. */
export function counter(): { readonly add: (promise: Promise<unknown>) => void; done: number; failed: unknown[] } {
  const counts = {
    done: 0,
    failed: [] as unknown[],
    add: (promise: Promise<unknown>) =>
      void promise.then(
        () => void counts.done++,
        (error: unknown) => void counts.failed.push(error),
      ),
  };
  return counts;
}
