/**
 * One side of a connection, the same for client and server: its identity, its calls and answers, its doorbells, its end. What
 * goes out is in outbound.ts, what comes in in inbound.ts, what is answered in answering.ts, and how a thread blocks in blocking.ts. Who takes the messages, and
 * when, is its owner's business (a client port, a connection port).
 *
 * Invariants: a request of this side settles exactly once; after `end` or `close` no memory of the peer is touched any more; a
 * peer that breaks the rules is dropped, and everybody who waited for it is told.
 */
import { checkOptions, type MessageData } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { AdaptiveSpin } from '../memory/adaptive-spin.js';
import { Control, OutboxState, ProtocolViolation, RecordType, RECORD_HEADER } from '../memory/layout.js';
import type { Link } from '../memory/link.js';
import type { PeerWaitPage } from '../memory/wait-page.js';
import { releaseDescriptor } from '../platform/descriptors.js';
import { pause } from '../platform/poller.js';
import { emptyBells, emptySocket, receiveBytes } from '../platform/unix-socket.js';
import { answer, decline, reply } from './answering.js';
import { Lookout, postAwaited, requestAwaited } from './awaited.js';
import { postBlocking, requestBlocking } from './blocking.js';
import { Calls, type OnCallback } from './calls.js';
import type { AttributeFigures, CommunicationPort, PostOptions, ReplyOptions, RequestOptions, RequestSyncOptions, SendOptions } from './communication-port.js';
import { type ConnectionFigures, type ConnectionOwner, type ConnectionParts, reasonOf } from './connection-parts.js';
import { channels } from './diagnostics.js';
import { HoldingShare } from './holdings.js';
import { Inbound } from './inbound.js';
import type { Limits } from './limits.js';
import type { EndReason, ReplyMessage, ReplyOutcome, RequestMessage } from './message.js';
import { ATTRIBUTE_OPTIONS, checkMessage, checkRequestOptions, checkWaitOptions } from './message-arguments.js';
import { MessageAttributes } from './message-attributes.js';
import { Outbound } from './outbound.js';
import type { PeerIdentity } from './peer-identity.js';
import { PortSections } from './port-sections.js';
import type { Thread } from './thread.js';
import type { ConnectedUser } from './turns.js';

export type { ConnectionMessage, ConnectionOwner, ConnectionParts } from './connection-parts.js';

