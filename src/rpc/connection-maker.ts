/**
 * Makes the connections of one binding: finds the server, connects, binds, and does so again when the binding reconnects. The awaited form and
 * the blocking one take the same steps.
 */
import { checkBoolean, checkOptions, checkTimeout, invalidArgument } from '../base/arguments.js';
import { deadlineAfter, timeLeft } from '../base/deadline.js';
import { type ClientPort, connectPort, type ConnectOptions, connectPortSync, type ConnectSyncOptions, type PortLimits, type RequestMessage, type RequiredServer, type SpinOptions } from '../ports/index.js';
import { checkRequiredServer } from '../ports/client-port.js';
import { parseBinding } from './binding-string.js';
import { Binding, type Connected, type Connector } from './binding.js';
import { Codec } from './codec.js';
import { Conversation, type ConversationTerms, Figures } from './conversation.js';
import { Interface } from './interface.js';
import { type AnyOffer, checkOffers, OfferTable } from './offer.js';
import { checkRpcLimits, type RpcLimitOptions, type RpcLimits } from './rpc-limits.js';

export interface ReconnectOptions {
  /** Milliseconds to look for a server after a connection was interrupted; 30,000 by default. */
  timeout?: number;
}

export interface BindSyncOptions {
  /** The namespace's root directory; see `namespaceRoot`. */
  root?: string;
  /** Who the server must be; checked against the kernel's word before one byte reaches it. */
  requiredServer?: RequiredServer;
  /** Milliseconds to connect and bind; as long as it takes by default. */
  timeout?: number;
  /** What this side serves to the server: `implement(interface, handlers)`. While a blocking call waits, handlers that answer at once. */
  callbacks?: readonly AnyOffer[];
  /** Whether to connect again when the connection is interrupted. */
  reconnect?: boolean | ReconnectOptions;
  limits?: RpcLimitOptions;
  /** Limits of the port below. */
  portLimits?: PortLimits;
  spin?: boolean | SpinOptions;
  /** Whether the server may see the stacks of errors thrown here, by callbacks and sources; true by default. */
  stacks?: boolean;
  /** Told of errors that nobody waits for: of one-way callbacks, and of a server that breaks the rules. */
  onError?: (error: unknown) => void;
}

export interface BindOptions extends BindSyncOptions {
  signal?: AbortSignal;
}

/** Finds the port of a server that has an interface, for a binding that names none. */
export interface Resolver {
  find(of: Interface, options: { root?: string; timeout: number; signal?: AbortSignal }): Promise<string>;
  findSync(of: Interface, options: { root?: string; timeout: number }): string;
}

const DEFAULT_RECONNECT = 30_000;
const SYNC_OPTIONS = ['root', 'requiredServer', 'timeout', 'callbacks', 'reconnect', 'limits', 'portLimits', 'spin', 'stacks', 'onError'] as const;
const BIND_OPTIONS = { awaited: [...SYNC_OPTIONS, 'signal'], blocking: SYNC_OPTIONS } as const;

/** Makes the connections of one binding. */
export class ConnectionMaker {
  readonly #of: Interface;
  readonly #resolver: Resolver | undefined;
  readonly #name: string | undefined;
  readonly #options: ConnectSyncOptions;
  readonly #codec: Codec;
  readonly #limits: RpcLimits;
  readonly #table: OfferTable;
  readonly #hasStacks: boolean;
  readonly #onError: (error: unknown) => void;
  readonly #reconnect: number | undefined;
  #binding: Binding | undefined;

  /** `waits` names what is there for a binding of this kind: a blocking one can't be ended by a signal. */
  constructor(of: Interface, binding: string, options: BindOptions | undefined, resolver: Resolver | undefined, waits: 'awaited' | 'blocking') {
    this.#resolver = resolver;
    if (!(of instanceof Interface)) throw invalidArgument('of', 'what defineInterface() returns', of);
    const given = checkOptions(options, 'options', BIND_OPTIONS[waits]);
    this.#of = of;
    this.#name = parseBinding(binding);
    const { root, requiredServer, portLimits: limits, spin } = given;
    this.#options = { accepts: ['view'], ...(root === undefined ? {} : { root }), ...(requiredServer === undefined ? {} : { requiredServer: checkRequiredServer(requiredServer) }), ...(limits === undefined ? {} : { limits }), ...(spin === undefined ? {} : { spin }) };
    this.#limits = checkRpcLimits(given.limits);
    this.#codec = new Codec(this.#limits);
    this.#table = new OfferTable(checkOffers(given.callbacks ?? [], 'options.callbacks'), []);
    this.#hasStacks = given.stacks === undefined ? true : checkBoolean(given.stacks, 'options.stacks');
    this.#onError = given.onError ?? (() => {});
    this.#reconnect = given.reconnect === undefined || given.reconnect === false ? undefined : given.reconnect === true ? DEFAULT_RECONNECT : checkTimeout(checkOptions(given.reconnect, 'options.reconnect', ['timeout']).timeout ?? DEFAULT_RECONNECT, 'options.reconnect.timeout');
  }

