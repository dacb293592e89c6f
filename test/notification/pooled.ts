/** A port, a client of it and a pool that serves it, for the tests of thread pools. */
import type { TestContext } from 'node:test';
import { type ClientPort, CompletionPort, connectPort, type ConnectionPort, createPort, ThreadPool, type ThreadPoolOptions } from '../../src/index.js';
import { atEnd } from '../support/at-end.js';
import { temporaryRoot } from '../support/root.js';

const NAME = '\\RPC Control\\pool';
export const HANDLER = new URL('./pool-handler.js', import.meta.url);

export interface Served {
  readonly port: ConnectionPort;
  readonly client: ClientPort;
  readonly completions: CompletionPort;
  readonly pool: ThreadPool;
}

export async function serve(t: TestContext, options: Partial<ThreadPoolOptions> = {}, concurrency = 4): Promise<Served> {
  temporaryRoot(t);
  const completions = new CompletionPort({ concurrency });
  atEnd(t, () => completions[Symbol.dispose]());
  const port = await createPort(NAME);
  atEnd(t, () => port.close());
  port.associate(completions, 1);
  const pool = new ThreadPool({ worker: HANDLER, completions, ...options });
  atEnd(t, () => pool.close({ timeout: 10_000 })); // Node leaves a file open in a thread that is terminated while it starts
  const client = await connectPort(NAME);
  atEnd(t, () => client.close());
  return { port, client, completions, pool };
}

export async function ask(client: ClientPort, text: string): Promise<string> {
  return String((await client.request(text)).data);
}
