/**
 * The messages that a port receives. `type` tells them apart, as the header's type does on Windows; each kind's interface has only what
 * it can do, so that answering what can't be answered does not compile.
 *
 * At run time they are all of one class. With a class for each, every construction takes twice as long, and forty times once a process has
 * seen a fifth kind: a constructor that four shapes of objects have passed through is not compiled for any of them any more (docs/decisions/0027).
 */
import type { MessageData } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import type { View } from '../memory/view.js';
import type { Arrival } from './arrival.js';
import type { CommunicationPort, ReplyOptions, RequestOptions, RequestSyncOptions } from './communication-port.js';
import type { Connection } from './connection.js';
import type { AccessToken } from './access-token.js';
import { impersonate, type SecurityLevel } from './security.js';
import type { WorkTicket } from './work-ticket.js';
import { NO_HANDLES, type ReceivedHandles } from './incoming-handles.js';
import type { PeerIdentity } from './peer-identity.js';

/** What every message has. */
export interface AnyMessage {
  /** The number that the sender gave it; unique among the sender's live messages, and used again later. */
  readonly id: number;
  /** Bytes of payload. */
  readonly dataLength: number;
  /** The number of the message among those received on its connection, from 1. */
  readonly sequence: number;
  /** The payload, in memory of this process. */
  readonly data: Buffer;
  /**
   * The view that came with it, if any: shared memory of the sender's, seen without a copy. Undefined again when the message has been released.
   * Release it when done; the sender waits for that to use the memory anew.
   */
  readonly view: View | undefined;
  /** The descriptors that came with it: files, sockets, events. Take those that are wanted; the others are closed when the message is released. */
  readonly handles: ReceivedHandles;
  /** What its sender lets the receiver do with its identity: 'identify' when it said nothing. */
  readonly securityLevel: SecurityLevel;
  /** For whom it was sent, in the end: the ticket that came with it. For accounts and traces, never for decisions on access. */
  readonly workOnBehalfOf: WorkTicket | undefined;
  /** Everything that the kernel says of the sender. */
  readonly token: AccessToken;
  /** The communication port that it came through: for a server, the way to this one client. */
  readonly port: CommunicationPort;
  /** What `accept` was given as `context`; there from the connection's first message to its last. */
  readonly portContext: unknown;
  /** Who sent it, as the kernel says. */
  readonly sender: PeerIdentity;
  /** Engine room: where the payload lies, for who reads it in place. Nothing else in there may be looked at. */
  readonly memory: ArrayBuffer;
  readonly start: number;

  /**
   * Runs a function as the sender, as far as files go: this thread's file-system user, group and groups are the sender's until the function
   * returns or throws. Use the `Sync` forms of `node:fs` in it; what runs later, or on another thread, runs as this process. NtAlpcImpersonateClientOfPort.
   * @returns what the function returns
   * @throws AlpcError ERR_ALPC_ACCESS_DENIED when the message does not allow it (it must say `security: 'impersonate'`), its sender has taken that back,
   *   the message was released, or this process may not act as that user; ERR_ALPC_INVALID_ARGUMENT for a function that gives a promise
   */
  impersonate<T>(action: () => T): T;

  /** Gives back what came with the message: its view, and the handles that were not taken. Its payload stays. A second call does nothing. */
  release(): void;
  [Symbol.dispose](): void;

  /** Engine room: what came with it. */
  take(arrival: Arrival): void;
  /** Engine room: the program has it. */
  tellTaken(): void;
  /** Engine room: its payload has been copied elsewhere, and no program sees this message: the memory is for the next one. `data` is empty from now on. */
  giveBackData(): void;
}

/** How an answer ended: 'canceled' and 'disconnected' are routine, the caller no longer waits for it. */
export type ReplyOutcome = 'sent' | 'canceled' | 'disconnected';

/** A request: answer it once, now or later. LPC_REQUEST. */
export interface RequestMessage extends AnyMessage {
  readonly type: 'request';
  /** The id of this side's own request that the sender works on, when it calls back; else 0. */
  readonly callbackId: number;
  /** The receiver's own: whatever belongs to this request, there again when it is canceled. */
  messageContext: unknown;
  /** Aborts when the caller gives up or goes away before the answer: hand it to whatever works on the answer. */
  readonly signal: AbortSignal;
  /** Whether the caller still waits for the answer. */
  readonly isPending: boolean;
  /** Engine room: threads of a completion port have it, and no receiver of this port ever had: none is told when it is given up. */
  isUnseen: boolean;
  /** Engine room: where it stands among the unanswered ones of its connection, or why it no longer does. */
  place: number;

