/**
 * A pool of threads that serve a completion port, each with a handler that is a plain module: its default export gets one packet after
 * the other, and would serve `port.on('message')` on the event loop unchanged.
 *
 * A thread is started when work waits, the concurrency allows it and no thread waits for work; one that was idle for long leaves, down to
 * `minThreads`. One that crashes is replaced, and the callers of requests that it held get an error.
 */
import { EventEmitter } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { checkInteger, checkOptions, checkTimeout, invalidArgument } from '../base/arguments.js';
import { Word } from './completion-memory.js';
import { CompletionPort } from './completion-port.js';
import { LEAVE, type PoolWorkerData, type ToldByThread } from './pool-terms.js';

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
  /** Handed to each thread: the handler's module finds it as `workerData.data`. */
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
  /** A thread has ended by what its handler threw, by `process.exit` or because somebody terminated it, or could not start. */
  crash: [error: Error];
  /** A thread is being started. What it is posted before its handler's module has loaded waits for it. */
  thread: [worker: Worker];
  /** Once, when the last thread has left after `close`. */
  close: [];
}

const MOST_THREADS = 256;
/** After threads that could not even start: milliseconds until the next try, doubled each time. */
const FIRST_PAUSE = 50;
const LONGEST_PAUSE = 5000;
const DRAIN_LOOK = 2;
const LATE_START = 2000;

interface PoolThread {
  readonly worker: Worker;
  readonly index: number;
  /** It has bound the C library: koffi ends the process when a thread is terminated in the midst of that. */
  bound: boolean;
  ready: boolean;
  leaving: boolean;
  /** Its end needs no telling any more: it has said that it leaves, has been told as a crash, or the pool ends it. */
  ended: boolean;
  terminated: boolean;
  /** Work that it does besides packets, and what it holds for others: see `keep`. */
  works: number;
  held: number;
}

/** The pool: it belongs to the thread that made it, which need not be one that owns associated ports. Its event loop must turn for threads to start and leave. */
export class ThreadPool extends EventEmitter<ThreadPoolEvents> {
  readonly #options: CheckedPoolOptions;
  readonly #threads = new Set<PoolThread>();
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
    for (let i = 0; i < this.#options.minThreads; i++) this.#start();
    void this.#feed();
  }

