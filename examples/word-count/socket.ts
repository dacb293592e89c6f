/**
 * The other way, to compare with: the same words counted by a server at a Unix socket, as one writes it with `node:net`.
 *
 * A socket carries bytes and knows no messages. So each message has its length in front, four bytes, and whoever receives
 * puts together what arrives in parts. It also knows no calls: the answers come in the order of the questions, and the
 * client keeps a list of who waits. All of that is in this file, both sides of it: `node socket.js <path>` is the server, and
 * `connectSocket` is what a client uses. As in the other server, one process answers all clients on its event loop.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { PieceCounter } from './words.js';

const HEADER = 4;

/** Sends one message. Header and text leave together, in one system call. */
function send(socket: Socket, data: Uint8Array): void {
  const header = Buffer.allocUnsafe(HEADER);
  header.writeUInt32LE(data.length);
  socket.cork();
  socket.write(header);
  socket.write(data);
  socket.uncork();
}

/** Calls back with each message that arrives; it may come in parts, and several may come at once. */
function receive(socket: Socket, onMessage: (data: Buffer) => void): void {
  let rest: Buffer[] = [];
  let length = 0;
  socket.on('data', (chunk: Buffer) => {
    rest.push(chunk);
    length += chunk.length;
    if (length < HEADER || length < HEADER + firstLength(rest)) return;
    const data = rest.length === 1 ? chunk : Buffer.concat(rest);
    let at = 0;
    while (data.length - at >= HEADER) {
      const end = at + HEADER + data.readUInt32LE(at);
      if (end > data.length) break;
      onMessage(data.subarray(at + HEADER, end));
      at = end;
    }
    rest = at === data.length ? [] : [data.subarray(at)];
    length -= at;
  });
}

/** The length that stands at the beginning; of a first part shorter than that, nothing is known. */
function firstLength(parts: readonly Buffer[]): number {
  return parts[0]!.length >= HEADER ? parts[0]!.readUInt32LE() : 0;
}

/** The client's side, in the shape of an alpc client port. */
export interface SocketClient {
  request(data: Uint8Array): Promise<{ readonly data: Buffer }>;
  [Symbol.dispose](): void;
}

export async function connectSocket(path: string): Promise<SocketClient> {
  const socket = connect(path);
  await once(socket, 'connect');
  const waiting: { resolve: (answer: { data: Buffer }) => void; reject: (error: Error) => void }[] = [];
  receive(socket, (data) => waiting.shift()!.resolve({ data }));
  socket.on('error', () => socket.destroy());
  socket.on('close', () => waiting.forEach(({ reject }) => reject(new Error(`the server at ${path} is gone`))));
  return {
    request: (data) =>
      new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        send(socket, data);
      }),
    [Symbol.dispose]: () => socket.destroy(),
  };
}

async function serve(path: string): Promise<void> {
  const counter = new PieceCounter();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    receive(socket, (piece) => send(socket, counter.answer(piece)));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(path);
  await once(server, 'listening');
  process.on('message', () => process.send!(counter.figures()));
  process.on('disconnect', () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  process.send!('ready');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await serve(process.argv[2]!);
