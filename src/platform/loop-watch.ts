/**
 * Tells when a descriptor becomes readable while this thread runs its event loop.
 *
 * koffi's poll has sharp edges, and this class is the one place that knows them: its callback opens no callback scope
 * (promises do not go on after it on Node >= 26.4), so the owner's function may do no more than note the fact and leave by
 * `setImmediate`; an exception in it would surface from an unrelated call, so it is caught and thrown again from a fresh
 * tick; a handle that nobody references falls silent, so the owner keeps this object and this object its handle; methods
 * after `close()` crash, so they are guarded; and it must be closed before its descriptor is.
 */
import type { node } from 'koffi';
import { pollOnLoop } from './system.js';

export class LoopWatch {
  #handle: node.PollHandle | undefined;
  #referenced = true;

  /** Starts at once, and keeps the process alive until `unref` or `close`. One watch per descriptor. */
  constructor(fd: number, onReadable: () => void) {
    this.#handle = pollOnLoop()(fd, { readable: true, disconnect: true }, () => {
      try {
        onReadable();
      } catch (error) {
        process.nextTick(() => {
          throw error;
        });
        setImmediate(() => {});
      }
    });
  }

  get closed(): boolean {
    return this.#handle === undefined;
  }

  ref(): void {
    this.#referenced = true;
    this.#handle?.ref();
  }

  unref(): void {
    this.#referenced = false;
    this.#handle?.unref();
  }

  hasRef(): boolean {
    return this.#referenced && this.#handle !== undefined;
  }

  /** Before the descriptor is closed, or the number's next owner would be watched. */
  close(): void {
    this.#handle?.close();
    this.#handle = undefined;
  }
}
