/**
 * Waiting for a region of a section to come free. Who has received views tells in shared memory what it is done with, and rings only when
 * this side said that it waits: so every connection that holds a view of the section is asked, and armed before a sleep.
 *
 * Who asked first is served first. So a thread that blocks behind calls of its own event loop, which stands still meanwhile, looks after them: what
 * comes free is theirs, and whose time is over waits no more.
 */
import { checkOptions, checkSignal, checkTimeout } from '../base/arguments.js';
import { type Deadline, deadlineAfter, isOver, timeLeft } from '../base/deadline.js';
import { AlpcError } from '../base/errors.js';
import { pollfdsOf, waitAnyReadable, YIELD_EVERY, yieldProcessor } from '../platform/poller.js';
import { AdaptiveSpin } from './adaptive-spin.js';
import { withoutPlace } from './place.js';

/** A connection through which views were sent. */
export interface ReleaseSource {
  /** Takes note of what the peer released. Whether there was anything. */
  collect(): boolean;
  /** A quick look whether `collect` may find something. */
  hasNews(): boolean;
  /** So many more waits of this thread's event loop depend on it. */
  expect(change: number): void;
  /** Prepares the doorbell for a sleep. False: something is there already. */
  arm(): boolean;
  /** Awake again: the socket is read, the event loop goes on. */
  awake(): void;
  readonly socket: number;
  /** Only this thread could release anything there, and not while it blocks. */
  readonly isOfThisThread: boolean;
  /** The most looks at memory before a sleep. */
  readonly looks: number;
}

export interface RegionWaitOptions {
  /** Milliseconds; Infinity by default. */
  timeout?: number;
  signal?: AbortSignal;
}

interface Waiter<V> {
  readonly deadline: Deadline;
  attempt(): V | undefined;
  give(view: V): void;
  fail(error: Error): void;
  readonly timeOut: () => void;
}

/** A sleep is not longer: what a worker's thread sleeps in can't be ended. In ms. */
const LONGEST_SLEEP = 250;

export class RegionWaits<V> {
  readonly #what: string;
  /** How many views each has. */
  readonly #sources = new Map<ReleaseSource, number>();
  readonly #waiters: Waiter<V>[] = [];
  #looks = new AdaptiveSpin(0);
  #serving = false;

  constructor(what: string) {
    this.#what = what;
  }

  /** Whether somebody waits already, and comes first. */
  get isWaitedFor(): boolean {
    return this.#waiters.length > 0;
  }

  add(source: ReleaseSource): void {
    const count = this.#sources.get(source) ?? 0;
    this.#sources.set(source, count + 1);
    if (count === 0 && this.isWaitedFor) source.expect(1);
  }

