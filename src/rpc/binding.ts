/**
 * A binding: a client's hold on an interface of a server, over one connection, or over one after the other if it may reconnect. It makes the
 * functions that stand for the interface's methods.
 *
 * What becomes of a call when the connection is gone: one that was not sent is sent over the next connection, or fails with
 * ERR_ALPC_NOT_EXECUTED. One that was sent and not answered may have been executed: it fails with ERR_ALPC_MESSAGE_LOST (the server died) or
 * ERR_ALPC_DISCONNECTED (it closed), unless its method is `idempotent`.
 */
import { EventEmitter } from 'node:events';
import { type Deadline, deadlineAfter, timeLeft } from '../base/deadline.js';
import { AlpcError } from '../base/errors.js';
import { pause as sleep } from '../platform/poller.js';
import type { PeerIdentity } from '../ports/index.js';
import type { ReceivingPort } from '../ports/receiving-port.js';
import type { Bound, BoundMethod } from './calling.js';
import type { CallOptions, Client, ItemsOptions, SyncCallOptions } from './client-types.js';
import type { Conversation } from './conversation.js';
import type { Inflow } from './inflow.js';
import type { Interface, Methods } from './interface.js';

export type BindingState = 'open' | 'interrupted' | 'gone' | 'closed';

export interface BindingEvents {
  /** The connection has ended, and another is sought. */
  interrupted: [error: Error];
  reconnected: [];
  /** There is no connection, and none is sought any more. */
  gone: [error: Error];
}

/** A connection on which the interface has been bound. */
export interface Connected {
  readonly conversation: Conversation;
  readonly bound: Bound;
  close(): void;
}

/** How another connection is made. */
export interface Connector {
  /** Milliseconds to try for. */
  readonly timeout: number;
  readonly connect: (timeout: number) => Promise<Connected>;
  readonly connectSync: (timeout: number) => Connected;
}

const FIRST_PAUSE = 10;
const LONGEST_PAUSE = 1000;
/** A thread that sleeps in a system call can't be terminated. */
const LONGEST_SLEEP = 250;
/** Errors that another try will not change. */
const FINAL = new Set(['ERR_ALPC_ACCESS_DENIED', 'ERR_ALPC_SERVER_MISMATCH', 'ERR_ALPC_UNKNOWN_INTERFACE', 'ERR_ALPC_INVALID_ARGUMENT', 'ERR_ALPC_NAME_INVALID', 'ERR_ALPC_OBJECT_TYPE_MISMATCH', 'ERR_ALPC_PROTOCOL']);

export class Binding extends EventEmitter<BindingEvents> {
  readonly interface: Interface;
  readonly #connector: Connector | undefined;
  #connected: Connected;
  #state: BindingState = 'open';
  #reconnecting: Promise<void> | undefined;
  #why: Error | undefined;
  #pause: { timer: NodeJS.Timeout; end: () => void } | undefined;
  #isReferenced = true;

  /** Engine room: made by `bind`. Without a connector it does not reconnect. */
  constructor(of: Interface, connected: Connected, connector?: Connector) {
    super();
    this.interface = of;
    this.#connected = connected;
    this.#connector = connector;
  }

  get state(): BindingState {
    return this.#state;
  }

  /** Who is at the other end, as the kernel says; of the last connection, while there is none. */
  get peer(): PeerIdentity {
    return this.#connected.conversation.port.peer;
  }

  /** Whether the other side has a method, and it is of this kind. */
  has(method: string): boolean {
    return (this.#connected.bound.get(method)?.procedure ?? -1) >= 0;
  }

  /** Keeps the process alive while it is open: the default. */
  ref(): this {
    return this.#reference(true);
  }

  unref(): this {
    return this.#reference(false);
  }

  /** Ends it: outstanding calls reject. Never waits. */
  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#pause?.end();
    this.#connected.close();
  }

  override toString(): string {
    return `binding to ${this.interface} (${this.#state})`;
  }

  // ---- engine room: calls ------------------------------------------------------------------------------------------

