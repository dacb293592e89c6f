/**
 * gRPC in pure JavaScript over a Unix socket: a generic client with serializers that hand the bytes through, so that what is
 * measured is the transport and not Protocol Buffers. One channel, unary calls, HTTP/2 takes care of several at once.
 */
import { type ClientReadableStream, credentials, makeGenericClientConstructor, Server as GrpcServer, type ServerWritableStream, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { countBytes, readCount } from '../core/calls.js';
import { freshAddress, Server } from '../core/server-process.js';
import type { Peer } from '../peer.js';

const same = (bytes: Buffer): Buffer => bytes;

const service = {
  echo: {
    path: '/bench.Echo/Echo',
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  },
  items: {
    path: '/bench.Echo/Items',
    requestStream: false,
    responseStream: true,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  },
} satisfies ServiceDefinition;

type Unary = (data: Buffer, done: (error: Error | null, answer: Buffer) => void) => void;

export async function serve(address: string): Promise<void> {
  const server = new GrpcServer();
  server.addService(service, {
    echo: (call: { request: Buffer }, done: (error: null, answer: Buffer) => void) => done(null, call.request),
    items: (call: ServerWritableStream<Buffer, Buffer>) => void sendItems(call),
  });
  await promisify(server.bindAsync.bind(server))(`unix:${address}`, ServerCredentials.createInsecure());
}

/** The request: how many, and what. Waits where the stream says that it is full. */
async function sendItems(call: ServerWritableStream<Buffer, Buffer>): Promise<void> {
  const count = readCount(call.request);
  const data = call.request.subarray(4);
  for (let i = 0; i < count; i++) if (!call.write(data)) await once(call, 'drain');
  call.end();
}

export const peer: Peer = {
  async start() {
    const address = freshAddress();
    const server = await Server.start({ module: import.meta.url, address });
    const Client = makeGenericClientConstructor(service, 'Echo');
    const client = new Client(`unix:${address}`, credentials.createInsecure());
    const items = (client as unknown as { items: (request: Buffer) => ClientReadableStream<Buffer> }).items.bind(client);
    const unary = (client as unknown as { echo: Unary }).echo.bind(client);
    return {
      server,
      echo: (data) =>
        new Promise((resolve, reject) => {
          unary(data, (error, answer) => (error === null ? resolve(answer) : reject(error)));
        }),
      async download(count, data) {
        let seen = 0;
        for await (const item of items(Buffer.concat([countBytes(count), data])) as AsyncIterable<Buffer>) seen += item.length > 0 ? 1 : 0;
        return seen;
      },
      async close() {
        client.close();
        await server.end();
      },
    };
  },
};
