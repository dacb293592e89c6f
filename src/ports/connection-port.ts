/**
 * The connection port: a server's name in the object namespace, and the one place where it receives the messages of all its
 * clients, connection requests among them. `createPort` and `createPortSync` (create-port.ts) make one.
 *
 * Each client has a ring of its own; the port takes from those that have something in turn, a few messages at a time, so
 * that no client starves another. Clients that were active a moment ago are looked at directly; all others are armed and
 * come through one epoll descriptor, so nobody looks at idle ones, be there ten thousand.
 */
import { EventEmitter } from 'node:events';
import { checkOptions, checkTimeout } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { asHandle, type HandleSource } from '../memory/handle-source.js';
import type { Section } from '../memory/section.js';
import type { BoundPortName, SecurityDescriptor } from '../objects/index.js';
import { adoptDescriptor, releaseDescriptor } from '../platform/descriptors.js';
import { LoopWatch } from '../platform/loop-watch.js';
import { type Attentive, Linger } from './attention.js';
import type { ConnectionMessage } from './connection.js';
import type { ConnectionRequestMessage } from './connection-request.js';
import { blocksItsConsumer, type Consumer, Diversion, type Feed } from './diversion.js';
import { Intake, countListeners, type ReceiveOptions } from './intake.js';
import type { Limits } from './limits.js';
import type { PeerIdentity } from './peer-identity.js';
import { PortCallback } from './port-callback.js';
import { PortSections, type SectionOptions } from './port-sections.js';
import { publishSecurity } from './published-security.js';
import type { RefusalReason } from './reception.js';
import { ServerConnections } from './server-connections.js';
import type { ServerPort } from './server-port.js';
import type { Spin } from './spin-options.js';
import { fileKey, type Thread } from './thread.js';

/** What a connection port receives. */
export type Message = ConnectionMessage | ConnectionRequestMessage;

export interface ConnectionPortEvents {
  /** Each message, while there is a listener. */
  message: [message: Message];
  /** A client has been connected. */
  connect: [port: ServerPort];
  /** A newcomer was turned away: who it was as the kernel says, why, and its offence or what failed here, if that was it. */
  refuse: [peer: PeerIdentity, reason: RefusalReason, error: Error | undefined];
  /** A client's connection has ended: `closed` by this side, or an `EndReason`; with the client's offence, if there was one. */
  disconnect: [port: ServerPort, reason: string, error: Error | undefined];
  /** Once, when the port has been closed. */
  close: [];
}

/** What a port is made with, checked. */
export interface ConnectionPortOptions {
  readonly asks: boolean;
  readonly security: SecurityDescriptor;
  readonly limits: Limits;
  readonly spin: Spin;
  readonly notifyClientDied: boolean;
}

/** A server's port. */
export class ConnectionPort extends EventEmitter<ConnectionPortEvents> implements Attentive, HandleSource {
  readonly linger: Linger;
  readonly #thread: Thread;
  readonly #bound: BoundPortName;
  readonly #listener: number;
  readonly #connections: ServerConnections;
  readonly #intake: Intake<Message>;
  readonly #callback = new PortCallback<Message>(this);
  /** There is one from the first completion list, completion port or kept message on. */
  #diversion: Diversion<Message> | undefined;
  #watch: LoopWatch | undefined;
  #rung = true;
  /** What the bell was rung for has been handed out, the sockets have not been looked at yet. */
  #answered = false;
  #closed = false;
  readonly #sections: PortSections;
  /** For the explorer, where there is more to say than the file's permissions do. */
  #publishedSecurity: number | undefined;

