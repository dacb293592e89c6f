/** Changes a word of memory that another thread reads by plain loads, until it is told that it is enough. */
import { workerData } from 'node:worker_threads';
import { viewOfMemory } from '../../src/platform/system.js';
import { FLIPPED, ENOUGH } from './plain-loads.js';

const { address, length } = workerData as { address: number; length: number };
const words = new Int32Array(viewOfMemory(address, length));
for (let value = 1; Atomics.load(words, ENOUGH) === 0; value++) Atomics.store(words, FLIPPED, value);
