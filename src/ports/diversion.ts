/**
 * Who takes a port's messages in place of its receivers: a completion list, a completion port. Such a consumer has the port's
 * messages first; what it leaves is the *ordinary queue*, which `receive`, `on('message')` and their kin are given as ever.
 *
 * A consumer that is not wanted costs nothing: no doorbell is armed for it, nobody is told, the messages lie in memory until it
 * looks. When it lets go, what it had taken and not handed out comes first in the ordinary queue: nothing is lost or doubled.
 */
import { AlpcError } from '../base/errors.js';
import { Fifo } from './fifo.js';

export interface Consumer<M> {
  /** Whether it wants to be told of arrivals: then the port is looked at on the event loop, and its doorbells are armed when that rests. */
  wants(): boolean;
  /** Something may be there. Whether it did anything with it. */
  arrived(): boolean;
  /** The next message that it leaves to the port's receivers. */
  takeOrdinary(): M | undefined;
  /** A quick look whether `takeOrdinary` may find something. */
  hasOrdinary(): boolean;
  /** The port is closed. */
  over(): void;
  /** It takes messages on the port's event loop alone: whoever blocks that waits for what can't come. */
  readonly needsLoop: boolean;
}

/** What a port offers to its consumer. */
export interface Feed<M> {
  /** The next message, in turn over all connections. No system call, but the bell of a sender that waits for room. */
  take(): M | undefined;
  /** Some of the next messages, `max` at most, to the end of `messages`: many at a time cost less. How many there were; 0 when there are none. */
  takeSome(messages: M[], max: number): number;
  hasMessages(): boolean;
  /** From now on messages are seen by `take` alone: no connection rings for them any more. */
  attend(): void;
  /** It is wanted now, or has left something to the receivers: look on the event loop. */
  demand(): void;
  /** Lets go of the port. */
  release(leftovers: Iterable<M>): void;
}

/** A port that may have a consumer. */
export interface Divertible<M> {
  divert(consumer: Consumer<M>): Feed<M>;
  toString(): string;
}

/** The messages' way through a port that had, or has, a consumer. */
export class Diversion<M> {
  #consumer: Consumer<M> | undefined;
  readonly #left = new Fifo<M>();

  get isWanted(): boolean {
    return this.#consumer?.wants() === true;
  }

  /** Whether the consumer is fed by the port's event loop, which must not be blocked. */
  get needsLoop(): boolean {
    return this.#consumer?.needsLoop === true;
  }

  /** @throws AlpcError ERR_ALPC_ALREADY_SET */
  begin(consumer: Consumer<M>, port: string): void {
    if (this.#consumer !== undefined) throw new AlpcError('ERR_ALPC_ALREADY_SET', `${port}: it has a completion list or a completion port already`);
    this.#consumer = consumer;
  }

  end(leftovers: Iterable<M>): void {
    this.#consumer = undefined;
    for (const message of leftovers) this.#left.push(message);
  }

  /** One that was taken for a receiver who gave up meanwhile: it is the next. */
  keep(message: M): void {
    this.#left.unshift(message);
  }

  arrived(): boolean {
    return this.#consumer?.wants() === true && this.#consumer.arrived();
  }

  /** For the port's receivers; `source` is where messages come from when nobody diverts them. */
  take(source: { take(): M | undefined }): M | undefined {
    return this.#left.shift() ?? (this.#consumer === undefined ? source.take() : this.#consumer.takeOrdinary());
  }

  has(source: { hasMessages(): boolean }): boolean {
    return this.#left.length > 0 || (this.#consumer === undefined ? source.hasMessages() : this.#consumer.hasOrdinary());
  }

  over(): void {
    this.#consumer?.over();
    this.#left.clear();
  }
}

/** For who would block the event loop that alone feeds the port's consumer. */
export function blocksItsConsumer(port: string): AlpcError {
  return new AlpcError('ERR_ALPC_DEADLOCK', `${port}: it feeds a completion port, and a blocked thread could not; use receive or on('message') here, or dequeueSync in another thread`);
}
