/**
 * RPC over one connection, the same for both sides: what the peer asks is served (serving.ts), what this side asks is called (calling.ts).
 * Here is what the two share: the streams that are open, values in transit, context handles, and the end of it all.
 *
 * What the peer sends is checked like everything that a peer sends. A call that breaks the rules is answered by a fault; a datagram that
 * does (more items than credit, say) ends the connection, for there is nobody to tell.
 */
import { AlpcError } from '../base/errors.js';
import { type CommunicationPort, type ConnectionMessage, type DatagramMessage, ServerPort } from '../ports/index.js';
import { Calling } from './calling.js';
import type { Codec } from './codec.js';
import { HandleTable } from './context-handle.js';
import { faultError } from './faults.js';
import { extraOf, Flag, flagsOf, header, HEADER, Kind, kindOf, LONGEST_AHEAD, numberOf } from './frame.js';
import type { Inflow, LongItem } from './inflow.js';
import { PortWay } from './item-way.js';
import { LargeValues, longest } from './large-values.js';
import type { OfferTable } from './offer.js';
import type { Outflow } from './outflow.js';
import type { RpcLimits } from './rpc-limits.js';
import { Serving } from './serving.js';
import { Transfers } from './transfers.js';

/** What the conversations of one server, or of one client, have in common. */
export interface ConversationTerms {
  readonly codec: Codec;
  readonly limits: RpcLimits;
  readonly table: OfferTable;
  /** Whether the peer is told where a handler failed. */
  readonly hasStacks: boolean;
  readonly figures: Figures;
  /** Told of errors that nobody waits for: of one-way calls, rundowns and security callbacks. */
  report(error: unknown): void;
  /** Whether datagrams of the peer are awaited changes. */
  onListening?(isListening: boolean): void;
}

/** Counted for the management interface. */
export class Figures {
  calls = 0;
  oneWayCalls = 0;
  streams = 0;
  faults = 0;
  active = 0;
}

/** Where a stream is served, when that is in a thread of a pool. */
export interface StreamRelay {
  /** A datagram of the peer. False: it breaks the rules. */
  hear(frame: Buffer): boolean;
  /** A long item of the peer, which belongs to the relay now. */
  hearLong(frame: Buffer, item: LongItem): boolean;
  giveUp(why: string): void;
}

export interface OpenStream {
  readonly inflow: Inflow | undefined;
  readonly outflow: Outflow | undefined;
  /** Tells who works on it that it is not wanted. */
  readonly abort: AbortController | undefined;
  readonly relay?: StreamRelay;
  /** Bytes of items that will have come, once that is known. */
  total?: number;
}

export class Conversation {
  readonly port: CommunicationPort;
  readonly terms: ConversationTerms;
  readonly transfers: Transfers;
  readonly large: LargeValues;
  readonly way: PortWay;
  readonly handles: HandleTable;
  readonly calling: Calling;
  readonly serving: Serving;
  /** Streams by number: those that this side opened, and those of the peer. */
  readonly mine = new Map<number, OpenStream>();
  readonly theirs = new Map<number, OpenStream>();
  /** Whether the peer serves callbacks: it said so when it bound. */
  peerOffers = false;
  #ended = false;

  constructor(port: CommunicationPort, terms: ConversationTerms) {
    this.port = port;
    this.terms = terms;
    this.transfers = new Transfers(longest(terms.limits.valueLength));
    this.large = new LargeValues(port);
    this.way = new PortWay(this);
    this.handles = new HandleTable(terms.limits.handles, (error) => terms.report(error));
    this.calling = new Calling(this);
    this.serving = new Serving(this);
  }

  get isEnded(): boolean {
    return this.#ended;
  }

