/**
 * alpc's thread pool, with as many threads as said, behind a completion port. For requests that are work: both sides are told not to look for
 * messages before they sleep, as docs/completion-ports.md advises where the threads keep every processor busy.
 */
import { CompletionPort, connectPort, createPort, ThreadPool } from '../../src/index.js';
import { Server } from '../core/server-process.js';
import type { Peer } from '../peer.js';

export async function serve(name: string, threads: string): Promise<void> {
  const count = Number(threads);
  const completions = new CompletionPort({ concurrency: count });
  const port = await createPort(name, { spin: false });
  port.associate(completions, 0);
  const pool = new ThreadPool({ worker: new URL('../core/hash-handler.js', import.meta.url), completions, minThreads: count, maxThreads: count });
  pool.on('crash', (error) => { throw error; });
}

export function poolPeer(threads: number): Peer {
  return {
    async start() {
      const address = `\\RPC Control\\bench-pool-${process.pid}`;
      const server = await Server.start({ module: import.meta.url, address, mode: `${threads}` });
      const client = await connectPort(address, { spin: false });
      return {
        server,
        echo: (data) => client.request(data),
        async close() {
          client.close();
          await server.end();
        },
      };
    },
  };
}
