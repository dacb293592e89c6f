/**
 * `serve` offers interfaces at endpoints. One server may have several of both, and whoever connects to one of its endpoints may bind any of
 * its interfaces: an endpoint's security is about connections, an interface's about the interface.
 *
 *     const server = await serve(Spooler, { print: (job) => receipt }, { endpoint: 'spooler' });
 */
import { EventEmitter } from 'node:events';
import { checkBoolean, checkFunction, checkOptions, checkString, invalidArgument } from '../base/arguments.js';
import { deadlineAfter, isOver } from '../base/deadline.js';
import type { SecurityOptions } from '../objects/index.js';
import { type CommunicationPort, type ConnectionPort, createPort, type CreatePortOptions, type Message, type PortLimits, type ServerPort, type SpinOptions } from '../ports/index.js';
import { dynamicEndpoint, isDynamic, parseBinding } from './binding-string.js';
import { Codec } from './codec.js';
import { Conversation, type ConversationTerms, Figures } from './conversation.js';
import { Interface, type Methods } from './interface.js';
import { manage, Management, type Managed } from './management.js';
import { MapperSeat } from './mapper.js';
import { type AnyOffer, checkOffers, type Handlers, implement, type Offer, OfferTable, type SecurityCallback, type ServerInterceptor } from './offer.js';
import { checkRpcLimits, type RpcLimitOptions } from './rpc-limits.js';

export interface ServeOptions {
  /** Where: an endpoint in `\RPC Control`, a port's full name, a string binding, or 'dynamic' (the default): a name of its own, found by the interface. Or several of these. */
  endpoint?: string | readonly string[];
  /** A line for people who look at the endpoint mapper. */
  annotation?: string;
  root?: string;
  /** Who may connect; by default the same user and root. */
  security?: SecurityOptions;
  /** Who may use the interface, when one interface is given; several have their own, see `implement`. */
  allow?: SecurityCallback;
  /** Run around each call of all interfaces, outermost first. */
  interceptors?: readonly ServerInterceptor[];
  limits?: RpcLimitOptions;
  /** Limits of the ports below. */
  portLimits?: PortLimits;
  spin?: boolean | SpinOptions;
  /** Whether callers may see where a handler failed; true by default. */
  stacks?: boolean;
  signal?: AbortSignal;
}

export interface ServerEvents {
  /** An error that nobody waits for: of a one-way call, of a rundown, of a security callback, or of a client that broke the rules. Without a listener it is dropped. */
  fault: [error: unknown];
  /** Once, when the server has been closed. */
  close: [];
}

/**
 * Offers interfaces. RpcServerUseProtseqEp, RpcServerRegisterIf and RpcServerListen in one.
 * @param offers an interface and its handlers, or a list of what `implement` returns
 * @throws AlpcError (as rejections) what `createPort` throws; ERR_ALPC_INVALID_ARGUMENT
 */
export function serve<M extends Methods>(of: Interface<M>, handlers: Handlers<M>, options?: ServeOptions): Promise<Server>;
export function serve(offers: readonly AnyOffer[], options?: ServeOptions): Promise<Server>;
export async function serve(first: Interface | readonly AnyOffer[], second?: unknown, third?: ServeOptions): Promise<Server> {
  const options = checkServeOptions(first instanceof Interface ? third : (second as ServeOptions | undefined));
  const offers = first instanceof Interface ? [implement(first, second as Handlers<Methods>, options.allow === undefined ? {} : { security: options.allow })] : checkOffers(first, 'offers');
  const server = new Server(offers, options);
  await server.listen();
  return server;
}

export class Server extends EventEmitter<ServerEvents> implements Managed {
  readonly interfaces: readonly Interface[];
  readonly annotation: string | undefined;
  readonly figures = new Figures();
  readonly #options: CheckedServeOptions;
  readonly #terms: ConversationTerms;
  readonly #ports: ConnectionPort[] = [];
  readonly #conversations = new Map<CommunicationPort, Conversation>();
  #seat: MapperSeat | undefined;
  #state: 'open' | 'closing' | 'closed' = 'open';

  /** Engine room: made by `serve`. */
  constructor(offers: readonly Offer[], options: CheckedServeOptions) {
    super();
    this.#options = options;
    this.interfaces = offers.map((offer) => offer.interface);
    this.annotation = options.annotation;
    const table = new OfferTable([...offers, implement(Management, manage(this))], options.interceptors);
    const limits = checkRpcLimits(options.limits);
    this.#terms = { codec: new Codec(limits), limits, table, hasStacks: options.hasStacks, figures: this.figures, report: (error) => void this.emit('fault', error) };
  }

  /** The names of its ports. */
  get endpoints(): string[] {
    return this.#ports.map((port) => port.name);
  }

  get isListening(): boolean {
    return this.#state === 'open';
  }