  /**
   * Answers. Never blocks: what finds no room in the ring waits in this process's memory, charged to the connection's quota.
   * NtAlpcSendWaitReceivePort with the request's MessageId and RELEASE_MESSAGE.
   * @param data at most the connection's message length less the header of 32 bytes; the caller may reuse it at once
   * @returns 'sent'; 'canceled' when the caller gave up; 'disconnected' when it is gone
   * @throws AlpcError ERR_ALPC_REPLY_MISMATCH when it has been answered already, ERR_ALPC_MESSAGE_TOO_LONG, ERR_ALPC_INVALID_ARGUMENT
   */
  reply(data: MessageData, options?: ReplyOptions): ReplyOutcome;

  /**
   * Declines: the caller gets ERR_ALPC_CANCELED. Never blocks.
   * @returns as `reply`
   * @throws AlpcError ERR_ALPC_REPLY_MISMATCH when it has been answered already
   */
  cancel(): ReplyOutcome;

  /** Calls the sender back while it waits for the answer to this message: its `onCallback` gets the request. Arguments, result and errors as in `port.request`. */
  callback(data: MessageData, options?: RequestOptions): Promise<ReplyMessage>;
  /** The blocking form of `callback`: as `port.requestSync`. */
  callbackSync(data: MessageData, options?: RequestSyncOptions): ReplyMessage;

  /** Engine room: the caller no longer waits. */
  giveUp(): void;
}

/** The answer to a request of this side. LPC_REPLY. */
export interface ReplyMessage extends AnyMessage {
  readonly type: 'reply';
}

/** A message that can't be answered. LPC_DATAGRAM. */
export interface DatagramMessage extends AnyMessage {
  readonly type: 'datagram';
}

/** The sender of a request that was taken here gave it up, or is gone: stop working on it. LPC_CANCELED. */
export interface CanceledMessage extends AnyMessage {
  readonly type: 'canceled';
  readonly request: RequestMessage;
}

/** Why a connection ended: 'disconnected' by the peer's own will, 'died' without a word, dropped for breaking the 'protocol' or being over a 'quota'. */
export type EndReason = 'disconnected' | 'died' | 'protocol' | 'quota';

/** The last message of a connection. LPC_PORT_CLOSED. */
export interface PortClosedMessage extends AnyMessage {
  readonly type: 'port-closed';
  readonly reason: EndReason;
}

/** The client's process or thread ended without disconnecting; only on ports with `notifyClientDied`, before `port-closed`. LPC_CLIENT_DIED. */
export interface ClientDiedMessage extends AnyMessage {
  readonly type: 'client-died';
}

export const PLACE_ANSWERED = -1;
export const PLACE_GONE = -2;
/** It is no request. */
export const PLACE_NONE = -3;

// ---- engine room ---------------------------------------------------------------------------------------------------

const EMPTY = new ArrayBuffer(0);
const NO_DATA = Buffer.from(EMPTY);

/** The payload is `dataLength` bytes at `start` of `memory`, which belong to the message alone. */
export function requestMessage(connection: Connection, id: number, callbackId: number, memory: ArrayBuffer, start: number, dataLength: number, sequence: number, place: number): RequestMessage {
  return new PortMessage('request', connection, id, callbackId, memory, start, dataLength, sequence, place) as RequestMessage;
}

export function replyMessage(connection: Connection, id: number, memory: ArrayBuffer, start: number, dataLength: number, sequence: number): ReplyMessage {
  return new PortMessage('reply', connection, id, 0, memory, start, dataLength, sequence, PLACE_NONE) as ReplyMessage;
}

export function datagramMessage(connection: Connection, id: number, memory: ArrayBuffer, start: number, dataLength: number, sequence: number): DatagramMessage {
  return new PortMessage('datagram', connection, id, 0, memory, start, dataLength, sequence, PLACE_NONE) as DatagramMessage;
}

export function canceledMessage(connection: Connection, request: RequestMessage, sequence: number): CanceledMessage {
  const message = new PortMessage('canceled', connection, request.id, 0, EMPTY, 0, 0, sequence, PLACE_NONE);
  message.rest.request = request;
  return message as CanceledMessage;
}

export function portClosedMessage(connection: Connection, reason: EndReason, sequence: number): PortClosedMessage {
  const message = new PortMessage('port-closed', connection, 0, 0, EMPTY, 0, 0, sequence, PLACE_NONE);
  message.rest.reason = reason;
  return message as PortClosedMessage;
}

export function clientDiedMessage(connection: Connection, sequence: number): ClientDiedMessage {
  return new PortMessage('client-died', connection, 0, 0, EMPTY, 0, 0, sequence, PLACE_NONE) as ClientDiedMessage;
}

