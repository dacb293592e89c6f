/**
 * A port's callback: one function, with a context of its own, that runs as a message arrives. It is a listener of the port's
 * `message` event, and what holds for listeners holds for it; but for what it throws: that keeps no listener from the message, and is
 * an uncaught exception by itself.
 *
 * It is never called within itself: a message that is read while it runs (by a blocking call, say) comes after it has returned.
 */
import type { EventEmitter } from 'node:events';
import { checkFunction } from '../base/arguments.js';
import { throwApart } from '../base/uncaught.js';

export class PortCallback<M> {
  readonly #emitter: EventEmitter;
  #listener: ((message: M) => void) | undefined;

  constructor(emitter: object) {
    this.#emitter = emitter as EventEmitter;
  }

  /** Replaces the function; undefined takes it away. */
  set<C>(callback: ((message: M, context: C) => void) | undefined, context: C): void {
    if (callback !== undefined) checkFunction(callback, 'callback');
    const before = this.#listener;
    this.#listener = callback === undefined ? undefined : (message) => call(callback, message, context);
    // The new one comes first, so that in between nobody is without: the port would go to rest.
    if (this.#listener !== undefined) this.#emitter.on('message', this.#listener);
    if (before !== undefined) this.#emitter.off('message', before);
  }
}

function call<M, C>(callback: (message: M, context: C) => void, message: M, context: C): void {
  try {
    callback(message, context);
  } catch (error) {
    throwApart(error);
  }
}
