/**
 * Events: something that has happened, for any number of processes and threads to wait for.
 *
 * A notification event stays set until it is reset, and lets everybody go on. A synchronization event lets exactly one wait
 * go on for each `set`, and is reset by that. Named ones stand in the object namespace, as FIFOs; nameless ones are pipes,
 * and can be shared with the threads of this process.
 *
 * Invariants: an event lives as long as somebody holds it, and its name goes with the last holder. What is set stays set
 * whoever dies: a waiter that is killed before it took what was set leaves it to another. Among those who wait no order is
 * promised. How the state is kept is in tokens.ts, how waiting is done in waiting.ts.
 */
import { checkBoolean, checkInteger, checkOneOf, checkOptions, checkTimeout, invalidArgument } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { asHandle, type HandleSource } from '../memory/handle-source.js';
import { type HeldEvent, holdEvent, makeEvent, openHeldEvent, openReceivedEvent, releaseEvent } from '../objects/event-name.js';
import type { RootOptions, SecurityOptions } from '../objects/index.js';
import { LOCK_TIMEOUT } from '../objects/locked-parent.js';
import { createSecurityDescriptor, filePermissions } from '../objects/security-descriptor.js';
import { adoptDescriptor, releaseDescriptor } from '../platform/descriptors.js';
import { type DescriptorToOpen, factsOfNumber } from '../platform/descriptor-facts.js';
import { changeMode, Descriptor, statOf } from '../platform/directory.js';
import { createPipe, putByte, reopenFifo } from '../platform/fifo.js';
import { LoopWatch } from '../platform/loop-watch.js';
import { SystemError, translate } from '../platform/system.js';
import { type EventKind, Tokens } from './tokens.js';
import { waitBlocking, waitOnLoop, type WaitOptions, type WaitSyncOptions } from './waiting.js';

export type { EventKind } from './tokens.js';

/** Nobody executes a FIFO: its owner's bit for that says, to everybody who opens it, that it is a synchronization event. */
const SYNCHRONIZATION = 0o100;

export interface CreateEventOptions extends RootOptions {
  /** 'notification' (the default) stays set until `reset`; 'synchronization' lets one wait go on for each `set`. */
  kind?: EventKind;
  /** Whether it is set from the beginning. */
  initialState?: boolean;
  /** Who may open it, right 'connect': the same user and root (the default), one group besides, or everyone. Whoever may open it may also set and reset it. */
  security?: SecurityOptions;
  /** Open the event of this name where there is one, of the same kind; `initialState` and `security` are those of its creator then. */
  openIf?: boolean;
  /** Longest wait for the directory's lock, in milliseconds; 5,000 by default. */
  timeout?: number;
}

/** An event of this process, for another of its threads: survives `postMessage`. Good for as long as the event that it was asked of is open. */
export interface SharedEvent {
  readonly fd: number;
  readonly identity: string;
  readonly name: string | undefined;
  readonly root: string | undefined;
}

/**
 * Creates an event. Blocks for at most `timeout`, while another process is just making something in the same directory.
 * @param name the full name, `\BaseNamedObjects\ready`; left out, the event has none. A name that dead processes left is taken over
 * @returns the event; the caller owns it and closes it
 * @throws AlpcError ERR_ALPC_NAME_IN_USE when somebody holds an event of this name (see `openIf`); ERR_ALPC_OBJECT_TYPE_MISMATCH
 *   when something else stands there, or an event of the other kind; ERR_ALPC_NAME_NOT_FOUND when its directory is missing;
 *   ERR_ALPC_NAME_INVALID, ERR_ALPC_ACCESS_DENIED, ERR_ALPC_TIMEOUT, ERR_ALPC_INVALID_ARGUMENT, ERR_ALPC_INSUFFICIENT_RESOURCES,
 *   ERR_ALPC_UNSUPPORTED_PLATFORM
 * Windows: NtCreateEvent; with `openIf`, OBJ_OPENIF.
 */
