/** The types of a client, inferred from its interface. */
import type { Binding } from './binding.js';
import type { CallMethod, Methods, OneWayMethod, StreamMethod } from './interface.js';
import type { InputOf, OutputOf, Schema } from './schema.js';

export interface SyncCallOptions {
  /** Milliseconds until the call fails with ERR_ALPC_TIMEOUT; the handler is told, too. As long as the server lives by default. */
  timeout?: number;
}

export interface CallOptions extends SyncCallOptions {
  /** Ends the call: it rejects with the signal's reason, and the handler's signal aborts. */
  signal?: AbortSignal;
}

export interface StreamOptions extends CallOptions {}

export interface ItemsOptions<Item> extends StreamOptions {
  /** What to send: asked for an item whenever the server has room for one. */
  items: Iterable<Item> | AsyncIterable<Item>;
}

/** An input that may be left out is left out. */
type WithInput<Input, Options> = undefined extends Input ? [input?: Input, options?: Options] : void extends Input ? [input?: undefined, options?: Options] : [input: Input, options?: Options];
type WithInputAndItems<Input, Options> = [input: Input extends void ? undefined : Input, options: Options];

export interface ClientCall<Input, Output> {
  (...args: WithInput<Input, CallOptions>): Promise<Output>;
  /** Blocks this thread until the answer is there. */
  sync(...args: WithInput<Input, SyncCallOptions>): Output;
}

export interface ClientOneWay<Input> {
  /** Resolves when it is in the server's reach. */
  (...args: WithInput<Input, CallOptions>): Promise<void>;
  /** Blocks this thread while there is no room. */
  sync(...args: WithInput<Input, SyncCallOptions>): void;
}

export type ClientMethod<M> =
  M extends CallMethod<infer I, infer O> ? ClientCall<InputOf<I>, OutputOf<O>>
  : M extends OneWayMethod<infer I> ? ClientOneWay<InputOf<I>>
  : M extends StreamMethod<infer I, infer O, infer S> ? (...args: S extends Schema ? WithInputAndItems<InputOf<I>, ItemsOptions<InputOf<S>>> : WithInput<InputOf<I>, StreamOptions>) => AsyncIterableIterator<OutputOf<O>, undefined>
  : never;

/** What `bind` gives: the interface's methods as functions, and an end. */
export type Client<M extends Methods> = { readonly [K in keyof M]: ClientMethod<M[K]> } & {
  /** The connection behind it: its state, its events. */
  readonly binding: Binding;
  /** Ends it; outstanding calls reject. Never waits. */
  close(): void;
  [Symbol.dispose](): void;
  [Symbol.asyncDispose](): Promise<void>;
};
