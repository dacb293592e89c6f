/** What the tests of this floor share. */
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { EVENT_LOCKS } from '../../src/objects/event-name.js';
import { countLocked } from '../../src/platform/range-lock.js';
import { createEvent, type Event } from '../../src/notification/index.js';
import { atEnd } from '../support/at-end.js';
import { type Actor, startActor } from '../support/processes.js';
import type { News, Order } from './event-actor.js';

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

export type Waiter = Actor<Order, News>;

/** So many processes, with a file where each wait that went on leaves a byte. */
export async function startWaiters(t: TestContext, count: number): Promise<{ waiters: Waiter[]; start: () => Promise<Waiter>; wentOn: () => number }> {
  const tally = join(process.env['ALPC_ROOT']!, '..', 'tally');
  writeFileSync(tally, '');
  const start = async (): Promise<Waiter> => {
    const waiter = startActor<Order, News>(t, new URL('./event-actor.js', import.meta.url), [tally], {}, { watchdog: 110_000 });
    await waiter.until('ready');
    return waiter;
  };
  const waiters = await Promise.all(Array.from({ length: count }, start));
  return { waiters, start, wentOn: () => statSync(tally).size };
}

/** An event with a name, closed at the end of the test. */
export function named(t: TestContext, name = READY, kind: 'notification' | 'synchronization' = 'synchronization'): Event {
  const event = createEvent(name, { kind });
  atEnd(t, () => event.close());
  return event;
}
