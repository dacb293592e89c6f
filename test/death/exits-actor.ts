/**
 * A process that blocks in one of the calls that block, in its main thread or in a worker, and that ends as it is ordered
 * meanwhile, in one of the ways in which a program ends by itself.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { ThreadTask } from '../process/actors/thread.js';
import type { Blocking } from '../process/taking.js';
import { block } from '../process/actors/blocking-calls.js';
import { actorArguments, obey, tell } from '../support/actor.js';

export const ENDS = ['process.exit', 'an uncaught exception', 'SIGTERM', 'SIGTERM that it handles'] as const;
export type End = (typeof ENDS)[number];
export type Where = 'main' | 'worker';
export type Order = { type: 'begin' } | { type: 'end'; by: End };
export type News = { type: 'begun' };

const [where, call, name] = actorArguments() as [Where, Blocking, string];

obey<Order>({
  begin: async () => {
    if (where === 'main') {
      setTimeout(() => block(name, call, () => tell<News>({ type: 'begun' })), 5);
      return;
    }
    const workerData: ThreadTask = { do: 'block', name, in: call };
    await once(new Worker(new URL('../process/actors/thread.js', import.meta.url), { workerData }), 'message');
    tell<News>({ type: 'begun' });
  },
  end: ({ by }) => {
    if (by === 'process.exit') process.exit(7);
    if (by === 'an uncaught exception') {
      setImmediate(() => {
        throw new Error('as ordered');
      });
    } else {
      process.on('SIGTERM', () => process.exit(8));
      process.kill(process.pid, 'SIGTERM');
    }
  },
});
