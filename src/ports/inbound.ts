/**
 * The receiving half of a connection: records become messages, settled calls, or cancellations. Messages are read from the ring
 * when somebody takes them; they are queued here only when the connection must read ahead, for a reply that stands behind them.
 *
 * Requests that were read stay in `unanswered` until they are answered, given up, or their sender is gone. What comes from the
 * ring is copied out and checked before it is used; a record that breaks the rules ends the connection.
 */
import { AlpcError } from '../base/errors.js';
import { Control, ProtocolViolation, RecordType, ReplyStatus, RETRACTED } from '../memory/layout.js';
import { Run } from '../memory/run.js';
import type { Arrival } from './arrival.js';
import type { OnCallback, PendingCall } from './calls.js';
import type { Connection, ConnectionMessage } from './connection.js';
import { channels, tellReceive } from './diagnostics.js';
import { Fifo } from './fifo.js';
import { HoldingShare } from './holdings.js';
import type { Figures } from './latency-meter.js';
import type { Limits } from './limits.js';
import { type CanceledMessage, canceledMessage, clientDiedMessage, datagramMessage, type EndReason, portClosedMessage, replyMessage, type RequestMessage, requestMessage } from './message.js';
import { Unanswered } from './unanswered.js';

const { queuedMessages: QUEUED_MESSAGES, lateReplies: LATE_REPLIES } = Control;

/** Records in a row that are no messages, late replies say: a peer can publish them as fast as they are read, and others must have their turn. */
const SILENT_IN_A_ROW = 1024;

/** So many unanswered requests make the search for one of them count for one record more. */
const SEARCHED_AT_ONCE = 128;

export class Inbound {
  readonly #connection: Connection;
  readonly #limits: Limits;
  readonly #figures: Figures;
  readonly #queue = new Fifo<ConnectionMessage>();
  readonly #holding: HoldingShare;
  readonly unanswered: Unanswered;
  /** The peer is gone, and what it left is being taken: it reads no answers any more. */
  isDraining = false;
  /** Nobody takes messages any more: what is still read, by who was at it when this side closed, is let go of. */
  #isOver = false;
  #queuedBytes = 0;
  #sequence = 0;
  #lateReplies = 0;
  #run: Run | undefined;

  /** `holding`: its part in what waits for all connections of the same port. */
  constructor(connection: Connection, limits: Limits, holding = new HoldingShare()) {
    this.#connection = connection;
    this.#limits = limits;
    this.#holding = holding;
    this.#figures = connection.link.own;
    this.unanswered = new Unanswered(limits, connection.link.own);
  }

  /** Messages read ahead. */
  get queued(): number {
    return this.#queue.length;
  }

