/** 1 MiB to a worker thread and back, transferred: no byte is copied. */
// oxlint-disable unicorn/require-post-message-target-origin -- threads have no origin
import { once } from 'node:events';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { fill, MiB } from '../core/large.js';
import type { Peer } from '../peer.js';

if (!isMainThread && parentPort !== null) {
  const port = parentPort;
  port.on('message', (memory: ArrayBuffer) => port.postMessage(memory, [memory]));
}

export const peer: Peer = {
  async start() {
    const worker = new Worker(new URL(import.meta.url));
    await once(worker, 'online');
    let memory = new ArrayBuffer(MiB);
    fill(Buffer.from(memory), 1);
    let settle: (memory: ArrayBuffer) => void = () => undefined;
    worker.on('message', (back: ArrayBuffer) => settle(back));
    return {
      large: {
        echo: () =>
          new Promise((resolve) => {
            settle = (back) => {
              memory = back;
              resolve();
            };
            worker.postMessage(memory, [memory]);
          }),
      },
      async close() {
        await worker.terminate();
      },
    };
  },
};
