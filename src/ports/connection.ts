/**
 * One side of a connection, the same for client and server: it turns records into messages and settled calls, and calls
 * and replies into records. Who takes the messages, and when, is its owner's business (a client port, a connection port).
 *
 * Invariants: a request of this side settles exactly once; a request of the peer is in `#unanswered` from its reading until
 * it is answered, given up, or its sender gone; after `end` or `close` no memory of the peer is touched any more. What is
 * read from the ring is copied out, checked, then used; a peer that breaks the rules is dropped with `ProtocolViolation`.
 */
import type { MessageData } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { AdaptiveSpin } from '../memory/adaptive-spin.js';
import { Control, OutboxState, ProtocolViolation, RecordType, RECORD_HEADER, ReplyStatus, RETRACTED } from '../memory/layout.js';
import type { Link } from '../memory/link.js';
import type { PeerWaitPage } from '../memory/wait-page.js';
import { releaseDescriptor } from '../platform/descriptors.js';
import { receiveBytes } from '../platform/unix-socket.js';
import { requestBlocking, postBlocking } from './blocking.js';
import { Calls, type OnCallback, Outgoing, PendingCall } from './calls.js';
import type { CommunicationPort, PostOptions, RequestOptions, RequestSyncOptions } from './communication-port.js';
import { channels } from './diagnostics.js';
import { Fifo } from './fifo.js';
import type { Limits } from './limits.js';
import { CanceledMessage, ClientDiedMessage, DatagramMessage, type EndReason, PLACE_ANSWERED, PortClosedMessage, ReplyMessage, type ReplyOutcome, RequestMessage } from './message.js';
import { checkMessage, checkRequestOptions, checkWaitOptions } from './message-arguments.js';
import type { PeerIdentity } from './peer-identity.js';
import type { Spin } from './spin-options.js';
import type { Thread } from './thread.js';

/** What a connection's messages can be. */
export type ConnectionMessage = RequestMessage | DatagramMessage | CanceledMessage | PortClosedMessage | ClientDiedMessage;

/** The port that holds a connection. */
export interface ConnectionOwner {
  /** Something is to be done on the event loop, or may be soon: a reply is awaited, records wait for room, messages are there. */
  wake(connection: Connection): void;
  /** The socket is about to be closed: stop watching it. */
  unwatch(connection: Connection): void;
}

export interface ConnectionParts {
  readonly thread: Thread;
  readonly owner: ConnectionOwner;
  readonly link: Link;
  readonly socket: number;
  /** The inode number of the client's outbox. */
  readonly inode: number;
  readonly peerPage: PeerWaitPage;
  readonly peer: PeerIdentity;
  readonly portName: string;
  readonly role: 'client' | 'server' | 'unconnected';
  readonly limits: Limits;
  /** The stricter of the two sides' message lengths. */
  readonly maxMessageLength: number;
  readonly spin: Spin;
  readonly notifyClientDied: boolean;
}

/** Packets read from the socket in one go: a peer that floods it gets its turn, and no more. */
const PACKETS_AT_ONCE = 64;
const packet = new Uint8Array(1024);

export class Connection {
  readonly thread: Thread;
  readonly link: Link;
  readonly socket: number;
  readonly inode: number;
  readonly peerPage: PeerWaitPage;
  readonly peer: PeerIdentity;
  readonly portName: string;
  readonly role: 'client' | 'server' | 'unconnected';
  /** Looks at memory before a blocking call sleeps. */
  readonly looks: AdaptiveSpin;
  readonly calls = new Calls();
  /** Records that wait for room in the ring. */
  readonly waitingForRoom = new Fifo<Outgoing>();
  port!: CommunicationPort;
  context: unknown;
  onCallback: OnCallback | undefined;
  state: 'open' | 'ending' | 'closed' = 'open';
  endReason: EndReason | undefined;
  /** Its place among its owner's active connections, or -1. */
  activeAt = -1;
  /** When its owner last found something here, in ms. */
  lastActive = 0;

