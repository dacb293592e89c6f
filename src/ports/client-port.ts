/**
 * The client's end: `connectPort` and `connectPortSync` make one, by the same steps; they differ in how they wait between
 * them. What a client port can do is in communication-port.ts (sending) and receiving-port.ts (receiving).
 */
import { performance } from 'node:perf_hooks';
import { checkData, checkFunction, checkInteger, checkOptions, checkSignal, checkTimeout, invalidArgument, type MessageData } from '../base/arguments.js';
import { deadlineAfter, timeLeft } from '../base/deadline.js';
import { AlpcError } from '../base/errors.js';
import { withoutPlace } from '../memory/place.js';
import { type DescriptorToOpen, factsOfNumber } from '../platform/descriptor-facts.js';
import { Descriptor } from '../platform/directory.js';
import { waitReadable, yieldProcessor } from '../platform/poller.js';
import { LoopWatch } from '../platform/loop-watch.js';
import { translate } from '../platform/system.js';
import type { OnCallback } from './calls.js';
import { ClientGreeting, type Greeted, type RequiredServer } from './client-greeting.js';
import { channels } from './diagnostics.js';
import { type AcceptedKind, checkAccepts, checkLimits, type Limits, type PortLimits } from './limits.js';
import { ReceivingPort } from './receiving-port.js';
import { checkSpin, type Spin, type SpinOptions } from './spin-options.js';
import { thisThread } from './thread.js';

export type { RequiredServer } from './client-greeting.js';

export interface ConnectSyncOptions {
  /** The namespace's root directory; see `namespaceRoot`. */
  root?: string;
  /** Payload of the connection request, at most 65,503 bytes. */
  data?: MessageData;
  /** Who the server must be; checked against the kernel's word before one byte reaches it. One figure at least; one that is named and undefined is refused. */
  requiredServer?: RequiredServer;
  /** Milliseconds to wait for the server's answer; Infinity by default. */
  timeout?: number;
  limits?: PortLimits;
  /** What this side takes with a message; nothing by default. See docs/shared-memory.md. */
  accepts?: readonly AcceptedKind[];
  spin?: boolean | SpinOptions;
  /** Gets the server's requests while a blocking call waits; a call's own `onCallback` goes first. */
  onCallback?: OnCallback;
}

export interface ConnectOptions extends ConnectSyncOptions {
  /** Ends the wait: the call rejects with its reason, and nothing of the connection stays. */
  signal?: AbortSignal;
}

/**
 * Connects to a port by its name, and waits for the server's answer without blocking the thread. NtAlpcConnectPort.
 * @param name an object name, `\RPC Control\spooler`; symbolic links are followed. Or the descriptor of a port that came with a message
 *   (`{ fd: message.handles.take(0, 'port') }`), which is taken over when it is one
 * @returns the client communication port; the caller owns it and closes it
 * @throws AlpcError (as rejections) ERR_ALPC_NAME_NOT_FOUND when there is no such name or its server died; ERR_ALPC_ACCESS_DENIED;
 *   ERR_ALPC_REFUSED with the server's payload in `data`; ERR_ALPC_SERVER_MISMATCH; ERR_ALPC_OBJECT_TYPE_MISMATCH; ERR_ALPC_QUOTA_EXCEEDED
 *   when the server holds as many connections as it may, or one side's ring is longer than the other takes; ERR_ALPC_DISCONNECTED when it ends meanwhile; ERR_ALPC_TIMEOUT;
 *   ERR_ALPC_NAME_INVALID, ERR_ALPC_INVALID_ARGUMENT; ERR_ALPC_INSUFFICIENT_RESOURCES; the signal's reason
 */
export async function connectPort(name: string | DescriptorToOpen, options?: ConnectOptions): Promise<ClientPort> {
  const checked = checkConnectOptions(options, 'awaited');
  const signal = checkSignal(options?.signal, 'options.signal');
  signal?.throwIfAborted();
  const deadline = deadlineAfter(checked.timeout);
  using received = typeof name === 'object' && name !== null ? receivedPort(name) : undefined;
  const greeting = new ClientGreeting(thisThread(), received ?? (name as string), checked);
  try {
    while (!greeting.connect()) await nap(Math.min(greeting.backoff(), leftOrThrow(greeting, deadline, checked.timeout)), signal);
    const patience = performance.now() + checked.spin.linger * 2;
    for (;;) {
      const greeted = greeting.read();
      if (greeted !== undefined) return new ClientPort(greeted, checked);
      signal?.throwIfAborted();
      const left = leftOrThrow(greeting, deadline, checked.timeout);
      if (performance.now() < patience) await turn();
      else await readable(greeting.socket, left, signal);
    }
  } catch (error) {
    greeting.abandon();
    throw translate(error, String(greeting));
  }
}

