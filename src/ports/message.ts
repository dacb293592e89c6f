/**
 * The messages that a port receives. `type` tells them apart, as the header's type does on Windows; each carries only what
 * its kind can do, so that answering what can't be answered does not compile.
 */
import type { MessageData } from '../base/arguments.js';
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
abstract class MessageBase {
  readonly #connection: Connection;
  /** The number that the sender gave it; unique among the sender's live messages, and used again later. */
  readonly id: number;
  /** Bytes of payload. */
  readonly dataLength: number;
  /** The number of the message among those received on its connection, from 1. */
  readonly sequence: number;

  readonly #memory: ArrayBuffer;
  readonly #start: number;
  #data: Buffer | undefined;
  #arrival: Arrival | undefined;

  /** The payload is `dataLength` bytes at `start` of `memory`, which belong to this message alone. */
  constructor(connection: Connection, id: number, memory: ArrayBuffer, start: number, dataLength: number, sequence: number) {
    this.#connection = connection;
    this.id = id;
    this.#memory = memory;
    this.#start = start;
    this.dataLength = dataLength;
    this.sequence = sequence;
  }

  /** The payload, in memory of this process. */
  get data(): Buffer {
    return (this.#data ??= Buffer.from(this.#memory, this.#start, this.dataLength));
  }

  /** Engine room: where the payload lies, for who reads it in place. Nothing else in there may be looked at. */
  get memory(): ArrayBuffer {
    return this.#memory;
  }

  get start(): number {
    return this.#start;
  }

  /**
   * The view that came with it, if any: shared memory of the sender's, seen without a copy. Undefined again when the message has been released.
   * Release it when done; the sender waits for that to use the memory anew.
   */
  get view(): View | undefined {
    return this.#arrival?.view;
  }

  /** The descriptors that came with it: files, sockets, events. Take those that are wanted; the others are closed when the message is released. */
  get handles(): ReceivedHandles {
    return this.#arrival?.handles ?? NO_HANDLES;
  }

  /** What its sender lets the receiver do with its identity: 'identify' when it said nothing. */
  get securityLevel(): SecurityLevel {
    return this.#arrival?.security?.level ?? 'identify';
  }

  /**
   * Runs a function as the sender, as far as files go: this thread's file-system user, group and groups are the sender's until the function
   * returns or throws. Use the `Sync` forms of `node:fs` in it; what runs later, or on another thread, runs as this process. NtAlpcImpersonateClientOfPort.
   * @returns what the function returns
   * @throws AlpcError ERR_ALPC_ACCESS_DENIED when the message does not allow it (it must say `security: 'impersonate'`), its sender has taken that back,
   *   the message was released, or this process may not act as that user; ERR_ALPC_INVALID_ARGUMENT for a function that gives a promise
   */
  impersonate<T>(action: () => T): T {
    return impersonate(this.#connection, this.#arrival?.security, action);
  }

  /** For whom it was sent, in the end: the ticket that came with it. For accounts and traces, never for decisions on access. */
  get workOnBehalfOf(): WorkTicket | undefined {
    return this.#arrival?.work;
  }

  /** Everything that the kernel says of the sender. */
  get token(): AccessToken {
    return this.#connection.attributes.token;
  }

  /** Gives back what came with the message: its view, and the handles that were not taken. Its payload stays. A second call does nothing. */
  release(): void {
    this.#arrival?.release();
  }

  [Symbol.dispose](): void {
    this.release();
  }

  /** Engine room: what came with it. */
  take(arrival: Arrival): void {
    this.#arrival = arrival;
  }

  /** Engine room: the program has it. */
  tellTaken(): void {
    this.#arrival?.tellTaken();
  }

  /** The communication port that it came through: for a server, the way to this one client. */
  get port(): CommunicationPort {
    return this.#connection.port;
  }

  /** What `accept` was given as `context`; there from the connection's first message to its last. */
  get portContext(): unknown {
    return this.#connection.context;
  }

  /** Who sent it, as the kernel says. */
  get sender(): PeerIdentity {
    return this.#connection.peer;
  }
}

/** How an answer ended: 'canceled' and 'disconnected' are routine, the caller no longer waits for it. */
export type ReplyOutcome = 'sent' | 'canceled' | 'disconnected';

/** A request: answer it once, now or later. LPC_REQUEST. */
export class RequestMessage extends MessageBase {
  readonly type = 'request';
  /** The id of this side's own request that the sender works on, when it calls back; else 0. */
  readonly callbackId: number;
  /** Engine room: where it stands among the unanswered ones of its connection, or why it no longer does. */
  place: number;
  /** The receiver's own: whatever belongs to this request, there again when it is canceled. */
  messageContext: unknown;
  readonly #connection: Connection;
  #abort: AbortController | undefined;

  constructor(connection: Connection, id: number, callbackId: number, memory: ArrayBuffer, start: number, dataLength: number, sequence: number, place: number) {
    super(connection, id, memory, start, dataLength, sequence);
    this.callbackId = callbackId;
    this.place = place;
    this.#connection = connection;
  }

  /**
   * Answers. Never blocks: what finds no room in the ring waits in this process's memory, charged to the connection's quota.
   * NtAlpcSendWaitReceivePort with the request's MessageId and RELEASE_MESSAGE.
   * @param data at most the connection's message length less the header of 32 bytes; the caller may reuse it at once
   * @returns 'sent'; 'canceled' when the caller gave up; 'disconnected' when it is gone
   * @throws AlpcError ERR_ALPC_REPLY_MISMATCH when it has been answered already, ERR_ALPC_MESSAGE_TOO_LONG, ERR_ALPC_INVALID_ARGUMENT
   */
  reply(data: MessageData, options?: ReplyOptions): ReplyOutcome {
    return this.#connection.reply(this, data, options);
  }

  /**
   * Declines: the caller gets ERR_ALPC_CANCELED. Never blocks.
   * @returns as `reply`
   * @throws AlpcError ERR_ALPC_REPLY_MISMATCH when it has been answered already
   */
  cancel(): ReplyOutcome {
    return this.#connection.decline(this);
  }

  /** Aborts when the caller gives up or goes away before the answer: hand it to whatever works on the answer. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.place === PLACE_GONE) this.#abort.abort();
    return this.#abort.signal;
  }

  /** Whether the caller still waits for the answer. */
  get isPending(): boolean {
    return this.place >= 0;
  }

  /** Engine room: the caller no longer waits. */
  giveUp(): void {
    this.place = PLACE_GONE;
    this.#abort?.abort();
  }

  /** Calls the sender back while it waits for the answer to this message: its `onCallback` gets the request. Arguments, result and errors as in `port.request`. */
  callback(data: MessageData, options?: RequestOptions): Promise<ReplyMessage> {
    return this.#connection.request(data, options, this.id);
  }

  /** The blocking form of `callback`: as `port.requestSync`. */
  callbackSync(data: MessageData, options?: RequestSyncOptions): ReplyMessage {
    return this.#connection.requestSync(data, options, this.id);
  }
}

export const PLACE_ANSWERED = -1;
export const PLACE_GONE = -2;

/** The answer to a request of this side. LPC_REPLY. */
export class ReplyMessage extends MessageBase {
  readonly type = 'reply';
}

/** A message that can't be answered. LPC_DATAGRAM. */
export class DatagramMessage extends MessageBase {
  readonly type = 'datagram';
}

/** The sender of a request that was taken here gave it up, or is gone: stop working on it. LPC_CANCELED. */
export class CanceledMessage extends MessageBase {
  readonly type = 'canceled';
  readonly request: RequestMessage;

  constructor(connection: Connection, request: RequestMessage, sequence: number) {
    super(connection, request.id, EMPTY, 0, 0, sequence);
    this.request = request;
  }
}

/** Why a connection ended: 'disconnected' by the peer's own will, 'died' without a word, dropped for breaking the 'protocol' or being over a 'quota'. */
export type EndReason = 'disconnected' | 'died' | 'protocol' | 'quota';

/** The last message of a connection. LPC_PORT_CLOSED. */
export class PortClosedMessage extends MessageBase {
  readonly type = 'port-closed';
  readonly reason: EndReason;

  constructor(connection: Connection, reason: EndReason, sequence: number) {
    super(connection, 0, EMPTY, 0, 0, sequence);
    this.reason = reason;
  }
}

/** The client's process or thread ended without disconnecting; only on ports with `notifyClientDied`, before `port-closed`. LPC_CLIENT_DIED. */
export class ClientDiedMessage extends MessageBase {
  readonly type = 'client-died';

  constructor(connection: Connection, sequence: number) {
    super(connection, 0, EMPTY, 0, 0, sequence);
  }
}

const EMPTY = new ArrayBuffer(0);
