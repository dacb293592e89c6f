/**
 * The client's end: `connectPort` and `connectPortSync` make one. It sends, and it receives what the server sends of its own
 * accord. On the event loop it watches its socket for bells and for the server's end, and rests otherwise.
 */
import { checkData, checkFunction, checkInteger, checkOptions, checkSignal, checkTimeout, invalidArgument, type MessageData } from '../base/arguments.js';
import { deadlineAfter, timeLeft } from '../base/deadline.js';
import { AlpcError } from '../base/errors.js';
import { waitReadable } from '../platform/poller.js';
import { LoopWatch } from '../platform/loop-watch.js';
import { type Attentive, Linger } from './attention.js';
import type { OnCallback } from './calls.js';
import { CommunicationPort } from './communication-port.js';
import { ClientGreeting, type Greeted, type RequiredServer } from './client-greeting.js';
import { Connection, type ConnectionMessage, type ConnectionOwner } from './connection.js';
import { channels } from './diagnostics.js';
import { Intake, noMessage, type ReceiveOptions } from './intake.js';
import { checkLimits, type Limits, type PortLimits } from './limits.js';
import { checkSpin, type Spin, type SpinOptions } from './spin-options.js';
import { type Thread, thisThread } from './thread.js';

export type { RequiredServer } from './client-greeting.js';

export interface ConnectSyncOptions {
  /** The namespace's root directory; see `namespaceRoot`. */
  root?: string;
  /** Payload of the connection request, at most 65,503 bytes. */
  data?: MessageData;
  /** Who the server must be; checked against the kernel's word before one byte reaches it. */
  requiredServer?: RequiredServer;
  /** Milliseconds to wait for the server's answer; Infinity by default. */
  timeout?: number;
  limits?: PortLimits;
  spin?: boolean | SpinOptions;
  /** Gets the server's requests while a blocking call waits; a call's own `onCallback` goes first. */
  onCallback?: OnCallback;
}

export interface ConnectOptions extends ConnectSyncOptions {
  signal?: AbortSignal;
}

/**
 * Connects to a port by its name. NtAlpcConnectPort.
 * @param name an object name, `\RPC Control\spooler`; symbolic links are followed
 * @returns the client communication port; the caller owns it and closes it
 * @throws AlpcError (as rejections) ERR_ALPC_NAME_NOT_FOUND when there is no such name or its server died; ERR_ALPC_ACCESS_DENIED;
 *   ERR_ALPC_REFUSED with the server's payload in `data`; ERR_ALPC_SERVER_MISMATCH; ERR_ALPC_OBJECT_TYPE_MISMATCH; ERR_ALPC_QUOTA_EXCEEDED
 *   when the server holds as many connections as it may; ERR_ALPC_DISCONNECTED when it ends meanwhile; ERR_ALPC_TIMEOUT;
 *   ERR_ALPC_NAME_INVALID, ERR_ALPC_INVALID_ARGUMENT; ERR_ALPC_INSUFFICIENT_RESOURCES; the signal's reason
 */
export async function connectPort(name: string, options?: ConnectOptions): Promise<ClientPort> {
  const checked = checkConnectOptions(options);
  const signal = checkSignal(options?.signal, 'options.signal');
  signal?.throwIfAborted();
  const deadline = deadlineAfter(checked.timeout);
  const greeting = new ClientGreeting(thisThread(), name, checked);
  try {
    while (!greeting.connect()) await nap(Math.min(greeting.backoff(), leftOrThrow(greeting, deadline, checked.timeout)), signal);
    for (;;) {
      const greeted = greeting.read();
      if (greeted !== undefined) return new ClientPort(greeted, checked);
      await readable(greeting.socket, leftOrThrow(greeting, deadline, checked.timeout), signal);
    }
  } catch (error) {
    greeting.abandon();
    throw error;
  }
}

