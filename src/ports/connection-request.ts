/** A client asks to be connected: accept or reject it. Only on ports with `connect: 'ask'`. LPC_CONNECTION_REQUEST. */
import { checkData, checkOptions, type MessageData } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { MAX_DATA_LENGTH } from '../memory/layout.js';
import { checkConnectionLimits, type ConnectionLimits, type Limits } from './limits.js';
import { checkMessage } from './message-arguments.js';
import type { PeerIdentity } from './peer-identity.js';
import type { ServerPort } from './server-port.js';

export interface AcceptOptions {
  /** Payload of the answer, at most 65,503 bytes: the client's `connectData`. */
  data?: MessageData;
  /** Any value: `message.portContext` of every message of this client, from the first one on. */
  context?: unknown;
  /** Limits of this connection; those that are not given are the port's. What all connections share is the port's alone. */
  limits?: ConnectionLimits;
}

export interface RejectOptions {
  /** Payload of the refusal: `data` of the client's ERR_ALPC_REFUSED. */
  data?: MessageData;
}

/** How a connection port carries a decision out. */
export interface ConnectionRequestActions {
  /** The port's. */
  readonly limits: Limits;
  accept(limits: Limits, data: Uint8Array, context: unknown): ServerPort | undefined;
  reject(data: Uint8Array): void;
}

/** Decide once, now or later: until then the client waits, for as long as its own timeout lets it. One that has gone holds nothing here, and one that went before its request was received is not asked about. */
export class ConnectionRequestMessage {
  readonly type = 'connection-request';
  readonly id = 0;
  readonly sequence = 0;
  readonly #actions: ConnectionRequestActions;
  #decided = false;

  constructor(
    /** The payload of the connection request. */
    readonly data: Buffer,
    /** Who asks, as the kernel says. */
    readonly sender: PeerIdentity,
    actions: ConnectionRequestActions,
  ) {
    this.#actions = actions;
  }

  /**
   * Accepts. NtAlpcAcceptConnectPort with AcceptConnection true.
   * @returns the way to this client; undefined when there is none: it gave up meanwhile, which is routine, or it was turned away after
   *   all, because its memory is not as it must be, its ring is longer than `limits.peerRingLength`, or this process has no room for it, and
   *   then the port's `refuse` event says so. Nothing of it stays
   * @throws AlpcError ERR_ALPC_CLOSED when this port has been closed; ERR_ALPC_REPLY_MISMATCH when this request has been
   *   decided already; ERR_ALPC_INVALID_ARGUMENT
   */
  accept(options?: AcceptOptions): ServerPort | undefined {
    const given = checkOptions(options, 'options', ['data', 'context', 'limits']);
    const data = payload(given.data);
    const limits = checkConnectionLimits(given.limits, this.#actions.limits);
    this.#decide();
    return this.#actions.accept(limits, data, given.context);
  }

  /** Refuses: the client gets ERR_ALPC_REFUSED with the payload. NtAlpcAcceptConnectPort with AcceptConnection false. @throws as `accept` */
  reject(options?: RejectOptions): void {
    const data = payload(checkOptions(options, 'options', ['data']).data);
    this.#decide();
    this.#actions.reject(data);
  }

  toString(): string {
    return `connection request of ${this.sender}`;
  }

  #decide(): void {
    if (this.#decided) throw new AlpcError('ERR_ALPC_REPLY_MISMATCH', `${this}: it has been accepted or rejected already`);
    this.#decided = true;
  }
}

function payload(data: MessageData | undefined): Uint8Array {
  if (data === undefined) return new Uint8Array(0);
  checkMessage(checkData(data, 'options.data'), MAX_DATA_LENGTH, { toString: () => 'connection answer' });
  return typeof data === 'string' ? Buffer.from(data) : data;
}