  /** How many threads there are and were. Never waits. */
  statistics(): ThreadPoolStatistics {
    let starting = 0;
    let busy = 0;
    for (const { ready, index } of this.#threads) {
      if (!ready) starting++;
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
   * Waits until no packet waits and no thread is busy, then lets all threads leave. After `timeout` milliseconds they are terminated, as
   * soon as they have started, and what they held is declined. The completion port stays open. A second call waits for the first.
   * TpWaitForAlpcCompletion and TpReleaseAlpcCompletion.
   * @param options `timeout`: 0 to 2^31 - 1, or Infinity (the default)
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
    for (;;) {
      const hunger = Atomics.load(this.#words, Word.hunger);
      if (this.#isStarved()) this.#start();
      const wait = Atomics.waitAsync(this.#words, Word.hunger, hunger);
      if (wait.async) await wait.value;
      if (this.#closing !== undefined && this.#threads.size === 0) return;
    }
  }

  /** One at a time is started: when it takes its first packet and leaves others, there is hunger again. */
  #isStarved(): boolean {
    const { completions, maxThreads } = this.#options;
    const { queuedBytes, running, waiting, blocked, concurrency } = completions.info();
    if (completions.closed || this.#drained || this.#retry !== undefined || queuedBytes === 0 || waiting > 0 || running >= concurrency) return false;
    return this.#threads.size < Math.min(maxThreads, concurrency + blocked) && this.statistics().starting === 0;
  }

  #start(): void {
    const { completions, worker: module, max, idleTimeout, workerData: data } = this.#options;
    const taken = new Set(Array.from(this.#threads, ({ index }) => index));
    let index = 0;
    while (taken.has(index)) index++;
    Atomics.store(this.#busy, index, 0);
    const workerData: PoolWorkerData = { handle: completions.handle, worker: module, max, busy: this.#busy, index, idle: idleTimeout, data };
    const worker = new Worker(new URL('./pool-worker.js', import.meta.url), { workerData });
    const thread: PoolThread = { worker, index, bound: false, ready: false, leaving: false, ended: false, terminated: false, works: 0, held: 0 };
    this.#threads.add(thread);
    this.#started++;
    this.emit('thread', worker);
    worker.on('message', (told: ToldByThread) => this.#hear(thread, told));
    worker.on('error', (error) => this.#crash(thread, error));
    worker.on('exit', (code) => this.#gone(thread, code));
  }

  #hear(thread: PoolThread, { alpcPool }: ToldByThread): void {
    if (alpcPool === 'bound') thread.bound = true;
    else if (alpcPool === 'ready') {
      thread.ready = true;
      this.#failures = 0;
      this.#lookAgain(); // it has taken its first packets: what it left is for others
    } else if (alpcPool === 'left') this.#terminate(thread);
    else if (alpcPool === 'idle' && thread.works + thread.held === 0 && this.#staying > this.#options.minThreads) this.#retire(thread);
  }

  get #isWorking(): boolean {
    for (const { works } of this.#threads) if (works > 0) return true;
    return false;
  }

  get #staying(): number {
    let count = 0;
    for (const { leaving } of this.#threads) if (!leaving) count++;
    return count;
  }

  #retire(thread: PoolThread): void {
    if (thread.leaving) return;
    thread.leaving = true;
    this.#retired++;
    thread.worker.postMessage(LEAVE); // oxlint-disable-line unicorn/require-post-message-target-origin
  }

  #terminate(thread: PoolThread): void {
    thread.ended = true;
    if (thread.terminated) return; // it ends as soon as it can; Node would listen for that once more each time
    thread.terminated = true;
    void thread.worker.terminate();
  }

  #crash(thread: PoolThread, error: Error): void {
    thread.ended = true;
    this.#crashed++;
    if (!thread.ready) this.#failures++;
    this.emit('crash', error);
  }

  /** A thread that ends without an error and was not to end has crashed as well: its handler said `process.exit`, say. */
  #gone(thread: PoolThread, code: number): void {
    try {
      if (!thread.ended) this.#crash(thread, new Error(`thread pool: a thread has ended by itself, with exit code ${code}`));
    } finally {
      this.#bury(thread);
    }
  }

  #bury(thread: PoolThread): void {
    this.#threads.delete(thread);
    Atomics.store(this.#busy, thread.index, 0);
    if (!this.#options.completions.closed) this.#options.completions.reap();
    if (this.#closing === undefined && !this.#options.completions.closed) {
      if (this.#failures > 0) this.#startLater();
      else if (this.#staying < this.#options.minThreads) this.#start();
    }
    this.#lookAgain();
  }

  #startLater(): void {
    if (this.#retry !== undefined) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      if (this.#closing === undefined && this.#staying < this.#options.minThreads) this.#start();
      this.#lookAgain();
    }, Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (this.#failures - 1)));
  }

  /** Whether a thread is wanted now; also lets go of the wait for that when the pool is closed. */
  #lookAgain(): void {
    Atomics.add(this.#words, Word.hunger, 1);
    Atomics.notify(this.#words, Word.hunger);
  }

  async #end(timeout: number): Promise<void> {
    clearTimeout(this.#retry);
    const { completions } = this.#options;
    const begun = performance.now();
    const isOver = (): boolean => performance.now() - begun >= timeout;
    while (!completions.closed && !isOver() && this.#threads.size > 0 && (completions.info().queuedBytes > 0 || this.statistics().busy > 0 || this.#isWorking)) await pause(DRAIN_LOOK);
    this.#drained = true; // from now on none is started
    for (const thread of this.#threads) this.#retire(thread);
    while (this.#threads.size > 0 && !isOver()) await pause(DRAIN_LOOK);
    // One that starts still is waited for a little: Node leaves files open that a terminated thread was about to load.
    for (const end = performance.now() + LATE_START; this.#threads.size > 0; await pause(DRAIN_LOOK)) {
      for (const thread of this.#threads) if (thread.ready || (thread.bound && performance.now() > end)) this.#terminate(thread);
    }
    this.#lookAgain();
    this.emit('close');
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, milliseconds));
}

interface CheckedPoolOptions extends Required<ThreadPoolOptions> {
  readonly worker: string;
}

function checkPoolOptions(options: ThreadPoolOptions): CheckedPoolOptions {
  const given = checkOptions<ThreadPoolOptions>(options, 'options', ['worker', 'completions', 'minThreads', 'maxThreads', 'max', 'idleTimeout', 'workerData']);
  const { worker, completions, workerData } = given;
  if (!(worker instanceof URL) && typeof worker !== 'string') throw invalidArgument('options.worker', 'a URL or a path of a module', worker);
  if (!(completions instanceof CompletionPort)) throw invalidArgument('options.completions', 'a CompletionPort', completions);
  const maxThreads = given.maxThreads === undefined ? Math.min(MOST_THREADS, Math.max(availableParallelism(), given.minThreads ?? 1)) : checkInteger(given.maxThreads, 'options.maxThreads', 1, MOST_THREADS);
  return {
    worker: worker instanceof URL ? worker.href : worker,
    completions,
    minThreads: given.minThreads === undefined ? Math.min(1, maxThreads) : checkInteger(given.minThreads, 'options.minThreads', 0, maxThreads),
    maxThreads,
    max: given.max === undefined ? 1 : checkInteger(given.max, 'options.max', 1, 65_536),
    idleTimeout: given.idleTimeout === undefined ? 10_000 : checkInteger(given.idleTimeout, 'options.idleTimeout', 1, 2 ** 31 - 1),
    workerData,
  };
}
