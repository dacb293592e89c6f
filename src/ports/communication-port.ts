/**
 * A communication port: one side's end of one connection, with everything that both sides can do with it. The client's is
 * a `ClientPort`, which also receives; a server has a `ServerPort` for each client, and receives from its connection port.
 */
import { EventEmitter } from 'node:events';
import type { MessageData } from '../base/arguments.js';
import type { OwnView, Section } from '../memory/section.js';
import type { View } from '../memory/view.js';
import type { OnCallback } from './calls.js';
import type { Connection, ConnectionMessage } from './connection.js';
import type { DirectTarget } from './direct.js';
import type { ReducedHandle, Sendable } from './handles-to-send.js';
import type { ReplyMessage } from './message.js';
import type { PeerIdentity } from './peer-identity.js';
import type { ResourceReserve } from './resource-reserve.js';
import type { SectionOptions } from './port-sections.js';
import type { SecurityContext, SecurityLevel } from './security.js';
import type { WorkTicket } from './work-ticket.js';

/** What can go with a message besides its bytes. */
export interface SendOptions {
  /** A view of a section of this side's, which the peer takes when its `accepts` says so. */
  view?: View;
  /** Releases the view here once it is on its way: its region comes back when the peer has released it. */
  autoRelease?: boolean;
  /**
   * Descriptors for the peer, which takes their kinds when its `accepts` says so: files, sockets, servers, pipes, events, sections, directories,
   * ports. It gets descriptors of its own; these stay the caller's, who may close them as soon as the call has returned.
   */
  handles?: readonly (Sendable | ReducedHandle)[];
  /** What the receiver may do with this side's identity; without it, 'identify'. The peer's `accepts` must have 'security'. */
  security?: SecurityLevel | SecurityContext;
  /** For whom the work is done: the ticket of a message that came, or one of `createWorkTicket`. The peer's `accepts` must have 'work'. */
  workOnBehalfOf?: WorkTicket;
  /**
   * Tells when the message has been taken: an `Event` is set when the receiver's program gets it. A function hears how it ended, once: 'taken', or 'lost' when
   * nobody will take it any more. The receiver is not asked, and sees nothing of it.
   */
  direct?: DirectTarget;
  /** Room that was kept for this message: it never waits, and goes ahead of everything that does. Not with a view or handles. */
  reserve?: ResourceReserve;
}

export interface ReplyOptions extends SendOptions {
  /** Releases what came with the request, before the answer goes. */
  unmapExisting?: boolean;
}

export interface RequestSyncOptions extends SendOptions {
  /** Milliseconds until the call fails with ERR_ALPC_TIMEOUT: 0 looks once, Infinity (the default) waits for as long as the peer lives. */
  timeout?: number;
  /** Gets the requests that the peer sends while this call waits; without it they wait to be received. It may answer at once or later, and may block in calls of its own. What it throws ends the call. */
  onCallback?: OnCallback;
}

export interface RequestOptions extends RequestSyncOptions {
  /** Ends the call: it rejects with the signal's reason, and the peer is told. */
  signal?: AbortSignal;
}

export interface PostOptions extends SendOptions {
  /** Milliseconds to wait for room: 0 looks once, Infinity (the default) waits for as long as the peer lives. */
  timeout?: number;
  /** Ends the wait: it rejects with the signal's reason, and nothing has been sent. */
  signal?: AbortSignal;
}

/** What travels with messages besides their bytes, and is not yet done with. */
export interface AttributeFigures {
  /** Views of this side that the peer has not released. */
  readonly viewsOut: number;
  /** Views of the peer that this side holds. */
  readonly heldViews: number;
  /** Bytes of the peer's sections that are mapped here. */
  readonly mappedBytes: number;
  /** Views of the peer that nobody here released, found by the collector. */
  readonly forgottenViews: number;
  /** Handles of this side that the peer has neither taken nor closed. */
  readonly handlesOut: number;
  /** Handles of the peer that messages hold here. */
  readonly heldHandles: number;
  /** Handles of the peer that nobody here took or released, found by the collector. */
  readonly forgottenHandles: number;
  /** Bytes of this side's ring that are kept for resource reserves. */
  readonly reservedBytes: number;
}

/** What a communication port tells about itself. */
export interface CommunicationPortInformation extends AttributeFigures {
  readonly name: string;
  readonly role: 'client' | 'server' | 'unconnected';
  readonly state: 'open' | 'ending' | 'closed';
  readonly peer: PeerIdentity;
  /** Requests of this side that wait for their reply. */
  readonly pendingRequests: number;
  /** Requests of the peer that were received and not yet answered. */
  readonly unansweredRequests: number;
  /** Messages read ahead and not yet received. */
  readonly queuedMessages: number;
  /** Messages that wait for room in the ring. */
  readonly waitingForRoom: number;
  /** Replies that came when nobody waited for them any more, and were dropped. */
  readonly lateReplies: number;
}