/** A socket holds some 280 packets, unless the peer asked for more. */
export const BELLS_AT_ONCE = 320;
/** So many looks that found nothing, or no room, make one at the socket. */
const LOOKS_IN_VAIN = 64;
/** A scratch constant: what stands in a packet is never used. */
const packet = new Uint8Array(64);

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
  /** Looks for the replies that are awaited. */
  readonly lookout: Lookout;
  readonly calls: Calls;
  readonly outbound: Outbound;
  readonly inbound: Inbound;
  port!: CommunicationPort;
  context: unknown;
  onCallback: OnCallback | undefined;
  state: 'open' | 'ending' | 'closed' = 'open';
  endReason: EndReason | undefined;
  /** The peer's offence, when that was its end. */
  endError: Error | undefined;
  /** Among a server's connections: those of the same user. */
  user: ConnectedUser | undefined;
  /** Its place among the active ones of its user, or -1. */
  activeAt = -1;
  /** When its owner last found something here, in ms. */
  lastActive = 0;
  /** How far the peer's ring had been read when a bell came last. */
  #heardAt = -1;
  #inVain = 0;

  readonly #owner: ConnectionOwner;
  /** What travels with messages besides their bytes. */
  readonly attributes: MessageAttributes;
  readonly #limits: Limits;
  #sections: PortSections | undefined;
  /** The longest payload that fits into a message of this connection. */
  readonly maxDataLength: number;
  readonly #notifyClientDied: boolean;

  constructor(parts: ConnectionParts) {
    this.thread = parts.thread;
    this.link = parts.link;
    this.calls = new Calls(parts.link.own);
    this.socket = parts.socket;
    this.inode = parts.inode;
    this.peerPage = parts.peerPage;
    this.peer = parts.peer;
    this.portName = parts.portName;
    this.role = parts.role;
    this.looks = new AdaptiveSpin(parts.spin.looks);
    this.lookout = new Lookout(this, parts.spin);
    this.#owner = parts.owner;
    this.#limits = parts.limits;
    this.attributes = new MessageAttributes(this, parts.limits);
    this.outbound = new Outbound(this, parts.limits, new HoldingShare(parts.holdings, parts.peer.uid));
    this.inbound = new Inbound(this, parts.limits, new HoldingShare(parts.holdings, parts.peer.uid));
    this.maxDataLength = parts.maxMessageLength - RECORD_HEADER;
    this.#notifyClientDied = parts.notifyClientDied;
    this.thread.addConnection(this);
    this.link.onBellOwed = () => this.wake();
  }

  // ---- sending -----------------------------------------------------------------------------------------------------

  request(data: MessageData, options?: RequestOptions, callbackId = 0): Promise<ReplyMessage> {
    return requestAwaited(this, data, options, callbackId);
  }

  requestSync(data: MessageData, options?: RequestSyncOptions, callbackId = 0): ReplyMessage {
    const dataLength = this.prepare(data);
    const { timeout, onCallback } = checkRequestOptions(options, 'blocking');
    if (options === undefined) return requestBlocking(this, data, dataLength, callbackId, timeout, onCallback ?? this.onCallback);
    const attachment = this.attributes.attach(options, dataLength);
    try {
      return requestBlocking(this, data, dataLength, callbackId, timeout, onCallback ?? this.onCallback, attachment);
    } finally {
      attachment?.undo();
    }
  }

  async post(data: MessageData, options?: PostOptions): Promise<void> {
    const dataLength = this.prepare(data);
    const { timeout, signal } = checkWaitOptions(options, 'awaited');
    signal?.throwIfAborted();
    const attachment = options === undefined ? undefined : this.attributes.attach(options, dataLength);
    if (this.outbound.transmit(RecordType.datagram, 0, 0, 0, data, dataLength, attachment)) return;
    try {
      await postAwaited(this, data, dataLength, timeout, signal, attachment);
    } finally {
      attachment?.undo();
    }
  }

  postSync(data: MessageData, options?: PostOptions): void {
    const dataLength = this.prepare(data);
    const { timeout } = checkWaitOptions(options, 'blocking');
    const attachment = options === undefined ? undefined : this.attributes.attach(options, dataLength);
    try {
      if (!this.outbound.transmit(RecordType.datagram, 0, 0, 0, data, dataLength, attachment)) postBlocking(this, data, dataLength, timeout, attachment);
    } finally {
      attachment?.undo();
    }
  }

  tryPost(data: MessageData, options?: SendOptions): 'sent' | 'full' | 'disconnected' {
    const dataLength = checkMessage(data, this.maxDataLength, this);
    if (this.state !== 'open') return 'disconnected';
    if (this.outbound.waiting > 0) this.outbound.flush(); // who comes again and again may never let the event loop do it
    if (options === undefined || this.attributes.mayAttach(checkOptions(options, 'options', ATTRIBUTE_OPTIONS), dataLength)) {
      const attachment = options === undefined ? undefined : this.attributes.attach(options, dataLength);
      if (this.outbound.transmit(RecordType.datagram, 0, 0, 0, data, dataLength, attachment)) return 'sent';
      attachment?.undo();
    }
    return this.listenNowAndThen() ? 'full' : 'disconnected';
  }

  reply(message: RequestMessage, data: MessageData, options?: ReplyOptions): ReplyOutcome {
    return reply(this, message, data, options);
  }

  decline(message: RequestMessage): ReplyOutcome {
    return decline(this, message);
  }

  /** See answering.ts; for requests that are not read, or not any more. */
  answer(messageId: number, callbackId: number, status: number): ReplyOutcome {
    return answer(this, messageId, callbackId, status, undefined, 0);
  }

  /** Answers a request of the peer by its id, whether it has been read or not: the peer waits in a circle. */
  refuseById(messageId: number, status: number): void {
    this.inbound.giveUp(messageId);
    this.answer(messageId, 0, status);
  }

  /** The sections that its port made. */
  get sections(): PortSections {
    return (this.#sections ??= new PortSections(this.portName, this.#limits.sectionBytes, (connection) => connection === this));
  }

  /** The data's length in bytes, checked against the connection's state and limits. */
  prepare(data: MessageData): number {
    const dataLength = checkMessage(data, this.maxDataLength, this);
    if (this.state !== 'open') throw this.closedError();
    return dataLength;
  }

  // ---- receiving ---------------------------------------------------------------------------------------------------

  /** Whether `inbound.take` may find something. */
  hasMessages(): boolean {
    return this.inbound.queued > 0 || (this.state === 'open' && this.link.reader.hasData());
  }

  /** Closed, and everything that it left has been taken. */
  get isSpent(): boolean {
    return this.state === 'closed' && this.inbound.queued === 0;
  }

  /** Whether records are read ahead of who takes messages: for replies that are awaited, as far as the quota goes. */
  get readsAhead(): boolean {
    return this.calls.awaited > 0 && !this.inbound.isFull;
  }

  /** Prepares the doorbells before the owner rests. False: something is there already. */
  arm(wantsData: boolean): boolean {
    if (this.state !== 'open') return true;
    if (this.link.owesBell && !this.link.payBells()) {
      pause(1); // the kernel has no memory for a packet of one byte: it will in a moment, or this machine has worse cares
      return false;
    }
    const wantsRoom = this.outbound.first;
    if (wantsData && !this.link.armForData()) return false;
    if (wantsRoom !== undefined && !this.armForRoom(wantsRoom.length)) return false;
    return this.outbound.viewWaits === 0 || this.attributes.arm();
  }

  /** The same for room alone. */
  armForRoom(dataLength: number): boolean {
    try {
      return this.link.armForSpace(dataLength);
    } catch (error) {
      this.violate(error);
      return false;
    }
  }

  disarm(): void {
    if (this.state !== 'open') return;
    this.link.disarm();
    this.link.disarmForSpace();
    this.link.disarmForViews();
  }

  /**
   * Reads the socket: a bell, or the end. There is seldom more than one packet, and it is told again while there is. Only where a bell
   * comes and nothing has since the last one, the peer may be ringing for nothing: then it is emptied, as far as `most` packets go.
   */
  readSocket(most = BELLS_AT_ONCE): void {
    const { position } = this.link.reader;
    for (let left = position === this.#heardAt ? most : 1; left > 0 && this.state === 'open'; left--) {
      const length = this.#limits.accepts === 0 ? receiveBytes(this.socket, packet) : this.attributes.hear();
      if (length === 'none') return;
      if (length === 'end') this.endByPeer();
      else if (length > 1) this.violate(new ProtocolViolation(`a packet of ${length} bytes came where only bells are rung`));
      else this.#heardAt = position;
    }
  }

  /**
   * Hears what the socket tells, for who finds nothing, or no room, and may come again and again without letting the event loop turn: the peer's end, above
   * all. Whoever waits for what a bell told is seen to. Whether the connection is open still.
   */
  listen(): boolean {
    if (this.state === 'open') {
      this.readToEnd();
      this.wake();
    }
    return this.state === 'open';
  }

  /** The same once in many times, for it is a system call. */
  listenNowAndThen(): boolean {
    return ++this.#inVain % LOOKS_IN_VAIN === 0 ? this.listen() : this.state === 'open';
  }

  /** Reads also what stands before the end, if that has come: for a last look, or when the kernel took nothing more to the peer, which may have shut its socket for reading alone. */
  readToEnd(): void {
    this.#heardAt = this.link.reader.position;
    this.readSocket();
  }

  /** Asks on the event loop for whatever is still to be done. */
  wake(): void {
    this.#owner.wake(this);
  }

  // ---- the end -----------------------------------------------------------------------------------------------------

  /** The peer is gone, or dropped: takes what it left, settles everything, and closes with the last words. */
  end(reason: EndReason, error?: Error): void {
    if (this.state !== 'open') return;
    const isDropped = Atomics.load(this.link.own.words, Control.state) !== OutboxState.open; // by this side
    if (!isDropped) this.inbound.drain();
    if (this.state !== 'open') return; // what it left broke the rules, and that was its end
    this.endReason = reason;
    this.endError = error;
    this.#sayWhy(OutboxState.closed);
    this.state = 'ending';
    this.#release(reason === 'quota' && isDropped);
    const lost = reason === 'died';
    const how = lost ? 'ended while it held the request' : isDropped ? `was dropped before it answered, for ${reason === 'quota' ? 'want of room for what it sent' : 'a breach of the protocol'}` : 'closed the connection before it answered';
    this.#failAll(() => new AlpcError(lost ? 'ERR_ALPC_MESSAGE_LOST' : 'ERR_ALPC_DISCONNECTED', `${this}: the peer (${this.peer}) ${how}`, error && { cause: error }));
    this.inbound.sayLastWords(reason, lost && this.#notifyClientDied);
    this.state = 'closed';
    this.#announceEnd(reason, error);
    this.#owner.wake(this);
  }

  /** The socket's end was seen: the peer's last word says why. */
  endByPeer(): void {
    this.end(reasonOf(Atomics.load(this.link.peer.words, Control.state)));
  }

  /** This process has no room for what the peer may send: the peer is told, and dropped. */
  endForWant(error?: Error): void {
    this.#sayWhy(OutboxState.quota);
    this.end('quota', error);
  }

  /** This side's own will: leaves the reason, settles this side's calls as canceled, drops what was not received. */
  close(): void {
    if (this.state !== 'open') {
      this.attributes.drop();
      return this.inbound.clear();
    }
    this.#sayWhy(OutboxState.closed);
    this.state = 'ending';
    this.#release(true);
    this.#failAll(() => new AlpcError('ERR_ALPC_CANCELED', `${this}: this side closed the connection before the answer came`));
    this.inbound.clear();
    this.attributes.drop();
    this.state = 'closed';
    this.#announceEnd('closed');
  }

  /** It never came to be, for its port could not be made: lets go of everything, and tells nobody but the peer. */
  discard(): void {
    this.#sayWhy(OutboxState.closed);
    this.state = 'closed';
    this.#release(false);
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
  get figures(): ConnectionFigures & AttributeFigures {
    return {
      pendingRequests: this.calls.count,
      unansweredRequests: this.inbound.unanswered.length,
      queuedMessages: this.inbound.queued,
      waitingForRoom: this.outbound.waiting,
      lateReplies: this.inbound.lateReplies,
      ...this.attributes.figures,
    };
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  /** Leaves the reason for the peer to read when it sees the socket's end. The first one stays. */
  #sayWhy(state: number): void {
    Atomics.compareExchange(this.link.own.words, Control.state, OutboxState.open, state);
  }

  #failAll(makeError: () => AlpcError): void {
    this.calls.failAll(makeError);
    this.outbound.failAll(makeError);
  }

  /** Lets go of socket, memory and registrations. `peerReadsOn`: it is there, has kept the rules, and takes what was sent. */
  #release(peerReadsOn: boolean): void {
    this.#owner.unwatch(this);
    if (this.#limits.accepts === 0) emptyBells(this.socket);
    else emptySocket(this.socket);
    releaseDescriptor(this.socket);
    this.thread.removeConnection(this);
    this.thread.closePeerPage(this.peerPage);
    this.#sections?.close();
    this.attributes.end(peerReadsOn);
    this.link.close();
  }

  #announceEnd(reason: string, error?: Error): void {
    if (channels.disconnect.hasSubscribers) channels.disconnect.publish({ port: this.portName, role: this.role, peer: this.peer, reason, error });
    this.port.onEnd(reason, error);
  }
}
