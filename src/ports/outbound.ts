/**
 * The sending half of a connection: records go into the ring at once, or wait here for room, in their order. What waits is a
 * copy, counted against the quotas with what it takes of the heap; only what has room of its own goes ahead of it. Over it, requests and datagrams are refused; answers end the connection, for whoever asks and
 * does not read would never be told; cancellations are always admitted, for their number is bounded by what is in the ring.
 */
import type { MessageData } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { RecordType } from '../memory/layout.js';
import type { RingWriter } from '../memory/ring.js';
import { Outgoing } from './calls.js';
import type { Connection } from './connection.js';
import { channels, tellSend } from './diagnostics.js';
import { Fifo } from './fifo.js';
import { HoldingShare, WAITING_COST } from './holdings.js';
import type { Limits } from './limits.js';
import type { Attachment } from './attachment.js';

export class Outbound {
  readonly #connection: Connection;
  readonly #limits: Limits;
  readonly #waiting = new Fifo<Outgoing>();
  readonly #holding: HoldingShare;
  #waitingBytes = 0;
  /** Waits for a view to come back from the peer, or to hear of a direct message: they are looked after as what waits for room is. */
  viewWaits = 0;

  /** `holding`: its part in what waits for all connections of the same port. */
  constructor(connection: Connection, limits: Limits, holding = new HoldingShare()) {
    this.#connection = connection;
    this.#limits = limits;
    this.#holding = holding;
  }

  /** Records that wait for room. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** These, and waits for a view that comes back, or to hear of a direct message. */
  get length(): number {
    return this.#waiting.length + this.viewWaits;
  }

  /** The first of them. */
  get first(): Outgoing | undefined {
    return this.#waiting.peek();
  }

  /** Whether the peer has consumed everything, and nothing waits. */
  get isDrained(): boolean {
    try {
      return this.#waiting.length === 0 && this.#writer.isDrained;
    } catch (error) {
      this.#connection.violate(error);
      return false;
    }
  }

  /** Where the next record will begin; names it for `cancelRequest`. */
  get position(): number {
    return this.#writer.position;
  }

  /** Whether a record of so many bytes behind its header would go into the ring now. */
  hasRoom(length: number): boolean {
    try {
      return this.#waiting.length === 0 && this.#writer.hasRoomFor(length);
    } catch (error) {
      this.#connection.violate(error);
      return false;
    }
  }

  /** Keeps so many bytes of the ring for messages with a reserve. False when they are in use now. */
  keep(bytes: number): boolean {
    try {
      return this.#writer.keep(bytes);
    } catch (error) {
      this.#connection.violate(error);
      return false;
    }
  }

