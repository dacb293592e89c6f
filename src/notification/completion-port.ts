/**
 * Notification model 2: the completion port. Any number of ports are associated with it, and the threads of this process take their
 * messages from it: packets first-in first-out, threads last-in first-out, many packets at a time, and no more threads at work than
 * its concurrency says. A thread that blocks in a wait of this library gives its place to another.
 *
 * The thread that owns a port drains it, on its event loop; which thread serves a message, and when and from where the answer is
 * given, is open (docs/decisions/0013). Each thread has an object of its own over the same memory: `new CompletionPort()` makes the
 * memory, `CompletionPort.open(handle)` joins in.
 */
import { checkData, checkInteger, checkOptions, checkSignal, checkTimeout, invalidArgument, type MessageData } from '../base/arguments.js';
import { deadlineAfter, timeLeft } from '../base/deadline.js';
import { AlpcError } from '../base/errors.js';
import { MAX_DATA_LENGTH } from '../memory/layout.js';
import { libc } from '../platform/system.js';
import type { Message } from '../ports/index.js';
import { Association } from './association.js';
import type { Divertible } from '../ports/diversion.js';
import { createCompletionMemory, isCompletionMemory, SeatState, Word } from './completion-memory.js';
import { Dispatch } from './dispatch.js';
import { Lane } from './lane.js';
import type { CompletionPortHandle, CompletionPortInformation, CompletionPortOptions, DequeueOptions, DequeueSyncOptions } from './completion-terms.js';
import { Kind, openRequest, type Packet, type RequestPacket, type SharedRequest } from './packet.js';

export type { CompletionPortHandle, CompletionPortInformation, CompletionPortOptions, DequeueOptions, DequeueSyncOptions } from './completion-terms.js';

/** A waiting thread looks now and then whether one that should work has ended. */
const LONGEST_WAIT = 1000;
/** Packets that are taken in a row before the event loop turns: a thread has more to do there. A turn costs as much as some sixty packets. */
export const IN_A_ROW = 256;

/**
 * This thread's end of a completion port. Its memory lives as long as a thread has it; `close` ends it for all threads, `leave` for this one.
 * When a thread ends without leaving, the others decline what it held.
 */
export class CompletionPort {
  readonly #dispatch: Dispatch;
  #lane: Lane | undefined;
  /** Ends the wait of this thread's `dequeue` early. */
  #interrupt: (() => void) | undefined;
  /** The value of its wake word that a wait of the engine's stands for already: one that is not over can't be taken back. */
  #armedAt: number | undefined;
  #referenced = true;
  #keepAlive: NodeJS.Timeout | undefined;
  #left = false;
  #inARow = 0;

  /**
   * Makes a completion port. Never waits. CreateIoCompletionPort without a file.
   * @param memory engine room: of a completion port that is there already; see `open`
   * @throws AlpcError ERR_ALPC_INVALID_ARGUMENT; ERR_ALPC_INSUFFICIENT_RESOURCES when there is no memory for its packets
   */
  constructor(options?: CompletionPortOptions, memory?: SharedArrayBuffer) {
    const given = checkOptions(options, 'options', ['concurrency', 'packetBytes']);
    const concurrency = given.concurrency === undefined ? 0 : checkInteger(given.concurrency, 'options.concurrency', 0, 256);
    const packetBytes = given.packetBytes === undefined ? 4 << 20 : checkInteger(given.packetBytes, 'options.packetBytes', 256 << 10, 1 << 30);
    if ((packetBytes & (packetBytes - 1)) !== 0) throw invalidArgument('options.packetBytes', 'a power of two', packetBytes);
    this.#dispatch = new Dispatch(memory ?? createCompletionMemory(concurrency, packetBytes));
  }

  /**
   * The completion port that another thread of this process made. Never waits. Also binds the C library: a thread may not be terminated
   * while that is done, and may be from here on.
   * @throws AlpcError ERR_ALPC_INVALID_ARGUMENT, ERR_ALPC_UNSUPPORTED_PLATFORM, ERR_ALPC_INSUFFICIENT_RESOURCES
   */
  static open(handle: CompletionPortHandle): CompletionPort {
    const memory = typeof handle === 'object' && handle !== null ? handle.completionPort : undefined;
    if (!(memory instanceof SharedArrayBuffer) || !isCompletionMemory(memory)) throw invalidArgument('handle', "a completion port's handle", handle);
    libc();
    return new CompletionPort({}, memory);
  }

