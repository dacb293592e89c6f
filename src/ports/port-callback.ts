/**
 * A port's callback: one function, with a context of its own, that runs as a message arrives. It is a listener of the port's
 * `message` event, and everything that holds for listeners holds for it.
 */
import type { EventEmitter } from 'node:events';
import { checkFunction } from '../base/arguments.js';

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
    this.#listener = callback === undefined ? undefined : (message) => callback(message, context);
    // The new one comes first, so that in between nobody is without: the port would go to rest.
    if (this.#listener !== undefined) this.#emitter.on('message', this.#listener);
    if (before !== undefined) this.#emitter.off('message', before);
  }
}
