/**
 * What a side offers to be called: interfaces with their handlers. An offer is made by `implement`; a table of offers numbers their methods
 * one after the other, so that every thread that has the same offers has the same numbers.
 */
import { checkFunction, checkOptions, invalidArgument } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { isListOf } from '../base/untrusted.js';
import { ThreadPool } from '../notification/index.js';
import type { PeerIdentity } from '../ports/index.js';
import type { CallContext } from './call-context.js';
import { type CallMethod, checksOf, Interface, isCompatible, type Method, type MethodChecks, type Methods, type OneWayMethod, type StreamMethod } from './interface.js';
import { PoolRelay } from './pool-relay.js';
import type { InputOf, OutputOf, Schema } from './schema.js';

type Promised<T> = T | Promise<T>;

/** The handler of a method: gets the checked input, and what is known of the call. A stream's returns, or is a generator of, what it sends. */
export type Handler<M extends Method> =
  M extends CallMethod<infer I, infer O> ? (input: OutputOf<I>, context: CallContext) => Promised<InputOf<O>>
  : M extends OneWayMethod<infer I> ? (input: OutputOf<I>, context: CallContext) => unknown
  : M extends StreamMethod<infer I, infer O, infer S> ? (input: OutputOf<I>, context: CallContext, items: S extends Schema ? AsyncIterableIterator<OutputOf<S>, undefined> : undefined) => Promised<Iterable<InputOf<O>> | AsyncIterable<InputOf<O>>>
  : never;

export type Handlers<M extends Methods> = { readonly [K in keyof M]: Handler<M[K]> };

/** One call, as an interceptor sees it. */
export interface ServerCall {
  readonly interface: Interface;
  readonly method: string;
  readonly input: unknown;
  readonly context: CallContext;
}

/** Runs around each call: calls `next` and returns what it returns, or something else, or throws. */
export type ServerInterceptor = (call: ServerCall, next: () => unknown) => unknown;

/** Whether somebody may use an interface. Asked once for a connection; `true`, or a promise of it: yes. Anything else, a rejection, an exception: no. */
export type SecurityCallback = (caller: PeerIdentity, of: Interface) => boolean | Promise<boolean>;

export interface OfferOptions {
  security?: SecurityCallback;
  interceptors?: readonly ServerInterceptor[];
}

export class Offer<M extends Methods = Methods> {
  readonly interface: Interface<M>;
  readonly handlers: Handlers<M>;
  readonly security: SecurityCallback | undefined;
  readonly interceptors: readonly ServerInterceptor[];
  /** Where its handlers are, when they are in the threads of a pool. */
  readonly pool: PoolRelay | undefined;

  /** Engine room: made by `implement` and `pooled`. */
  constructor(of: Interface<M>, handlers: Handlers<M>, security: SecurityCallback | undefined, interceptors: readonly ServerInterceptor[], pool?: PoolRelay) {
    this.pool = pool;
    this.interface = of;
    this.handlers = handlers;
    this.security = security;
    this.interceptors = interceptors;
  }
}

/** An offer of whatever interface: handlers of different ones have no type in common. */
export interface AnyOffer {
  readonly interface: Interface;
}

/** @throws AlpcError ERR_ALPC_INVALID_ARGUMENT */
export function checkOffers(offers: readonly AnyOffer[], name: string): Offer[] {
  if (!Array.isArray(offers) || Array.from(offers as unknown[]).some((offer) => !(offer instanceof Offer))) throw invalidArgument(name, 'a list of what implement() returns', offers);
  return offers;
}

/** Puts handlers to an interface. @throws AlpcError ERR_ALPC_INVALID_ARGUMENT when one is missing */
export function implement<M extends Methods>(of: Interface<M>, handlers: Handlers<M>, options?: OfferOptions): Offer<M> {
  if (!(of instanceof Interface)) throw invalidArgument('of', 'what defineInterface() returns', of);
  const { security, interceptors = [] } = checkOptions(options, 'options', ['security', 'interceptors']);
  for (const method of Object.keys(of.methods)) checkFunction((handlers as Record<string, unknown>)[method], `handlers.${method}`);
  for (const interceptor of interceptors) checkFunction(interceptor, 'options.interceptors');
  return new Offer(of, handlers, security === undefined ? undefined : checkFunction(security, 'options.security'), interceptors);
}

/**
 * Leaves an interface to the threads of a pool, whose module exports `poolHandler([implement(of, handlers)])`. Calls, streams and context handles
 * are served as by handlers here. @throws AlpcError ERR_ALPC_INVALID_ARGUMENT
 */
export function pooled<M extends Methods>(of: Interface<M>, pool: ThreadPool, options?: Pick<OfferOptions, 'security'>): Offer<M> {
  if (!(of instanceof Interface)) throw invalidArgument('of', 'what defineInterface() returns', of);
  if (!(pool instanceof ThreadPool)) throw invalidArgument('pool', 'a ThreadPool', pool);
  const { security } = checkOptions(options, 'options', ['security']);
  return new Offer(of, {} as Handlers<M>, security === undefined ? undefined : checkFunction(security, 'options.security'), [], new PoolRelay(pool));
}

