/**
 * A communication port that receives what its peer sends of its own accord: a client's, or one that talks with itself. On
 * the event loop it watches its socket for bells and for the peer's end; it is under attention while somebody waits for a
 * message, a reply or room, and rests otherwise.
 */
import { checkOptions, checkTimeout } from '../base/arguments.js';
import { deadlineAfter, timeLeft } from '../base/deadline.js';
import { LoopWatch } from '../platform/loop-watch.js';
import { YIELD_EVERY, yieldProcessor } from '../platform/poller.js';
import { translate } from '../platform/system.js';
import { type Attentive, Linger } from './attention.js';
import { sleep } from './blocking.js';
import type { OnCallback } from './calls.js';
import type { Greeted } from './client-greeting.js';
import { CommunicationPort } from './communication-port.js';
import { Connection, type ConnectionMessage, type ConnectionOwner } from './connection.js';
import { blocksItsConsumer, type Consumer, Diversion, type Feed } from './diversion.js';
import { Intake, noMessage, countListeners, type ReceiveOptions, type Source } from './intake.js';
import type { Limits } from './limits.js';
import { PortCallback } from './port-callback.js';
import type { Spin } from './spin-options.js';
import type { Thread } from './thread.js';

export interface ReceivingPortOptions {
  readonly role: 'client' | 'unconnected';
  readonly limits: Limits;
  readonly spin: Spin;
  readonly onCallback: OnCallback | undefined;
}

export abstract class ReceivingPort extends CommunicationPort implements ConnectionOwner, Attentive {
  readonly linger: Linger;
  readonly #thread: Thread;
  readonly #connection: Connection;
  readonly #intake: Intake<ConnectionMessage>;
  readonly #callback = new PortCallback<ConnectionMessage>(this);
  /** There is one from the first completion list, completion port or kept message on. */
  #diversion: Diversion<ConnectionMessage> | undefined;
  #watch: LoopWatch | undefined;
  #rung = false;
  /** By its owner. */
  #closed = false;
  /** What the bell was rung for has been handed out, its packet not yet been read. */
  #answered = false;

  /** Takes over what the handshake left, also when it fails. @throws AlpcError ERR_ALPC_INSUFFICIENT_RESOURCES */
  constructor(greeted: Omit<Greeted, 'data'>, options: ReceivingPortOptions) {
    const owner: ConnectionOwner = { wake: () => this.wake(), unwatch: () => this.unwatch() };
    const connection = new Connection({ ...greeted, ...options, owner, notifyClientDied: false });
    super(connection);
    connection.onCallback = options.onCallback;
    this.#connection = connection;
    this.#thread = greeted.thread;
    this.linger = new Linger(options.spin.linger);
    const source: Source<ConnectionMessage> = {
      take: () => this.#take(),
      poll: (isLast) => this.#poll(isLast),
      hasMessages: () => this.#hasMessages(),
      places: () => 1,
      demand: () => this.#thread.attention.watch(this),
      keep: (message) => this.#keep(message),
      over: () => (connection.isSpent && !this.#hasMessages() ? connection.closedError() : undefined),
    };
    const listeners = { emit: (message: ConnectionMessage) => void this.emit('message', message) };
    this.#intake = new Intake(source, listeners, options.spin.linger > 0);
    countListeners(this, this.#intake);
    try {
      this.#watch = new LoopWatch(connection.socket, () => {
        this.#rung = true;
        this.#thread.attention.hear(this);
      });
    } catch (error) {
      connection.discard();
      throw translate(error, String(connection));
    }
  }

  /** Takes the next message that is there; undefined when there is none, also after the end. Never waits. NtAlpcSendWaitReceivePort, receive only, with a timeout of 0. */
  tryReceive(): ConnectionMessage | undefined {
    return this.#intake.tryReceive();
  }

