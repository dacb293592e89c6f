/** Those who wait for one thing on the event loop, in the order of their asking: each is released, or gives up by its timeout or signal. */
import { Fifo } from '../ports/fifo.js';

interface Waiter {
  release(): void;
  fail(error: Error): void;
}

export class Waiters {
  readonly #waiting = new Fifo<Waiter>();
  readonly #onNone: () => void;

  /** `onNone` is told when nobody waits any more. */
  constructor(onNone: () => void) {
    this.#onNone = onNone;
  }

  get count(): number {
    return this.#waiting.length;
  }

  wait(timeout: number, signal: AbortSignal | undefined, timedOut: () => Error): Promise<void> {
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const settle = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        if (this.#waiting.length === 0) this.#onNone();
      };
      const waiter: Waiter = {
        release: () => { settle(); resolve(); },
        fail: (error) => { settle(); reject(error); },
      };
      const giveUp = (error: Error): void => {
        this.#waiting.remove(waiter);
        waiter.fail(error);
      };
      const onAbort = (): void => giveUp(signal!.reason as Error);
      if (timeout !== Infinity) timer = setTimeout(() => giveUp(timedOut()), timeout).unref(); // it is the port that keeps the process
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiter);
    });
  }

  /** Releases the first. False when nobody waits. */
  release(): boolean {
    const first = this.#waiting.shift();
    first?.release();
    return first !== undefined;
  }

  failAll(makeError: () => Error): void {
    for (const waiter of this.#waiting.clear()) waiter.fail(makeError());
  }
}
