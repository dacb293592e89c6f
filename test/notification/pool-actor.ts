/** A process with a pool whose listeners throw. What comes to it as an uncaught exception is kept, and told when asked. */
import { CompletionPort, ThreadPool } from '../../src/index.js';
import { obey, tell } from '../support/actor.js';

export type PoolOrder = { type: 'post' } | { type: 'report' } | { type: 'close' };
export type PoolNews = { type: 'ready' } | { type: 'posted' } | { type: 'errors'; errors: string[]; handled: number } | { type: 'closed' };

const errors: string[] = [];
process.on('uncaughtException', (error) => errors.push(error.message));

/** Crashes once, then counts what it takes. */
const HANDLER = `
  import { workerData } from 'node:worker_threads';
  const words = new Int32Array(workerData.data);
  export default function handle() {
    if (Atomics.add(words, 0, 1) === 0) throw new Error('as ordered');
  }`;

const board = new SharedArrayBuffer(4);
const completions = new CompletionPort();
const pool = new ThreadPool({ worker: `data:text/javascript,${encodeURIComponent(HANDLER)}`, completions, minThreads: 0, maxThreads: 1, workerData: board });
for (const event of ['thread', 'crash', 'close'] as const) {
  pool.on(event, () => {
    throw new Error(event);
  });
}

obey<PoolOrder>({
  post: () => {
    completions.post({});
    tell<PoolNews>({ type: 'posted' });
  },
  report: () => tell<PoolNews>({ type: 'errors', errors, handled: Atomics.load(new Int32Array(board), 0) }),
  close: async () => {
    await pool.close();
    completions.close();
    completions.leave();
    tell<PoolNews>({ type: 'closed' });
  },
});
tell<PoolNews>({ type: 'ready' });
