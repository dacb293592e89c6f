/**
 * Resource reserves: room in this side's ring that is kept for one message, so that sending it can't fail for want of room, nor wait for it,
 * whatever else has been sent and however little the peer reads. NtAlpcCreateResourceReserve.
 *
 * A reserve is for one message at a time: it is out from its sending until the peer has read it. What is kept no other message takes, so
 * the ring must be long enough for the longest of them besides; that is what bounds all reserves together.
 */
import { checkInteger, invalidArgument } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { align8, RECORD_HEADER } from '../memory/layout.js';
import type { AttachmentPart } from './attachment.js';
import type { Connection } from './connection.js';

const NO_WORDS = new Int32Array(0);

/** Room for one message. Made by `port.createResourceReserve`. */
export class ResourceReserve {
  /** The longest payload that it has room for, in bytes, less what attributes take. */
  readonly size: number;
  readonly #connection: Connection;
  readonly #reserves: ResourceReserves;
  /** Where its last record ends in the ring, in bytes ever written. */
  #end = 0;
  #isClosed = false;

  /** Engine room: made by a port. */
  constructor(connection: Connection, reserves: ResourceReserves, size: number) {
    this.size = size;
    this.#connection = connection;
    this.#reserves = reserves;
  }

  /** Whether a message can be sent with it now: the peer has read the one before, the connection is open, and so is this. Never waits. */
  get isFree(): boolean {
    return !this.#isClosed && this.#connection.state === 'open' && !this.#isOut() && this.#connection.state === 'open';
  }

  get closed(): boolean {
    return this.#isClosed;
  }

  /** Gives the room back to other messages; one that is out arrives all the same. A second call does nothing. NtAlpcDeleteResourceReserve. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#reserves.giveUp(bytesFor(this.size));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Engine room: whether its message has not been read yet, of a reserve that is good for this connection. */
  isOutOn(connection: Connection): boolean {
    return connection === this.#connection && !this.#isClosed && this.#isOut();
  }

  /** Engine room: it is used for a message of so many bytes, from the moment on when that is sent. @throws AlpcError as `attachReserve` */
  attach(connection: Connection, length: number): AttachmentPart {
    if (connection !== this.#connection) throw new AlpcError('ERR_ALPC_INVALID_ARGUMENT', `${connection}: options.reserve is of another port's ring`);
    if (this.#isClosed) throw new AlpcError('ERR_ALPC_CLOSED', `${connection}: the resource reserve has been closed`);
    if (length > this.size) throw new AlpcError('ERR_ALPC_MESSAGE_TOO_LONG', `${connection}: a message of ${length} bytes, attributes included, does not fit into a reserve of ${this.size}`);
    if (this.#isOut()) throw new AlpcError('ERR_ALPC_RESOURCE_IN_USE', `${connection}: the peer (${connection.peer}) has not read the message that was sent with this resource reserve`);
    const sent = (): void => void (this.#end = connection.outbound.position);
    return { attribute: 0, words: NO_WORDS, sent };
  }

  #isOut(): boolean {
    return this.#connection.state === 'open' && !this.#connection.outbound.isConsumed(this.#end);
  }
}

/** The reserves of one side of a connection. */
export class ResourceReserves {
  readonly #connection: Connection;
  #bytes = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Bytes of the ring that are kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @throws AlpcError ERR_ALPC_INVALID_ARGUMENT, ERR_ALPC_QUOTA_EXCEEDED, ERR_ALPC_INSUFFICIENT_RESOURCES, ERR_ALPC_DISCONNECTED */
  create(size: number): ResourceReserve {
    const connection = this.#connection;
    const { maxDataLength, link, outbound } = connection;
    checkInteger(size, 'size', 0, maxDataLength);
    const bytes = bytesFor(size);
    const left = link.own.ringLength - bytesFor(maxDataLength) - this.#bytes;
    if (bytes > left) {
      throw new AlpcError('ERR_ALPC_QUOTA_EXCEEDED', `${connection}: a reserve takes ${bytes} bytes of the ring, and of its ${link.own.ringLength} ${Math.max(0, left)} are left beside the reserves (${this.#bytes}) and the longest message (${bytesFor(maxDataLength)}); see limits.ringLength`);
    }
    const isKept = outbound.keep(bytes);
    if (connection.state !== 'open') throw connection.closedError();
    if (!isKept) throw new AlpcError('ERR_ALPC_INSUFFICIENT_RESOURCES', `${connection}: the ring has no room for a reserve of ${bytes} bytes before the peer (${connection.peer}) has read more; make it before the ring is full`);
    this.#bytes += bytes;
    return new ResourceReserve(connection, this, size);
  }

  giveUp(bytes: number): void {
    this.#bytes -= bytes;
    this.#connection.outbound.giveUp(bytes);
  }
}

/**
 * The part of a message that is sent with a reserve. `needsDescriptors` is whether it has any that go ahead of it: the socket may be full.
 * @throws AlpcError ERR_ALPC_INVALID_ARGUMENT, ERR_ALPC_CLOSED, ERR_ALPC_MESSAGE_TOO_LONG, ERR_ALPC_RESOURCE_IN_USE
 */
export function attachReserve(connection: Connection, reserve: ResourceReserve, length: number, needsDescriptors: boolean): AttachmentPart {
  if (!(reserve instanceof ResourceReserve)) throw invalidArgument('options.reserve', 'a resource reserve of this port', reserve);
  if (needsDescriptors) throw invalidArgument('options.reserve', 'a message without a view or handles: room can be kept for bytes alone', reserve);
  return reserve.attach(connection, length);
}

/** What a message takes of the ring. */
function bytesFor(length: number): number {
  return align8(RECORD_HEADER + length);
}