  /** They are for all messages again. */
  giveUp(bytes: number): void {
    if (this.#connection.state !== 'open') return;
    this.#writer.giveUp(bytes);
    this.#connection.wake(); // what waits may have room
  }

  /** Whether the peer has read everything before a position. */
  isConsumed(position: number): boolean {
    try {
      return this.#writer.hasConsumed(position);
    } catch (error) {
      this.#connection.violate(error);
      return false;
    }
  }

  /** Publishes one record now, behind everything that waits. False when there is no room, or the connection just ended. */
  transmit(type: number, messageId: number, callbackId: number, status: number, data: MessageData | undefined, dataLength: number, attachment?: Attachment): boolean {
    if (attachment?.isReserved === true) return this.#transmitReserved(type, messageId, callbackId, status, data, dataLength, attachment);
    const connection = this.#connection;
    if (this.#waiting.length > 0 || connection.state !== 'open') return false;
    try {
      if (!connection.link.send(type, messageId, callbackId, status, data, dataLength, attachment?.attributes, attachment?.block)) return false;
    } catch (error) {
      connection.violate(error);
      return false;
    }
    if (attachment !== undefined) attachment.sent();
    if (channels.send.hasSubscribers) tellSend(connection, type, messageId, dataLength);
    return true;
  }

  /** Publishes now or later, whatever the quota. */
  transmitOrQueue(type: number, messageId: number, callbackId: number, status: number, data: MessageData | undefined, dataLength: number): void {
    if (this.transmit(type, messageId, callbackId, status, data, dataLength) || this.#connection.state !== 'open') return;
    this.enqueue(new Outgoing(type, messageId, callbackId, status, copyOf(data), dataLength));
  }

  enqueue(outgoing: Outgoing): void {
    this.#waitingBytes += WAITING_COST + outgoing.length;
    this.#holding.add(outgoing.length);
    this.#waiting.push(outgoing);
    this.#connection.wake();
  }

  /** Whether one more message of this side may wait. */
  mayWait(length: number): boolean {
    return this.#waiting.length < this.#limits.pendingMessages && this.mayAnswerWait(length);
  }

  /**
   * Whether one more answer may: as many as there is memory for, and not `pendingMessages` of them, for who asks much in one turn of its event loop reads
   * them in the next. What each takes of the heap counts: answers of no bytes are not for nothing.
   */
  mayAnswerWait(length: number): boolean {
    return this.#waitingBytes + WAITING_COST + length <= this.#limits.pendingBytes && this.#holding.hasRoomFor(length);
  }

  /** Whether a request or datagram of this side may still wait for room. @throws AlpcError ERR_ALPC_QUOTA_EXCEEDED */
  checkQuota(dataLength: number): void {
    if (!this.mayWait(dataLength)) {
      this.#connection.calls.forgo();
      throw new AlpcError('ERR_ALPC_QUOTA_EXCEEDED', `${this.#connection}: ${this.#waiting.length} messages (${this.#waitingBytes} bytes) wait for room already; the peer reads too slowly`);
    }
  }

  /** Takes back a record that still waits. */
  withdraw(outgoing: Outgoing): void {
    if (!this.#waiting.remove(outgoing)) return;
    this.#left(outgoing);
    outgoing.attachment?.undo();
  }

  /** Moves what waits into the ring, as far as there is room. True when it moved, or will soon: the peer is reading. */
  flush(): boolean {
    const connection = this.#connection;
    let moved = this.viewWaits > 0 && connection.attributes.collect();
    let isFirst = true;
    try {
      for (let next = this.#waiting.peek(); next !== undefined && connection.state === 'open'; next = this.#waiting.peek()) {
        if (isFirst && !this.#writer.hasRoomToGoOn(next.length)) break;
        const position = this.#writer.position;
        if (!connection.link.send(next.type, next.messageId, next.callbackId, next.status, next.data, next.dataLength, next.attachment?.attributes, next.attachment?.block)) break;
        this.#waiting.shift();
        this.#left(next);
        next.sent?.(position); // before anybody is told who may give it up: it waits no more
        next.attachment?.sent();
        if (channels.send.hasSubscribers) tellSend(connection, next.type, next.messageId, next.dataLength);
        moved = true;
        isFirst = false;
      }
      return moved || (this.#waiting.length > 0 && connection.state === 'open' && this.#writer.hasProgressed());
    } catch (error) {
      connection.violate(error);
      return true;
    }
  }

  /** The caller no longer waits: takes its request back if it is unread, and tells the peer in case it is not. */
  cancelRequest(id: number, position: number | undefined, outgoing: Outgoing | undefined): void {
    if (this.#connection.state !== 'open') return;
    if (position === undefined) {
      if (outgoing !== undefined) this.withdraw(outgoing);
      return;
    }
    try {
      this.#writer.retract(position, RecordType.request);
    } catch (error) {
      this.#connection.violate(error);
      return;
    }
    if (this.#connection.role === 'unconnected') this.#connection.inbound.giveUp(id); // the peer is this side: nobody has to be told
    else this.transmitOrQueue(RecordType.cancel, id, 0, 0, undefined, 0);
  }

  /** Nothing that waits will ever be sent. */
  failAll(makeError: () => AlpcError): void {
    for (const outgoing of this.#waiting.clear()) {
      outgoing.attachment?.undo();
      outgoing.failed?.(makeError());
    }
    this.#waitingBytes = 0;
    this.#holding.clear();
  }

  #left(outgoing: Outgoing): void {
    this.#waitingBytes -= WAITING_COST + outgoing.length;
    this.#holding.remove(outgoing.length);
  }

  /** Publishes one record in room that is kept for it, ahead of everything that waits. False when the connection has ended. */
  #transmitReserved(type: number, messageId: number, callbackId: number, status: number, data: MessageData | undefined, dataLength: number, attachment: Attachment): boolean {
    const connection = this.#connection;
    if (connection.state !== 'open') return false;
    try {
      if (!this.#writer.withAll(() => connection.link.send(type, messageId, callbackId, status, data, dataLength, attachment.attributes, attachment.block))) return false;
    } catch (error) {
      connection.violate(error);
      return false;
    }
    attachment.sent();
    if (channels.send.hasSubscribers) tellSend(connection, type, messageId, dataLength);
    return true;
  }

  get #writer(): RingWriter {
    return this.#connection.link.writer;
  }
}

/** The sender may use its buffer again at once, so what waits is a copy. */
export function copyOf(data: MessageData | undefined): MessageData | undefined {
  return data instanceof Uint8Array ? Buffer.from(data) : data;
}
