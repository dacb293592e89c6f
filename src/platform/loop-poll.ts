/**
 * Polls descriptors on the main thread's event loop, by libuv's own `uv_poll_t`. koffi has a poll too, which makes an object with three
 * properties for each piece of news: in a process that was asleep that takes as long as all the rest of the way to the function that is told
 * (docs/decisions/0026). Here there is one C function for all polls, which gets the handle's address.
 *
 * The sharp edges, which this file alone knows: the callback opens no callback scope, so promises do not go on after it on Node >= 26.4
 * and the owner must leave by `setImmediate`; an exception in it would surface from an unrelated call, so it is caught and thrown
 * again from a fresh tick; libuv writes into a handle until the loop has turned once more after it was closed, so its memory is kept until then;
 * it must be closed before its descriptor is, and all of them before the environment is taken down, when the process's `exit` event comes.
 */
import { getSystemErrorName } from 'node:util';
import { throwApart } from '../base/uncaught.js';
import type { Libuv } from './libc.js';
import { addressOf, addressOfCallback, libuv, SystemError } from './system.js';

/** From uv.h, where they are part of the binary interface. */
const UV_POLL = 8;
const UV_READABLE = 1;
const UV_DISCONNECT = 4;

interface Engine {
  readonly uv: Libuv;
  readonly loop: number;
  readonly handleSize: number;
  readonly callback: number;
}

/** Made with the first poll: a constant once made, which is why it may stand here. */
const made: { engine?: Engine } = {};
/** By their handles' addresses: kept from the collector, and closed before the environment is taken down. */
const open = new Map<number, LoopPoll>();
/** Handles that libuv has not let go of yet. */
const closing = new Set<Uint8Array>();

export class LoopPoll {
  readonly #engine: Engine;
  readonly #memory: Uint8Array;
  readonly #handle: number;
  readonly #onReadable: () => void;

  /** Calls `onReadable` whenever `fd` can be read or its peer is gone, until it is closed. Only in the main thread. @throws SystemError */
  constructor(fd: number, onReadable: () => void) {
    const engine = (made.engine ??= makeEngine());
    const { uv, loop, handleSize } = engine;
    this.#engine = engine;
    this.#onReadable = onReadable;
    this.#memory = new Uint8Array(new ArrayBuffer(handleSize)); // an array of its own is never moved
    this.#handle = addressOf(this.#memory);
    check('uv_poll_init', uv.uv_poll_init(loop, this.#handle, fd));
    if (open.size === 0) process.once('exit', closeAll);
    open.set(this.#handle, this);
    try {
      this.#start();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  ref(): void {
    if (open.has(this.#handle)) this.#engine.uv.uv_ref(this.#handle);
  }

  unref(): void {
    if (open.has(this.#handle)) this.#engine.uv.uv_unref(this.#handle);
  }

  /** Before the descriptor is closed. A second call does nothing. */
  close(): void {
    if (!open.delete(this.#handle)) return;
    if (open.size === 0) process.removeListener('exit', closeAll);
    this.#engine.uv.uv_close(this.#handle, null);
    closing.add(this.#memory);
    // The first comes before libuv closes what was closed in this turn of the loop, the second after it. Neither comes where the process ends before.
    setImmediate(() => setImmediate(() => closing.delete(this.#memory)).unref()).unref();
  }

  /** Engine room: there is news. `status` below 0: libuv has stopped this poll, as it does once for a socket with an error (its peer reset it), whatever else there is to read. */
  tell(status: number): void {
    try {
      if (status < 0) this.#start();
      this.#onReadable();
    } catch (error) {
      throwApart(error);
    }
  }

  #start(): void {
    const { uv, callback } = this.#engine;
    check('uv_poll_start', uv.uv_poll_start(this.#handle, UV_READABLE | UV_DISCONNECT, callback));
  }
}

function makeEngine(): Engine {
  const uv = libuv();
  return { uv, loop: uv.uv_default_loop(), handleSize: uv.uv_handle_size(UV_POLL), callback: addressOfCallback((handle, status) => open.get(handle)?.tell(status)) };
}

function closeAll(): void {
  for (const poll of open.values()) poll.close();
}

function check(call: string, result: number): void {
  if (result < 0) throw new SystemError(call, getSystemErrorName(result));
}
