/**
 * The three ways to take messages from a port, with one meaning: `on('message')`, `for await`, and `receive` with its
 * blocking form. The intake pulls from its source only for somebody who wants a message, so what nobody takes stays in the
 * ring, and the sender feels it. Each message goes to exactly one taker: first to who waits in `receive` or an iterator,
 * in the order of their asking, else to the listeners.
 */
import type { EventEmitter } from 'node:events';
import { performance } from 'node:perf_hooks';
import { checkOptions, checkSignal, checkTimeout } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { AdaptiveSpin } from '../memory/adaptive-spin.js';
import { Fifo } from './fifo.js';

export interface ReceiveOptions {
  /** Milliseconds to wait: 0 looks once, Infinity (the default) waits for as long as it takes. */
  timeout?: number;
  /** Ends the wait; the call rejects with its reason. */
  signal?: AbortSignal;
}

/** Where messages come from. */
export interface Source<M> {
  /** The next message, or undefined. Never waits. */
  take(): M | undefined;
  /** The same for who may let nobody else look: what a bell tells that nobody has heard yet counts too, now and then, and in a last look always. */
  poll(isLast: boolean): M | undefined;
  /** A quick look whether `take` may find something. */
  hasMessages(): boolean;
  /** To how many places that look goes. */
  places(): number;
  /** Somebody wants messages: look on the event loop from now on. */
  demand(): void;
  /** One that it gave, and nobody wants any more: it is the next. */
  keep(message: M): void;
  /** The error for takers when nothing will ever come again; undefined while something may. */
  over(): AlpcError | undefined;
}

/** The listeners of the port's `message` event. */
export interface Listeners<M> {
  emit(message: M): void;
}

interface Taker<M> {
  /** The iterator that it belongs to. */
  readonly iterator?: object;
  give(message: M): void;
  fail(error: Error): void;
}

/** An iterator that ends tells nobody why. */
const OVER = new Error('the iterator has ended');
/** Messages taken in one turn of the event loop, before others get theirs: so many in any case, and more of them while the turn is short. */
const BATCH = 64;
const SHORT_TURN = 0.2;
/** Looks at memory for a next message before the turn ends: one to two microseconds, while it pays. */
const LOOKS = 150;

export class Intake<M> {
  readonly #source: Source<M>;
  readonly #listeners: Listeners<M>;
  #listening = 0;
  readonly #takers = new Fifo<Taker<M>>();
  readonly #looks: AdaptiveSpin;
  #inARow = 0;

  constructor(source: Source<M>, listeners: Listeners<M>, spins: boolean) {
    this.#source = source;
    this.#listeners = listeners;
    this.#looks = new AdaptiveSpin(spins ? LOOKS : 0);
  }

  /** Whether anybody waits for a message. */
  get isWanted(): boolean {
    return this.#listening > 0 || this.#takers.length > 0;
  }