const elsewhere = (): never => {
  throw new TypeError('its handler is in a thread of a pool');
};

/**
 * Asks the security callback of an offer, at once if it answers at once. Why it failed is told here and not to who is refused.
 * @throws AlpcError (or as a rejection) ERR_ALPC_ACCESS_DENIED
 */
export function admit({ interface: of, security }: Offer, caller: PeerIdentity, report: (error: unknown) => void): Promise<void> | undefined {
  const expectYes = (decision: unknown): undefined => {
    if (decision !== true) throw new AlpcError('ERR_ALPC_ACCESS_DENIED', `${of}: its security callback refuses ${caller}`);
  };
  const failed = (error: unknown): undefined => {
    report(error);
    return expectYes(false);
  };
  let decision: unknown;
  try {
    decision = security === undefined || security(caller, of);
  } catch (error) {
    return failed(error);
  }
  // Whatever else it is may be somebody's promise: it is waited for.
  return typeof decision === 'boolean' ? expectYes(decision) : Promise.resolve(decision).catch(failed).then(expectYes);
}

type AnyHandler = (input: unknown, context: CallContext, items?: unknown) => unknown;

export interface Procedure {
  readonly offer: Offer;
  readonly name: string;
  readonly method: Method;
  readonly checks: MethodChecks;
  readonly handler: AnyHandler;
  readonly interceptors: readonly ServerInterceptor[];
}

/** What a client says when it binds. */
export interface BindRequest {
  readonly name: string;
  readonly version: string;
  readonly uuid: string | undefined;
  readonly methods: readonly (readonly [name: string, kind: string])[];
}

export const MOST_PROCEDURES = 65_535;

export class OfferTable {
  readonly offers: readonly Offer[];
  readonly procedures: readonly Procedure[];

  constructor(offers: readonly Offer[], interceptors: readonly ServerInterceptor[]) {
    if (interceptors.length > 0 && offers.some(({ pool }) => pool !== undefined)) throw invalidArgument('options.interceptors', 'interceptors in the module of the pool (`poolHandler(offers, { interceptors })`), where the calls of its interfaces are decoded', interceptors);
    this.offers = offers;
    this.procedures = offers.flatMap((offer) =>
      Object.entries(offer.interface.methods).map(([name, method]) => ({
        offer,
        name,
        method,
        checks: checksOf(offer.interface, name, method),
        handler: offer.pool === undefined ? (offer.handlers as Record<string, AnyHandler>)[name]!.bind(offer.handlers) : elsewhere,
        interceptors: [...interceptors, ...offer.interceptors],
      })),
    );
    if (this.procedures.length > MOST_PROCEDURES) throw invalidArgument('offers', `interfaces of at most ${MOST_PROCEDURES} methods together`, this.procedures.length);
  }

  /** The offer that a client means. @throws AlpcError ERR_ALPC_UNKNOWN_INTERFACE, ERR_ALPC_BAD_VALUE */
  find(value: unknown): { offer: Offer; request: BindRequest } {
    const request = checkBind(value);
    const named = this.offers.filter((offer) => offer.interface.name === request.name && (request.uuid === undefined || offer.interface.uuid === undefined || offer.interface.uuid === request.uuid));
    const offer = named.find((offer) => isCompatible(offer.interface.version, request.version));
    if (offer !== undefined) return { offer, request };
    const why = named.length === 0 ? 'there is no such interface here' : `here it has version ${named.map((offer) => offer.interface.version).join(' and ')}`;
    throw new AlpcError('ERR_ALPC_UNKNOWN_INTERFACE', `interface ${request.name} ${request.version}: ${why}`);
  }

  /** The procedure numbers of the methods that the client named; -1 for those that are not there. */
  numbersOf(offer: Offer, request: BindRequest): number[] {
    return request.methods.map(([name, kind]) => this.procedures.findIndex((procedure) => procedure.offer === offer && procedure.name === name && procedure.method.kind === kind));
  }
}

function checkBind(value: unknown): BindRequest {
  const given = (typeof value === 'object' && value !== null ? value : {}) as Partial<Record<keyof BindRequest, unknown>>;
  const methods: unknown = given.methods;
  if (typeof given.name !== 'string' || given.name.length > 200 || typeof given.version !== 'string' || given.version.length > 20 || !isListOf(methods, isMethod) || methods.length > MOST_PROCEDURES || (given.uuid !== undefined && typeof given.uuid !== 'string')) {
    throw new AlpcError('ERR_ALPC_BAD_VALUE', 'a bind does not name an interface, its version and its methods');
  }
  return { name: given.name, version: given.version, uuid: given.uuid, methods };
}

function isMethod(pair: unknown): pair is BindRequest['methods'][number] {
  return isListOf(pair, (text): text is string => typeof text === 'string') && pair.length === 2;
}
