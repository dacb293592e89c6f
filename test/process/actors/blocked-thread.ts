/** A worker thread that blocks in a call that is never answered. */
import { workerData } from 'node:worker_threads';
import { connectPortSync } from '../../../src/ports/index.js';

const { name } = workerData as { name: string };
connectPortSync(name).requestSync('hold');