  readonly #owner: ConnectionOwner;
  readonly #limits: Limits;
  readonly #maxDataLength: number;
  readonly #notifyClientDied: boolean;
  readonly #queue = new Fifo<ConnectionMessage>();
  readonly #unanswered: RequestMessage[] = [];
  #queuedBytes = 0;
  #unansweredBytes = 0;
  #waitingBytes = 0;
  #sequence = 0;

  constructor(parts: ConnectionParts) {
    this.thread = parts.thread;
    this.link = parts.link;
    this.socket = parts.socket;
    this.inode = parts.inode;
    this.peerPage = parts.peerPage;
    this.peer = parts.peer;
    this.portName = parts.portName;
    this.role = parts.role;
    this.looks = new AdaptiveSpin(parts.spin.looks);
    this.#owner = parts.owner;
    this.#limits = parts.limits;
    this.#maxDataLength = parts.maxMessageLength - RECORD_HEADER;
    this.#notifyClientDied = parts.notifyClientDied;
    this.thread.addConnection(this);
  }

  // ---- sending -----------------------------------------------------------------------------------------------------

  request(data: MessageData, options?: RequestOptions, callbackId = 0): Promise<ReplyMessage> {
    const call = new PendingCall();
    const promise = new Promise<ReplyMessage>((resolve, reject) => {
      call.resolve = resolve;
      call.reject = reject;
    });
    try {
      this.#startCall(call, data, options, callbackId);
    } catch (error) {
      call.reject(error);
    }
    return promise;
  }

  requestSync(data: MessageData, options?: RequestSyncOptions, callbackId = 0): ReplyMessage {
    const dataLength = this.prepare(data);
    const { timeout, onCallback } = checkRequestOptions(options);
    return requestBlocking(this, data, dataLength, callbackId, timeout, onCallback ?? this.onCallback);
  }

  async post(data: MessageData, options?: PostOptions): Promise<void> {
    const dataLength = this.prepare(data);
    const { timeout, signal } = checkWaitOptions(options);
    signal?.throwIfAborted();
    if (this.transmit(RecordType.datagram, 0, 0, 0, data, dataLength)) return;
    await this.#queueForRoom(data, dataLength, timeout, signal);
  }

  postSync(data: MessageData, options?: { timeout?: number }): void {
    const dataLength = this.prepare(data);
    const { timeout } = checkWaitOptions(options);
    if (!this.transmit(RecordType.datagram, 0, 0, 0, data, dataLength)) postBlocking(this, data, dataLength, timeout);
  }

