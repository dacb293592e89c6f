/**
 * A pool of threads that serve a completion port, each with a handler that is a plain module: its default export gets one packet after
 * the other, and would serve `port.on('message')` on the event loop unchanged.
 *
 * A thread is started when work waits, the concurrency allows it and no thread waits for work; one that was idle for long, and has answered
 * all it took, leaves, down to `minThreads`. One that crashes is replaced, and the callers of requests that it held get an error.
 */
import { EventEmitter } from 'node:events';
import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { checkInteger, checkOptions, checkTimeout, invalidArgument } from '../base/arguments.js';
import { throwApart } from '../base/uncaught.js';
import { Word } from './completion-memory.js';
import { CompletionPort } from './completion-port.js';
import { DrainQuestion } from './drain-question.js';
import { PooledThread, type ThreadHost } from './pooled-thread.js';

export interface ThreadPoolOptions {
  /** The module whose default export handles packets. */
  worker: URL | string;
  completions: CompletionPort;
  /** Threads that are there also without work: 0 to `maxThreads`; 1 by default. */
  minThreads?: number;
  /** Threads that are there at most: 1 to 256; by default as many as there are processors, or `minThreads` if that is more. */
  maxThreads?: number;
  /** Packets that a thread takes at once: 1 to 65,536; 1 by default. A thread that crashes takes all of them with it. */
  max?: number;
  /** Milliseconds without work after which a thread may leave: 1 to 2^31 - 1; 10,000 by default. */
  idleTimeout?: number;
  /** Milliseconds that a thread may take to load its handler: 1 to 2^31 - 1; 60,000 by default. Then it is ended, told as a crash, and another is tried. */
  startTimeout?: number;
  /** Handed to each thread: the handler's module finds it as `workerData.data`. What `structuredClone` takes. */
  workerData?: unknown;
}

export interface ThreadPoolStatistics {
  /** Threads that are there now, starting ones among them. */
  readonly threads: number;
  readonly starting: number;
  /** Threads that handle packets now. */
  readonly busy: number;
  /** Since the beginning. */
  readonly started: number;
  readonly retired: number;
  readonly crashed: number;
}

export interface ThreadPoolEvents {
  /** A thread has ended by what its handler threw, by `process.exit` or because somebody terminated it, or could not start, or not in time. */
  crash: [error: Error];
  /** A thread is being started, also one of the first `minThreads`; nothing that it posts has come yet. What it is posted before its handler's module has loaded waits for it. */
  thread: [worker: Worker];
  /** Once, when the last thread has left after `close`. */
  close: [];
}

const MOST_THREADS = 256;
/** After threads that could not even start: milliseconds until the next try, doubled each time. */
const FIRST_PAUSE = 50;
const LONGEST_PAUSE = 5000;
const DRAIN_LOOK = 2;
/** Milliseconds between two looks whether a thread is wanted, where nobody said so. */
const ROUND = 1000;
const LATE_START = 2000;
/** So many threads in a row that could not start, and a pool that closes drains no more. */
const LAST_TRY = 3;