  remove(source: ReleaseSource): void {
    const count = this.#sources.get(source) ?? 0;
    if (count > 1) this.#sources.set(source, count - 1);
    else if (this.#sources.delete(source) && this.isWaitedFor) source.expect(-1);
  }

  /** Takes note of what all of them released. */
  collect(): boolean {
    let any = false;
    for (const source of Array.from(this.#sources.keys())) if (source.collect()) any = true;
    return any;
  }

  /** Something has come free: whoever waits has it, in their order. */
  serve(): void {
    if (this.#serving) return; // what an attempt finds out is part of it
    this.#serving = true;
    try {
      this.#serveAll();
    } finally {
      this.#serving = false;
    }
  }

  wait(options: RegionWaitOptions | undefined, attempt: () => V | undefined): Promise<V> {
    return new Promise((resolve, reject) => {
      const given = checkOptions(options, 'options', ['timeout', 'signal']);
      const timeout = checkTimeout(given.timeout, 'options.timeout');
      const signal = checkSignal(given.signal, 'options.signal');
      signal?.throwIfAborted();
      const view = this.isWaitedFor ? undefined : attempt();
      if (view !== undefined) return resolve(view);
      let timer: NodeJS.Timeout | undefined;
      const settle = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      };
      const waiter: Waiter<V> = {
        deadline: deadlineAfter(timeout),
        attempt,
        give: (given) => { settle(); resolve(given); },
        fail: (error) => { settle(); reject(error); },
        timeOut: () => {
          this.collect();
          this.serve(); // what is there when the time is over wins
          if (this.#waiters.includes(waiter)) giveUp(this.#timedOut(timeout));
        },
      };
      const giveUp = (error: Error): void => {
        this.#leave(waiter);
        waiter.fail(error);
        this.serve(); // those behind it may want less
      };
      const onAbort = (): void => giveUp(signal!.reason as Error);
      if (timeout !== Infinity) timer = setTimeout(waiter.timeOut, timeout).unref(); // it is the port that keeps the process
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiters.push(waiter);
      if (this.#waiters.length === 1) for (const source of this.#sources.keys()) source.expect(1);
    });
  }

  block(timeout: number, attempt: () => V | undefined): V {
    const deadline = deadlineAfter(timeout);
    let budget = this.#nextBudget();
    for (let looks = budget; ; ) {
      if (this.isWaitedFor) this.#lookAfterWaiters();
      const view = this.isWaitedFor ? undefined : attempt();
      if (view !== undefined) {
        if (looks > 0 && looks < budget) this.#looks.paid();
        return view;
      }
      while (looks > 0 && !this.#hasNews()) if ((--looks & YIELD_EVERY) === 0) yieldProcessor();
      if (looks > 0) {
        looks >>= 1;
        continue;
      }
      if (budget > 0) this.#looks.wasted();
      budget = 0;
      const left = timeLeft(deadline);
      if (left <= 0) throw this.#timedOut(timeout);
      this.#sleep(Math.ceil(Math.min(left, LONGEST_SLEEP)));
    }
  }

  end(error: Error): void {
    for (const waiter of Array.from(this.#waiters)) {
      this.#leave(waiter);
      waiter.fail(error);
    }
  }

  #serveAll(): void {
    for (let waiter = this.#waiters[0]; waiter !== undefined; waiter = this.#waiters[0]) {
      let view: V | undefined;
      try {
        view = waiter.attempt();
      } catch (error) {
        this.#leave(waiter);
        waiter.fail(error as Error);
        continue;
      }
      if (view === undefined && this.#waiters[0] === waiter) return; // else it gave up meanwhile
      if (view === undefined) continue;
      this.#leave(waiter);
      waiter.give(view);
    }
  }

  /** The event loop is blocked, and they were here before whoever blocks it. What is there when the time is over wins. */
  #lookAfterWaiters(): void {
    this.collect();
    this.serve();
    for (const waiter of Array.from(this.#waiters)) if (isOver(waiter.deadline)) waiter.timeOut();
  }

  /** How long to look at memory: as the port does whose views these are. */
  #nextBudget(): number {
    const most = Math.max(0, ...Array.from(this.#sources.keys(), ({ looks }) => looks));
    if (most !== this.#looks.max) this.#looks = new AdaptiveSpin(most);
    return this.#looks.next();
  }

  #hasNews(): boolean {
    for (const source of this.#sources.keys()) if (source.hasNews()) return true;
    return false;
  }

  #sleep(milliseconds: number): void {
    const sources = Array.from(this.#sources.keys()).filter(({ isOfThisThread }) => !isOfThisThread);
    if (sources.length === 0) throw new AlpcError('ERR_ALPC_DEADLOCK', `${this.#what}: nobody but this thread has a view of it, so none will come free while it blocks`);
    const armed = sources.filter((source) => source.arm());
    if (armed.length === sources.length) withoutPlace(() => waitAnyReadable(pollfdsOf(sources.map(({ socket }) => socket)), milliseconds));
    for (const source of sources) source.awake();
  }

  #leave(waiter: Waiter<V>): void {
    const at = this.#waiters.indexOf(waiter);
    if (at < 0) return;
    this.#waiters.splice(at, 1);
    if (this.#waiters.length === 0) for (const source of this.#sources.keys()) source.expect(-1);
  }

  #timedOut(timeout: number): AlpcError {
    return new AlpcError('ERR_ALPC_TIMEOUT', `${this.#what}: no room came free within ${timeout} ms`);
  }
}
