/**
 * Notification model 1: no notification. A port with a completion list tells nobody that messages come. They lie in memory that this
 * process has mapped, and `poll` takes them from there without a system call, whenever the consumer likes.
 *
 * The list has a size. A request that was taken from it counts as outstanding until it is answered; what would be more than the
 * list may hold, or is longer than its messages may be, falls back to the ordinary queue of the port (`receive`, `on('message')`),
 * and nothing is lost or doubled by that. So who consumes a list looks after both.
 *
 * What it does not do: it lets in nobody. Newcomers, and the news that a client is gone, come through the port's event loop.
 */
import { performance } from 'node:perf_hooks';
import { checkInteger, checkOptions, checkSignal, checkTimeout } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { MAX_DATA_LENGTH } from '../memory/layout.js';
import type { Divertible, Feed } from '../ports/diversion.js';
import { Fifo } from '../ports/fifo.js';
import type { ConnectionMessage, Message } from '../ports/index.js';
import { createEvent, type Event } from './event.js';
import { Outstanding } from './outstanding.js';
import { Waiters } from './waiters.js';

export interface CompletionListOptions {
  /** Messages that the list holds, outstanding ones included: 1 to 1,000,000; 4,096 by default. */
  entries?: number;
  /** The same in bytes of payload: 1 to 2^31-1; 16 MiB by default. */
  bytes?: number;
  /** The longest payload that the list takes: 0 to 65,503 (the default). Longer messages fall back to the ordinary queue. */
  maxDataLength?: number;
  /** Workers that consume at once: 1 to 65,535; 1 by default. */
  concurrency?: number;
}

export interface CompletionListWaitOptions {
  /** Milliseconds to wait: 0 looks once, Infinity (the default) waits for as long as it takes. */
  timeout?: number;
  /** Ends the wait; the call rejects with its reason. */
  signal?: AbortSignal;
}

/** The message that was taken last. */
export interface LastMessage {
  readonly messageId: number;
  readonly callbackId: number;
}

const NONE: LastMessage = { messageId: 0, callbackId: 0 };
/** Milliseconds between two looks whether the last answer has been given. */
const RUNDOWN_LOOK = 2;
/** Waits that end at once before one ends with the next turn of the event loop: what falls back, newcomers and timers have their turn, whoever sends and whatever. */
const IN_A_ROW = 64;

/** A port's completion list. Made by `port.registerCompletionList`. */
export class CompletionList<M extends ConnectionMessage | Message = Message> {
  readonly #port: string;
  readonly #feed: Feed<M>;
  readonly #entries: number;
  readonly #bytes: number;
  readonly #maxDataLength: number;
  /** In the list, and not yet polled: read ahead for the receivers of the ordinary queue. */
  readonly #ready = new Fifo<M>();
  #readyBytes = 0;
  /** What fell back. */
  readonly #ordinary = new Fifo<M>();
  readonly #outstanding = new Outstanding();
  readonly #waiters: Waiters;
  /** There is one from the first asking on, until its user closes it. */
  #given: Event | undefined;
  #isEventSet = false;
  #workers = 0;
  #concurrency: number;
  #last = NONE;
  #polled = 0;
  #fellBack = 0;
  #inARow = 0;
  #phase: 'taking' | 'rundown' | 'detached' | 'closed' = 'taking';

