/**
 * Many bytes through a Unix socket of `node:net`: eight bytes say how many come and what to do with them, and one byte answers when
 * they are there. Written in pieces of 1 MiB with its backpressure; two buffers, so that one is filled while the other is on its way.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { fill, LARGE, MiB, readAll } from '../core/large.js';
import { freshAddress, Server } from '../core/server-process.js';
import type { Peer } from '../peer.js';

const HEADER = 8;
const ANSWER = Buffer.from([1]);

export async function serve(address: string): Promise<void> {
  const server = createServer((socket) => receive(socket));
  server.listen(address);
  await once(server, 'listening');
}

/** A negative number: read every byte; a positive one: only count them. */
function receive(socket: Socket): void {
  let left = 0;
  let reads = false;
  socket.on('data', (chunk: Buffer) => {
    for (let rest = chunk; rest.length > 0; ) {
      if (left === 0) {
        const number = rest.readDoubleLE(); // whoever sends waits for the answer before the next, so a header comes whole
        [left, reads] = [Math.abs(number), number < 0];
        rest = rest.subarray(HEADER);
        continue;
      }
      const part = rest.subarray(0, left);
      if (reads) readAll(part);
      left -= part.length;
      rest = rest.subarray(part.length);
      if (left === 0) socket.write(ANSWER);
    }
  });
}

export const peer: Peer = {
  async start() {
    const address = freshAddress();
    const server = await Server.start({ module: import.meta.url, address });
    const socket = connect(address);
    await once(socket, 'connect');
    const send = async (total: number, pieces: () => Iterable<Buffer>): Promise<void> => {
      const answer = once(socket, 'data');
      const header = Buffer.alloc(HEADER);
      header.writeDoubleLE(total);
      socket.write(header);
      for (const piece of pieces()) await new Promise<void>((resolve) => (socket.write(piece) ? resolve() : socket.once('drain', resolve)));
      await answer;
    };
    const buffers = [Buffer.alloc(MiB), Buffer.alloc(MiB)] as const;
    const huge = Buffer.alloc(LARGE, 1);
    const small = Buffer.alloc(64, 1);
    return {
      server,
      large: {
        stream: (count) =>
          send(-count * MiB, function* () {
            for (let i = 0; i < count; i++) {
              const buffer = buffers[i & 1]!;
              fill(buffer, i);
              yield buffer;
            }
          }),
        pass: () => send(LARGE, () => [huge]),
        small: () => send(64, () => [small]),
      },
      async close() {
        socket.destroy();
        await server.end();
      },
    };
  },
};