  /** Engine room: made by `createPort`. When it fails, name and descriptor are the caller's still. */
  constructor(thread: Thread, bound: BoundPortName, options: ConnectionPortOptions) {
    super();
    this.#thread = thread;
    this.#bound = bound;
    this.#listener = bound.fd;
    this.linger = new Linger(options.spin.linger);
    this.#sections = new PortSections(bound.name, options.limits.sectionBytes, (connection) => this.#connections.has(connection));
    this.#connections = new ServerConnections({ ...options, thread, portName: bound.name, listener: this.#listener, events: this, hasRef: () => this.hasRef(), wake: () => this.#attend() });
    const source = {
      take: () => (this.#closed ? undefined : this.#take()),
      poll: () => {
        this.#connections.moveOn();
        return this.#take() ?? (this.#connections.serve(0) ? this.#take() : undefined);
      },
      hasMessages: () => !this.#closed && (this.#diversion === undefined ? this.#connections.hasMessages() : this.#diversion.has(this.#connections)),
      places: () => this.#connections.places,
      demand: () => thread.attention.watch(this),
      keep: (message: Message) => this.#keep(message),
      over: () => (this.#closed ? this.#closedError() : undefined),
    };
    const listeners = { emit: (message: Message) => void this.emit('message', message) };
    this.#intake = new Intake(source, listeners, options.spin.linger > 0);
    countListeners(this, this.#intake);
    try {
      this.#watch = new LoopWatch(this.#connections.pollDescriptor, () => {
        this.#rung = true;
        thread.attention.hear(this);
      });
      this.#publishedSecurity = publishSecurity(this.#listener, options.security);
      adoptDescriptor(this.#listener); // last: what fails here leaves it the caller's
    } catch (error) {
      if (this.#publishedSecurity !== undefined) releaseDescriptor(this.#publishedSecurity);
      this.#watch?.close();
      this.#connections.close();
      throw error;
    }
    thread.served.add(fileKey(bound));
  }

  /** Engine room: as a message's handle, with which its receiver can connect wherever the name stands. */
  [asHandle](): { fd: number; kind: 'port'; isOwned: true } {
    if (this.#closed) throw this.#closedError();
    return { fd: this.#bound.refer(), kind: 'port', isOwned: true };
  }

  /** The port's full name. */
  get name(): string {
    return this.#bound.name;
  }

  /** Whether `close` has been called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** The connections that are open now. */
  get connections(): ServerPort[] {
    return this.#connections.list();
  }

  /** Takes the next message that is there; undefined when there is none, or the port is closed. Never waits. NtAlpcSendWaitReceivePort, receive only, with a timeout of 0. */
  tryReceive(): Message | undefined {
    return this.#closed ? undefined : this.#intake.tryReceive();
  }

  /**
   * Waits for the next message of any client, without blocking the thread. A client's end or death is its last message, `port-closed`.
   * NtAlpcSendWaitReceivePort, receive only.
   * @throws AlpcError (as rejections) ERR_ALPC_TIMEOUT; ERR_ALPC_CLOSED when the port is closed; ERR_ALPC_INVALID_ARGUMENT; the signal's reason
   */
  receive(options?: ReceiveOptions): Promise<Message> {
    return this.#intake.receive(options);
  }

  /**
   * As `receive`, but blocks this thread: in a loop the fastest way to serve. Nothing else of this thread's event loop runs meanwhile.
   * NtAlpcSendWaitReceivePort, receive only.
   * @throws AlpcError ERR_ALPC_TIMEOUT; ERR_ALPC_CLOSED; ERR_ALPC_DEADLOCK when the port is associated with a completion port, which only the event loop
   *   feeds; ERR_ALPC_INVALID_ARGUMENT
   */
  receiveSync(options?: { timeout?: number }): Message {
    const timeout = options === undefined ? Infinity : checkTimeout(checkOptions(options, 'options', ['timeout']).timeout, 'options.timeout');
    if (this.#closed) throw this.#closedError();
    if (timeout > 0 && this.#diversion?.needsLoop === true) throw blocksItsConsumer(`connection port ${this.name}`);
    return this.#connections.takeBlocking(timeout, this.#diversion);
  }

  /** Messages as they come; ends when the port is closed. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Message> {
    return this.#intake.iterate();
  }

  /**
   * Sets the port's callback: it gets each message as it comes, and `context`, as a listener of `message` would; before it is set messages
   * wait. There is one: another replaces it, undefined takes it away. NtAlpcSetInformation, AlpcRegisterCallbackInformation.
   * @throws AlpcError ERR_ALPC_INVALID_ARGUMENT
   */
  setCallback<C = undefined>(callback: ((message: Message, context: C) => void) | undefined, ...[context]: undefined extends C ? [context?: C] : [context: C]): this {
    this.#callback.set(callback, context as C);
    return this;
  }

  /**
   * Makes a section: shared memory whose views can be sent to any of the port's clients. Each of them can look at all of it; make one for
   * one client with its own port's `createSection`. It closes with the port. NtAlpcCreatePortSection.
   * @param size bytes, rounded up to whole pages
   * @throws AlpcError ERR_ALPC_INVALID_ARGUMENT, ERR_ALPC_QUOTA_EXCEEDED, ERR_ALPC_INSUFFICIENT_RESOURCES, ERR_ALPC_CLOSED
   */
  createSection(size: number, options?: SectionOptions): Section {
    if (this.#closed) throw this.#closedError();
    return this.#sections.create(size, options);
  }

  /** Keeps the process alive while the port is open: the default. */
  ref(): this {
    this.#watch?.ref();
    return this;
  }

  /** Lets the process end while the port is open, whoever is connected. */
  unref(): this {
    this.#watch?.unref();
    return this;
  }

  /** Whether the open port keeps the process alive. */
  hasRef(): boolean {
    return this.#watch?.hasRef() ?? false;
  }

  /**
   * Closes: the name goes first, then every client is disconnected; whoever waits for a message is told. Waits for the directory's lock while
   * another process holds it, 5 s at most. A second call does nothing. NtClose of the connection port's last handle.
   * @throws AlpcError (as rejections) ERR_ALPC_TIMEOUT, ERR_ALPC_ACCESS_DENIED when the name could not be removed: then it is left without
   *   a server, and the port is closed all the same
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopWatching(); // nothing is read any more, so the sockets would wake this thread again and again while it waits
    try {
      await this.#bound.remove();
    } finally {
      this.#shut();
    }
  }

  /** As `close`, but blocks this thread while another process holds the directory's lock. Throws what `close` rejects with. */
  closeSync(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.#bound.removeSync();
    } finally {
      this.#shut();
    }
  }

  [Symbol.dispose](): void {
    this.closeSync();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  override toString(): string {
    return `connection port ${this.name} (${this.#closed ? 'closed' : 'open'}, ${this.#connections.count} connections)`;
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  /** From now on `consumer` has the messages of all clients. @throws AlpcError ERR_ALPC_ALREADY_SET, ERR_ALPC_CLOSED */
  divert(consumer: Consumer<Message>): Feed<Message> {
    if (this.#closed) throw this.#closedError();
    const diversion = (this.#diversion ??= new Diversion());
    diversion.begin(consumer, `connection port ${this.name}`);
    this.#lookAtAll();
    return {
      take: () => (this.#closed ? undefined : this.#connections.take()),
      takeSome: (messages, max) => (this.#closed ? 0 : this.#connections.takeSome(messages, max)),
      hasMessages: () => !this.#closed && this.#connections.hasMessages(),
      attend: () => this.#lookAtAll(),
      demand: () => this.#attend(),
      release: (leftovers) => {
        diversion.end(leftovers);
        this.#attend();
      },
    };
  }

  look(): boolean {
    if (this.#closed) return false;
    let any = false;
    if (this.#rung) {
      // The message was there before its bell: who rang is mostly who rang last, so that is looked at before the sockets are,
      // and they wait for the next turn, so that an awaiting handler goes on at once.
      if (!this.#answered && this.#isWanted() && this.#connections.activateRecent()) {
        this.#answered = this.#deliver();
        if (this.#closed || this.#answered) return true;
      }
      this.#rung = this.#answered = false;
      this.#connections.serve(0);
    }
    any = this.#connections.flush() || any;
    any = (this.#isWanted() ? this.#deliver() : this.#connections.pump()) || any;
    if (!this.#closed) this.#connections.settleDown(this.#isWanted());
    return any;
  }

  rest(): boolean {
    return this.#closed || this.#connections.rest(this.#isWanted());
  }

  /** Active connections are not armed while they are looked at; the connections see to that. */
  attend(): void {}

  #isWanted(): boolean {
    return this.#intake.isWanted || (this.#diversion !== undefined && this.#diversion.isWanted);
  }

  #take(): Message | undefined {
    return this.#diversion === undefined ? this.#connections.take() : this.#diversion.take(this.#connections);
  }

  /** Its receiver gave up: the next one gets it, or nobody when it was the port's end. */
  #keep(message: Message): void {
    if (!this.#closed) (this.#diversion ??= new Diversion()).keep(message);
    else if ('release' in message) message.release();
  }

  #deliver(): boolean {
    const diverted = this.#diversion !== undefined && this.#diversion.arrived();
    return this.#intake.deliver() || diverted;
  }

  /** No bell is needed for messages; what else is expected is looked after, here or by the rest that follows. */
  #lookAtAll(): void {
    this.#connections.activateAll();
    this.#attend();
  }

  #attend(): void {
    if (!this.#closed) this.#thread.attention.watch(this);
  }

  #shut(): void {
    this.#thread.served.delete(fileKey(this.#bound));
    this.#thread.attention.forget(this);
    this.#stopWatching();
    this.#connections.close();
    this.#sections.close();
    this.#diversion?.over();
    releaseDescriptor(this.#listener);
    if (this.#publishedSecurity !== undefined) releaseDescriptor(this.#publishedSecurity);
    this.#intake.end(() => this.#closedError());
    setImmediate(() => this.emit('close'));
  }

  #stopWatching(): void {
    this.#watch?.close();
    this.#watch = undefined;
  }

  #closedError(): AlpcError {
    return new AlpcError('ERR_ALPC_CLOSED', `connection port ${this.name}: it has been closed`);
  }
}