  /** A message of the peer. `isBlocked`: this thread blocks in a call meanwhile, and its event loop does not turn. */
  receive(message: ConnectionMessage, isBlocked = false): void {
    if (message.type === 'request') this.serving.serve(message, isBlocked);
    else if (message.type === 'datagram' && this.#hear(message)) return;
    message.release(); // what was in its view has been copied by now, if that was asked for at all
  }

  /** Sends a frame without a value: it is small, and waits for room if it must. */
  tell(kind: number, flags: number, number: number, extra = 0): void {
    this.post(header(kind, flags, 0, number, extra));
  }

  post(frame: Buffer): void {
    if (this.port.tryPost(frame) === 'full') this.port.post(frame).catch((error: unknown) => this.#ended || this.drop(error)); // its peer does not read
  }

  /** What an answer that is no response says. @throws AlpcError ERR_ALPC_BAD_VALUE */
  faultIn(what: string, data: Buffer): Error {
    if (kindOf(data) !== Kind.fault) return new AlpcError('ERR_ALPC_PROTOCOL', `${this.port}: ${what} was answered by something else than an answer`);
    const flags = flagsOf(data);
    return faultError(this.terms.codec.value(data), (flags & Flag.declared) !== 0 ? 'declared' : (flags & Flag.system) !== 0 ? 'system' : 'remote', what);
  }

  open(streams: Map<number, OpenStream>, number: number, stream: OpenStream): void {
    streams.set(number, stream);
    if (streams === this.mine && streams.size === 1) this.terms.onListening?.(true);
  }

  /** A stream is over; one of this side's stays known until all that was sent has come. */
  close(streams: Map<number, OpenStream>, number: number): void {
    if (streams.delete(number) && streams === this.mine && streams.size === 0) this.terms.onListening?.(false);
  }

  /** The connection has ended, or is ended here. */
  end(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    const why = error ?? new AlpcError('ERR_ALPC_DISCONNECTED', `${this.port}: the connection ended before the stream did`);
    for (const streams of [this.mine, this.theirs]) {
      for (const { inflow, outflow, abort, relay } of streams.values()) {
        relay?.giveUp('the connection has ended');
        inflow?.cancel(why);
        outflow?.stop();
        abort?.abort(why);
      }
    }
    if (this.mine.size > 0) {
      this.mine.clear();
      this.terms.onListening?.(false);
    }
    this.theirs.clear();
    this.transfers.clear();
    this.handles.runDown();
  }

  /** The peer does not keep to the rules. */
  drop(error: unknown): void {
    this.terms.report(error);
    if (this.port instanceof ServerPort) this.port.disconnect();
    else (this.port as CommunicationPort & { close?(): void }).close?.();
    this.end(error instanceof Error ? error : undefined);
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  /** Whether the message is kept, with what came with it. */
  #hear(message: DatagramMessage): boolean {
    const frame = message.data;
    const kind = kindOf(frame);
    if (kind === Kind.items && (flagsOf(frame) & (Flag.viewed | Flag.long)) !== 0) return this.#hearLong(message, frame);
    if (kind === Kind.oneWay) this.serving.oneWay(frame, message.view);
    else if (kind === 0) this.#violated('a datagram is shorter than a header');
    else this.#hearFrame(kind, frame);
    return false;
  }

  /** An item that fits into no message: it is in the view that came, or was pushed before. Whether the message is kept. */
  #hearLong(message: DatagramMessage, frame: Buffer): boolean {
    const isTheirs = (flagsOf(frame) & Flag.opener) !== 0;
    const number = numberOf(frame);
    const stream = (isTheirs ? this.theirs : this.mine).get(number);
    let item: LongItem;
    try {
      item = (flagsOf(frame) & Flag.viewed) === 0 ? this.transfers.lend(extraOf(frame)) : itemIn(message);
    } catch (error) {
      if (stream !== undefined) this.drop(error);
      return false;
    }
    const isKept = (flagsOf(frame) & Flag.viewed) !== 0;
    if (stream === undefined) item.release(); // it ended while this was on its way
    else if ((stream.relay === undefined ? stream.inflow?.pushLong(item) : stream.relay.hearLong(frame, item)) !== true) {
      item.release();
      this.#violated('more items came on a stream than it takes');
    } else if (!isTheirs) this.forgetIfDone(number, stream);
    return isKept;
  }

  #hearFrame(kind: number, frame: Buffer): void {
    const number = numberOf(frame);
    if (kind === Kind.drop) return (flagsOf(frame) & Flag.opener) === 0 ? this.transfers.drop(number) : this.transfers.dropArriving(number);
    const isTheirs = (flagsOf(frame) & Flag.opener) !== 0;
    const streams = isTheirs ? this.theirs : this.mine;
    const stream = streams.get(number);
    if (stream === undefined) return; // it ended while this was on its way
    if (stream.relay !== undefined) {
      if (!stream.relay.hear(frame)) this.#violated('more items came on a stream than it takes');
      return;
    }
    switch (kind) {
      case Kind.items:
        if (stream.inflow === undefined || !stream.inflow.push(frame)) return this.#violated('more items came on a stream than it takes');
        if (!isTheirs) this.forgetIfDone(number, stream);
        break;
      case Kind.end:
        this.#end(stream, frame);
        break;
      case Kind.credit:
        if (stream.outflow?.credit(extraOf(frame)) !== true) this.#violated('a stream was given credit for more than was sent');
        break;
      case Kind.stop:
        stream.outflow?.stop();
        if (isTheirs) stream.abort?.abort(new AlpcError('ERR_ALPC_CANCELED', `${this.port}: the caller wants no more of the stream`));
        break;
      default:
        this.#violated(`a datagram is of unknown kind ${kind}`);
    }
  }

  /** The peer has no more items. Those that came are still there. */
  #end({ inflow }: OpenStream, frame: Buffer): void {
    if (inflow === undefined) return this.#violated('a stream that has no items was ended');
    let error: Error | undefined;
    if ((flagsOf(frame) & Flag.faulty) !== 0) {
      try {
        error = faultError(frame.length > HEADER ? this.terms.codec.value(frame) : undefined, 'remote', 'the source of a stream');
      } catch (bad) {
        error = bad as Error;
      }
    }
    inflow.finish(inflow.received >>> 0, error);
  }

  /** One of this side's streams: answered, and everything is here. */
  forgetIfDone(number: number, stream: OpenStream): void {
    if (stream.total === undefined || stream.inflow === undefined) return;
    const ahead = (stream.total - stream.inflow.received) >>> 0;
    if (ahead === 0 || ahead > LONGEST_AHEAD) this.close(this.mine, number);
  }

  #violated(what: string): void {
    this.drop(new AlpcError('ERR_ALPC_PROTOCOL', `${this.port}: ${what}`));
  }
}

/** What a message's view holds, for as long as it is not released. @throws AlpcError ERR_ALPC_PROTOCOL */
function itemIn(message: DatagramMessage): LongItem {
  const { view } = message;
  if (view === undefined) throw new AlpcError('ERR_ALPC_PROTOCOL', 'an item of a stream says that it is in a view, and none came with it');
  return {
    length: view.length,
    get bytes() {
      return view.bytes;
    },
    release: () => message.release(),
  };
}