export function createEvent(name?: string, options?: CreateEventOptions): Event {
  const known = ['kind', 'initialState', 'security', 'root', 'openIf', 'timeout'] as const;
  const { kind = 'notification', initialState: full = false, security, root, openIf = false, timeout = LOCK_TIMEOUT } = checkOptions(options, 'options', known);
  checkOneOf(kind, 'options.kind', ['notification', 'synchronization']);
  checkBoolean(full, 'options.initialState');
  checkBoolean(openIf, 'options.openIf');
  checkTimeout(timeout, 'options.timeout');
  const permissions = filePermissions(createSecurityDescriptor(security, 'options.security'), 'options.security');
  const mode = permissions.mode | (kind === 'synchronization' ? SYNCHRONIZATION : 0);
  if (name === undefined) return createNameless(mode, full);
  const where = root === undefined ? {} : { root };
  for (;;) {
    try {
      return adopt(makeEvent(name, { ...where, ...permissions, mode, full, timeout }));
    } catch (error) {
      if (!openIf || !isError(error, 'ERR_ALPC_NAME_IN_USE')) throw error;
    }
    try {
      return openOfKind(name, kind, where);
    } catch (error) {
      if (!isError(error, 'ERR_ALPC_NAME_NOT_FOUND')) throw error; // its last holder left just now
    }
  }
}

/**
 * Opens an event: by its name, links followed, what another thread of this process shares, or the descriptor that came with a message
 * (`{ fd: message.handles.take(0, 'event') }`), which it takes over when it is one. Waits for a moment at most.
 * @returns an event of its own; the caller owns it and closes it
 * @throws AlpcError ERR_ALPC_NAME_NOT_FOUND when there is none, or nobody holds it any more; ERR_ALPC_OBJECT_TYPE_MISMATCH, also for a
 *   descriptor of a FIFO that lies in another file system than the namespace; ERR_ALPC_ACCESS_DENIED; ERR_ALPC_NAME_INVALID;
 *   ERR_ALPC_INVALID_ARGUMENT; ERR_ALPC_TIMEOUT; ERR_ALPC_INSUFFICIENT_RESOURCES
 * Windows: NtOpenEvent; for a shared one, NtDuplicateObject.
 */
export function openEvent(event: string | SharedEvent | DescriptorToOpen, options?: RootOptions): Event {
  const { root } = checkOptions(options, 'options', ['root']);
  if (typeof event === 'object' && event !== null) return 'identity' in event ? openShared(event) : openReceived(event, root === undefined ? {} : { root });
  return adopt(openHeldEvent(event, root === undefined ? {} : { root }));
}

/** What waits for an event on the event loop. */
export interface Waiter {
  /** The event can be looked at: it may be set. */
  look(): unknown;
  /** The event has been closed. */
  fail(error: AlpcError): void;
}

/** A handle of an event. Each belongs to who created or opened it, in this thread, and is closed by them. */
export class Event implements HandleSource {
  readonly #tokens: Tokens;
  readonly #named: HeldEvent | undefined;
  readonly #waiters = new Map<Waiter, { readonly counted: boolean }>();
  #watch: LoopWatch | undefined;
  #look: NodeJS.Immediate | undefined;
  #referenced = true;
  #closed = false;

  /** Engine room: made by `createEvent` and `openEvent`. Takes over the descriptor. */
  constructor(fd: number, kind: EventKind, named: HeldEvent | undefined) {
    this.#tokens = new Tokens(adoptDescriptor(fd), kind);
    this.#named = named;
  }

  /** The full name by which it was made or opened; undefined when it has none. */
  get name(): string | undefined {
    return this.#named?.name;
  }

  /** Whether it lets everybody go on ('notification') or one for each `set` ('synchronization'); the same for all who have it. */
  get kind(): EventKind {
    return this.#tokens.kind;
  }

  /** Whether it is set now, and (a synchronization event) for nobody who waits already. NtQueryEvent. @throws AlpcError ERR_ALPC_CLOSED */
  get state(): boolean {
    return this.tokens.isSet;
  }

