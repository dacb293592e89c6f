/** The scenario that its data names, in a worker thread. */
import { parentPort, workerData } from 'node:worker_threads';
import { type Scenario, tryAll } from './injected-scenarios.js';

parentPort!.postMessage(await tryAll(workerData as Scenario), []);
