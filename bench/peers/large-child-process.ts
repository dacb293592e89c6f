/** A stream of 1 MiB through the channel of `child_process.fork`, in V8's own format; null asks how many came. */
import { once } from 'node:events';
import { checkCount } from '../core/calls.js';
import { fill, MiB, readAll } from '../core/large.js';
import { freshAddress, Server } from '../core/server-process.js';
import type { Peer } from '../peer.js';

export function serve(): Promise<void> {
  let count = 0;
  process.on('message', (message: Uint8Array | null) => {
    if (message instanceof Uint8Array) {
      readAll(message);
      count++;
    } else if (message === null) {
      process.send!(count);
      count = 0;
    }
  });
  return Promise.resolve();
}

export const peer: Peer = {
  async start() {
    const server = await Server.start({ module: import.meta.url, address: freshAddress(), serialization: 'advanced' });
    const { child } = server;
    const buffer = Buffer.from(new ArrayBuffer(MiB));
    return {
      server,
      large: {
        async stream(count) {
          for (let i = 0; i < count; i++) {
            fill(buffer, i); // it is copied by `send`
            await new Promise<void>((resolve) => {
              if (child.send(buffer, () => resolve())) resolve();
            });
          }
          const answer = once(child, 'message') as Promise<[number]>;
          child.send(null as never);
          checkCount((await answer)[0], count);
        },
      },
      close: () => server.end(),
    };
  },
};
