/**
 * The yardstick: `node:net` over a Unix socket, bytes echoed as they come, no framing. The least that two Node processes need
 * to answer each other, and what the budgets call "the socket echo". One call at a time, as bytes without frames have no other
 * way to tell where an answer ends.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Peer, Session } from '../peer.js';
import { freshAddress, Server } from '../core/server-process.js';

export async function serve(address: string): Promise<void> {
  const server = createServer((socket) => {
    socket.on('data', (chunk) => socket.write(chunk));
    socket.on('error', () => socket.destroy());
  });
  server.listen({ path: address, backlog: 511 });
  await once(server, 'listening');
}

/** One call at a time over a stream: the answer is whole when as many bytes are back as were sent. */
class EchoSession implements Session {
  readonly server: Server;
  readonly oneAtATime = true;
  readonly address: string;
  readonly #socket: Socket;
  #chunks: Buffer[] = [];
  #missing = 0;
  #resolve: (answer: Uint8Array) => void = () => undefined;

  constructor(server: Server, address: string, socket: Socket) {
    this.server = server;
    this.address = address;
    this.#socket = socket;
    socket.on('data', (chunk) => this.#take(chunk));
  }

  #take(chunk: Buffer): void {
    this.#missing -= chunk.length;
    if (this.#missing === 0 && this.#chunks.length === 0) return this.#resolve(chunk);
    this.#chunks.push(chunk);
    if (this.#missing > 0) return undefined;
    const answer = Buffer.concat(this.#chunks);
    this.#chunks = [];
    return this.#resolve(answer);
  }

  echo(data: Buffer): Promise<Uint8Array> {
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#missing = data.length;
      this.#socket.write(data);
    });
  }

  /** Our end comes back as the server's end, so that by 'close' the server has accepted, seen and closed the connection. */
  async connectOnce(): Promise<void> {
    const socket = connect(this.address);
    socket.resume();
    await once(socket, 'connect');
    socket.end();
    await once(socket, 'close');
  }

  async close(): Promise<void> {
    this.#socket.destroy();
    await this.server.end();
  }
}

async function connected(address: string): Promise<Socket> {
  const socket = connect(address);
  await once(socket, 'connect');
  return socket;
}

/** A full backlog is refused with EAGAIN: then again a little later. */
async function connectedAtLast(address: string): Promise<Socket> {
  for (;;) {
    try {
      return await connected(address);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      await pause(5);
    }
  }
}

const held: Socket[] = [];

export const peer: Peer = {
  async start() {
    const address = freshAddress();
    const server = await Server.start({ module: import.meta.url, address });
    return new EchoSession(server, address, await connected(address));
  },
  async hold(address, count) {
    for (let i = 0; i < count; i++) held.push(await connectedAtLast(address));
  },
};
