/**
 * Waiting for several events at once, in both forms. The events may be of either kind, named or not. How it is done is in
 * waiting.ts.
 */
import { invalidArgument } from '../base/arguments.js';
import { Event } from './event.js';
import { waitBlocking, waitOnLoop, type WaitOptions, type WaitSyncOptions } from './waiting.js';

/** As many events as one wait takes: MAXIMUM_WAIT_OBJECTS. */
export const MAX_WAIT_EVENTS = 64;

/**
 * Waits until one of the events is set, without blocking the thread. NtWaitForMultipleObjects, WaitAny.
 * @param events 1 to 64 events, each once
 * @returns the index of the event that ended the wait, the first one if several are set; no other is taken
 * @throws AlpcError (as rejections) ERR_ALPC_TIMEOUT, ERR_ALPC_CLOSED, ERR_ALPC_INVALID_ARGUMENT; the signal's reason
 */
export async function waitForAny(events: readonly Event[], options?: WaitOptions): Promise<number> {
  return waitOnLoop(checkEvents(events), 'any', options);
}

/** As `waitForAny`, but blocks this thread: there is no signal, and what it rejects with is thrown. */
export function waitForAnySync(events: readonly Event[], options?: WaitSyncOptions): number {
  return waitBlocking(checkEvents(events), 'any', options);
}

/**
 * Waits until all of the events are set at one moment, and takes them in one step: while one of them is not set, nothing of
 * the others is taken. NtWaitForMultipleObjects, WaitAll. Arguments and errors as in `waitForAny`.
 */
export async function waitForAll(events: readonly Event[], options?: WaitOptions): Promise<void> {
  await waitOnLoop(checkEvents(events), 'all', options);
}

/** As `waitForAll`, but blocks this thread: there is no signal, and what it rejects with is thrown. */
export function waitForAllSync(events: readonly Event[], options?: WaitSyncOptions): void {
  waitBlocking(checkEvents(events), 'all', options);
}

function checkEvents(events: readonly Event[]): readonly Event[] {
  if (!Array.isArray(events) || events.length === 0 || events.length > MAX_WAIT_EVENTS) throw invalidArgument('events', `an array of 1 to ${MAX_WAIT_EVENTS} events`, events);
  for (const [index, event] of events.entries()) {
    if (!(event instanceof Event)) throw invalidArgument(`events[${index}]`, 'an event', event);
    if (events.indexOf(event) !== index) throw invalidArgument(`events[${index}]`, 'an event that is not in the list already', event);
  }
  return [...(events as readonly Event[])];
}
