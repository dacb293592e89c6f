/**
 * What a thread takes from a completion port: the messages of the associated ports, and packets that were posted. They look like the
 * messages that a port gives on the event loop (`type`, `data`, `reply`, `release`), so that one handler serves both. What they cannot have is
 * what lives in the heap of the thread that owns the port: its port objects and contexts, views and handles. `connection` names the client instead.
 */
import { checkBoolean, checkData, checkOptions, invalidArgument, type MessageData } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { NO_HANDLES } from '../ports/incoming-handles.js';
import type { EndReason, ReceivedHandles, ReplyOptions, ReplyOutcome } from '../ports/index.js';
import { REPLY_OPTIONS } from '../ports/message-arguments.js';
import { MAX_LANES, TOKENS } from './completion-memory.js';
import type { Dispatch } from './dispatch.js';
import { FIELDS } from './shared-queue.js';

/** The fields of a packet in the shared queue. */
export const Field = { kind: 0, key: 1, lane: 2, token: 3, generation: 4, id: 5, callbackId: 6, sequence: 7, connection: 8, pid: 9, uid: 10, gid: 11, detail: 12 } as const;
export const Kind = { request: 1, datagram: 2, canceled: 3, 'port-closed': 4, 'client-died': 5, posted: 6 } as const;
export const END_REASONS: readonly EndReason[] = ['disconnected', 'died', 'protocol', 'quota'];

/** Who sent a message, as the kernel says. */
export interface PacketSender {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** What a handler that serves messages as well may look at: a packet carries bytes alone. */
abstract class BytesAlone {
  /** None: one that came with the message has been released. */
  get view(): undefined {
    return undefined;
  }

  /** None: those that came with the message have been closed. */
  get handles(): ReceivedHandles {
    return NO_HANDLES;
  }

  /** Does nothing: there is nothing to give back. */
  release(): void {}
  [Symbol.dispose](): void {}
}

abstract class MessagePacket extends BytesAlone {
  /** The key that its port was associated with. */
  readonly key: number;
  readonly id: number;
  /** The number of the message among those received on its connection. */
  readonly sequence: number;
  /** Names the client's connection among all of this completion port. */
  readonly connection: number;
  readonly sender: PacketSender;

  constructor(
    fields: Int32Array,
    /** The payload, in memory of this thread. */
    readonly data: Buffer,
  ) {
    super();
    this.key = fields[Field.key]! >>> 0;
    this.id = fields[Field.id]!;
    this.sequence = fields[Field.sequence]! >>> 0;
    this.connection = fields[Field.connection]! >>> 0;
    this.sender = { pid: fields[Field.pid]!, uid: fields[Field.uid]! >>> 0, gid: fields[Field.gid]! >>> 0 };
  }

  get dataLength(): number {
    return this.data.length;
  }
}

/** Names a request among the threads of this process, with its payload: hand it over by `postMessage`, and see `CompletionPort.takeOver`. */
export interface SharedRequest {
  readonly fields: Int32Array;
  readonly data: Uint8Array;
  /** Of the completion port that it came from. */
  readonly identity: number;
}

/** A request: answered once, now or later, by the thread that took it or one that takes it over. */
export class RequestPacket extends MessagePacket {
  readonly type = 'request';
  readonly callbackId: number;
  readonly #dispatch: Dispatch;
  readonly #fields: Int32Array;
  readonly #lane: number;
  readonly #token: number;
  readonly #generation: number;
  #answered = false;

  constructor(dispatch: Dispatch, fields: Int32Array, data: Buffer) {
    super(fields, data);
    this.callbackId = fields[Field.callbackId]!;
    this.#dispatch = dispatch;
    this.#fields = fields;
    this.#lane = fields[Field.lane]!;
    this.#token = fields[Field.token]!;
    this.#generation = fields[Field.generation]!;
  }

  /**
   * Answers: the answer goes to the thread that owns the port, which sends it on. Waits only while a MiB of answers waits there already.
   * @param options as of a message's `reply`, and of those only what has a meaning without views and handles: `unmapExisting`, which has been done already
   * @returns 'sent'; 'canceled' when nobody waits for the answer any more: the caller gave up or is gone, or has its answer from another thread
   * @throws AlpcError ERR_ALPC_REPLY_MISMATCH when it has been answered already, ERR_ALPC_MESSAGE_TOO_LONG, ERR_ALPC_INVALID_ARGUMENT, also for any other option
   */
  reply(data: MessageData, options?: Pick<ReplyOptions, 'unmapExisting'>): ReplyOutcome {
    checkData(data);
    if (options !== undefined) checkBytesAlone(options);
    const dataLength = typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength;
    const longest = this.#fields[Field.detail]!;
    if (dataLength > longest) throw new AlpcError('ERR_ALPC_MESSAGE_TOO_LONG', `request ${this.id}: an answer of ${dataLength} bytes; at most ${longest} fit`);
    return this.#settle(true, data, dataLength);
  }