/**
 * As `connectPort`, but blocks this thread until the server answers, and throws what `connectPort` rejects with; ERR_ALPC_DEADLOCK when this thread
 * serves the port itself.
 */
export function connectPortSync(name: string | DescriptorToOpen, options?: ConnectSyncOptions): ClientPort {
  const checked = checkConnectOptions(options, 'blocking');
  const thread = thisThread();
  const deadline = deadlineAfter(checked.timeout);
  using received = typeof name === 'object' && name !== null ? receivedPort(name) : undefined;
  const greeting = new ClientGreeting(thread, received ?? (name as string), checked);
  try {
    greeting.checkNotOwn();
    while (!greeting.connect()) sleepUntilReadable(-1, Math.min(greeting.backoff(), leftOrThrow(greeting, deadline, checked.timeout)));
    for (;;) {
      const greeted = greeting.read();
      if (greeted !== undefined) return new ClientPort(greeted, checked);
      sleepUntilReadable(greeting.socket, Math.ceil(Math.min(thread.longestSleep, leftOrThrow(greeting, deadline, checked.timeout))));
    }
  } catch (error) {
    greeting.abandon();
    throw translate(error, String(greeting));
  }
}

/** A port's name in the file system that came with a message: closed when the connection is made, or is not. */
function receivedPort({ fd }: DescriptorToOpen): Descriptor {
  const facts = factsOfNumber(fd);
  if (facts === undefined) throw invalidArgument('name', 'a name, or the descriptor of a port', fd);
  if (facts.type !== 'name') throw new AlpcError('ERR_ALPC_OBJECT_TYPE_MISMATCH', `descriptor ${fd} is a ${facts.type}, not a port`);
  return new Descriptor(fd);
}

function sleepUntilReadable(fd: number, milliseconds: number): void {
  withoutPlace(() => waitReadable(fd, milliseconds));
}

/** The client communication port. */
export class ClientPort extends ReceivingPort {
  /** The payload that the server gave to `accept`. */
  readonly connectData: Buffer;

  /** Engine room: made by `connectPort`. */
  constructor(greeted: Greeted, options: CheckedConnectOptions) {
    super(greeted, { role: 'client', limits: options.limits, spin: options.spin, onCallback: options.onCallback });
    this.connectData = greeted.data;
    if (channels.connect.hasSubscribers) channels.connect.publish({ port: this.name, role: 'client', peer: this.peer });
  }
}

const SYNC_OPTIONS = ['root', 'data', 'requiredServer', 'timeout', 'limits', 'accepts', 'spin', 'onCallback'] as const;
const CONNECT_OPTIONS = { awaited: [...SYNC_OPTIONS, 'signal'], blocking: SYNC_OPTIONS } as const;
const SERVER_FIGURES = ['uid', 'gid', 'pid'] as const;

export interface CheckedConnectOptions {
  readonly root: string | undefined;
  readonly data: MessageData | undefined;
  readonly requiredServer: RequiredServer | undefined;
  readonly timeout: number;
  readonly limits: Limits;
  readonly spin: Spin;
  readonly onCallback: OnCallback | undefined;
}

/** `waits` names what is there for a call of this kind: a blocking one can't be ended by a signal. */
function checkConnectOptions(options: ConnectOptions | undefined, waits: 'awaited' | 'blocking'): CheckedConnectOptions {
  const given = checkOptions(options, 'options', CONNECT_OPTIONS[waits]);
  return {
    root: given.root,
    data: given.data === undefined ? undefined : checkData(given.data, 'options.data'),
    requiredServer: given.requiredServer === undefined ? undefined : checkRequiredServer(given.requiredServer),
    timeout: checkTimeout(given.timeout, 'options.timeout'),
    limits: checkLimits(given.limits, checkAccepts(given.accepts)),
    spin: checkSpin(given.spin),
    onCallback: given.onCallback === undefined ? undefined : checkFunction(given.onCallback, 'options.onCallback'),
  };
}

/** A copy, for it is read when the caller may have changed its own. What is named and undefined is a slip of the caller's: to check nothing then would let in anybody. */
export function checkRequiredServer(value: RequiredServer): RequiredServer {
  const given = checkOptions(value, 'options.requiredServer', SERVER_FIGURES);
  const required: RequiredServer = {};
  for (const key of SERVER_FIGURES) if (key in given) required[key] = checkInteger(given[key], `options.requiredServer.${key}`, 0, 0xffffffff);
  if (Object.keys(required).length === 0) throw invalidArgument('options.requiredServer', "an object with at least one of 'uid', 'gid', 'pid'", value);
  return required;
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

/** One turn of the event loop: an awake server answers within a few, and a watch of the socket costs more. */
function turn(): Promise<void> {
  yieldProcessor();
  return new Promise((resolve) => void setImmediate(resolve));
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
