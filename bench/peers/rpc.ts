/**
 * Typed calls: alpc/rpc beside what people call with today, all with the same echo of the same bytes. gRPC is in grpc.ts (its stream here);
 * JSON over a hand-framed Unix socket is what many write themselves: `net-json`.
 */
import { bind, bindSync, call, defineInterface, serve as serveRpc, stream, type } from '../../src/rpc/index.js';
import type { Schema } from '../../src/rpc/index.js';
import { MiB } from '../core/large.js';
import { Server } from '../core/server-process.js';
import type { Peer } from '../peer.js';

export type Form = 'awaited' | 'blocking' | 'validated';

/** A validator as simple as one can be, so that what it adds is the way to it. */
const bytes: Schema<Uint8Array> = { '~standard': { version: 1, vendor: 'bench', validate: (value) => (value instanceof Uint8Array ? { value } : { issues: [{ message: 'no bytes' }] }) } };

const Echo = defineInterface({ name: 'bench', version: '1.0' }, { echo: call({ input: type<Uint8Array>(), output: type<Uint8Array>() }), items: stream<{ count: number; data: Uint8Array }, Uint8Array>() });
const Checked = defineInterface({ name: 'bench-checked', version: '1.0' }, { echo: call({ input: bytes, output: bytes }), items: stream<{ count: number; data: Uint8Array }, Uint8Array>() });

export async function serve(name: string, form: string): Promise<void> {
  const handlers = {
    echo: (data: Uint8Array) => data,
    *items({ count, data }: { count: number; data: Uint8Array }) {
      for (let i = 0; i < count; i++) yield data;
    },
  };
  await serveRpc(form === 'validated' ? Checked : Echo, handlers, { endpoint: name });
}

const mebibyte = new Uint8Array(MiB).fill(7);
const small = Buffer.alloc(64, 1);

let names = 0;

export function rpcPeer(form: Form): Peer {
  return {
    async start() {
      const address = `\\RPC Control\\rpc-${process.pid}-${names++}`;
      const server = await Server.start({ module: import.meta.url, address, mode: form });
      const Used = form === 'validated' ? Checked : Echo;
      const client = form === 'blocking' ? bindSync(Used, address) : await bind(Used, address);
      return {
        ...(form === 'blocking' ? { echoSync: (data: Buffer) => client.echo.sync(data) } : { echo: (data: Buffer) => client.echo(data) }),
        server,
        address,
        large: {
          async echo() {
            if ((await client.echo(mebibyte)).length !== MiB) throw new Error('something else came back');
          },
          async small() {
            await client.echo(small);
          },
        },
        async download(count, data) {
          let seen = 0;
          for await (const item of client.items({ count, data })) seen += item.length > 0 ? 1 : 0;
          return seen;
        },
        async close() {
          client.close();
          await server.end();
        },
      };
    },
  };
}