  /** How many listen now. Counted when it changes, and not asked for with every message. */
  set listening(count: number) {
    if (count > this.#listening) this.#source.demand();
    this.#listening = count;
  }

  /** Hands out what there is, as far as a turn may go. Whether there was anything. A listener's exception passes through. */
  deliver(): boolean {
    this.#inARow = 0;
    let end = 0;
    let count = 0;
    while (this.isWanted) {
      // What a spin finds may be no message: then it is the others' turn.
      const message = this.#source.take() ?? (count > 0 && this.#takers.length === 0 && this.#spin() ? this.#source.take() : undefined);
      if (message === undefined) break;
      if (this.#takers.length === 0 && this.#listening > 0) this.#listeners.emit(message); // what #hand does, at less cost
      else this.#hand(message);
      // A turn costs as much as ten messages, a look at the clock as a fifth of one.
      if (++count % BATCH !== 0) continue;
      const now = performance.now();
      if (end === 0) end = now + SHORT_TURN;
      else if (now >= end) break;
    }
    if (this.#takers.length > 0) this.#failIfOver();
    return count > 0;
  }

  tryReceive(): M | undefined {
    return this.#source.poll(false);
  }

  receive(options?: ReceiveOptions): Promise<M> {
    return new Promise((resolve, reject) => {
      const given = checkOptions(options, 'options', ['timeout', 'signal']);
      const timeout = checkTimeout(given.timeout, 'options.timeout');
      const signal = checkSignal(given.signal, 'options.signal');
      signal?.throwIfAborted();
      // A consumer that is always fed must leave the microtask queue now and then, or the event loop starves.
      const message = this.#takers.length === 0 && ++this.#inARow < BATCH ? this.#source.take() : undefined;
      if (message !== undefined) return resolve(message);
      const over = this.#source.over();
      if (over !== undefined) throw over;
      signal?.throwIfAborted(); // by who was called on the way: it does not say so again
      this.#wait(resolve, reject, timeout, signal);
    });
  }

  /** Iterators share the port's messages; one that ends takes nothing with it. */
  iterate(): AsyncIterableIterator<M> {
    let isOver = false;
    const iterator: AsyncIterableIterator<M> = {
      next: () => (isOver ? Promise.resolve({ done: true, value: undefined }) : this.#next(iterator)),
      return: () => {
        isOver = true;
        for (const taker of this.#takers.removeAll((one) => one.iterator === iterator)) taker.fail(OVER);
        return Promise.resolve({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /** Nothing will come any more: whoever waits is told. */
  end(makeError: () => AlpcError): void {
    for (const taker of this.#takers.clear()) taker.fail(makeError());
  }

  /** For who asked first, or for the listeners; none of them may be left, for whoever was called while it was read could end them. */
  #hand(message: M): void {
    const taker = this.#takers.shift();
    if (taker !== undefined) taker.give(message);
    else if (this.#listening > 0) this.#listeners.emit(message);
    else this.#source.keep(message);
  }

  #next(iterator: object): Promise<IteratorResult<M>> {
    if (this.#takers.length === 0) {
      if (++this.#inARow < BATCH) {
        let message = this.#source.take();
        if (message === undefined && this.#inARow > 1 && this.#spin()) message = this.#source.take();
        if (message !== undefined) return Promise.resolve({ done: false, value: message });
      }
      if (this.#source.over() !== undefined && !this.#source.hasMessages()) return Promise.resolve({ done: true, value: undefined });
    }
    return new Promise((resolve) => {
      this.#takers.push({ iterator, give: (value) => resolve({ done: false, value }), fail: () => resolve({ done: true, value: undefined }) });
      this.#source.demand();
    });
  }

  #wait(resolve: (message: M) => void, reject: (error: unknown) => void, timeout: number, signal: AbortSignal | undefined): void {
    let timer: NodeJS.Timeout | undefined;
    const settle = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    const taker: Taker<M> = {
      give: (message) => { settle(); resolve(message); },
      fail: (error) => { settle(); reject(error); },
    };
    const giveUp = (error: Error): void => {
      this.#takers.remove(taker);
      taker.fail(error);
    };
    const onAbort = (): void => giveUp(signal!.reason as Error);
    const onTimeout = (): void => {
      let message: M | undefined;
      try {
        if (this.#takers.peek() === taker) message = this.#source.poll(true); // what is there when the time is over wins
      } finally {
        // Also when a callback threw that was read on the way: that is no reason for this one to wait on.
        if (message === undefined) giveUp(noMessage(timeout));
        else if (this.#takers.remove(taker)) taker.give(message);
        else this.#hand(message);
      }
    };
    if (timeout !== Infinity) timer = setTimeout(onTimeout, timeout).unref(); // it is the port that keeps the process
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#takers.push(taker);
    this.#source.demand();
  }

  /** Looks for a while; true when a message may be there. */
  #spin(): boolean {
    const budget = this.#looks.next(this.#source.places());
    for (let i = 0; i < budget; i++) {
      if (this.#source.hasMessages()) {
        this.#looks.paid();
        return true;
      }
    }
    if (budget > 0) this.#looks.wasted();
    return false;
  }

  #failIfOver(): void {
    const over = this.#source.over();
    if (over !== undefined && !this.#source.hasMessages()) this.end(() => over);
  }
}

export function noMessage(timeout: number): AlpcError {
  return new AlpcError('ERR_ALPC_TIMEOUT', `no message came within ${timeout} ms`);
}

/** Tells `intake` how many listen to the emitter's `message` event, now and whenever it changes, also after somebody has removed all listeners there are. */
export function countListeners<M>(emitter: object, intake: Intake<M>): void {
  const events = emitter as EventEmitter;
  // A new listener is told before it is added, a removed one after it is gone.
  const onNew = (event: string | symbol): void => {
    if (event === 'message') intake.listening = events.listenerCount('message') + 1;
  };
  const onRemoved = (event: string | symbol): void => {
    if (event === 'message') intake.listening = events.listenerCount('message');
  };
  const count = (): void => {
    if (!events.listeners('newListener').includes(onNew)) events.on('newListener', onNew);
    if (!events.listeners('removeListener').includes(onRemoved)) events.on('removeListener', onRemoved);
    intake.listening = events.listenerCount('message');
  };
  count();
  // These two are among all listeners.
  const removeAll = events.removeAllListeners.bind(events) as (...event: unknown[]) => void;
  const value = (...event: unknown[]): EventEmitter => {
    removeAll(...event);
    count();
    return events;
  };
  Object.defineProperty(events, 'removeAllListeners', { value, configurable: true, writable: true });
}
