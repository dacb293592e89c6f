/**
 * gRPC in pure JavaScript over a Unix socket: a generic client with serializers that hand the bytes through, so that what is
 * measured is the transport and not Protocol Buffers. One channel, unary calls, HTTP/2 takes care of several at once.
 */
import { credentials, makeGenericClientConstructor, Server as GrpcServer, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js';
import { promisify } from 'node:util';
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
} satisfies ServiceDefinition;

type Unary = (data: Buffer, done: (error: Error | null, answer: Buffer) => void) => void;

export async function serve(address: string): Promise<void> {
  const server = new GrpcServer();
  server.addService(service, {
    echo: (call: { request: Buffer }, done: (error: null, answer: Buffer) => void) => done(null, call.request),
  });
  await promisify(server.bindAsync.bind(server))(`unix:${address}`, ServerCredentials.createInsecure());
}

export const peer: Peer = {
  async start() {
    const address = freshAddress();
    const server = await Server.start({ module: import.meta.url, address });
    const Client = makeGenericClientConstructor(service, 'Echo');
    const client = new Client(`unix:${address}`, credentials.createInsecure());
    const unary = (client as unknown as { echo: Unary }).echo.bind(client);
    return {
      server,
      echo: (data) =>
        new Promise((resolve, reject) => {
          unary(data, (error, answer) => (error === null ? resolve(answer) : reject(error)));
        }),
      async close() {
        client.close();
        await server.end();
      },
    };
  },
};
