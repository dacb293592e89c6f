/**
 * piscina, the pool of worker threads that Node programs use, behind a `node:net` server on a Unix socket with framed messages. Each
 * message is copied into memory of its own and transferred to the thread, as piscina's documentation advises for large data.
 */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { Calls } from '../core/calls.js';
import { FramedSocket } from '../core/framed-socket.js';
import { freshAddress, Server } from '../core/server-process.js';
import type { Peer } from '../peer.js';

export async function serve(address: string, threads: string): Promise<void> {
  const count = Number(threads);
  const pool = new Piscina<Uint8Array, Uint8Array>({ filename: fileURLToPath(new URL('../core/hash-task.js', import.meta.url)), minThreads: count, maxThreads: count });
  const server = createServer((socket) => {
    const frames = new FramedSocket(socket, 'each', (id, payload) => {
      const data = new Uint8Array(payload);
      void pool.run(data, { transferList: [data.buffer] }).then((hash) => frames.send(id, hash));
    });
  });
  server.listen(address);
  await once(server, 'listening');
}

export function piscinaPeer(threads: number): Peer {
  return {
    async start() {
      const address = freshAddress();
      const server = await Server.start({ module: import.meta.url, address, mode: `${threads}` });
      const socket = connect(address);
      await once(socket, 'connect');
      const calls = new Calls();
      const frames = new FramedSocket(socket, 'each', (id, payload) => calls.settle(id, payload));
      return {
        server,
        echo: (data) => calls.make((id) => frames.send(id, data)),
        async close() {
          socket.destroy();
          await server.end();
        },
      };
    },
  };
}