/** As `connectPort`, but blocks this thread until the server answers. */
export function connectPortSync(name: string, options?: ConnectSyncOptions): ClientPort {
  const checked = checkConnectOptions(options);
  const thread = thisThread();
  const deadline = deadlineAfter(checked.timeout);
  const greeting = new ClientGreeting(thread, name, checked);
  try {
    while (!greeting.connect()) waitReadable(-1, Math.min(greeting.backoff(), leftOrThrow(greeting, deadline, checked.timeout)));
    for (;;) {
      const greeted = greeting.read();
      if (greeted !== undefined) return new ClientPort(greeted, checked);
      waitReadable(greeting.socket, Math.ceil(Math.min(thread.longestSleep, leftOrThrow(greeting, deadline, checked.timeout))));
    }
  } catch (error) {
    greeting.abandon();
    throw error;
  }
}

/** The client communication port. @fires message (message) each message of the server; @fires close (reason, error?) */
export class ClientPort extends CommunicationPort implements ConnectionOwner, Attentive {
  readonly linger: Linger;
  readonly #thread: Thread;
  readonly #connection: Connection;
  readonly #intake: Intake<ConnectionMessage>;
  #watch: LoopWatch | undefined;
  #rung = false;

  /** Engine room: made by `connectPort`. */
  constructor(greeted: Greeted, options: CheckedConnectOptions) {
    const owner: ConnectionOwner = { wake: () => this.wake(), unwatch: () => this.unwatch() };
    const connection = new Connection({ ...greeted, owner, role: 'client', limits: options.limits, spin: options.spin, notifyClientDied: false });
    super(connection);
    connection.onCallback = options.onCallback;
    this.#connection = connection;
    this.#thread = greeted.thread;
    this.linger = new Linger(options.spin.linger);
    const source = {
      take: () => connection.take(),
      hasMessages: () => connection.hasMessages(),
      demand: () => this.#thread.attention.watch(this),
      over: () => (connection.isSpent ? connection.closedError() : undefined),
    };
    this.#intake = new Intake(source, this, options.spin.linger > 0);
    this.connectData = greeted.data;
    this.#watch = new LoopWatch(connection.socket, () => {
      this.#rung = true;
      this.#thread.attention.watch(this);
    });
    if (channels.connect.hasSubscribers) channels.connect.publish({ port: this.name, role: 'client', peer: this.peer });
  }

  /** The payload that the server gave to `accept`. */
  readonly connectData: Buffer;

  /** Takes the next message that is there, without waiting. */
  tryReceive(): ConnectionMessage | undefined {
    return this.#intake.tryReceive();
  }

  /** Waits for the next message of the server. @throws AlpcError (as rejections) ERR_ALPC_TIMEOUT; ERR_ALPC_CLOSED, ERR_ALPC_DISCONNECTED when none will come; the signal's reason */
  receive(options?: ReceiveOptions): Promise<ConnectionMessage> {
    return this.#intake.receive(options);
  }

  /** As `receive`, but blocks this thread. */
  receiveSync(options?: { timeout?: number }): ConnectionMessage {
    const timeout = checkTimeout(checkOptions(options, 'options', ['timeout']).timeout, 'options.timeout');
    const connection = this.#connection;
    const deadline = deadlineAfter(timeout);
    for (let budget = connection.looks.next(), looks = budget; ; ) {
      while (looks > 0 && !connection.hasMessages()) looks--;
      const message = connection.take();
      if (message !== undefined) {
        if (looks > 0) connection.looks.paid();
        return message;
      }
      if (connection.state !== 'open') throw connection.closedError();
      if (looks === 0 && budget > 0) connection.looks.wasted();
      looks = budget = 0;
      const left = timeLeft(deadline);
      if (left <= 0) throw noMessage(timeout);
      if (connection.arm(true)) waitReadable(connection.socket, Math.ceil(Math.min(left, this.#thread.longestSleep)));
      connection.disarm();
      connection.readSocket();
      connection.flush();
      this.wake();
    }
  }

  /** Messages as they come; ends after `port-closed`, or when this side closes. */
  [Symbol.asyncIterator](): AsyncIterableIterator<ConnectionMessage> {
    return this.#intake.iterate();
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

  hasRef(): boolean {
    return this.#watch?.hasRef() ?? false;
  }

  /**
   * Ends the connection: the server gets `port-closed`, outstanding calls of this side ERR_ALPC_CANCELED. What was posted
   * arrives. Never waits; a second call does nothing. NtAlpcDisconnectPort.
   */
  close(): void {
    this.#connection.close();
    this.#thread.attention.forget(this);
    this.#intake.end(this.#connection.closedError());
  }

  [Symbol.dispose](): void {
    this.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  wake(): void {
    if (this.#expects() || this.#connection.hasQueued || this.#connection.isSpent) this.#thread.attention.watch(this);
  }

  unwatch(): void {
    this.#watch?.close();
    this.#watch = undefined;
  }

  look(): boolean {
    const connection = this.#connection;
    if (this.#rung) {
      this.#rung = false;
      connection.readSocket();
    }
    const flushed = connection.waitingForRoom.length > 0 && connection.flush();
    if (this.#intake.isWanted) return this.#intake.deliver() || flushed;
    return (connection.calls.awaited > 0 && connection.pump()) || flushed;
  }

  rest(): boolean {
    const wanted = this.#intake.isWanted;
    if (wanted && this.#connection.hasQueued) return false;
    return this.#connection.arm(wanted || this.#connection.calls.awaited > 0);
  }

  attend(): void {
    this.#connection.disarm();
  }

  #expects(): boolean {
    return this.#intake.isWanted || this.#connection.calls.awaited > 0 || this.#connection.waitingForRoom.length > 0;
  }
}

export interface CheckedConnectOptions {
  readonly root: string | undefined;
  readonly data: MessageData | undefined;
  readonly requiredServer: RequiredServer | undefined;
  readonly timeout: number;
  readonly limits: Limits;
  readonly spin: Spin;
  readonly onCallback: OnCallback | undefined;
}

function checkConnectOptions(options: ConnectOptions | undefined): CheckedConnectOptions {
  const given = checkOptions(options, 'options', ['root', 'data', 'requiredServer', 'timeout', 'limits', 'spin', 'onCallback', 'signal']);
  return {
    root: given.root,
    data: given.data === undefined ? undefined : checkData(given.data, 'options.data'),
    requiredServer: given.requiredServer === undefined ? undefined : checkRequiredServer(given.requiredServer),
    timeout: checkTimeout(given.timeout, 'options.timeout'),
    limits: checkLimits(given.limits),
    spin: checkSpin(given.spin),
    onCallback: given.onCallback === undefined ? undefined : checkFunction(given.onCallback, 'options.onCallback'),
  };
}

function checkRequiredServer(value: RequiredServer): RequiredServer {
  const given = checkOptions(value, 'options.requiredServer', ['uid', 'gid', 'pid']);
  if (Object.keys(given).length === 0) throw invalidArgument('options.requiredServer', "an object with at least one of 'uid', 'gid', 'pid'", value);
  for (const key of ['uid', 'gid', 'pid'] as const) {
    if (given[key] !== undefined) checkInteger(given[key], `options.requiredServer.${key}`, 0, 0xffffffff);
  }
  return given;
}

function leftOrThrow(greeting: ClientGreeting, deadline: number, timeout: number): number {
  const left = timeLeft(deadline);
  if (left <= 0) throw new AlpcError('ERR_ALPC_TIMEOUT', `${greeting}: the server did not answer within ${timeout} ms`);
  return left;
}

function nap(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(settle, milliseconds);
    function settle(): void {
      clearTimeout(timer);
      signal?.removeEventListener('abort', settle);
      if (signal?.aborted === true) reject(signal.reason as Error);
      else resolve();
    }
    signal?.addEventListener('abort', settle, { once: true });
  });
}

/** Waits on the event loop until the socket can be read, the time is over, or the signal comes. */
function readable(fd: number, milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    let over = false;
    const settle = (): void => {
      if (over) return;
      over = true;
      watch.close();
      clearTimeout(timer);
      signal?.removeEventListener('abort', settle);
      if (signal?.aborted === true) reject(signal.reason as Error);
      else resolve();
    };
    const watch = new LoopWatch(fd, () => void setImmediate(settle));
    const timer = milliseconds === Infinity ? undefined : setTimeout(settle, milliseconds);
    signal?.addEventListener('abort', settle, { once: true });
  });
}
