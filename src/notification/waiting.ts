/**
 * Waiting for one event, for any of several, and for all of several; blocking, and on the event loop.
 *
 * For any: the first in the list that is set ends the wait, and only that one is taken. For all: nothing is taken before
 * everything is there; then all is taken in one step. Meanwhile the wait sleeps on one that is not set, since it can't end
 * before that is; so it takes no processor while the others are set already.
 *
 * What is there when the time is over wins. A wait for any is counted by its synchronization events, so that each `set`
 * is for a wait of its own; a wait for all is not, for nobody knows which `set` will end it: sets that follow each other
 * before it could take them are one.
 */
import { checkOptions, checkSignal, checkTimeout } from '../base/arguments.js';
import { deadlineAfter, timeLeft } from '../base/deadline.js';
import { AlpcError } from '../base/errors.js';
import { withoutPlace } from '../memory/place.js';
import { pollfdsOf, waitAnyReadable } from '../platform/poller.js';
import { channels } from '../ports/diagnostics.js';
import { thisThread } from '../ports/thread.js';
import type { Event, Waiter } from './event.js';
import { takeAll } from './tokens.js';

export interface WaitSyncOptions {
  /** Milliseconds to wait: 0 looks once, Infinity (the default) waits for as long as it takes. */
  timeout?: number;
}

export interface WaitOptions extends WaitSyncOptions {
  /** Ends the wait; it rejects with the signal's reason, and nothing has been taken. */
  signal?: AbortSignal;
}

type Mode = 'any' | 'all';

/** Resolves with the index of the event that ended the wait; 0 for all of them. */
export function waitOnLoop(events: readonly Event[], mode: Mode, options: WaitOptions | undefined): Promise<number> {
  return new Promise((resolve, reject) => {
    const given = checkOptions(options, 'options', ['timeout', 'signal']);
    const timeout = checkTimeout(given.timeout, 'options.timeout');
    const signal = checkSignal(given.signal, 'options.signal');
    signal?.throwIfAborted();
    const ended = tryAtOnce(events, mode);
    if (ended !== undefined) resolve(ended);
    else if (timeout === 0) throw timedOut(events, mode, timeout);
    else new PendingWait(events, mode, signal, { resolve, reject }).start(timeout);
  });
}

/** As `waitOnLoop`, but blocks this thread. */
export function waitBlocking(events: readonly Event[], mode: Mode, options: WaitSyncOptions | undefined): number {
  const timeout = checkTimeout(checkOptions(options, 'options', ['timeout']).timeout, 'options.timeout');
  const deadline = deadlineAfter(timeout);
  let ended = tryAtOnce(events, mode);
  if (ended !== undefined) return ended;
  if (mode === 'any') for (const event of events) event.tokens.enter();
  try {
    for (;;) {
      const left = timeLeft(deadline);
      if (left > 0) sleep(mode === 'any' ? events : [oneUnset(events)], left);
      ended = tryEnd(events, mode);
      if (ended !== undefined) return ended;
      if (left <= 0) throw timedOut(events, mode, timeout);
    }
  } finally {
    if (mode === 'any') for (const [index, event] of events.entries()) if (index !== ended && !event.closed) event.tokens.leave();
  }
}

/** A wait on the event loop. */
class PendingWait implements Waiter {
  readonly #settle: { resolve(index: number): void; reject(error: unknown): void };
  readonly #onAbort = (): void => this.fail(this.signal!.reason);
  /** Where it is attached. */
  #attached: readonly Event[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(readonly events: readonly Event[], readonly mode: Mode, readonly signal: AbortSignal | undefined, settle: { resolve(index: number): void; reject(error: unknown): void }) {
    this.#settle = settle;
  }

  start(timeout: number): void {
    try {
      this.#attach(this.mode === 'any' ? this.events : [oneUnset(this.events)]);
    } catch (error) {
      return this.fail(error);
    }
    this.signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (timeout === Infinity) return;
    this.#timer = setTimeout(() => {
      if (!this.look()) this.fail(timedOut(this.events, this.mode, timeout));
    }, timeout);
    // It is the events that keep the process; but of those that a wait for all has, it is attached to one.
    if (this.mode === 'any' || !this.events.some((event) => event.hasRef())) this.#timer.unref();
  }

  /** Ends the wait if it can. */
  look(): boolean {
    let ended: number | undefined;
    try {
      ended = tryEnd(this.events, this.mode);
      if (ended === undefined && this.mode === 'all') this.#attach([oneUnset(this.events)]);
    } catch (error) {
      this.fail(error);
      return true;
    }
    if (ended === undefined) return false;
    this.#leave(this.mode === 'any' ? this.events[ended] : undefined);
    this.#settle.resolve(ended);
    return true;
  }

  fail(error: unknown): void {
    this.#leave();
    this.#settle.reject(error);
  }

  #attach(events: readonly Event[]): void {
    if (events[0] === this.#attached[0]) return;
    const before = this.#attached;
    this.#attached = events;
    for (const event of events) event.attach(this, this.mode === 'any');
    for (const event of before) event.detach(this, false);
  }

  /** `endedBy`: the event that was taken, which the wait has left by that. */
  #leave(endedBy?: Event): void {
    clearTimeout(this.#timer);
    this.signal?.removeEventListener('abort', this.#onAbort);
    for (const event of this.#attached) event.detach(this, event === endedBy);
    this.#attached = [];
  }
}

/** The index of the event that ends a wait before it has begun, which is taken by it; 0 when all do. Undefined when it must wait. */
function tryAtOnce(events: readonly Event[], mode: Mode): number | undefined {
  if (mode === 'all') return takeAll(events.map((event) => event.tokens)) ? 0 : undefined;
  return indexOrNone(events.findIndex((event) => event.tokens.tryTake()));
}

/** The same for a wait that has begun: it has left the event that ended it, and no other. */
function tryEnd(events: readonly Event[], mode: Mode): number | undefined {
  return mode === 'all' ? tryAtOnce(events, mode) : indexOrNone(events.findIndex((event) => event.tokens.tryEndWait()));
}

function indexOrNone(index: number): number | undefined {
  return index < 0 ? undefined : index;
}

/** One that keeps a wait for all from ending. When another process took what was there a moment ago, any will do. */
function oneUnset(events: readonly Event[]): Event {
  return events.find((event) => !event.tokens.mayTake) ?? events[0]!;
}

/** Sleeps until one of them is set, the time is over, or a signal comes. Meanwhile the thread's wait page says on what it waits: no thread, and the event's inode number. */
function sleep(events: readonly Event[], milliseconds: number): void {
  const thread = thisThread();
  const told = channels.wait.hasSubscribers || channels.unwait.hasSubscribers ? { role: 'event', id: 0, events: events.map((event) => event.name) } : undefined;
  if (told !== undefined) channels.wait.publish(told);
  thread.waitPage.publish(0, events[0]!.tokens.inode, 0);
  try {
    withoutPlace(() => waitAnyReadable(pollfdsOf(events.map((event) => event.tokens.fd)), Math.ceil(Math.min(milliseconds, thread.longestSleep))));
  } finally {
    thread.waitPage.withdraw();
    if (told !== undefined) channels.unwait.publish(told);
  }
}

function timedOut(events: readonly Event[], mode: Mode, timeout: number): AlpcError {
  const what = events.length === 1 ? String(events[0]) : `${mode} of ${events.length} events`;
  return new AlpcError('ERR_ALPC_TIMEOUT', `${what}: not set within ${timeout} ms`);
}
