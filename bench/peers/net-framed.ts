/**
 * `node:net` over a Unix socket with length-prefixed messages and ids: what a program writes that wants several calls at once,
 * or one-way messages, over a socket of its own. In the three ways of sending that `FramedSocket` describes; both sides send in
 * the same way. Id 0 is one-way; an empty message with an id asks how many of those have come.
 */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { Calls, checkCount, countBytes, readCount } from '../core/calls.js';
import { FramedSocket, type Batching } from '../core/framed-socket.js';
import { freshAddress, Server } from '../core/server-process.js';
import type { Peer } from '../peer.js';

const EMPTY = Buffer.alloc(0);

export async function serve(address: string, mode: string): Promise<void> {
  const server = createServer((socket) => {
    let count = 0;
    const frames = new FramedSocket(socket, mode as Batching, (id, payload) => {
      if (id === 0) count++;
      else if (payload.length > 0) frames.send(id, payload);
      else {
        frames.send(id, countBytes(count));
        count = 0;
      }
    });
  });
  server.listen(address);
  await once(server, 'listening');
}

function framedPeer(batching: Batching): Peer {
  return {
    async start() {
      const address = freshAddress();
      const server = await Server.start({ module: import.meta.url, address, mode: batching });
      const socket = connect(address);
      await once(socket, 'connect');
      const calls = new Calls();
      const frames = new FramedSocket(socket, batching, (id, payload) => calls.settle(id, payload));
      const call = (data: Uint8Array): Promise<Uint8Array> => calls.make((id) => frames.send(id, data));
      return {
        server,
        echo: call,
        async burst(count, data) {
          for (let sent = 0; sent < count; sent++) {
            if (!frames.send(0, data)) await frames.drained();
          }
          checkCount(readCount(await call(EMPTY)), count);
        },
        async close() {
          socket.destroy();
          await server.end();
        },
      };
    },
  };
}

export const each = framedPeer('each');
export const corked = framedPeer('cork');
export const copied = framedPeer('copy');
