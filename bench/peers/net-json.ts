/**
 * JSON over a Unix socket, framed by hand: what many programs have between their processes. A call is `{ id, method, input }`, its answer
 * `{ id, output }`; bytes travel as base64, as JSON has none.
 */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { FramedSocket } from '../core/framed-socket.js';
import { freshAddress, Server } from '../core/server-process.js';
import type { Peer } from '../peer.js';

interface Call {
  readonly method: string;
  readonly input: string;
}

const toJson = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const fromJson = (bytes: Uint8Array): unknown => JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());

export async function serve(address: string): Promise<void> {
  const methods: Record<string, (input: Buffer) => Buffer> = { echo: (input) => input };
  const server = createServer((socket) => {
    const frames = new FramedSocket(socket, 'each', (id, payload) => {
      const { method, input } = fromJson(payload) as Call;
      frames.send(id, toJson({ output: methods[method]!(Buffer.from(input, 'base64')).toString('base64') }));
    });
  });
  server.listen(address);
  await once(server, 'listening');
}

export const peer: Peer = {
  async start() {
    const address = freshAddress();
    const server = await Server.start({ module: import.meta.url, address });
    const socket = connect(address);
    await once(socket, 'connect');
    const waiting = new Map<number, (answer: Uint8Array) => void>();
    let lastId = 0;
    const frames = new FramedSocket(socket, 'each', (id, payload) => {
      const { output } = fromJson(payload) as { output: string };
      waiting.get(id)!(Buffer.from(output, 'base64'));
      waiting.delete(id);
    });
    return {
      server,
      echo: (data) =>
        new Promise((resolve) => {
          lastId = (lastId & 0x3fffffff) + 1;
          waiting.set(lastId, resolve);
          frames.send(lastId, toJson({ method: 'echo', input: data.toString('base64') }));
        }),
      async close() {
        socket.destroy();
        await server.end();
      },
    };
  },
};