  /** Whether this handle has been closed; of others it says nothing. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Sets the event: all waits go on (notification), or exactly one goes on now or later (synchronization). Never waits longer than
   * a moment. NtSetEvent.
   * @returns whether it was set already: then nothing has changed
   * @throws AlpcError ERR_ALPC_CLOSED
   */
  set(): boolean {
    return this.tokens.set();
  }

  /** Takes back what is set and not yet taken. NtResetEvent. @returns whether it was set @throws AlpcError ERR_ALPC_CLOSED */
  reset(): boolean {
    return this.tokens.reset();
  }

  /** Looks once: true when a wait would go on, and then (a synchronization event) it has. Never waits. @throws AlpcError ERR_ALPC_CLOSED */
  tryWait(): boolean {
    return this.tokens.tryTake();
  }

  /**
   * Waits until the event is set, without blocking the thread; a synchronization event is taken by it. NtWaitForSingleObject.
   * @throws AlpcError (as rejections) ERR_ALPC_TIMEOUT, ERR_ALPC_CLOSED, ERR_ALPC_INVALID_ARGUMENT; the signal's reason
   */
  async wait(options?: WaitOptions): Promise<void> {
    await waitOnLoop([this], 'any', options);
  }

  /** As `wait`, but blocks this thread: nothing else of its event loop runs meanwhile. @throws AlpcError ERR_ALPC_TIMEOUT, ERR_ALPC_CLOSED, ERR_ALPC_INVALID_ARGUMENT */
  waitSync(options?: WaitSyncOptions): void {
    waitBlocking([this], 'any', options);
  }