  /** What another thread of this process needs for `open`. */
  get handle(): CompletionPortHandle {
    return { completionPort: this.#dispatch.memory };
  }

  /** Whether this thread has left it, or any has closed it. */
  get closed(): boolean {
    return this.#left || this.#dispatch.isClosed;
  }

  /** Threads that may work at once, 1 to 256; may be changed at any time, from any thread. @throws AlpcError ERR_ALPC_INVALID_ARGUMENT */
  get concurrency(): number {
    return Atomics.load(this.#dispatch.words, Word.concurrency);
  }

  set concurrency(count: number) {
    this.#dispatch.concurrency = checkInteger(count, 'concurrency', 1, 256);
  }

  /**
   * Queues a packet of the user's own. Never waits for room. PostQueuedCompletionStatus.
   * @param packet `key`: 0 (the default) to 2^32 - 1; `data`: bytes or text (UTF-8), at most 65,503 bytes, none by default, that may be reused at once
   * @throws AlpcError ERR_ALPC_QUOTA_EXCEEDED when there is no room for it now, beside what is kept for a port's message that waits for some, or as many threads use the port as may; ERR_ALPC_MESSAGE_TOO_LONG;
   *   ERR_ALPC_CLOSED; ERR_ALPC_INVALID_ARGUMENT
   */
  post(packet: { key?: number; data?: MessageData }): void {
    if (packet === undefined) throw invalidArgument('packet', 'an object', packet);
    const given = checkOptions(packet, 'packet', ['key', 'data']);
    const key = given.key === undefined ? 0 : checkKey(given.key, 'packet.key');
    const data = given.data === undefined ? '' : checkData(given.data, 'packet.data');
    const dataLength = typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength;
    if (dataLength > MAX_DATA_LENGTH) throw new AlpcError('ERR_ALPC_MESSAGE_TOO_LONG', `completion port: a packet of ${dataLength} bytes; at most ${MAX_DATA_LENGTH} fit`);
    if (this.closed) throw this.#closedError();
    if (!this.#dispatch.push([Kind.posted, key], data, dataLength)) throw new AlpcError('ERR_ALPC_QUOTA_EXCEEDED', `completion port: ${this.#dispatch.queuedBytes} bytes of packets wait already`);
  }

  /**
   * Takes what is there, if there is a place for this thread; nothing when the port is closed. Never waits. The thread is done with what it had
   * before. GetQueuedCompletionStatusEx with a timeout of 0.
   * @param max packets to take at most: 1 to 65,536
   * @throws AlpcError ERR_ALPC_QUOTA_EXCEEDED when as many threads use the port as may; ERR_ALPC_INVALID_ARGUMENT, also while a `dequeue` of this thread waits
   */
  tryDequeue(max = 64): Packet[] {
    checkMax(max, 'max');
    if (this.#left) return [];
    this.#checkAwake();
    const packets = this.#dispatch.take(max, false);
    return packets === 'closed' ? [] : packets;
  }

  /**
   * Waits for packets, one at least, without blocking the thread. By asking the thread says that it is done with what it had; one call at a
   * time in each thread. A loop that always finds something lets the event loop turn here now and then. GetQueuedCompletionStatusEx.
   * @throws AlpcError (as rejections) ERR_ALPC_TIMEOUT; ERR_ALPC_CLOSED; ERR_ALPC_QUOTA_EXCEEDED when as many threads use the port as may;
   *   ERR_ALPC_INVALID_ARGUMENT; the signal's reason
   */
  async dequeue(options?: DequeueOptions): Promise<Packet[]> {
    const given = checkOptions(options, 'options', ['max', 'timeout', 'signal']);
    const max = given.max === undefined ? 64 : checkMax(given.max, 'options.max');
    const timeout = checkTimeout(given.timeout, 'options.timeout');
    const signal = checkSignal(given.signal, 'options.signal');
    signal?.throwIfAborted();
    this.#checkAwake();
    if (this.#left) throw this.#closedError();
    this.#dispatch.isAwaited = true;
    // The timer decides, and no clock beside it: a timer may come a little early, and it comes once.
    let isOver = timeout === 0;
    const interrupt = (): void => this.#interrupt?.();
    const onTimeout = (): void => {
      isOver = true;
      interrupt();
    };
    const timer = timeout === 0 || timeout === Infinity ? undefined : setTimeout(onTimeout, timeout).unref(); // what keeps a thread alive: see #sleep
    signal?.addEventListener('abort', interrupt, { once: true });
    try {
      if (this.#inARow >= IN_A_ROW) await this.#turn();
      for (;;) {
        if (this.#left) throw this.#closedError();
        const wake = Atomics.load(this.#dispatch.words, this.#dispatch.wakeWord);
        const packets = this.#take(max, true);
        this.#inARow += packets.length;
        if (packets.length > 0) return packets;
        signal?.throwIfAborted();
        if (isOver) throw noPacket(timeout);
        await this.#sleep(wake);
      }
    } catch (error) {
      if (!this.#left) this.#dispatch.quit();
      throw error;
    } finally {
      this.#dispatch.isAwaited = false;
      clearTimeout(timer);
      signal?.removeEventListener('abort', interrupt);
    }
  }

  /**
   * As `dequeue`, but blocks this thread. Not for the thread that owns associated ports: nobody else could drain them meanwhile.
   * @throws AlpcError ERR_ALPC_TIMEOUT; ERR_ALPC_CLOSED; ERR_ALPC_DEADLOCK in a thread that owns associated ports; ERR_ALPC_QUOTA_EXCEEDED when as
   *   many threads use the port as may; ERR_ALPC_INVALID_ARGUMENT, also while a `dequeue` of this thread waits
   */
  dequeueSync(options?: DequeueSyncOptions): Packet[] {
    const given = checkOptions(options, 'options', ['max', 'timeout']);
    const max = given.max === undefined ? 64 : checkMax(given.max, 'options.max');
    const timeout = checkTimeout(given.timeout, 'options.timeout');
    if (timeout > 0 && this.#dispatch.isFedHere) throw new AlpcError('ERR_ALPC_DEADLOCK', 'completion port: this thread owns ports that feed it, and blocked it could not drain them; use dequeue here, or dequeueSync in another thread');
    this.#checkAwake();
    if (this.#left) throw this.#closedError();
    const { words } = this.#dispatch;
    const deadline = deadlineAfter(timeout);
    for (;;) {
      const wake = Atomics.load(words, this.#dispatch.wakeWord);
      const packets = this.#take(max, true);
      if (packets.length > 0) return packets;
      const left = timeLeft(deadline);
      if (left <= 0) {
        this.#dispatch.quit();
        throw noPacket(timeout);
      }
      if (Atomics.wait(words, this.#dispatch.wakeWord, wake, Math.min(left, LONGEST_WAIT)) === 'timed-out' && !this.#dispatch.isEmpty) this.#dispatch.reap();
    }
  }

  /**
   * Makes a request that another thread of this process took this thread's own: it may be answered here, and when this thread ends before that,
   * the caller is told. Whoever had it before may still answer it, but only the first answer counts.
   * @param shared what `packet.share()` gave
   * @throws AlpcError ERR_ALPC_INVALID_ARGUMENT; ERR_ALPC_CLOSED when this thread has left
   */
  takeOver(shared: SharedRequest): RequestPacket {
    if (this.#left) throw this.#closedError();
    const packet = openRequest(this.#dispatch, shared);
    if (packet === undefined) throw invalidArgument('shared', 'a request that was taken from this completion port and shared', shared);
    return packet;
  }

  /** What is going on here, now. Never waits. NtQueryIoCompletion. */
  info(): CompletionPortInformation {
    const { words, seats, queuedBytes } = this.#dispatch;
    return {
      concurrency: this.concurrency,
      running: seats.running,
      peak: Atomics.load(words, Word.peak),
      waiting: seats.count(SeatState.waiting),
      blocked: seats.count(SeatState.blocked),
      queued: Atomics.load(words, Word.packets) >>> 0,
      dequeued: Atomics.load(words, Word.dequeued) >>> 0,
      queuedBytes,
    };
  }

  /** Whether a waiting `dequeue` keeps this thread alive: the default. */
  ref(): this {
    this.#referenced = true;
    this.#keepAlive?.ref();
    return this;
  }

  /** Lets this thread end while a `dequeue` waits. */
  unref(): this {
    this.#referenced = false;
    this.#keepAlive?.unref();
    return this;
  }

  /**
   * This thread uses the completion port no more: it gives its place back, its associated ports receive as before, and what requests of
   * theirs are with the threads is declined. A second call does nothing.
   */
  leave(): void {
    if (this.#left) return;
    this.#lane?.end();
    this.#lane = undefined;
    this.#left = true;
    this.#dispatch.leave();
    this.#interrupt?.();
  }

  /**
   * Closes it for all threads: whoever waits gets ERR_ALPC_CLOSED. Requests that no thread has taken are declined, others may still be
   * answered; packets that nobody took are dropped. Associated ports receive as before. A second call does nothing. NtClose of the last handle.
   */
  close(): void {
    this.#dispatch.close();
  }

  [Symbol.dispose](): void {
    this.close();
    this.leave();
  }

  /** Looks after threads that ended without leaving, at once; it is done now and then by itself. How many there were. */
  reap(): number {
    return this.#left ? 0 : this.#dispatch.reap();
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  /** This thread's place here. @throws AlpcError ERR_ALPC_QUOTA_EXCEEDED */
  get seat(): number {
    return this.#dispatch.seat;
  }

  /** Whether this thread holds requests that are to be answered still. */
  get holdsAny(): boolean {
    return this.holders().has(this.seat);
  }

  /** The places whose threads hold such requests. */
  holders(): Set<number> {
    return this.#dispatch.requests.holders();
  }

  /** Nobody is left to take what waits: requests are declined, as by `close`, and other packets are dropped. */
  declineQueued(): void {
    this.#dispatch.declineQueued();
  }

  /** See `port.associate`. */
  associate(port: Divertible<Message>, key: number): void {
    checkKey(key, 'key');
    if (this.closed) throw this.#closedError();
    const lane = this.#lane ?? new Lane(this.#dispatch);
    try {
      lane.add(new Association(this.#dispatch, lane, port, key));
    } catch (error) {
      if (this.#lane === undefined) lane.end();
      throw error;
    }
    this.#lane = lane;
  }

  #take(max: number, waits: boolean): Packet[] {
    if (this.#left) throw this.#closedError();
    const packets = this.#dispatch.take(max, waits);
    if (packets === 'closed') throw this.#closedError();
    return packets;
  }

  #turn(): Promise<void> {
    this.#inARow = 0;
    return new Promise((resolve) => void setImmediate(resolve));
  }

  /** Waits on the event loop until this thread is called, or interrupted. */
  #sleep(wake: number): Promise<void> {
    if (!this.#arm(wake)) return Promise.resolve();
    this.#inARow = 0;
    return new Promise((resolve) => {
      // The engine's wait alone keeps no thread alive; and one that should work, or was about to call this one, may have ended with nobody else to miss it.
      this.#keepAlive = setInterval(() => {
        if (this.#dispatch.isEmpty && !this.#dispatch.isClosed) return;
        this.#dispatch.reap();
        this.#interrupt?.();
      }, LONGEST_WAIT);
      if (!this.#referenced) this.#keepAlive.unref();
      this.#interrupt = () => {
        this.#interrupt = undefined;
        clearInterval(this.#keepAlive);
        this.#keepAlive = undefined;
        resolve();
      };
    });
  }

  /** Sees to it that `#interrupt` is called when the wake word is rung. False when it has been. */
  #arm(wake: number): boolean {
    if (this.#armedAt === wake) return true;
    const { words, wakeWord } = this.#dispatch;
    const wait = Atomics.waitAsync(words, wakeWord, wake);
    if (!wait.async) return false;
    this.#armedAt = wake;
    void wait.value.then(() => {
      if (this.#armedAt === wake) this.#armedAt = undefined;
      this.#interrupt?.();
    });
    return true;
  }

  /** @throws AlpcError ERR_ALPC_INVALID_ARGUMENT */
  #checkAwake(): void {
    if (this.#dispatch.isAwaited) throw new AlpcError('ERR_ALPC_INVALID_ARGUMENT', 'completion port: this thread waits in a dequeue already, and a thread is one');
  }

  #closedError(): AlpcError {
    return new AlpcError('ERR_ALPC_CLOSED', `completion port: ${this.#left ? 'this thread has left it' : 'it has been closed'}`);
  }
}

export function checkKey(value: unknown, name: string): number {
  return checkInteger(value, name, 0, 2 ** 32 - 1);
}

function checkMax(value: unknown, name: string): number {
  return checkInteger(value, name, 1, 65_536);
}

function noPacket(timeout: number): AlpcError {
  return new AlpcError('ERR_ALPC_TIMEOUT', `completion port: no packet came within ${timeout} ms`);
}