type MessageType = 'request' | 'reply' | 'datagram' | 'canceled' | 'port-closed' | 'client-died';

/** What few messages have. */
interface Rest {
  context: unknown;
  abort: AbortController | undefined;
  request: RequestMessage | undefined;
  reason: EndReason | undefined;
  unseen: boolean;
}

class PortMessage implements AnyMessage {
  readonly type: MessageType;
  readonly id: number;
  readonly callbackId: number;
  readonly dataLength: number;
  readonly sequence: number;
  place: number;
  readonly #connection: Connection;
  #memory: ArrayBuffer;
  readonly #start: number;
  #data: Buffer | undefined;
  #arrival: Arrival | undefined;
  #rest: Rest | undefined;

  constructor(type: MessageType, connection: Connection, id: number, callbackId: number, memory: ArrayBuffer, start: number, dataLength: number, sequence: number, place: number) {
    this.type = type;
    this.id = id;
    this.callbackId = callbackId;
    this.dataLength = dataLength;
    this.sequence = sequence;
    this.place = place;
    this.#connection = connection;
    this.#memory = memory;
    this.#start = start;
  }

  get data(): Buffer {
    return (this.#data ??= Buffer.from(this.#memory, this.#start, this.dataLength));
  }

  get memory(): ArrayBuffer {
    return this.#memory;
  }

  get start(): number {
    return this.#start;
  }

  get view(): View | undefined {
    return this.#arrival?.view;
  }

  get handles(): ReceivedHandles {
    return this.#arrival?.handles ?? NO_HANDLES;
  }

  get securityLevel(): SecurityLevel {
    return this.#arrival?.security?.level ?? 'identify';
  }

  get workOnBehalfOf(): WorkTicket | undefined {
    return this.#arrival?.work;
  }

  get token(): AccessToken {
    return this.#connection.attributes.token;
  }

  get port(): CommunicationPort {
    return this.#connection.port;
  }

  get portContext(): unknown {
    return this.#connection.context;
  }

  get sender(): PeerIdentity {
    return this.#connection.peer;
  }

  get request(): RequestMessage | undefined {
    return this.#rest?.request;
  }

  get reason(): EndReason | undefined {
    return this.#rest?.reason;
  }

  get messageContext(): unknown {
    return this.#rest?.context;
  }

  set messageContext(context: unknown) {
    this.rest.context = context;
  }

  get isUnseen(): boolean {
    return this.#rest?.unseen === true;
  }

  set isUnseen(unseen: boolean) {
    this.rest.unseen = unseen;
  }

  get rest(): Rest {
    return (this.#rest ??= { context: undefined, abort: undefined, request: undefined, reason: undefined, unseen: false });
  }

  impersonate<T>(action: () => T): T {
    return impersonate(this.#connection, this.#arrival?.security, action);
  }

  release(): void {
    this.#arrival?.release();
  }

  [Symbol.dispose](): void {
    this.release();
  }

  take(arrival: Arrival): void {
    this.#arrival = arrival;
  }

  tellTaken(): void {
    this.#arrival?.tellTaken();
  }

  giveBackData(): void {
    this.#connection.thread.copies.giveBack(this.#memory, this.dataLength);
    this.#memory = EMPTY;
    this.#data = NO_DATA; // its length is charged to the sender until it is answered, and stays
  }

  reply(data: MessageData, options?: ReplyOptions): ReplyOutcome {
    return this.#connection.reply(this.#asRequest(), data, options);
  }

  cancel(): ReplyOutcome {
    return this.#connection.decline(this.#asRequest());
  }

  get signal(): AbortSignal {
    const abort = (this.rest.abort ??= new AbortController());
    if (this.place === PLACE_GONE) abort.abort();
    return abort.signal;
  }

  get isPending(): boolean {
    return this.place >= 0;
  }

  giveUp(): void {
    this.place = PLACE_GONE;
    this.#rest?.abort?.abort();
  }

  callback(data: MessageData, options?: RequestOptions): Promise<ReplyMessage> {
    return this.#connection.request(data, options, this.#asRequest().id);
  }

  callbackSync(data: MessageData, options?: RequestSyncOptions): ReplyMessage {
    return this.#connection.requestSync(data, options, this.#asRequest().id);
  }

  /** Whoever does not compile may answer what can't be. */
  #asRequest(): RequestMessage {
    if (this.place === PLACE_NONE) throw new AlpcError('ERR_ALPC_REPLY_MISMATCH', `${this.#connection}: message ${this.sequence} is of type ${this.type}; only a request can be answered`);
    return this as RequestMessage;
  }
}