  /** For another thread of this process, which opens it by `openEvent`, while this one is open. NtDuplicateObject. @throws AlpcError ERR_ALPC_CLOSED */
  share(): SharedEvent {
    return { fd: this.tokens.fd, identity: this.tokens.identity, name: this.#named?.name, root: this.#named?.root };
  }

  /** Pending waits keep the process alive: the default. */
  ref(): this {
    this.#referenced = true;
    this.#watch?.ref();
    return this;
  }

  /** Lets the process end while waits are pending. */
  unref(): this {
    this.#referenced = false;
    this.#watch?.unref();
    return this;
  }

  /** Whether a pending wait keeps the process alive. */
  hasRef(): boolean {
    return this.#referenced && !this.#closed;
  }

  /**
   * Gives the event up: pending waits of this handle fail with ERR_ALPC_CLOSED. The last holder's close removes the name, which blocks
   * while another process holds the directory's lock, 5 s at most. A second call does nothing. NtClose.
   */
  close(): void {
    if (this.#closed) return;
    const { fd } = this.#tokens;
    this.#closed = true;
    const waiters = [...this.#waiters.keys()];
    this.#rest();
    for (const waiter of waiters) waiter.fail(closedError(this));
    if (this.#named !== undefined) releaseEvent({ fd, root: this.#named.root });
    releaseDescriptor(fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  toString(): string {
    return `${this.kind} event ${this.name ?? 'without a name'}${this.#closed ? ' (closed)' : ''}`;
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  /** Where the state is kept. @throws AlpcError ERR_ALPC_CLOSED */
  get tokens(): Tokens {
    if (this.#closed) throw closedError(this);
    return this.#tokens;
  }

  /** As a message's handle: whoever gets it opens the same event. */
  [asHandle](): { fd: number; kind: 'event' } {
    return { fd: this.tokens.fd, kind: 'event' };
  }

  /** From now on the waiter is told when there is something to look at. `counted`: sets are for it, too. */
  attach(waiter: Waiter, counted: boolean): void {
    if (counted) this.#tokens.enter();
    this.#waiters.set(waiter, { counted });
    if (this.#watch !== undefined) return;
    this.#watch = new LoopWatch(this.#tokens.fd, () => (this.#look ??= setImmediate(() => this.#lookAround())));
    if (!this.#referenced) this.#watch.unref();
  }

  /** `ended`: by what was taken of this event, so that the wait is not counted any more. */
  detach(waiter: Waiter, ended: boolean): void {
    const waits = this.#waiters.get(waiter);
    if (waits === undefined) return;
    this.#waiters.delete(waiter);
    if (waits.counted && !ended && !this.#closed) this.#tokens.leave();
    if (this.#waiters.size === 0) this.#rest();
  }

  #lookAround(): void {
    this.#look = undefined;
    for (const waiter of this.#waiters.keys()) {
      if (this.#closed || !this.#tokens.mayTake) return;
      waiter.look();
    }
  }

  #rest(): void {
    clearImmediate(this.#look);
    this.#look = undefined;
    this.#watch?.close();
    this.#watch = undefined;
  }
}

function createNameless(mode: number, full: boolean): Event {
  try {
    using pipe = createPipe();
    changeMode(pipe.fd, mode);
    if (full) putByte(pipe.fd);
    return handOver(pipe, kindOf(mode), undefined);
  } catch (error) {
    throw translate(error, 'event without a name');
  }
}

function openOfKind(name: string, kind: EventKind, where: RootOptions): Event {
  const event = openEvent(name, where);
  if (event.kind === kind) return event;
  const error = new AlpcError('ERR_ALPC_OBJECT_TYPE_MISMATCH', `'${event.name}' is a ${event.kind} event, not a ${kind} one`);
  event.close();
  throw error;
}

/** The event of a FIFO that is held by now. */
function adopt(held: HeldEvent): Event {
  try {
    return new Event(held.fd, kindOf(Number(statOf(held.fd).mode)), held);
  } catch (error) {
    releaseEvent(held);
    releaseDescriptor(held.fd);
    throw translate(error, `'${held.name}'`);
  }
}

function openShared(shared: SharedEvent): Event {
  const { fd, identity, name, root } = checkOptions(shared, 'event', ['fd', 'identity', 'name', 'root']);
  const number = checkInteger(fd, 'event.fd', 0, 2 ** 31 - 1);
  if (typeof identity !== 'string') throw invalidArgument('event.identity', 'a string', identity);
  try {
    const stat = statOf(number);
    if (!stat.isFIFO() || `${stat.dev}:${stat.ino}` !== identity) throw new SystemError('fstat', 'EBADF');
    using fifo = reopenFifo(number);
    const held = name === undefined || root === undefined ? undefined : { fd: fifo.fd, name, root };
    if (held !== undefined) holdEvent(fifo.fd);
    return handOver(fifo, kindOf(Number(stat.mode)), held);
  } catch (error) {
    if (error instanceof SystemError && error.errno === 'EBADF') throw new AlpcError('ERR_ALPC_NAME_NOT_FOUND', `the event that was shared as descriptor ${number} is not open any more`);
    throw translate(error, 'shared event');
  }
}

function openReceived({ fd }: DescriptorToOpen, options: RootOptions): Event {
  const facts = factsOfNumber(fd);
  if (facts === undefined) throw invalidArgument('event.fd', 'the descriptor of an event', fd);
  if (facts.type !== 'fifo') throw new AlpcError('ERR_ALPC_OBJECT_TYPE_MISMATCH', `descriptor ${fd} is a ${facts.type}, not an event`);
  using received = new Descriptor(fd);
  try {
    const held = openReceivedEvent(received.fd, options);
    using fifo = held.fifo;
    return handOver(fifo, kindOf(Number(statOf(fifo.fd).mode)), held.name === undefined ? undefined : { fd: fifo.fd, name: held.name, root: held.root });
  } catch (error) {
    throw translate(error, `event of descriptor ${fd}`);
  }
}

function handOver(fifo: Descriptor, kind: EventKind, held: HeldEvent | undefined): Event {
  const event = new Event(fifo.fd, kind, held);
  fifo.take();
  return event;
}

/** The kind of an event, by the permission bits of its FIFO. */
export function kindOf(mode: number): EventKind {
  return (mode & SYNCHRONIZATION) === 0 ? 'notification' : 'synchronization';
}

function closedError(event: Event): AlpcError {
  return new AlpcError('ERR_ALPC_CLOSED', `${event}: it has been closed`);
}

function isError(error: unknown, code: AlpcError['code']): boolean {
  return AlpcError.is(error) && error.code === code;
}