  /** Declines: the caller gets ERR_ALPC_CANCELED. Waits and returns as `reply`. @throws AlpcError ERR_ALPC_REPLY_MISMATCH when it has been answered already */
  cancel(): ReplyOutcome {
    return this.#settle(false, undefined, 0);
  }

  /** Whether the caller still waits for the answer. */
  get isPending(): boolean {
    return !this.#answered && this.#dispatch.requests.isHeld(this.#lane, this.#token, this.#generation);
  }

  /**
   * For another thread of this process to answer, which takes it over with `completions.takeOver`. Until then the request is still this
   * thread's: when it ends, or leaves the completion port, the caller gets ERR_ALPC_CANCELED.
   */
  share(): SharedRequest {
    // A small payload lies in a slab of Node's with those of other packets: a view of it would take all of them along.
    return { fields: this.#fields, data: new Uint8Array(this.data), identity: this.#dispatch.identity };
  }

  #settle(ok: boolean, data: MessageData | undefined, dataLength: number): ReplyOutcome {
    const outcome = this.#answered ? 'answered' : this.#dispatch.answer(this.#lane, this.#token, this.#generation, ok, data, dataLength);
    this.#answered = true;
    if (outcome === 'answered') throw new AlpcError('ERR_ALPC_REPLY_MISMATCH', `request ${this.id}: it has been answered already`);
    return outcome;
  }
}

/** A message that can't be answered. */
export interface DatagramPacket extends MessagePacket {
  readonly type: 'datagram';
}

/** The sender of a request (`id`, on the same `connection`) that a thread has taken no longer waits for the answer. */
export interface CanceledPacket extends MessagePacket {
  readonly type: 'canceled';
}

/** The last packet of a connection. */
export interface PortClosedPacket extends MessagePacket {
  readonly type: 'port-closed';
  readonly reason: EndReason;
}

/** The client ended without disconnecting; of ports with `notifyClientDied`. */
export interface ClientDiedPacket extends MessagePacket {
  readonly type: 'client-died';
}

type OtherType = 'datagram' | 'canceled' | 'port-closed' | 'client-died';

/** What is no request. One class for all kinds: see ports/message.ts. */
class OtherPacket extends MessagePacket {
  readonly type: OtherType;
  readonly #detail: number;

  constructor(type: OtherType, fields: Int32Array, data: Buffer) {
    super(fields, data);
    this.type = type;
    this.#detail = fields[Field.detail]!;
  }

  get reason(): EndReason | undefined {
    return this.type === 'port-closed' ? END_REASONS[this.#detail] : undefined;
  }
}

/** A packet of the user's own. PostQueuedCompletionStatus. */
export class PostedPacket extends BytesAlone {
  readonly type = 'posted';
  constructor(
    readonly key: number,
    readonly data: Buffer,
  ) {
    super();
  }
}

export type Packet = RequestPacket | DatagramPacket | CanceledPacket | PortClosedPacket | ClientDiedPacket | PostedPacket;

/** `data` belongs to the packet from now on. */
export function packetOf(dispatch: Dispatch, fields: Int32Array, data: Buffer): Packet {
  switch (fields[Field.kind]) {
    case Kind.request:
      return new RequestPacket(dispatch, fields, data);
    case Kind.datagram:
      return new OtherPacket('datagram', fields, data) as DatagramPacket;
    case Kind.canceled:
      return new OtherPacket('canceled', fields, data) as CanceledPacket;
    case Kind['port-closed']:
      return new OtherPacket('port-closed', fields, data) as PortClosedPacket;
    case Kind['client-died']:
      return new OtherPacket('client-died', fields, data) as ClientDiedPacket;
    default:
      return new PostedPacket(fields[Field.key]! >>> 0, data);
  }
}

/** The same request in this thread, which holds it from now on; undefined for what is none of this completion port. */
export function openRequest(dispatch: Dispatch, shared: SharedRequest): RequestPacket | undefined {
  if (typeof shared !== 'object' || shared === null) return undefined;
  const { fields, data, identity } = shared;
  if (!(fields instanceof Int32Array) || !(data instanceof Uint8Array) || identity !== dispatch.identity) return undefined;
  const [lane, token] = [fields[Field.lane]!, fields[Field.token]!];
  if (fields.length !== FIELDS || fields[Field.kind] !== Kind.request || !(lane >= 0 && lane < MAX_LANES && token >= 0 && token < TOKENS)) return undefined;
  dispatch.takeOver(lane, token, fields[Field.generation]!);
  return new RequestPacket(dispatch, fields, Buffer.from(data.buffer, data.byteOffset, data.byteLength));
}

/** Nothing that was to go with an answer is left behind in silence. @throws AlpcError ERR_ALPC_INVALID_ARGUMENT */
function checkBytesAlone(options: ReplyOptions): void {
  const { unmapExisting, ...others } = checkOptions(options, 'options', REPLY_OPTIONS);
  if (unmapExisting !== undefined) checkBoolean(unmapExisting, 'options.unmapExisting');
  for (const [name, value] of Object.entries(others)) {
    if (value !== undefined) throw invalidArgument(`options.${name}`, 'left out, for the answer to a packet carries bytes alone', value);
  }
}
