/**
 * One thread of a pool as its pool sees it, from the start to the end. It ends once: by itself, which is told as a crash, or because the pool
 * wants it. It may be asked to leave, and may answer that it stays: it has taken a request meanwhile. When the pool closes it is not asked.
 *
 * It is terminated once at most, and not before it has bound the C library: koffi ends the process when a thread is terminated in the
 * midst of that.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { AlpcError } from '../base/errors.js';
import { LEAVE, MAY_LEAVE, type PoolWorkerData, type ToldByPool, type ToldByThread } from './pool-terms.js';

/** What a thread's pool hears of it. */
export interface ThreadHost {
  /** It serves. */
  ready(): void;
  /** It has had no work for a while, and nothing that it would have to answer yet. */
  idle(thread: PooledThread): void;
  left(): void;
  /** It ends, or has ended, by itself. */
  crashed(thread: PooledThread, error: Error): void;
  /** The last that is heard of it. */
  gone(thread: PooledThread): void;
}

const NO_SEAT = -1;

export class PooledThread {
  readonly worker: Worker;
  readonly index: number;
  /** Work that it does besides packets, and what it holds for others: see `ThreadPool.keep`. */
  works = 0;
  held = 0;
  isLeaving = false;
  readonly #host: ThreadHost;
  /** The pool's end of the channel: it keeps nothing alive, which is the thread's matter. */
  readonly #port: MessagePort;
  readonly #startTimeout: number;
  readonly #startTimer: NodeJS.Timeout;
  #seat = NO_SEAT;
  #isBound = false;
  #isOverdue = false;
  #isSentAway = false;
  /** Its end needs no telling any more: it has said that it leaves, has been told as a crash, or the pool ends it. */
  #isEnded = false;
  #isTerminated = false;

  /** Starts it. Throws what `new Worker` throws. */
  constructor(given: Omit<PoolWorkerData, 'port'>, startTimeout: number, host: ThreadHost) {
    this.index = given.index;
    this.#host = host;
    this.#startTimeout = startTimeout;
    const { port1, port2: port } = new MessageChannel();
    this.#port = port1;
    try {
      this.worker = new Worker(new URL('./pool-worker.js', import.meta.url), { workerData: { ...given, port }, transferList: [port] });
    } catch (error) {
      port1.close();
      throw error;
    }
    port1.on('message', (told: ToldByThread) => this.#hear(told)).unref();
    this.worker.on('error', (error) => {
      this.#hearRest();
      this.#crash(error);
    });
    this.worker.on('exit', (code) => this.#gone(code));
    this.#startTimer = setTimeout(() => {
      this.#isOverdue = true;
      if (this.#isBound) this.#endOverdue();
    }, startTimeout).unref();
  }

  /** It has loaded its handler, and serves. */
  get isReady(): boolean {
    return this.#seat !== NO_SEAT;
  }

  /** Whether it may be terminated, though it has not loaded its handler. */
  get isBound(): boolean {
    return this.#isBound;
  }

  /** Its place at the completion port; none of any before it serves. */
  get seat(): number {
    return this.#seat;
  }

  /** Asks it to leave. */
  askToLeave(): void {
    if (this.isLeaving) return;
    this.isLeaving = true;
    this.#post(MAY_LEAVE);
  }

  /** Has it leave, as soon as it has answered what it holds. */
  leave(): void {
    if (this.#isSentAway) return;
    this.isLeaving = this.#isSentAway = true;
    this.#post(LEAVE);
  }

  terminate(): void {
    this.#isEnded = true;
    if (this.#isTerminated) return; // it ends as soon as it can; Node would listen for that once more each time
    this.#isTerminated = true;
    void this.worker.terminate();
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  #hear(told: ToldByThread): void {
    if (this.#isEnded) return;
    if (told.alpcPool === 'bound') {
      this.#isBound = true;
      if (this.#isOverdue) this.#endOverdue();
    } else if (told.alpcPool === 'ready') {
      clearTimeout(this.#startTimer);
      this.#seat = told.seat;
      this.#host.ready();
    } else if (told.alpcPool === 'idle') this.#host.idle(this);
    else if (told.alpcPool === 'stays') this.isLeaving = this.#isSentAway;
    else if (told.alpcPool === 'leaves') this.leave();
    else if (told.alpcPool === 'left') {
      this.#host.left();
      this.terminate();
    }
  }

  /** What it told before it ended, which comes by another way and may come later. */
  #hearRest(): void {
    for (let rest = receiveMessageOnPort(this.#port); rest !== undefined; rest = receiveMessageOnPort(this.#port)) this.#hear(rest.message as ToldByThread);
  }

  /** Its handler's module does not finish loading: it awaits what does not come, say. */
  #endOverdue(): void {
    this.#crash(new AlpcError('ERR_ALPC_TIMEOUT', `thread pool: a thread has not loaded its handler within ${this.#startTimeout} ms`));
    this.terminate();
  }

  /** A thread that ends without an error and was not to end has crashed as well: its handler said `process.exit`, say. */
  #gone(code: number): void {
    clearTimeout(this.#startTimer);
    this.#hearRest();
    this.#port.close();
    this.#crash(new Error(`thread pool: a thread has ended by itself, with exit code ${code}`));
    this.#host.gone(this);
  }

  #crash(error: Error): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#host.crashed(this, error);
  }

  #post(word: ToldByPool): void {
    this.#port.postMessage(word); // oxlint-disable-line unicorn/require-post-message-target-origin
  }
}
