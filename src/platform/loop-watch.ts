/**
 * Tells when a descriptor becomes readable while this thread runs its event loop.
 *
 * In the main thread it is a poll of libuv (loop-poll.ts), in whose callback promises do not go on on Node >= 26.4: so the owner's
 * function must leave by `setImmediate`, in whose scope what it began goes on. An exception in it is thrown again from a fresh tick.
 *
 * A worker thread can be terminated without such an event, at any moment. There Node's own handle of a pipe reads an epoll
 * descriptor that watches the one in question: the read fails, as it must, as soon as there is something, and that is the news.
 */
import { isMainThread } from 'node:worker_threads';
import { LoopPoll } from './loop-poll.js';
import { type NodePipe, nodePipeOverDuplicate } from './node-pipe.js';
import { Poller, waitReadable } from './poller.js';
import { SystemError } from './system.js';

const RETRY_AFTER = 10;

export class LoopWatch {
  #watch: Watch | undefined;
  #start: NodeJS.Immediate | undefined;
  #referenced = true;
  readonly #make: () => Watch;

  /**
   * Keeps the process alive until `unref` or `close`. One watch per descriptor. In the main thread it starts when the event loop turns,
   * for nothing can be told before, and many a connection is closed before.
   */
  constructor(fd: number, onReadable: () => void) {
    this.#make = () => (isMainThread ? new PollWatch(fd, onReadable) : new PipeWatch(fd, onReadable));
    if (isMainThread) this.#start = setImmediate(() => this.#started());
    else this.#watch = this.#make();
  }

  get closed(): boolean {
    return this.#watch === undefined && this.#start === undefined;
  }

  ref(): void {
    this.#referenced = true;
    this.#watch?.ref();
  }

  unref(): void {
    this.#referenced = false;
    this.#started()?.unref(); // an immediate without reference may never come
  }

  hasRef(): boolean {
    return this.#referenced && !this.closed;
  }

  /** Before the descriptor is closed, or the number's next owner would be watched. */
  close(): void {
    clearImmediate(this.#start);
    this.#start = undefined;
    this.#watch?.close();
    this.#watch = undefined;
  }

  #started(): Watch | undefined {
    if (this.#start !== undefined) {
      clearImmediate(this.#start);
      this.#start = undefined;
      this.#watch = this.#make();
    }
    return this.#watch;
  }
}

interface Watch {
  ref(): void;
  unref(): void;
  close(): void;
}

/** It starts from a fresh turn of the loop, where nobody would catch an error: what the kernel has no room for is tried again. */
class PollWatch implements Watch {
  readonly #fd: number;
  readonly #onReadable: () => void;
  #poll: LoopPoll | undefined;
  #retry: NodeJS.Timeout | undefined;
  #referenced = true;

  constructor(fd: number, onReadable: () => void) {
    this.#fd = fd;
    this.#onReadable = onReadable;
    this.#start();
  }

  ref(): void {
    this.#referenced = true;
    this.#poll?.ref();
    this.#retry?.ref();
  }

  unref(): void {
    this.#referenced = false;
    this.#poll?.unref();
    this.#retry?.unref();
  }

  close(): void {
    clearTimeout(this.#retry);
    this.#poll?.close();
  }

  /** Where no poll can be made, one in a while, and a look meanwhile: a watch must not go deaf. */
  #start(): void {
    try {
      this.#retry = undefined;
      this.#poll = new LoopPoll(this.#fd, this.#onReadable);
      if (!this.#referenced) this.#poll.unref();
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      this.#retry = setTimeout(() => {
        this.#start();
        if (this.#retry !== undefined && waitReadable(this.#fd, 0)) this.#onReadable();
      }, RETRY_AFTER);
      if (!this.#referenced) this.#retry.unref();
    }
  }
}

class PipeWatch implements Watch {
  readonly #poller: Poller;
  readonly #onReadable: () => void;
  #pipe: NodePipe;
  #retry: NodeJS.Timeout | undefined;
  #referenced = true;

  constructor(fd: number, onReadable: () => void) {
    this.#onReadable = onReadable;
    this.#poller = new Poller(1);
    try {
      this.#poller.add(fd);
      this.#pipe = this.#start();
    } catch (error) {
      this.#poller.close();
      throw error;
    }
  }

  ref(): void {
    this.#referenced = true;
    this.#pipe.ref();
    this.#retry?.ref();
  }

  unref(): void {
    this.#referenced = false;
    this.#pipe.unref();
    this.#retry?.unref();
  }

  close(): void {
    clearTimeout(this.#retry);
    this.#pipe.onread = () => {};
    this.#pipe.close();
    this.#poller.close();
  }

  /** A failed read is the end of a pipe's handle, so each piece of news takes a new one. */
  #start(): NodePipe {
    const pipe = nodePipeOverDuplicate(this.#poller.fd);
    if (!this.#referenced) pipe.unref();
    pipe.onread = () => {
      pipe.onread = () => {};
      pipe.close();
      this.#goOn();
      this.#onReadable();
    };
    pipe.readStart();
    return pipe;
  }

  /** The next handle. Where this process has no descriptor left for it, one in a while, and a look meanwhile: a watch must not go deaf. */
  #goOn(): void {
    try {
      this.#retry = undefined;
      this.#pipe = this.#start();
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      this.#retry = setTimeout(() => {
        this.#goOn();
        if (this.#retry !== undefined && this.#poller.wait(0) > 0) this.#onReadable();
      }, RETRY_AFTER);
      if (!this.#referenced) this.#retry.unref();
    }
  }
}
