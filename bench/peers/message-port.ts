/**
 * A worker thread and its MessagePort: not another process, but what people use for the same wish. Buffers are cloned, as the
 * caller keeps its own; each has an ArrayBuffer to itself, since cloning takes the whole one. A call is `[id, bytes]`, bare
 * bytes are one-way, and null asks for their count.
 */
// oxlint-disable unicorn/require-post-message-target-origin -- threads have no origin
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { Calls, checkCount } from '../core/calls.js';
import type { Peer } from '../peer.js';

type Call = [id: number, data: Uint8Array];

if (!isMainThread && parentPort !== null) answer(parentPort);

function answer(port: NonNullable<typeof parentPort>): void {
  let count = 0;
  port.on('message', (message: Call | Uint8Array | null) => {
    if (Array.isArray(message)) port.postMessage(message);
    else if (message !== null) count++;
    else {
      port.postMessage(count);
      count = 0;
    }
  });
}

/** The port has no backpressure: so many one-way messages at once, and then a look whether the receiver has them. */
const WINDOW = 10_000;

export const peer: Peer = {
  start() {
    const worker = new Worker(new URL(import.meta.url));
    const calls = new Calls();
    let counted: (count: number) => void = () => undefined;
    worker.on('message', (message: Call | number) => {
      if (typeof message === 'number') counted(message);
      else calls.settle(message[0], message[1]);
    });
    return Promise.resolve({
      echo: (data: Buffer) => calls.make((id) => worker.postMessage([id, data])),
      async burst(count: number, data: Buffer) {
        for (let sent = 0; sent < count; ) {
          const window = Math.min(WINDOW, count - sent);
          for (let i = 0; i < window; i++) worker.postMessage(data);
          sent += window;
          const answer = new Promise<number>((resolve) => (counted = resolve));
          worker.postMessage(null);
          checkCount(await answer, window);
        }
      },
      async close() {
        await worker.terminate();
      },
    });
  },
};
