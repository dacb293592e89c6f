/** A process that ends by process.exit while a worker thread of it blocks in the call that its argument names. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { actorArguments, tell } from '../../support/actor.js';
import { NAME } from '../serving.js';
import type { Blocking } from '../taking.js';
import type { ThreadTask } from './thread.js';

export type News = { type: 'exiting' };

const workerData: ThreadTask = { do: 'block', name: NAME, in: actorArguments()[0] as Blocking };
const worker = new Worker(new URL('./thread.js', import.meta.url), { workerData });
await once(worker, 'message');
await sleep(100); // it is deep in its wait
tell<News>({ type: 'exiting' });
await sleep(10);
process.exit(7);