  bindingOver(connected: Connected): Binding {
    const connector: Connector | undefined = this.#reconnect === undefined ? undefined : { timeout: this.#reconnect, connect: (timeout) => this.connect(timeout, undefined), connectSync: (timeout) => this.connectSync(timeout) };
    return (this.#binding = new Binding(this.#of, connected, connector));
  }

  async connect(timeout: number, signal: AbortSignal | undefined): Promise<Connected> {
    const deadline = deadlineAfter(timeout);
    const bounds = (): { timeout: number; signal?: AbortSignal } => ({ timeout: timeLeft(deadline), ...(signal === undefined ? {} : { signal }) });
    const name = this.#name ?? (await this.#resolver!.find(this.#of, { ...this.#rootOption, ...bounds() }));
    const talk = new Talk(this.#terms());
    const port = await connectPort(name, talk.options({ ...this.#options, ...bounds() }));
    const conversation = talk.begin(port, () => this.#binding?.interrupt());
    try {
      return { conversation, bound: await conversation.calling.bind(this.#of, bounds()), close: () => talk.end() };
    } catch (error) {
      talk.end();
      throw error;
    }
  }

  connectSync(timeout: number): Connected {
    const deadline = deadlineAfter(timeout);
    const name = this.#name ?? this.#resolver!.findSync(this.#of, { ...this.#rootOption, timeout });
    const talk = new Talk(this.#terms());
    const port = connectPortSync(name, talk.options({ ...this.#options, timeout: timeLeft(deadline) }));
    const conversation = talk.begin(port, () => this.#binding?.interrupt());
    try {
      return { conversation, bound: conversation.calling.bindSync(this.#of, { timeout: timeLeft(deadline) }), close: () => talk.end() };
    } catch (error) {
      talk.end();
      throw error;
    }
  }

  get #rootOption(): { root?: string } {
    return this.#options.root === undefined ? {} : { root: this.#options.root };
  }

  #terms(): ConversationTerms {
    return { codec: this.#codec, limits: this.#limits, table: this.#table, hasStacks: this.#hasStacks, figures: new Figures(), report: this.#onError };
  }
}

/** One conversation of a client, over one port. */
class Talk {
  readonly #terms: ConversationTerms;
  readonly #servesCallbacks: boolean;
  #port: ClientPort | undefined;
  #conversation: Conversation | undefined;
  readonly #receive = (message: Parameters<Conversation['receive']>[0]): void => this.#conversation?.receive(message);

  constructor(terms: ConversationTerms) {
    this.#servesCallbacks = terms.table.offers.length > 0;
    this.#terms = { ...terms, onListening: (isListening) => this.#listen(isListening) };
  }

  options<O extends ConnectOptions>(options: O): O {
    return this.#servesCallbacks ? { ...options, onCallback: (message: RequestMessage) => this.#conversation?.receive(message, true) } : options;
  }

  begin(port: ClientPort, onEnd: () => void): Conversation {
    this.#port = port;
    const conversation = (this.#conversation = new Conversation(port, this.#terms));
    if (this.#servesCallbacks) port.on('message', this.#receive);
    port.once('close', () => {
      conversation.end();
      onEnd();
    });
    return conversation;
  }

  end(): void {
    this.#port!.close();
    this.#conversation!.end();
  }

  /** A listener costs a call that is awaited a little, so there is one only while something may come. */
  #listen(isListening: boolean): void {
    if (this.#servesCallbacks) return;
    if (isListening) this.#port!.on('message', this.#receive);
    else this.#port!.off('message', this.#receive);
  }
}