  /**
   * Waits for the next message of the peer, without blocking the thread. When the peer ends or dies, what it sent comes first, then
   * `port-closed`. NtAlpcSendWaitReceivePort, receive only.
   * @throws AlpcError (as rejections) ERR_ALPC_TIMEOUT; ERR_ALPC_CLOSED, ERR_ALPC_DISCONNECTED when none will come; ERR_ALPC_INVALID_ARGUMENT;
   *   the signal's reason
   */
  receive(options?: ReceiveOptions): Promise<ConnectionMessage> {
    return this.#intake.receive(options);
  }

  /**
   * As `receive`, but blocks this thread: nothing else of its event loop runs meanwhile.
   * @throws AlpcError ERR_ALPC_TIMEOUT; ERR_ALPC_CLOSED, ERR_ALPC_DISCONNECTED when none will come; ERR_ALPC_DEADLOCK when the port is associated with
   *   a completion port, which only the event loop feeds; ERR_ALPC_INVALID_ARGUMENT
   */
  receiveSync(options?: { timeout?: number }): ConnectionMessage {
    const timeout = checkTimeout(checkOptions(options, 'options', ['timeout']).timeout, 'options.timeout');
    const connection = this.#connection;
    if (timeout > 0 && connection.state === 'open' && this.#diversion?.needsLoop === true) throw blocksItsConsumer(String(connection));
    const deadline = deadlineAfter(timeout);
    this.#moveOn();
    let isLast = false;
    for (let budget = connection.looks.next(), looks = budget; ; ) {
      while (looks > 0 && !this.#hasMessages()) if ((--looks & YIELD_EVERY) === 0) yieldProcessor();
      const message = this.#take();
      if (message !== undefined) {
        if (looks > 0) connection.looks.paid();
        return message;
      }
      if (connection.state !== 'open') throw connection.closedError();
      if (looks === 0 && budget > 0) connection.looks.wasted();
      looks = budget = 0;
      const left = timeLeft(deadline);
      if (left <= 0) {
        // What is there when the time is over wins, and what the socket tells.
        if (isLast) throw noMessage(timeout);
        isLast = true;
        if (timeout > 0) connection.listen();
        else connection.listenNowAndThen();
        continue;
      }
      if (connection.arm(true)) sleep(connection, left, 0);
      connection.disarm();
      connection.readSocket();
      connection.outbound.flush();
      this.wake();
    }
  }

  /** Messages as they come; ends after `port-closed`, or when this side closes. */
  [Symbol.asyncIterator](): AsyncIterableIterator<ConnectionMessage> {
    return this.#intake.iterate();
  }

  /**
   * Sets the port's callback: it gets each message as it comes, and `context`, as a listener of `message` would; before it is set messages
   * wait. There is one: another replaces it, undefined takes it away. NtAlpcSetInformation, AlpcRegisterCallbackInformation.
   * @throws AlpcError ERR_ALPC_INVALID_ARGUMENT
   */
  setCallback<C = undefined>(callback: ((message: ConnectionMessage, context: C) => void) | undefined, ...[context]: undefined extends C ? [context?: C] : [context: C]): this {
    this.#callback.set(callback, context as C);
    return this;
  }

  /** Keeps the process alive while the connection is open: the default. */
  ref(): this {
    this.#watch?.ref();
    return this;
  }

  /** Lets the process end while the connection is open, pending calls or not. */
  unref(): this {
    this.#watch?.unref();
    return this;
  }

  /** Whether the open connection keeps the process alive. */
  hasRef(): boolean {
    return this.#watch?.hasRef() ?? false;
  }

  /**
   * Ends the connection: the peer gets `port-closed`, outstanding calls of this side ERR_ALPC_CANCELED. What was posted
   * arrives. Never waits; a second call does nothing. NtAlpcDisconnectPort.
   */
  close(): void {
    this.#closed = true;
    this.#connection.close();
    this.#diversion?.over();
    this.#thread.attention.forget(this);
    this.#intake.end(() => this.#connection.closedError());
  }

  [Symbol.dispose](): void {
    this.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  /** From now on `consumer` has the peer's messages. @throws AlpcError ERR_ALPC_ALREADY_SET, ERR_ALPC_CLOSED, ERR_ALPC_DISCONNECTED */
  divert(consumer: Consumer<ConnectionMessage>): Feed<ConnectionMessage> {
    const connection = this.#connection;
    if (connection.state !== 'open') throw connection.closedError();
    const diversion = (this.#diversion ??= new Diversion());
    diversion.begin(consumer, String(connection));
    this.#attend(); // it may rest, with bells for whoever had its messages until now
    return {
      take: () => connection.inbound.take(),
      takeSome: (messages, max) => connection.inbound.takeSome(messages, max),
      hasMessages: () => connection.hasMessages(),
      attend: () => this.#attend(),
      demand: () => this.#thread.attention.watch(this),
      release: (leftovers) => {
        diversion.end(leftovers);
        this.#thread.attention.watch(this);
      },
    };
  }

  wake(): void {
    // A peer that had to be woken takes its time, and may want this core: its bell will tell.
    if (!this.linger.attended && this.#connection.link.rang && this.#connection.inbound.queued === 0 && !this.#connection.isSpent && this.rest()) return;
    if (this.#expects() || this.#connection.inbound.queued > 0 || this.#connection.isSpent) this.#thread.attention.watch(this);
  }

  unwatch(): void {
    this.#watch?.close();
    this.#watch = undefined;
  }

  look(): boolean {
    const { outbound, calls } = this.#connection;
    let any = outbound.length > 0 && outbound.flush();
    if (this.#isWanted()) any = this.#deliver() || any;
    else if (calls.awaited > 0) any = this.#connection.lookout.look() || any;
    // The message was there before its bell: whom it wakes goes on first, and the socket has the next turn.
    if (this.#rung && any && !this.#answered) this.#answered = true;
    else if (this.#rung) {
      this.#rung = this.#answered = false;
      this.#connection.readSocket();
      if (this.#isWanted()) any = this.#deliver() || any; // the last words come before the `close` event
    }
    return any;
  }

  rest(): boolean {
    const wanted = this.#isWanted();
    if (wanted && this.#connection.inbound.queued > 0) return false;
    return this.#connection.arm(wanted || this.#connection.readsAhead);
  }

  attend(): void {
    this.#connection.disarm();
  }

  /** No bell is needed for messages; what else is expected is looked after, here or by the rest that follows. */
  #attend(): void {
    if (this.#connection.state === 'open') this.#thread.attention.watch(this);
  }

  #expects(): boolean {
    const { calls, outbound, link } = this.#connection;
    return this.#isWanted() || calls.awaited > 0 || outbound.length > 0 || link.owesBell;
  }

  #isWanted(): boolean {
    return this.#intake.isWanted || (this.#diversion !== undefined && this.#diversion.isWanted);
  }

  #deliver(): boolean {
    const diverted = this.#diversion !== undefined && this.#diversion.arrived();
    return this.#intake.deliver() || diverted;
  }

  /** For who may take one message after the other and never let the event loop turn: what waits for room goes on, and where nothing is in memory the socket may tell more. */
  #poll(isLast: boolean): ConnectionMessage | undefined {
    this.#moveOn();
    const message = this.#take();
    if (message !== undefined || this.#connection.state !== 'open') return message;
    if (isLast) this.#connection.listen();
    else this.#connection.listenNowAndThen();
    return this.#take();
  }

  #moveOn(): void {
    const { outbound } = this.#connection;
    if (outbound.length > 0) outbound.flush();
  }

  #take(): ConnectionMessage | undefined {
    return this.#diversion === undefined ? this.#connection.inbound.take() : this.#diversion.take(this.#connection.inbound);
  }

  /** Its receiver gave up: the next one gets it, or nobody when it was the port's end. */
  #keep(message: ConnectionMessage): void {
    if (!this.#closed) (this.#diversion ??= new Diversion()).keep(message);
    else message.release();
  }

  #hasMessages(): boolean {
    return this.#diversion === undefined ? this.#connection.hasMessages() : this.#diversion.has(this.#connection);
  }
}