  /** Engine room: made by a port. */
  constructor(port: Divertible<M>, options: CompletionListOptions | undefined) {
    const given = checkOptions(options, 'options', ['entries', 'bytes', 'maxDataLength', 'concurrency']);
    this.#entries = given.entries === undefined ? 4096 : checkInteger(given.entries, 'options.entries', 1, 1_000_000);
    this.#bytes = given.bytes === undefined ? 16 * 1024 * 1024 : checkInteger(given.bytes, 'options.bytes', 1, 2 ** 31 - 1);
    this.#maxDataLength = given.maxDataLength === undefined ? MAX_DATA_LENGTH : checkInteger(given.maxDataLength, 'options.maxDataLength', 0, MAX_DATA_LENGTH);
    this.#concurrency = given.concurrency === undefined ? 1 : checkConcurrency(given.concurrency, 'options.concurrency');
    this.#port = String(port);
    this.#waiters = new Waiters(() => this.#feed.attend());
    this.#feed = port.divert({
      wants: () => (this.#waiters.count > 0 || (this.#event !== undefined && !this.#isEventSet)) && this.#hasPlace && (this.#ready.length > 0 || this.#hasRoom),
      arrived: () => this.#tell(),
      takeOrdinary: () => this.#takeOrdinary(),
      hasOrdinary: () => this.#ordinary.length > 0 || (this.#phase !== 'closed' && this.#feed.hasMessages()),
      over: () => this.#close(),
      needsLoop: false,
    });
  }

  /**
   * Takes what is there, `max` messages at most, in turn over all connections, a bounded number of each. No system call is made, but
   * for the bell of a sender that waits for room. AlpcGetMessageFromCompletionList, and AlpcFreeCompletionListMessage at once: what
   * is taken is a copy that belongs to the caller.
   * @throws AlpcError ERR_ALPC_INVALID_ARGUMENT
   */
  poll(max = 64): M[] {
    checkInteger(max, 'max', 1, 1_000_000);
    const messages: M[] = [];
    while (messages.length < max) {
      const begin = messages.length;
      if (!this.#takeSome(messages, max)) {
        this.#rearm();
        break;
      }
      this.#handOut(messages, begin);
    }
    return messages;
  }

  /** Whether `poll` may find something: a look at memory. It may not while the ordinary queue is as long as the list may be, for what it read could fall back. */
  get hasMessages(): boolean {
    return this.#ready.length > 0 || (this.#phase === 'taking' && this.#hasRoom && this.#feed.hasMessages());
  }

  /**
   * Resolves when there is something to poll and a worker's place is free. Each arrival releases one who waits, in the order of their asking.
   * A loop that always finds something lets the event loop turn here now and then.
   * @throws AlpcError (as rejections) ERR_ALPC_TIMEOUT; ERR_ALPC_CLOSED when nothing will come any more; the signal's reason
   */
  async wait(options?: CompletionListWaitOptions): Promise<void> {
    const given = checkOptions(options, 'options', ['timeout', 'signal']);
    const timeout = checkTimeout(given.timeout, 'options.timeout');
    const signal = checkSignal(given.signal, 'options.signal');
    signal?.throwIfAborted();
    if (this.#phase !== 'taking') throw this.#over();
    if (this.#mayGoOn) {
      if (++this.#inARow < IN_A_ROW) return;
      this.#inARow = 0;
      await new Promise((resolve) => void setImmediate(resolve));
      signal?.throwIfAborted();
      if (this.#phase !== 'taking') throw this.#over();
      if (this.#mayGoOn) return;
    }
    const waited = this.#waiters.wait(timeout, signal, () => new AlpcError('ERR_ALPC_TIMEOUT', `completion list of ${this.#port}: no message came within ${timeout} ms`));
    this.#feed.demand();
    await waited;
  }

  /**
   * A notification event that is set when something comes and a worker's place is free, for threads and processes that can't await; hand
   * it on with `event.share()`. It is made, and costs the senders their bells, from the first asking on. A poll that finds nothing more
   * resets it. The list closes it, set, when it ends; who closes it before that asks for it no more, and gets another by asking again.
   * @throws AlpcError ERR_ALPC_CLOSED
   */
  get event(): Event {
    const given = this.#event;
    if (given !== undefined) return given;
    if (this.#phase !== 'taking') throw this.#over();
    const event = createEvent();
    event.unref();
    this.#given = event;
    this.#isEventSet = false;
    this.#feed.demand();
    return event;
  }

  /** A worker begins to consume. False when as many as may do so already, or the list takes no workers any more. AlpcRegisterCompletionListWorkerThread. */
  enter(): boolean {
    if (!this.#hasPlace || this.#phase !== 'taking') return false;
    this.#workers++;
    return true;
  }

  /** A worker has found the list empty and goes. True when something has come meanwhile: then it should enter again. AlpcUnregisterCompletionListWorkerThread. */
  leave(): boolean {
    if (this.#workers === 0) throw new AlpcError('ERR_ALPC_INVALID_ARGUMENT', `completion list of ${this.#port}: a worker leaves that has not entered`);
    this.#workers--;
    this.#demand();
    return this.hasMessages;
  }

  /** Workers that have entered. */
  get workers(): number {
    return this.#workers;
  }

  /** Workers that may consume at once; may be set while they do. AlpcAdjustCompletionListConcurrencyCount. */
  get concurrency(): number {
    return this.#concurrency;
  }

  set concurrency(count: number) {
    this.#concurrency = checkConcurrency(count, 'concurrency');
    this.#demand();
  }

  /** Requests that were taken from the list and are not yet answered, given up or lost with their client. AlpcGetOutstandingCompletionListMessageCount. */
  get outstanding(): number {
    return this.#outstanding.count;
  }

  /** The message that was polled last; zeros before the first. AlpcGetCompletionListLastMessageInformation. */
  get last(): LastMessage {
    return this.#last;
  }

  /** Messages polled so far, and those that fell back to the ordinary queue. */
  get counts(): { readonly polled: number; readonly fellBack: number } {
    return { polled: this.#polled, fellBack: this.#fellBack };
  }

  get state(): 'taking' | 'rundown' | 'detached' | 'closed' {
    return this.#phase;
  }

  /**
   * Ends the list in order: it takes no message and no worker any more (what comes goes to the ordinary queue), waits until what it has
   * is polled, its workers have left and its requests are answered, and detaches from the port. When `timeout` or `signal` end the
   * wait, it stays in rundown, and may be run down again. AlpcRundownCompletionList, AlpcUnregisterCompletionList.
   * @throws AlpcError (as rejections) ERR_ALPC_TIMEOUT; the signal's reason
   */
  async rundown(options?: CompletionListWaitOptions): Promise<void> {
    const given = checkOptions(options, 'options', ['timeout', 'signal']);
    const timeout = checkTimeout(given.timeout, 'options.timeout');
    const signal = checkSignal(given.signal, 'options.signal');
    signal?.throwIfAborted();
    if (this.#phase === 'taking') {
      this.#phase = 'rundown';
      this.#tellEnd();
      this.#feed.demand(); // the ordinary queue has everything from now on
    }
    const begun = performance.now();
    while (this.#phase === 'rundown' && (this.#ready.length > 0 || this.#workers > 0 || this.outstanding > 0)) {
      signal?.throwIfAborted();
      if (performance.now() - begun >= timeout) {
        throw new AlpcError('ERR_ALPC_TIMEOUT', `completion list of ${this.#port}: ${this.#ready.length} messages, ${this.#workers} workers and ${this.outstanding} requests were left after ${timeout} ms`);
      }
      await new Promise((resolve) => void setTimeout(resolve, RUNDOWN_LOOK));
    }
    this.unregister();
  }

  /** Detaches at once. What the list had and nobody polled comes first in the ordinary queue. A second call does nothing. */
  unregister(): void {
    if (this.#phase === 'detached' || this.#phase === 'closed') return;
    this.#phase = 'detached';
    this.#tellEnd();
    this.#feed.release([...this.#ready.clear(), ...this.#ordinary.clear()]);
    this.#readyBytes = 0;
  }

  [Symbol.dispose](): void {
    this.unregister();
  }

  toString(): string {
    return `completion list of ${this.#port} (${this.#phase}, ${this.outstanding} outstanding)`;
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  get #event(): Event | undefined {
    return this.#given?.closed === true ? undefined : this.#given;
  }

  get #hasPlace(): boolean {
    return this.#workers < this.#concurrency;
  }

  /** What falls back is bounded too: beyond that it stays in the rings, where its senders feel it. */
  get #hasRoom(): boolean {
    return this.#ordinary.length < this.#entries;
  }

  get #mayGoOn(): boolean {
    return this.#waiters.count === 0 && this.hasMessages && this.#hasPlace;
  }

  /** Adds what comes next, until there are `max`. False when there is nothing more; true when there may be, also when none was added. */
  #takeSome(messages: M[], max: number): boolean {
    const ready = this.#ready.shift();
    if (ready !== undefined) {
      this.#readyBytes -= lengthOf(ready);
      if (ready.type === 'request') this.#outstanding.add(ready);
      messages.push(ready);
      return true;
    }
    if (this.#phase !== 'taking' || !this.#hasRoom) return false;
    const room = Math.min(max - messages.length, this.#entries - this.#ordinary.length);
    const begin = messages.length;
    if (this.#feed.takeSome(messages, room) === 0) return false;
    this.#sortOut(messages, begin);
    return true;
  }

  /** What does not fit, from `begin` on, falls back. A request that does fit is outstanding at once: the next may not. */
  #sortOut(messages: M[], begin: number): void {
    let kept = begin;
    for (let at = begin; at < messages.length; at++) {
      const message = messages[at]!;
      if (this.#fits(message)) {
        if (message.type === 'request') this.#outstanding.add(message);
        messages[kept++] = message;
      } else {
        this.#fellBack++;
        this.#ordinary.push(message);
      }
    }
    if (kept === messages.length) return;
    messages.length = kept;
    this.#feed.demand();
  }

  /** For the port's receivers. They read on behalf of the list, as far as its room goes, for what does not fit may stand behind what does. */
  #takeOrdinary(): M | undefined {
    const hadRoom = this.#hasRoom;
    const ordinary = this.#ordinary.shift();
    if (!hadRoom) this.#demand(); // who waits may find something again
    if (ordinary !== undefined) return ordinary;
    for (;;) {
      const message = this.#feed.take();
      if (message === undefined) return undefined;
      if (this.#phase !== 'taking') return message;
      if (!this.#fits(message)) {
        this.#fellBack++;
        return message;
      }
      this.#ready.push(message);
      this.#readyBytes += lengthOf(message);
      this.#tell();
    }
  }

  #fits(message: M): boolean {
    const dataLength = lengthOf(message);
    if (dataLength > this.#maxDataLength) return false;
    return this.#outstanding.hasRoom(this.#entries - this.#ready.length, this.#bytes - this.#readyBytes - dataLength);
  }

  #handOut(messages: readonly M[], begin: number): void {
    this.#polled += messages.length - begin;
    for (let at = messages.length - 1; at >= begin; at--) {
      const message = messages[at]!;
      if (message.type === 'connection-request') continue;
      this.#last = { messageId: message.id, callbackId: message.type === 'request' ? message.callbackId : 0 };
      break;
    }
  }

  /** Something may be there: one who waits is released, and the event is set. */
  #tell(): boolean {
    if (!this.#hasPlace || !this.hasMessages) return false;
    const told = this.#waiters.release();
    const event = this.#event;
    if (event === undefined || this.#isEventSet) return told;
    this.#isEventSet = true;
    event.set();
    this.#feed.attend();
    return true;
  }

  /** Everything has been polled: the next arrival is told again. */
  #rearm(): void {
    const event = this.#event;
    if (event === undefined || !this.#isEventSet) return;
    event.reset();
    this.#isEventSet = false;
    this.#feed.demand();
  }

  #demand(): void {
    if (this.#waiters.count > 0 || this.#event !== undefined) this.#feed.demand();
  }

  /** Whoever waits is told that nothing will come any more. */
  #tellEnd(): void {
    this.#waiters.failAll(() => this.#over());
    this.#event?.set();
    this.#event?.close();
    this.#given = undefined;
  }

  #close(): void {
    this.#phase = 'closed';
    this.#ready.clear();
    this.#ordinary.clear();
    this.#readyBytes = 0;
    this.#tellEnd();
  }

  #over(): AlpcError {
    return new AlpcError('ERR_ALPC_CLOSED', `completion list of ${this.#port}: it takes nothing any more (${this.#phase})`);
  }
}

function checkConcurrency(value: unknown, name: string): number {
  return checkInteger(value, name, 1, 65_535);
}

function lengthOf(message: ConnectionMessage | Message): number {
  return message.type === 'connection-request' ? message.data.length : message.dataLength;
}