  /** How many clients are connected. */
  get connections(): number {
    return this.#ports.reduce((sum, port) => sum + port.connections.length, 0);
  }

  ref(): this {
    for (const port of this.#ports) port.ref();
    return this;
  }

  unref(): this {
    for (const port of this.#ports) port.unref();
    return this;
  }

  /**
   * Ends: takes no new connections, waits up to `timeout` milliseconds (0 by default) for calls that are being handled, disconnects
   * all clients, and runs down their context handles.
   */
  async close(options?: { timeout?: number }): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    const deadline = deadlineAfter(checkOptions(options, 'options', ['timeout']).timeout ?? 0);
    const seat = this.#seat;
    this.#seat = undefined;
    await seat?.close();
    while (this.figures.active > 0 && !isOver(deadline)) await new Promise((resolve) => void setTimeout(resolve, 2));
    await Promise.all(this.#ports.map((port) => port.close()));
    for (const conversation of this.#conversations.values()) conversation.end();
    this.#conversations.clear();
    this.#state = 'closed';
    this.emit('close');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  override toString(): string {
    return `server of ${this.interfaces.join(', ')} at ${this.endpoints.join(', ')}`;
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  async listen(): Promise<void> {
    const { endpoints, port, root, isMapper } = this.#options;
    try {
      for (const endpoint of endpoints) this.#listenAt(await createPort(parseBinding(endpoint, 'options.endpoint')!, port));
    } catch (error) {
      await Promise.all(this.#ports.map((port) => port.close()));
      throw error;
    }
    if (isMapper || !endpoints.some(isDynamic)) return;
    this.#seat = new MapperSeat(root, async (offer, endpoint) => {
      const mapper = new Server([offer], { ...this.#options, endpoints: [endpoint], isMapper: true, interceptors: [], annotation: undefined });
      await mapper.listen();
      mapper.unref(); // it lives as long as the server has other reasons to
      return mapper;
    });
    await this.#seat.settled;
  }

  #listenAt(port: ConnectionPort): void {
    this.#ports.push(port);
    port.on('message', (message) => this.#receive(message));
    port.on('disconnect', (serverPort) => this.#forget(serverPort));
  }

  #receive(message: Message): void {
    if (message.type === 'connection-request') return;
    const { port } = message;
    if (message.type === 'port-closed') return this.#forget(port);
    let conversation = this.#conversations.get(port);
    if (conversation === undefined) {
      if (port.closed) return; // its last words; it was forgotten, or never said anything
      this.#conversations.set(port, (conversation = new Conversation(port, this.#terms)));
    }
    conversation.receive(message);
  }

  #forget(port: CommunicationPort | ServerPort): void {
    const conversation = this.#conversations.get(port);
    if (conversation === undefined) return;
    this.#conversations.delete(port);
    conversation.end();
  }
}

export interface CheckedServeOptions {
  readonly endpoints: readonly string[];
  readonly port: CreatePortOptions;
  readonly root: string | undefined;
  readonly annotation: string | undefined;
  readonly allow: SecurityCallback | undefined;
  readonly interceptors: readonly ServerInterceptor[];
  readonly limits: RpcLimitOptions | undefined;
  readonly hasStacks: boolean;
  readonly isMapper: boolean;
}

function checkServeOptions(options: ServeOptions | undefined): CheckedServeOptions {
  const given = checkOptions(options, 'options', ['endpoint', 'annotation', 'root', 'security', 'allow', 'interceptors', 'limits', 'portLimits', 'spin', 'stacks', 'signal']);
  const { endpoint = 'dynamic', root, security, portLimits: limits, spin, signal } = given;
  const endpoints = (typeof endpoint === 'string' ? [endpoint] : [...endpoint]).map((one) => (one === 'dynamic' || parseBinding(one, 'options.endpoint') === undefined ? dynamicEndpoint() : one));
  if (endpoints.length === 0) throw invalidArgument('options.endpoint', 'at least one endpoint', endpoint);
  for (const interceptor of given.interceptors ?? []) checkFunction(interceptor, 'options.interceptors');
  return {
    endpoints,
    port: { accepts: ['view'], ...(root === undefined ? {} : { root }), ...(security === undefined ? {} : { security }), ...(limits === undefined ? {} : { limits }), ...(spin === undefined ? {} : { spin }), ...(signal === undefined ? {} : { signal }) },
    root,
    annotation: given.annotation === undefined ? undefined : checkString(given.annotation, 'options.annotation'),
    allow: given.allow === undefined ? undefined : checkFunction(given.allow, 'options.allow'),
    interceptors: given.interceptors ?? [],
    limits: given.limits,
    hasStacks: given.stacks === undefined ? true : checkBoolean(given.stacks, 'options.stacks'),
    isMapper: false,
  };
}