/** The pool: it belongs to the thread that made it, which need not be one that owns associated ports. Its event loop must turn for threads to start and leave. */
export class ThreadPool extends EventEmitter<ThreadPoolEvents> {
  readonly #options: CheckedPoolOptions;
  readonly #threads = new Set<PooledThread>();
  readonly #host: ThreadHost;
  readonly #busy = new Int32Array(new SharedArrayBuffer(4 * MOST_THREADS));
  readonly #words: Int32Array;
  #started = 0;
  #retired = 0;
  #crashed = 0;
  #failures = 0;
  #drained = false;
  #retry: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Starts `minThreads` threads, and more as work wants them. Never waits: a handler's module that can't be loaded is told by `crash`. The
   * caller owns the pool and closes it; until then its threads keep the process alive. TpAllocAlpcCompletion.
   * @throws AlpcError ERR_ALPC_INVALID_ARGUMENT
   */
  constructor(options: ThreadPoolOptions) {
    super();
    this.#options = checkPoolOptions(options);
    this.#words = new Int32Array(this.#options.completions.handle.completionPort);
    this.#host = {
      ready: () => {
        this.#failures = 0;
        this.#fill();
        this.#lookAgain(); // it has taken its first packets: what it left is for others
      },
      // What it told others before, which comes by another way, has been heard then: that it holds something, say.
      idle: (thread) => void setImmediate(() => {
        if (this.#threads.has(thread) && thread.works + thread.held === 0 && this.#staying > this.#options.minThreads) thread.askToLeave();
      }),
      left: () => void this.#retired++,
      crashed: (thread, error) => {
        if (!thread.isReady) this.#failures++;
        this.#tellCrash(error);
      },
      gone: (thread) => this.#bury(thread),
    };
    for (let i = 0; i < this.#options.minThreads; i++) this.#start();
    void this.#feed();
  }

  /** How many threads there are and were. Never waits. */
  statistics(): ThreadPoolStatistics {
    let starting = 0;
    let busy = 0;
    for (const { isReady, index } of this.#threads) {
      if (!isReady) starting++;
      busy += Atomics.load(this.#busy, index);
    }
    return { threads: this.#threads.size, starting, busy, started: this.#started, retired: this.#retired, crashed: this.#crashed };
  }

  /** Where its threads take their packets. */
  get completions(): CompletionPort {
    return this.#options.completions;
  }

  /** Engine room: the threads that are there now. */
  get workers(): Worker[] {
    return Array.from(this.#threads, ({ worker }) => worker);
  }

  /** Engine room: a thread does some work that is no packet of its own (`close` waits for it), or holds what others will ask for; then it does not leave for being idle. */
  keep(worker: Worker, what: 'works' | 'held', by: number): void {
    for (const thread of this.#threads) if (thread.worker === worker) thread[what] += by;
  }

  /**
   * Waits until all that was sent to the associated ports before is served: until each thread that owns such ports has looked on its event loop and
   * found their rings empty, no packet waits, no thread is busy and all that they took is answered, or given up by its caller. Then lets all threads leave.
   * A thread that crashes meanwhile is replaced; when three in a row could not start and nobody else is at the completion port, what waits there is
   * declined. After `timeout` milliseconds the threads are terminated, as soon as they have started, and what they held is declined; what no
   * thread has taken waits on. The completion port stays open. A second call waits for the first. TpWaitForAlpcCompletion and TpReleaseAlpcCompletion.
   * @param options `timeout`: 0 to 2^31 - 1, or Infinity (the default): then it waits for ever for an answer that no handler gives and whose caller waits, and for
   *   an owner of ports whose event loop never turns
   * @throws AlpcError ERR_ALPC_INVALID_ARGUMENT
   */
  close(options?: { timeout?: number }): Promise<void> {
    const timeout = checkTimeout(checkOptions(options, 'options', ['timeout']).timeout, 'options.timeout');
    return (this.#closing ??= this.#end(timeout));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  /** Starts threads whenever a packet found none that waits. */
  async #feed(): Promise<void> {
    // Who queued a packet may have ended before it told that no thread waits.
    const round = setInterval(() => {
      if (this.#isStarved()) this.#lookAgain();
    }, ROUND).unref();
    for (;;) {
      const hunger = Atomics.load(this.#words, Word.hunger);
      if (this.#isStarved()) this.#start();
      const wait = Atomics.waitAsync(this.#words, Word.hunger, hunger);
      if (wait.async) await wait.value;
      if (this.#drained && this.#threads.size === 0) break;
    }
    clearInterval(round);
  }

  /** One at a time is started: when it takes its first packet and leaves others, there is hunger again. */
  #isStarved(): boolean {
    const { completions, maxThreads } = this.#options;
    const { queuedBytes, running, waiting, blocked, concurrency } = completions.info();
    if (completions.closed || this.#drained || this.#retry !== undefined || queuedBytes === 0 || waiting > 0 || running >= concurrency) return false;
    return this.#threads.size < Math.min(maxThreads, concurrency + blocked) && this.statistics().starting === 0;
  }

  /** What goes wrong is told by `crash`, as if the thread had ended on its way, and tried again later. */
  #start(): void {
    const { completions, worker, max, idleTimeout, startTimeout, workerData: data } = this.#options;
    const taken = new Set(Array.from(this.#threads, ({ index }) => index));
    let index = 0;
    while (taken.has(index)) index++;
    Atomics.store(this.#busy, index, 0);
    this.#started++;
    let thread: PooledThread;
    try {
      thread = new PooledThread({ handle: completions.handle, worker, max, busy: this.#busy, index, idle: idleTimeout, data }, startTimeout, this.#host);
    } catch (error) {
      this.#failures++;
      this.#startLater();
      setImmediate(() => this.#tellCrash(error as Error)); // not before who makes the pool can listen
      return;
    }
    this.#threads.add(thread);
    // Not before who makes the pool can listen, and before anything that the thread posts: ticks come before what the event loop brings.
    process.nextTick(() => this.#tell(() => this.emit('thread', thread.worker)));
  }

  /** Starts one when there are fewer than `minThreads`. */
  #fill(): void {
    if (this.#closing === undefined && !this.#options.completions.closed && this.#staying < this.#options.minThreads) this.#start();
  }

  /** After one that could not start. */
  #startLater(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.#fill();
      this.#lookAgain();
    }, Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (this.#failures - 1)));
  }

  #bury(thread: PooledThread): void {
    this.#threads.delete(thread);
    Atomics.store(this.#busy, thread.index, 0);
    if (!this.#options.completions.closed) this.#options.completions.reap();
    if (this.#failures === 0) this.#fill();
    else if (!this.#drained && !this.#options.completions.closed) this.#startLater();
    this.#lookAgain();
  }

  #tellCrash(error: Error): void {
    this.#crashed++;
    this.#tell(() => this.emit('crash', error));
  }

  /** What a listener throws is none of the pool's matters, which go on. */
  #tell(emit: () => unknown): void {
    try {
      emit();
    } catch (error) {
      throwApart(error);
    }
  }

  get #staying(): number {
    let count = 0;
    for (const { isLeaving } of this.#threads) if (!isLeaving) count++;
    return count;
  }

  /** What is to be done before the pool may end: packets that wait, threads at work, and requests that they took and answer later. */
  get #hasWork(): boolean {
    const { completions } = this.#options;
    if (completions.info().queuedBytes > 0 || this.statistics().busy > 0) return true;
    const holders = completions.holders();
    for (const { works, seat } of this.#threads) if (works > 0 || holders.has(seat)) return true;
    return false;
  }

  /** Whether the pool could not start any thread lately, and nobody else is there to take what waits. */
  get #isHelpless(): boolean {
    if (this.#threads.size > 0 || this.#failures < LAST_TRY) return false;
    const { running, waiting, blocked } = this.#options.completions.info();
    return running + waiting + blocked === 0;
  }

  /** Whether a thread is wanted now; also lets go of the wait for that when the pool is closed. */
  #lookAgain(): void {
    Atomics.add(this.#words, Word.hunger, 1);
    Atomics.notify(this.#words, Word.hunger);
  }

  async #end(timeout: number): Promise<void> {
    const { completions } = this.#options;
    const begun = performance.now();
    const isOver = (): boolean => performance.now() - begun >= timeout;
    const sent = new DrainQuestion(this.#words);
    // First what was sent: then it is among the packets, or served already.
    for (; !completions.closed && !isOver() && (sent.isOpen() || this.#hasWork); await pause(DRAIN_LOOK)) if (this.#isHelpless) completions.declineQueued();
    this.#drained = true; // from now on none is started
    clearTimeout(this.#retry);
    for (const thread of this.#threads) thread.leave();
    while (this.#threads.size > 0 && !isOver()) await pause(DRAIN_LOOK);
    // One that starts still is waited for a little: Node leaves files open that a terminated thread was about to load.
    for (const end = performance.now() + LATE_START; this.#threads.size > 0; await pause(DRAIN_LOOK)) {
      for (const thread of this.#threads) if (thread.isReady || (thread.isBound && performance.now() > end)) thread.terminate();
    }
    this.#lookAgain();
    this.#tell(() => this.emit('close'));
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, milliseconds));
}

interface CheckedPoolOptions extends Required<ThreadPoolOptions> {
  readonly worker: string;
}

function checkPoolOptions(options: ThreadPoolOptions): CheckedPoolOptions {
  const given = checkOptions<ThreadPoolOptions>(options, 'options', ['worker', 'completions', 'minThreads', 'maxThreads', 'max', 'idleTimeout', 'startTimeout', 'workerData']);
  const { worker, completions, workerData } = given;
  if (!(worker instanceof URL) && typeof worker !== 'string') throw invalidArgument('options.worker', 'a URL or a path of a module', worker);
  if (!(completions instanceof CompletionPort)) throw invalidArgument('options.completions', 'a CompletionPort', completions);
  const most = given.maxThreads === undefined ? undefined : checkInteger(given.maxThreads, 'options.maxThreads', 1, MOST_THREADS);
  const minThreads = given.minThreads === undefined ? 1 : checkInteger(given.minThreads, 'options.minThreads', 0, most ?? MOST_THREADS);
  return {
    worker: worker instanceof URL ? worker.href : worker,
    completions,
    minThreads,
    maxThreads: most ?? Math.min(MOST_THREADS, Math.max(availableParallelism(), minThreads)),
    max: given.max === undefined ? 1 : checkInteger(given.max, 'options.max', 1, 65_536),
    idleTimeout: given.idleTimeout === undefined ? 10_000 : checkInteger(given.idleTimeout, 'options.idleTimeout', 1, 2 ** 31 - 1),
    startTimeout: given.startTimeout === undefined ? 60_000 : checkInteger(given.startTimeout, 'options.startTimeout', 1, 2 ** 31 - 1),
    workerData: checkCloneable(workerData),
  };
}

function checkCloneable(workerData: unknown): unknown {
  try {
    structuredClone(workerData);
    return workerData;
  } catch {
    throw invalidArgument('options.workerData', 'what structuredClone takes', workerData);
  }
}
