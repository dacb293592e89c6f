/** What a handler knows of the call that it serves: who calls, until when it is waited for, and what it may do meanwhile. */
import { performance } from 'node:perf_hooks';
import { AlpcError } from '../base/errors.js';
import type { PeerIdentity } from '../ports/index.js';
import type { ContextHandle } from './context-handle.js';
import type { Client } from './client-types.js';
import type { Interface, Methods } from './interface.js';

/** Who stands behind a context: a conversation on the event loop, or a thread of a pool. */
export interface ContextHost {
  readonly caller: PeerIdentity;
  openHandle(owner: object, state: unknown, rundown: ((state: never) => unknown) | undefined): ContextHandle;
  useHandle(owner: object, handle: unknown): unknown;
  closeHandle(owner: object, handle: unknown): unknown;
  callback<M extends Methods>(of: Interface<M>): Promise<Client<M>>;
  callbackSync<M extends Methods>(of: Interface<M>): Client<M>;
}

export class CallContext {
  readonly #host: ContextHost;
  readonly #owner: object;
  readonly #gaveUp: () => AbortSignal;
  #signal: AbortSignal | undefined;
  /** When the caller stops waiting, on the clock of `performance.now()`; Infinity when it waits for as long as it takes. */
  readonly deadline: number;

  /** Engine room. `gaveUp` is asked for a signal when the handler wants one: most do not. */
  constructor(host: ContextHost, owner: object, timeout: number, gaveUp: () => AbortSignal) {
    this.#host = host;
    this.#owner = owner;
    this.#gaveUp = gaveUp;
    this.deadline = timeout === Infinity ? Infinity : performance.now() + timeout;
  }

  /** Who calls, as the kernel says. */
  get caller(): PeerIdentity {
    return this.#host.caller;
  }

  /** Aborts when the caller gives up, when its time is over, or when it is gone: hand it to whatever works on the answer. */
  get signal(): AbortSignal {
    if (this.#signal === undefined) {
      const signal = this.#gaveUp();
      this.#signal = this.deadline === Infinity ? signal : AbortSignal.any([signal, AbortSignal.timeout(Math.ceil(this.timeLeft))]);
    }
    return this.#signal;
  }

  /** Milliseconds until the deadline, at least 0: the `timeout` of calls that this call needs. */
  get timeLeft(): number {
    return this.deadline === Infinity ? Infinity : Math.max(0, this.deadline - performance.now());
  }

  /** Throws when nobody waits for the answer any more; for handlers that work in steps. @throws the signal's reason */
  throwIfGivenUp(): void {
    this.signal.throwIfAborted();
  }

  /**
   * Gives the caller a context handle for a state that is kept here. When its connection ends, however it ends, `rundown` is called
   * once with the state, unless the handle has been closed. @throws AlpcError ERR_ALPC_QUOTA_EXCEEDED
   */
  openHandle<State>(state: State, rundown?: (state: State) => unknown): ContextHandle {
    return this.#host.openHandle(this.#owner, state, rundown);
  }

  /** The state behind a handle. @throws AlpcError ERR_ALPC_CONTEXT_MISMATCH: not from this interface, not this client's, or closed */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows what it put there
  handle<State>(handle: ContextHandle): State {
    return this.#host.useHandle(this.#owner, handle) as State;
  }

  /** Closes a handle without its rundown; the state. @throws as `handle` */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- as above
  closeHandle<State>(handle: ContextHandle): State {
    return this.#host.closeHandle(this.#owner, handle) as State;
  }

  /**
   * A client for an interface that the caller offers (`callbacks` of its `bind`), good for as long as its connection: also after this call,
   * and also while the caller blocks in it. @throws AlpcError (as rejections) ERR_ALPC_UNKNOWN_INTERFACE when it does not offer it
   */
  callback<M extends Methods>(of: Interface<M>): Promise<Client<M>> {
    return this.#host.callback(of);
  }

  /** As `callback`, but blocks this thread while it binds for the first time. */
  callbackSync<M extends Methods>(of: Interface<M>): Client<M> {
    return this.#host.callbackSync(of);
  }
}

/** A handler asks for what its place can't do: told to its caller as it is. */
export class NotHere extends AlpcError {
  constructor(what: string, instead: string) {
    super('ERR_ALPC_INVALID_ARGUMENT', `${what} are not for this handler, in a thread pool: the connection is another thread's. ${instead}`);
  }
}