  tryPost(data: MessageData): 'sent' | 'full' | 'disconnected' {
    const dataLength = checkMessage(data, this.#maxDataLength, this);
    if (this.state !== 'open') return 'disconnected';
    if (this.transmit(RecordType.datagram, 0, 0, 0, data, dataLength)) return 'sent';
    return this.state === 'open' ? 'full' : 'disconnected';
  }

  reply(message: RequestMessage, data: MessageData): ReplyOutcome {
    const dataLength = checkMessage(data, this.#maxDataLength, this);
    return this.#settle(message, ReplyStatus.ok, data, dataLength);
  }

  decline(message: RequestMessage): ReplyOutcome {
    return this.#settle(message, ReplyStatus.canceled, undefined, 0);
  }

  /** Answers a request of the peer by its id, whether it has been read or not: the peer waits in a circle. */
  refuseById(messageId: number, status: number): void {
    const message = this.#unanswered.find((candidate) => candidate.id === messageId);
    if (message !== undefined) {
      this.#forget(message);
      message.giveUp();
    }
    this.transmitOrQueue(RecordType.reply, messageId, 0, status, undefined, 0);
  }

  /** The data's length in bytes, checked against the connection's state and limits. */
  prepare(data: MessageData): number {
    const dataLength = checkMessage(data, this.#maxDataLength, this);
    if (this.state !== 'open') throw this.closedError();
    return dataLength;
  }

  /** Publishes one record now, behind everything that waits. False when there is no room, or the connection just ended. */
  transmit(type: number, messageId: number, callbackId: number, status: number, data: MessageData | undefined, dataLength: number): boolean {
    if (this.waitingForRoom.length > 0 || this.state !== 'open') return false;
    try {
      if (!this.link.send(type, messageId, callbackId, status, data, dataLength)) return false;
    } catch (error) {
      this.violate(error);
      return false;
    }
    if (channels.send.hasSubscribers) channels.send.publish({ port: this.portName, role: this.role, type, id: messageId, length: dataLength });
    return true;
  }

  /** Publishes now or later. Control records and replies: always admitted, for their number is bounded by what was asked. */
  transmitOrQueue(type: number, messageId: number, callbackId: number, status: number, data: MessageData | undefined, dataLength: number): void {
    if (this.transmit(type, messageId, callbackId, status, data, dataLength) || this.state !== 'open') return;
    this.enqueueOutgoing(new Outgoing(type, messageId, callbackId, status, copyOf(data), dataLength));
  }

  enqueueOutgoing(outgoing: Outgoing): void {
    this.#waitingBytes += outgoing.dataLength;
    this.waitingForRoom.push(outgoing);
    this.#owner.wake(this);
  }

  /** Whether a request or datagram of this side may still wait for room. */
  checkRoomQuota(dataLength: number): void {
    if (this.waitingForRoom.length >= this.#limits.pendingMessages || this.#waitingBytes + dataLength > this.#limits.pendingBytes) {
      throw new AlpcError('ERR_ALPC_QUOTA_EXCEEDED', `${this}: ${this.waitingForRoom.length} messages (${this.#waitingBytes} bytes) wait for room already; the peer reads too slowly`);
    }
  }

  /** Takes back a record that still waits for room. */
  withdraw(outgoing: Outgoing): void {
    if (this.waitingForRoom.remove(outgoing)) this.#waitingBytes -= outgoing.dataLength;
  }

  /** Moves what waits into the ring, as far as there is room. True when it moved, or will soon: the peer is reading. */
  flush(): boolean {
    let moved = false;
    try {
      for (let next = this.waitingForRoom.peek(); next !== undefined && this.state === 'open'; next = this.waitingForRoom.peek()) {
        if (!moved && !this.link.writer.hasRoomToGoOn(next.dataLength)) break;
        const position = this.link.writer.position;
        if (!this.link.send(next.type, next.messageId, next.callbackId, next.status, next.data, next.dataLength)) break;
        this.waitingForRoom.shift();
        this.#waitingBytes -= next.dataLength;
        next.sent?.(position);
        moved = true;
      }
      return moved || (this.waitingForRoom.length > 0 && this.link.writer.hasProgressed());
    } catch (error) {
      this.violate(error);
    }
    return moved;
  }

  /** The caller no longer waits: takes the request back if it is unread, and tells the server if it is not. */
  cancelRequest(id: number, position: number | undefined, outgoing: Outgoing | undefined): void {
    if (this.state !== 'open') return;
    if (position === undefined) {
      if (outgoing !== undefined) this.withdraw(outgoing);
      return;
    }
    try {
      this.link.writer.retract(position, RecordType.request);
    } catch (error) {
      this.violate(error);
      return;
    }
    this.transmitOrQueue(RecordType.cancel, id, 0, 0, undefined, 0);
  }

  // ---- receiving ---------------------------------------------------------------------------------------------------

  /** Whether messages were read ahead and wait to be taken. */
  get hasQueued(): boolean {
    return this.#queue.length > 0;
  }

  /** Whether `take` may find something. */
  hasMessages(): boolean {
    return this.#queue.length > 0 || (this.state === 'open' && this.link.reader.hasData());
  }

  /** Closed, and everything that it left has been taken. */
  get isSpent(): boolean {
    return this.state === 'closed' && this.#queue.length === 0;
  }

  /** The next message, or undefined. Replies that stand before it settle their calls on the way. */
  take(): ConnectionMessage | undefined {
    const message = this.#queue.length > 0 ? this.#dequeue() : this.#read();
    if (message !== undefined && channels.receive.hasSubscribers) {
      channels.receive.publish({ port: this.portName, role: this.role, type: message.type, id: message.id, length: message.data.length });
    }
    return message;
  }

  /** Reads ahead for replies: messages are queued, as far as the quota goes. True when it read anything. */
  pump(): boolean {
    if (this.state !== 'open') return false;
    let any = false;
    while (this.#queue.length < this.#limits.pendingMessages && this.#queuedBytes < this.#limits.pendingBytes && this.link.reader.hasData()) {
      any = true;
      const message = this.#read();
      if (message === undefined) break;
      this.#enqueue(message);
    }
    return any;
  }

  /** Reads one record while this thread is blocked: requests go to `onCallback`, other messages are queued. False when there is none. */
  readWhileBlocked(onCallback: OnCallback | undefined): boolean {
    if (this.state !== 'open' || !this.link.reader.hasData()) return false;
    if (this.#queue.length >= this.#limits.pendingMessages || this.#queuedBytes >= this.#limits.pendingBytes) {
      throw new AlpcError('ERR_ALPC_QUOTA_EXCEEDED', `${this}: ${this.#queue.length} messages wait to be received, and the reply of a blocking call can't be reached behind more; receive them first`);
    }
    const message = this.#read();
    if (message === undefined) return true;
    if (message.type === 'request' && onCallback !== undefined) onCallback(message);
    else this.#enqueue(message);
    return true;
  }

  /** Prepares the doorbells before the owner rests. False: something is there already. */
  arm(wantsData: boolean): boolean {
    if (this.state !== 'open') return true;
    const wantsRoom = this.waitingForRoom.peek();
    if (wantsData && !this.link.armForData()) return false;
    return wantsRoom === undefined || this.link.armForSpace(wantsRoom.dataLength);
  }

  disarm(): void {
    if (this.state !== 'open') return;
    this.link.disarm();
    this.link.disarmForSpace();
  }

  /** Reads what came on the socket: bells, or the end. */
  readSocket(): void {
    for (let i = 0; i < PACKETS_AT_ONCE && this.state === 'open'; i++) {
      const length = receiveBytes(this.socket, packet);
      if (length === 'none') return;
      if (length === 'end') return this.end(reasonOf(Atomics.load(this.link.peer.words, Control.state)));
      if (length > 1) return this.violate(new ProtocolViolation(`a packet of ${length} bytes came where only bells are rung`));
    }
  }

  /** Asks on the event loop for whatever is still to be done. */
  wake(): void {
    this.#owner.wake(this);
  }

  // ---- the end -----------------------------------------------------------------------------------------------------

  /** The peer is gone: takes what it left, settles everything, and closes with the last words. */
  end(reason: EndReason, error?: Error): void {
    if (this.state !== 'open') return;
    this.#drain();
    if (this.state !== 'open') return; // what it left broke the rules, and that was its end
    this.endReason = reason;
    this.#sayWhy(OutboxState.closed);
    this.state = 'ending';
    this.#release();
    const lost = reason === 'died';
    this.#failAll(() =>
      lost
        ? new AlpcError('ERR_ALPC_MESSAGE_LOST', `${this}: the peer (${this.peer}) ended while it held the request`, error && { cause: error })
        : new AlpcError('ERR_ALPC_DISCONNECTED', `${this}: the peer (${this.peer}) closed the connection before it answered`, error && { cause: error }),
    );
    for (const request of this.#unanswered.splice(0)) {
      request.giveUp();
      this.#queue.push(new CanceledMessage(this, request, ++this.#sequence));
    }
    if (lost && this.#notifyClientDied) this.#queue.push(new ClientDiedMessage(this, 0, EMPTY, ++this.#sequence));
    this.#queue.push(new PortClosedMessage(this, reason, ++this.#sequence));
    this.state = 'closed';
    this.#announceEnd(reason, error);
    this.#owner.wake(this);
  }

  /** This side's own will: leaves the reason, settles this side's calls as canceled, drops what was not received. */
  close(): void {
    if (this.state !== 'open') {
      this.#queue.clear();
      return;
    }
    this.#sayWhy(OutboxState.closed);
    this.state = 'ending';
    this.#release();
    this.#failAll(() => new AlpcError('ERR_ALPC_CANCELED', `${this}: this side closed the connection before the answer came`));
    for (const request of this.#unanswered.splice(0)) request.giveUp();
    this.#queue.clear();
    this.#queuedBytes = 0;
    this.state = 'closed';
    this.#announceEnd('closed');
  }

  /** The peer broke the rules: it is told, dropped, and its owner sees why. Passes on anything that is not a violation. */
  violate(error: unknown): void {
    if (!(error instanceof ProtocolViolation)) throw error;
    if (this.state !== 'open') return;
    this.#sayWhy(OutboxState.protocol);
    this.end('protocol', error);
  }

  closedError(): AlpcError {
    return this.endReason === undefined
      ? new AlpcError('ERR_ALPC_CLOSED', `${this}: it has been closed`)
      : new AlpcError('ERR_ALPC_DISCONNECTED', `${this}: the peer (${this.peer}) is gone (${this.endReason})`);
  }

  toString(): string {
    return `${this.role} communication port of ${this.portName} (${this.state}, peer ${this.peer})`;
  }

  /** Figures for people and tests. */
  get figures(): { pendingRequests: number; unansweredRequests: number; queuedMessages: number; waitingForRoom: number; lateReplies: number } {
    return {
      pendingRequests: this.calls.count,
      unansweredRequests: this.#unanswered.length,
      queuedMessages: this.#queue.length,
      waitingForRoom: this.waitingForRoom.length,
      lateReplies: this.#lateReplies,
    };
  }

  #lateReplies = 0;

  // ---- engine room -------------------------------------------------------------------------------------------------

  #startCall(call: PendingCall, data: MessageData, options: RequestOptions | undefined, callbackId: number): void {
    const dataLength = this.prepare(data);
    const { timeout, signal, onCallback } = checkRequestOptions(options);
    signal?.throwIfAborted();
    const id = this.calls.nextId();
    call.id = id;
    call.onCallback = onCallback;
    const position = this.link.writer.position;
    if (this.transmit(RecordType.request, id, callbackId, 0, data, dataLength)) call.position = position;
    else {
      if (this.state !== 'open') throw this.closedError();
      this.checkRoomQuota(dataLength);
      call.outgoing = new Outgoing(RecordType.request, id, callbackId, 0, copyOf(data), dataLength, (at) => void (call.position = at));
      this.enqueueOutgoing(call.outgoing);
    }
    this.calls.add(call);
    if (timeout !== Infinity) {
      call.timer = setTimeout(() => this.#giveUp(call, () => new AlpcError('ERR_ALPC_TIMEOUT', `${this}: request ${id} was not answered within ${timeout} ms`)), timeout);
      if (!this.port.hasRef()) call.timer.unref();
    }
    if (signal !== undefined) {
      call.signal = signal;
      call.onAbort = () => this.#giveUp(call, () => signal.reason as Error);
      signal.addEventListener('abort', call.onAbort, { once: true });
    }
    this.#owner.wake(this);
  }

  #giveUp(call: PendingCall, makeError: () => Error): void {
    if (this.state === 'open') this.pump(); // the reply may be there already: then it wins
    if (this.calls.take(call.id) === undefined) return;
    this.cancelRequest(call.id, call.position, call.outgoing);
    call.reject(makeError());
  }

  #queueForRoom(data: MessageData, dataLength: number, timeout: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.state !== 'open') throw this.closedError();
      this.checkRoomQuota(dataLength);
      let timer: NodeJS.Timeout | undefined;
      const settle = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      };
      const outgoing = new Outgoing(
        RecordType.datagram, 0, 0, 0, copyOf(data), dataLength,
        () => { settle(); resolve(); },
        (error) => { settle(); reject(error); },
      );
      const giveUp = (error: Error): void => {
        this.withdraw(outgoing);
        outgoing.failed!(error);
      };
      const onAbort = (): void => giveUp(signal!.reason as Error);
      if (timeout !== Infinity) timer = setTimeout(() => giveUp(new AlpcError('ERR_ALPC_TIMEOUT', `${this}: there was no room for a message within ${timeout} ms`)), timeout);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.enqueueOutgoing(outgoing);
    });
  }

  /** Reads records until one is a message. */
  #read(): ConnectionMessage | undefined {
    if (this.state !== 'open') return undefined;
    const reader = this.link.reader;
    try {
      while (reader.next()) {
        switch (reader.type) {
          case RecordType.request: {
            const message = this.#readRequest();
            if (message !== undefined) return message;
            break;
          }
          case RecordType.reply:
            this.#readReply();
            break;
          case RecordType.datagram: {
            const data = reader.copyData(this.thread.copies);
            this.link.release();
            return new DatagramMessage(this, reader.messageId, data, ++this.#sequence);
          }
          case RecordType.cancel: {
            const message = this.#readCancel();
            if (message !== undefined) return message;
            break;
          }
          default:
            throw new ProtocolViolation(`a record is of unknown type ${reader.type}`);
        }
        if (this.state !== 'open') return undefined;
      }
    } catch (error) {
      this.violate(error);
    }
    return undefined;
  }

  #readRequest(): RequestMessage | undefined {
    const reader = this.link.reader;
    const { messageId, callbackId, flags, dataLength } = reader;
    if ((flags & RETRACTED) !== 0) {
      this.link.release();
      return undefined;
    }
    if (this.#unanswered.length >= this.#limits.pendingMessages || this.#unansweredBytes + dataLength > this.#limits.pendingBytes) {
      this.link.release();
      this.transmitOrQueue(RecordType.reply, messageId, callbackId, ReplyStatus.quota, undefined, 0);
      return undefined;
    }
    const data = reader.copyData(this.thread.copies);
    this.link.release();
    const message = new RequestMessage(this, messageId, callbackId, data, ++this.#sequence, this.#unanswered.length);
    this.#unanswered.push(message);
    this.#unansweredBytes += dataLength;
    if (callbackId !== 0) {
      const onCallback = this.calls.findPending(callbackId)?.onCallback;
      if (onCallback !== undefined) {
        onCallback(message);
        return undefined;
      }
    }
    return message;
  }

  #readReply(): void {
    const reader = this.link.reader;
    const { messageId, status } = reader;
    const blocked = this.calls.findBlocked(messageId);
    const call = blocked ?? this.calls.take(messageId);
    if (call === undefined) {
      this.link.release();
      this.link.own.words[Control.lateReplies] = ++this.#lateReplies;
      return;
    }
    if (status !== ReplyStatus.ok) {
      this.link.release();
      const error = this.#errorOf(status, messageId);
      if (status === ReplyStatus.deadlock) this.cancelRequest(messageId, call.position, call.outgoing);
      if (blocked !== undefined) blocked.error = error;
      else (call as PendingCall).reject(error);
      return;
    }
    const data = reader.copyData(this.thread.copies);
    this.link.release();
    const reply = new ReplyMessage(this, messageId, data, ++this.#sequence);
    if (blocked !== undefined) blocked.reply = reply;
    else (call as PendingCall).resolve(reply);
  }

  #readCancel(): CanceledMessage | undefined {
    const id = this.link.reader.messageId;
    this.link.release();
    const message = this.#unanswered.find((candidate) => candidate.id === id);
    if (message === undefined) return undefined;
    this.#forget(message);
    message.giveUp();
    // Still in the queue of this side: its receiver never sees it.
    if (this.#queue.remove(message)) {
      this.#queuedBytes -= message.data.length;
      return undefined;
    }
    return new CanceledMessage(this, message, ++this.#sequence);
  }

  #errorOf(status: number, id: number): AlpcError {
    if (status === ReplyStatus.deadlock) return new AlpcError('ERR_ALPC_DEADLOCK', `${this}: request ${id} and a blocking call of the peer wait for each other`);
    if (status === ReplyStatus.quota) return new AlpcError('ERR_ALPC_QUOTA_EXCEEDED', `${this}: request ${id} is over the peer's quota of unanswered requests`);
    if (status === ReplyStatus.canceled) return new AlpcError('ERR_ALPC_CANCELED', `${this}: the peer declined request ${id}`);
    return new AlpcError('ERR_ALPC_PROTOCOL', `${this}: request ${id} was answered with unknown status ${status}`);
  }

  #settle(message: RequestMessage, status: number, data: MessageData | undefined, dataLength: number): ReplyOutcome {
    if (message.place < 0) {
      if (message.place === PLACE_ANSWERED) throw new AlpcError('ERR_ALPC_REPLY_MISMATCH', `${this}: request ${message.id} has been answered already`);
      return this.state === 'open' ? 'canceled' : 'disconnected';
    }
    this.#forget(message);
    message.place = PLACE_ANSWERED;
    if (this.transmit(RecordType.reply, message.id, message.callbackId, status, data, dataLength)) return 'sent';
    if (this.state !== 'open') return 'disconnected';
    if (this.#waitingBytes + dataLength > this.#limits.pendingBytes) {
      // The peer asks and does not read the answers: it is over its quota, and its calls must settle all the same.
      this.#sayWhy(OutboxState.quota);
      this.end('quota');
      return 'disconnected';
    }
    this.enqueueOutgoing(new Outgoing(RecordType.reply, message.id, message.callbackId, status, copyOf(data), dataLength));
    return 'sent';
  }

  /** Takes a request out of the unanswered ones: the last one moves into its place. */
  #forget(message: RequestMessage): void {
    const last = this.#unanswered.pop()!;
    if (last !== message) {
      this.#unanswered[message.place] = last;
      last.place = message.place;
    }
    this.#unansweredBytes -= message.data.length;
  }

  #enqueue(message: ConnectionMessage): void {
    this.#queue.push(message);
    this.#queuedBytes += message.data.length;
  }

  #dequeue(): ConnectionMessage {
    const message = this.#queue.shift()!;
    this.#queuedBytes -= message.data.length;
    return message;
  }

  /** Leaves the reason for the peer to read when it sees the socket's end. The first one stays. */
  #sayWhy(state: number): void {
    Atomics.compareExchange(this.link.own.words, Control.state, OutboxState.open, state);
  }

  /** The peer can publish nothing more: the rest of its ring is bounded and is taken whole. */
  #drain(): void {
    for (let message = this.#read(); message !== undefined; message = this.#read()) this.#enqueue(message);
  }

  #failAll(makeError: () => AlpcError): void {
    this.calls.failAll(makeError);
    for (const outgoing of this.waitingForRoom.clear()) outgoing.failed?.(makeError());
    this.#waitingBytes = 0;
  }

  /** Lets go of socket, memory and registrations. */
  #release(): void {
    this.#owner.unwatch(this);
    releaseDescriptor(this.socket);
    this.thread.removeConnection(this);
    this.thread.closePeerPage(this.peerPage);
    this.link.close();
  }

  #announceEnd(reason: string, error?: Error): void {
    if (channels.disconnect.hasSubscribers) channels.disconnect.publish({ port: this.portName, role: this.role, peer: this.peer, reason, error });
    this.port.onEnd(reason, error);
  }
}

const EMPTY = Buffer.alloc(0);

/** Why the peer is gone, by its own last word. */
function reasonOf(state: number): EndReason {
  if (state === OutboxState.open) return 'died';
  if (state === OutboxState.protocol) return 'protocol';
  return state === OutboxState.quota ? 'quota' : 'disconnected';
}

/** The sender may use its buffer again at once, so what waits is a copy. */
function copyOf(data: MessageData | undefined): MessageData | undefined {
  return data instanceof Uint8Array ? Buffer.from(data) : data;
}