  /** As many messages are read ahead as may be: of this connection, of its user's, of its port's. One may be in any case. */
  get isFull(): boolean {
    const { length } = this.#queue;
    return length > 0 && (length >= this.#limits.pendingMessages || this.#queuedBytes >= this.#limits.pendingBytes || !this.#holding.hasRoomFor(0));
  }

  get lateReplies(): number {
    return this.#lateReplies;
  }

  /** The next message, or undefined, when there is none or too much stands before it. Replies that stand before it settle their calls on the way. */
  take(): ConnectionMessage | undefined {
    const message = this.#queue.length > 0 ? this.#dequeue() : this.#read(false);
    if (message !== undefined && channels.receive.hasSubscribers) tellReceive(this.#connection, message);
    return message;
  }

  /** As `take`, `max` messages at most, to the end of `messages`. How many there were. */
  takeSome(messages: ConnectionMessage[], max: number): number {
    let count = 0;
    while (count < max) {
      if (this.#queue.length === 0 && !channels.receive.hasSubscribers) count += this.#readRun(messages, max - count);
      const message = count < max ? this.take() : undefined;
      if (message === undefined) break;
      messages.push(message);
      count++;
    }
    return count;
  }

  /** Reads ahead for replies, as far as the quota for queued messages goes. True when it read anything. */
  pump(): boolean {
    let any = false;
    while (this.#connection.state === 'open' && !this.isFull && this.#connection.link.reader.hasData()) {
      any = true;
      const message = this.#read(true);
      if (message === undefined) break;
      this.#enqueue(message);
    }
    return any;
  }

  /** Reads while this thread is blocked: requests go to `onCallback`, other messages are queued. False when there was nothing. @throws AlpcError ERR_ALPC_QUOTA_EXCEEDED */
  readWhileBlocked(onCallback: OnCallback | undefined): boolean {
    const { link, state } = this.#connection;
    if (state !== 'open' || !link.reader.hasData()) return false;
    if (this.isFull) {
      throw new AlpcError('ERR_ALPC_QUOTA_EXCEEDED', `${this.#connection}: ${this.#queue.length} messages wait to be received, and the reply of a blocking call can't be reached behind more; receive them first`);
    }
    const message = this.#read(true);
    if (message === undefined) return true;
    if (message.type === 'request' && onCallback !== undefined) callBack(this.#connection, onCallback, message);
    else this.#enqueue(message);
    return true;
  }

  /** The caller of a request that was read no longer waits: its receiver, if it has one already, will be told. */
  giveUp(id: number): void {
    const canceled = this.#cancel(id);
    if (canceled === undefined) return;
    this.#enqueue(canceled);
    this.#connection.wake();
  }

  /** The peer's end has come: what it left is taken whole, and not more than its ring holds, for it may write on all the same. */
  drain(): void {
    const { link } = this.#connection;
    const { reader } = link;
    const start = reader.position;
    this.isDraining = true;
    try {
      while (this.#connection.state === 'open' && reader.hasData() && (reader.position - start) >>> 0 < link.peer.ringLength) {
        const message = this.#read(true);
        if (message !== undefined) this.#enqueue(message);
      }
    } finally {
      this.isDraining = false;
    }
  }

  /** The peer is gone: one `canceled` for each request that was taken and not answered, and the last words. */
  sayLastWords(reason: EndReason, tellDeath: boolean): void {
    const connection = this.#connection;
    const queued = this.#emptyQueue();
    // One that nobody has received yet is not delivered for an answer that nobody waits for.
    const undelivered = new Set(queued.filter((message) => message.type === 'request'));
    for (const message of queued) if (message.type !== 'request') this.#enqueue(message);
    for (const request of this.unanswered.giveUp()) {
      if (undelivered.has(request)) request.release();
      else if (!request.isUnseen) this.#enqueue(canceledMessage(connection, request, ++this.#sequence));
    }
    if (tellDeath) this.#enqueue(clientDiedMessage(connection, ++this.#sequence));
    this.#enqueue(portClosedMessage(connection, reason, ++this.#sequence));
  }

  /** This side closed: nobody takes messages any more. */
  clear(): void {
    this.#isOver = true;
    this.unanswered.giveUp();
    for (const message of this.#emptyQueue()) message.release();
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  /** Reads records until one is a message, within bounds. `isAhead`: it will be received later. */
  #read(isAhead: boolean): ConnectionMessage | undefined {
    const connection = this.#connection;
    if (connection.state !== 'open') return undefined;
    const { link } = connection;
    const { reader } = link;
    try {
      for (let silent = 0; silent < SILENT_IN_A_ROW && reader.next(); silent++) {
        let message: ConnectionMessage | undefined;
        const arrival = reader.attributes === 0 ? undefined : this.#readAttributes();
        if (connection.state !== 'open') return undefined;
        switch (reader.type) {
          case RecordType.request:
            message = this.#readRequest(arrival);
            break;
          case RecordType.reply:
            this.#readReply(arrival);
            break;
          case RecordType.datagram: {
            const { copies } = connection.thread;
            reader.copyData(copies);
            link.release();
            message = datagramMessage(connection, reader.messageId, copies.memory, copies.start, reader.dataLength, ++this.#sequence);
            if (arrival !== undefined) message.take(arrival);
            break;
          }
          case RecordType.cancel:
            silent += this.unanswered.length / SEARCHED_AT_ONCE;
            message = this.#readCancel();
            break;
          case RecordType.forget:
            this.#readForget();
            break;
          default:
            throw new ProtocolViolation(`a record is of unknown type ${reader.type}`);
        }
        if (message !== undefined) {
          if (arrival !== undefined && !isAhead) arrival.tellTaken();
          return message;
        }
        if (connection.state !== 'open') return undefined;
      }
    } catch (error) {
      connection.violate(error);
    }
    return undefined;
  }

  /** Reads datagrams as long as there is nothing else, `max` at most. How many. */
  #readRun(messages: ConnectionMessage[], max: number): number {
    const connection = this.#connection;
    const { link, thread } = connection;
    const run = (this.#run ??= new Run(link.reader, thread.copies));
    let count = 0;
    try {
      while (count < max && connection.state === 'open' && run.begin(RecordType.datagram)) {
        const { memory } = thread.copies;
        for (; count < max && run.next(); count++) {
          messages.push(datagramMessage(connection, run.messageId, memory, run.dataStart, run.dataLength, ++this.#sequence));
        }
        if (run.end() === 0) break;
        link.release();
      }
    } catch (error) {
      connection.violate(error);
    }
    return count;
  }

  /** What comes with a record that has attributes. Who may have them carries bytes, and this side has said that it takes them. */
  #readAttributes(): Arrival | undefined {
    const connection = this.#connection;
    const { type } = connection.link.reader;
    if (type !== RecordType.request && type !== RecordType.reply && type !== RecordType.datagram) throw new ProtocolViolation(`a record of type ${type} has attributes`);
    return connection.attributes.receive();
  }

  #readForget(): void {
    const connection = this.#connection;
    const { messageId, callbackId } = connection.link.reader;
    connection.link.release();
    connection.attributes.forget(messageId, callbackId);
  }

  #readRequest(arrival: Arrival | undefined): RequestMessage | undefined {
    const connection = this.#connection;
    const { link } = connection;
    const { messageId, callbackId, flags, dataLength } = link.reader;
    if ((flags & RETRACTED) !== 0) {
      link.release();
      arrival?.release();
      return undefined;
    }
    if (!this.unanswered.hasRoomFor(dataLength)) {
      link.release();
      arrival?.release();
      connection.answer(messageId, callbackId, ReplyStatus.quota);
      return undefined;
    }
    const { copies } = connection.thread;
    link.reader.copyData(copies);
    link.release();
    const message = requestMessage(connection, messageId, callbackId, copies.memory, copies.start, dataLength, ++this.#sequence, this.unanswered.length);
    if (arrival !== undefined) message.take(arrival);
    this.unanswered.add(message);
    const call = callbackId === 0 ? undefined : connection.calls.findPending(callbackId);
    if (call?.onCallback === undefined) return message;
    try {
      callBack(connection, call.onCallback, message);
    } catch (error) {
      if (connection.calls.take(call.id) === undefined) throw error; // settled meanwhile: it can't take the error
      connection.outbound.cancelRequest(call.id, call.position, call.outgoing);
      call.reject(error);
    }
    return undefined;
  }

  #readReply(arrival: Arrival | undefined): void {
    const connection = this.#connection;
    const { link } = connection;
    const { messageId, status } = link.reader;
    if (status === ReplyStatus.ok) connection.calls.meter.end(messageId);
    else connection.calls.meter.drop(messageId);
    const blocked = connection.calls.findBlocked(messageId);
    const call = blocked ?? connection.calls.takeAnswered(messageId);
    if (call === undefined) {
      link.release();
      arrival?.release();
      this.#figures.words[LATE_REPLIES] = ++this.#lateReplies;
      return;
    }
    if (status !== ReplyStatus.ok) {
      const { dataLength } = link.reader;
      link.release();
      arrival?.release();
      if (channels.receive.hasSubscribers) tellReceive(connection, { type: 'reply', id: messageId, dataLength });
      const error = errorOf(connection, status, messageId);
      if (status === ReplyStatus.deadlock) connection.outbound.cancelRequest(messageId, call.position, call.outgoing);
      if (blocked !== undefined) blocked.error = error;
      else (call as PendingCall).reject(error);
      return;
    }
    const { copies } = connection.thread;
    link.reader.copyData(copies);
    link.release();
    const reply = replyMessage(connection, messageId, copies.memory, copies.start, link.reader.dataLength, ++this.#sequence);
    if (arrival !== undefined) {
      reply.take(arrival);
      arrival.tellTaken();
    }
    if (blocked !== undefined) blocked.reply = reply;
    else (call as PendingCall).resolve(reply);
    if (channels.receive.hasSubscribers) tellReceive(connection, reply); // who is told may close the port
  }

  #readCancel(): CanceledMessage | undefined {
    const { link } = this.#connection;
    const id = link.reader.messageId;
    link.release();
    return this.#cancel(id);
  }

  /** Gives up an unanswered request. The message that tells its receiver; undefined when it was still in the queue of this side, and is never seen, or threads have it. */
  #cancel(id: number): CanceledMessage | undefined {
    const message = this.unanswered.find(id);
    if (message === undefined) return undefined;
    this.unanswered.remove(message);
    this.unanswered.tell();
    message.giveUp();
    if (!this.#queue.remove(message)) return message.isUnseen ? undefined : canceledMessage(this.#connection, message, ++this.#sequence);
    this.#left(message);
    message.release();
    return undefined;
  }

  #enqueue(message: ConnectionMessage): void {
    if (this.#isOver) {
      message.release();
      return;
    }
    this.#queue.push(message);
    this.#queuedBytes += message.dataLength;
    this.#holding.add(message.dataLength);
    this.#tellQueued();
  }

  #dequeue(): ConnectionMessage {
    if (this.isFull) this.#connection.wake(); // reading ahead goes on
    const message = this.#queue.shift()!;
    this.#left(message);
    message.tellTaken();
    return message;
  }

  #left(message: ConnectionMessage): void {
    this.#queuedBytes -= message.dataLength;
    this.#holding.remove(message.dataLength);
    this.#tellQueued();
  }

  #emptyQueue(): ConnectionMessage[] {
    this.#queuedBytes = 0;
    this.#holding.clear();
    return this.#queue.clear();
  }

  /** For inspectors. */
  #tellQueued(): void {
    this.#figures.words[QUEUED_MESSAGES] = this.#queue.length;
  }
}

/** Hands a request to whoever is to answer it. What it throws ends its call, so nobody would answer any more: the peer is told. */
function callBack(connection: Connection, onCallback: OnCallback, message: RequestMessage): void {
  message.tellTaken();
  if (channels.receive.hasSubscribers) tellReceive(connection, message);
  try {
    onCallback(message);
  } catch (error) {
    if (message.isPending) message.cancel();
    throw error;
  }
}

function errorOf(connection: Connection, status: number, id: number): AlpcError {
  if (status === ReplyStatus.deadlock) return new AlpcError('ERR_ALPC_DEADLOCK', `${connection}: request ${id} and a blocking call of the peer wait for each other`);
  if (status === ReplyStatus.quota) return new AlpcError('ERR_ALPC_QUOTA_EXCEEDED', `${connection}: request ${id} is over the peer's quota of unanswered requests`);
  if (status === ReplyStatus.canceled) return new AlpcError('ERR_ALPC_CANCELED', `${connection}: the peer declined request ${id}`);
  return new AlpcError('ERR_ALPC_PROTOCOL', `${connection}: request ${id} was answered with unknown status ${status}`);
}