  call(name: string, input: unknown, options?: CallOptions): Promise<unknown> {
    const { conversation, bound } = this.#connected;
    if (conversation.port.closed) return this.#callLater(name, input, options, deadlineOf(options));
    const method = bound.get(name)!;
    if (this.#connector === undefined || !isIdempotent(method)) return conversation.calling.call(method, input, options);
    const deadline = deadlineOf(options);
    return conversation.calling.call(method, input, options).catch((error: unknown) => (isLoss(error) ? this.#callLater(name, input, options, deadline) : Promise.reject(error as Error)));
  }

  callSync(name: string, input: unknown, options?: SyncCallOptions): unknown {
    const { conversation, bound } = this.#connected;
    const deadline = deadlineOf(options);
    if (conversation.port.closed) return this.#callLaterSync(name, input, options, deadline);
    const method = bound.get(name)!;
    try {
      return conversation.calling.callSync(method, input, options);
    } catch (error) {
      if (this.#connector === undefined || !isIdempotent(method) || !isLoss(error)) throw error;
      return this.#callLaterSync(name, input, options, deadline);
    }
  }

  async oneWay(name: string, input: unknown, options?: CallOptions): Promise<void> {
    if (this.#connected.conversation.port.closed) await this.#restore(deadlineOf(options), options?.signal);
    return this.#connected.conversation.calling.oneWay(this.#connected.bound.get(name)!, input, options);
  }

  oneWaySync(name: string, input: unknown, options?: SyncCallOptions): void {
    if (this.#connected.conversation.port.closed) this.#restoreSync(deadlineOf(options));
    this.#connected.conversation.calling.oneWaySync(this.#connected.bound.get(name)!, input, options);
  }

  stream(name: string, input: unknown, options?: Partial<ItemsOptions<unknown>>): Inflow {
    const { conversation, bound } = this.#connected;
    if (conversation.port.closed) {
      this.interrupt();
      throw this.#notExecuted();
    }
    return conversation.calling.stream(bound.get(name)!, input, options);
  }

  // ---- engine room: connections ------------------------------------------------------------------------------------

  /** The connection has ended; said by its port, or found out by a call. */
  interrupt(): void {
    if (this.#state !== 'open' || !this.#connected.conversation.port.closed) return;
    this.#why = new AlpcError('ERR_ALPC_DISCONNECTED', `${this.#connected.conversation.port}: the connection has ended`);
    if (this.#connector === undefined) return this.#give(this.#why);
    this.#state = 'interrupted';
    this.emit('interrupted', this.#why);
    this.#reconnecting = this.#reconnect(this.#connector);
  }

  async #reconnect({ timeout, connect }: Connector): Promise<void> {
    const deadline = deadlineAfter(timeout);
    for (let pause = FIRST_PAUSE; this.#state === 'interrupted'; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      try {
        const connected = await connect(timeLeft(deadline));
        if (this.#state === 'interrupted') this.#adopt(connected); // oxlint-disable-line typescript/no-unnecessary-condition -- it changes meanwhile
        else connected.close();
        return;
      } catch (error) {
        this.#why = error as Error;
        if (isFinal(error) || timeLeft(deadline) <= 0) return this.#give(error as Error);
      }
      await this.#sleep(Math.min(pause, timeLeft(deadline)));
    }
  }

  #adopt(connected: Connected): void {
    this.#connected = connected;
    this.#state = 'open';
    if (!this.#isReferenced) this.#reference(false);
    this.emit('reconnected');
  }

  #give(error: Error): void {
    if (this.#state === 'closed' || this.#state === 'gone') return;
    this.#state = 'gone';
    this.#why = error;
    this.emit('gone', error);
  }

  /** Resolves when there is a connection. */
  async #restore(deadline: number, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    this.interrupt();
    if (this.#state === 'interrupted') await withBounds(this.#reconnecting!, deadline, signal);
    if (this.#state !== 'open') throw this.#notExecuted();
  }

  #restoreSync(deadline: number): void {
    this.interrupt();
    if (this.#state === 'open') return;
    if (this.#state !== 'interrupted') throw this.#notExecuted();
    const { timeout, connectSync } = this.#connector!;
    const end = Math.min(deadline, deadlineAfter(timeout));
    for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      try {
        return this.#adopt(connectSync(timeLeft(end)));
      } catch (error) {
        this.#why = error as Error;
        if (isFinal(error)) this.#give(error as Error);
        if (isFinal(error) || timeLeft(end) <= 0) throw this.#notExecuted();
      }
      sleep(Math.ceil(Math.min(pause, LONGEST_SLEEP, timeLeft(end))));
    }
  }

  async #callLater(name: string, input: unknown, options: CallOptions | undefined, deadline: Deadline): Promise<unknown> {
    for (;;) {
      await this.#restore(deadline, options?.signal);
      const { conversation, bound } = this.#connected;
      const method = bound.get(name)!;
      try {
        return await conversation.calling.call(method, input, withTimeLeft(options, deadline));
      } catch (error) {
        if (!isIdempotent(method) || !isLoss(error)) throw error;
      }
    }
  }

  #callLaterSync(name: string, input: unknown, options: SyncCallOptions | undefined, deadline: Deadline): unknown {
    for (;;) {
      this.#restoreSync(deadline);
      const { conversation, bound } = this.#connected;
      const method = bound.get(name)!;
      try {
        return conversation.calling.callSync(method, input, withTimeLeft(options, deadline));
      } catch (error) {
        if (!isIdempotent(method) || !isLoss(error)) throw error;
      }
    }
  }

  #notExecuted(): AlpcError {
    const text = { open: 'there is no connection', interrupted: 'the connection is interrupted', gone: 'the connection is gone', closed: 'it has been closed' }[this.#state];
    return new AlpcError(this.#state === 'closed' ? 'ERR_ALPC_CLOSED' : 'ERR_ALPC_NOT_EXECUTED', `${this}: ${text}; the call was not sent`, { cause: this.#why });
  }

  #sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#pause = undefined;
        resolve();
      };
      const timer = setTimeout(end, milliseconds);
      if (!this.#isReferenced) timer.unref();
      this.#pause = { timer, end };
    });
  }

  #reference(isReferenced: boolean): this {
    this.#isReferenced = isReferenced;
    const port = this.#connected.conversation.port as Partial<Pick<ReceivingPort, 'ref' | 'unref'>>;
    if (isReferenced) {
      port.ref?.();
      this.#pause?.timer.ref();
    } else {
      port.unref?.();
      this.#pause?.timer.unref();
    }
    return this;
  }
}

/** The functions of an interface. */
export function clientOf<M extends Methods>(of: Interface<M>, binding: Binding): Client<M> {
  const close = (): void => binding.close();
  const client: Record<PropertyKey, unknown> = {
    binding,
    close,
    [Symbol.dispose]: close,
    [Symbol.asyncDispose]: () => {
      close();
      return Promise.resolve();
    },
  };
  for (const [name, { kind }] of Object.entries(of.methods)) {
    if (kind === 'stream') client[name] = (input: unknown, options?: Partial<ItemsOptions<unknown>>) => binding.stream(name, input, options);
    else if (kind === 'one-way') {
      client[name] = Object.assign((input: unknown, options?: CallOptions) => binding.oneWay(name, input, options), { sync: (input: unknown, options?: SyncCallOptions) => binding.oneWaySync(name, input, options) });
    } else {
      client[name] = Object.assign((input: unknown, options?: CallOptions) => binding.call(name, input, options), { sync: (input: unknown, options?: SyncCallOptions) => binding.callSync(name, input, options) });
    }
  }
  return client as Client<M>;
}

/** A client of what the other side of a connection offers; it lives as long as the connection, which is somebody else's. */
export function callbackClient<M extends Methods>(conversation: Conversation, of: Interface<M>): Client<M> {
  const bound = conversation.calling.boundOf(of)!;
  return clientOf(of, new Binding(of as Interface, { conversation, bound, close: () => {} }));
}

function isIdempotent({ method }: BoundMethod): boolean {
  return method.kind === 'call' && method.idempotent;
}

/** The connection went while a call was outstanding. */
function isLoss(error: unknown): boolean {
  return AlpcError.is(error) && (error.code === 'ERR_ALPC_MESSAGE_LOST' || error.code === 'ERR_ALPC_DISCONNECTED');
}

function isFinal(error: unknown): boolean {
  return !AlpcError.is(error) || FINAL.has(error.code);
}

function deadlineOf(options: SyncCallOptions | undefined): Deadline {
  return deadlineAfter(options?.timeout ?? Infinity);
}

function withTimeLeft<O extends SyncCallOptions>(options: O | undefined, deadline: number): O | undefined {
  return options === undefined || deadline === Infinity ? options : { ...options, timeout: timeLeft(deadline) };
}

/** Waits for a promise that others wait for, too; not longer than the deadline, nor beyond the signal. */
function withBounds(promise: Promise<void>, deadline: number, signal: AbortSignal | undefined): Promise<void> {
  if (deadline === Infinity && signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const timer = deadline === Infinity ? undefined : setTimeout(settle, timeLeft(deadline));
    function settle(): void {
      clearTimeout(timer);
      signal?.removeEventListener('abort', settle);
      if (signal?.aborted === true) reject(signal.reason as Error);
      else resolve();
    }
    signal?.addEventListener('abort', settle, { once: true });
    void promise.then(settle);
  });
}