export interface CommunicationPortEvents {
  /** Each message of the peer, while there is a listener; on ports that receive. */
  message: [message: ConnectionMessage];
  /** Once, when the connection has ended: `closed` by this side, or an `EndReason`; with the peer's offence, if there was one. */
  close: [reason: string, error: Error | undefined];
}

/** What the ends of a connection have in common: a name, a peer, and the ways to send. It belongs to one thread. */
export abstract class CommunicationPort extends EventEmitter<CommunicationPortEvents> {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    super();
    this.#connection = connection;
    connection.port = this;
  }

  /** The name of the connection port that the connection was made through. */
  get name(): string {
    return this.#connection.portName;
  }

  /** Who is at the other end, as the kernel says. */
  get peer(): PeerIdentity {
    return this.#connection.peer;
  }

  /** Whether the connection has ended, for whatever reason. */
  get closed(): boolean {
    return this.#connection.state !== 'open';
  }

  /** The longest payload that fits into a message of this connection, in bytes: what the stricter side's limit leaves. */
  get maxDataLength(): number {
    return this.#connection.maxDataLength;
  }

  /**
   * Sends a request and waits for its reply, without blocking the thread. Many may be outstanding at once.
   * NtAlpcSendWaitReceivePort, flags 0, and the receive of the reply.
   * @param data bytes or text (UTF-8), at most 65,503 bytes or what the stricter side's limit leaves; the caller may reuse it at once
   * @returns the reply; when the peer dies the promise rejects at once with ERR_ALPC_MESSAGE_LOST
   * @throws AlpcError (as rejections) ERR_ALPC_TIMEOUT; ERR_ALPC_MESSAGE_LOST, ERR_ALPC_DISCONNECTED, ERR_ALPC_CLOSED; ERR_ALPC_CANCELED
   *   when the peer declines or this side closes; ERR_ALPC_QUOTA_EXCEEDED; ERR_ALPC_DEADLOCK; ERR_ALPC_MESSAGE_TOO_LONG;
   *   ERR_ALPC_INVALID_ARGUMENT; the signal's reason; and what the options' parts bring: ERR_ALPC_NOT_ACCEPTED, ERR_ALPC_RESOURCE_IN_USE, ERR_ALPC_INSUFFICIENT_RESOURCES
   */
  request(data: MessageData, options?: RequestOptions): Promise<ReplyMessage> {
    return this.#connection.request(data, options);
  }

  /**
   * Sends a request and blocks this thread until the reply is there: one to two microseconds when both sides are awake, on a core each.
   * Nothing of its event loop runs meanwhile; the peer's death ends the call at once. NtAlpcSendWaitReceivePort with SYNC_REQUEST.
   * Arguments, result and errors as in `request`, but that there is no signal; ERR_ALPC_QUOTA_EXCEEDED also when too many messages that
   * nobody receives stand before the reply; ERR_ALPC_DEADLOCK for two threads that block on each other, both; and what `onCallback` throws.
   */
  requestSync(data: MessageData, options?: RequestSyncOptions): ReplyMessage {
    return this.#connection.requestSync(data, options);
  }

  /**
   * Sends a datagram: no answer is possible. Resolves when it is in the peer's reach; waits for room when the ring is full, without
   * blocking the thread. What was posted before an orderly exit arrives. NtAlpcSendWaitReceivePort with RELEASE_MESSAGE.
   * @param data as in `request`
   * @throws AlpcError (as rejections) ERR_ALPC_TIMEOUT, ERR_ALPC_QUOTA_EXCEEDED when too much waits for room already,
   *   ERR_ALPC_DISCONNECTED, ERR_ALPC_MESSAGE_LOST when the peer dies while it waits, ERR_ALPC_CANCELED when this side closes meanwhile,
   *   ERR_ALPC_CLOSED, ERR_ALPC_MESSAGE_TOO_LONG, ERR_ALPC_INVALID_ARGUMENT; the signal's reason
   */
  post(data: MessageData, options?: PostOptions): Promise<void> {
    return this.#connection.post(data, options);
  }

  /**
   * As `post`, but blocks this thread while there is no room; messages that come meanwhile are kept to be received.
   * @throws AlpcError ERR_ALPC_TIMEOUT; ERR_ALPC_DISCONNECTED, also when the peer dies meanwhile; ERR_ALPC_CLOSED; ERR_ALPC_QUOTA_EXCEEDED when
   *   more messages came than may be kept; ERR_ALPC_DEADLOCK on a port that talks with itself; ERR_ALPC_MESSAGE_TOO_LONG; ERR_ALPC_INVALID_ARGUMENT
   */
  postSync(data: MessageData, options?: Omit<PostOptions, 'signal'>): void {
    this.#connection.postSync(data, options);
  }

  /**
   * Sends a datagram if there is room now. Never waits. NtAlpcSendWaitReceivePort with RELEASE_MESSAGE.
   * @returns 'sent'; 'full' when there is no room, and then nothing has happened to what was to go with it; 'disconnected' when the connection has ended, for whatever reason
   * @throws AlpcError ERR_ALPC_MESSAGE_TOO_LONG, ERR_ALPC_INVALID_ARGUMENT; for what is to go with it ERR_ALPC_NOT_ACCEPTED when the peer takes no such
   *   thing, ERR_ALPC_QUOTA_EXCEEDED when it has as many as it takes, ERR_ALPC_INSUFFICIENT_RESOURCES, ERR_ALPC_CLOSED when it has been closed or released here, ERR_ALPC_DISCONNECTED when the peer goes at that moment
   */
  tryPost(data: MessageData, options?: SendOptions): 'sent' | 'full' | 'disconnected' {
    return this.#connection.tryPost(data, options);
  }

  /**
   * Makes a section: shared memory whose views can be sent through this port, and no other. It closes with the connection.
   * NtAlpcCreatePortSection.
   * @param size bytes, rounded up to whole pages
   * @throws AlpcError ERR_ALPC_INVALID_ARGUMENT, ERR_ALPC_QUOTA_EXCEEDED, ERR_ALPC_INSUFFICIENT_RESOURCES, ERR_ALPC_CLOSED, ERR_ALPC_DISCONNECTED
   */
  createSection(size: number, options?: SectionOptions): Section {
    const connection = this.#connection;
    if (connection.state !== 'open') throw connection.closedError();
    return connection.sections.create(size, options);
  }

  /** Engine room: whether the peer takes views at all, and whether it would take this one now. */
  get takesViews(): boolean {
    return this.#connection.state === 'open' && this.#connection.attributes.outgoing.takesViews;
  }

  takes(view: OwnView): boolean {
    return this.#connection.state === 'open' && this.#connection.attributes.outgoing.takes(view);
  }

  /**
   * A permission for the messages that are sent with it, which can be taken back. At most 64 at once; those of a connection end with it.
   * NtAlpcCreateSecurityContext.
   * @throws AlpcError ERR_ALPC_QUOTA_EXCEEDED, ERR_ALPC_INVALID_ARGUMENT, ERR_ALPC_CLOSED, ERR_ALPC_DISCONNECTED
   */
  createSecurityContext(level: SecurityLevel): SecurityContext {
    const connection = this.#connection;
    if (connection.state !== 'open') throw connection.closedError();
    return connection.attributes.contexts.create(level);
  }

  /**
   * Keeps room in this side's ring for one message, so that sending it can't fail for want of room, however slowly the peer reads. Send with
   * it as often as you like, once the message before has been read. Make it before the ring is full. NtAlpcCreateResourceReserve.
   * @param size the longest payload, in bytes, with 8 for `security`, 8 for `direct` and 40 for `workOnBehalfOf` if these are to go with it
   * @returns the reserve, which is this connection's and ends with it; whoever made it closes it when it is needed no more
   * @throws AlpcError ERR_ALPC_QUOTA_EXCEEDED when the ring is too short for another one; ERR_ALPC_INSUFFICIENT_RESOURCES when the peer has not
   *   read enough of it now; ERR_ALPC_INVALID_ARGUMENT, ERR_ALPC_CLOSED, ERR_ALPC_DISCONNECTED
   */
  createResourceReserve(size: number): ResourceReserve {
    const connection = this.#connection;
    if (connection.state !== 'open') throw connection.closedError();
    return connection.attributes.reserves.create(size);
  }

  /** What is going on here, now; also after the end. Never waits. NtAlpcQueryInformation. */
  info(): CommunicationPortInformation {
    const connection = this.#connection;
    return { name: connection.portName, role: connection.role, state: connection.state, peer: connection.peer, ...connection.figures };
  }

  /** Whether the port keeps the process alive. */
  abstract hasRef(): boolean;

  /** Engine room: the connection has ended. */
  onEnd(reason: string, error?: Error): void {
    setImmediate(() => this.emit('close', reason, error));
  }

  override toString(): string {
    return String(this.#connection);
  }
}
