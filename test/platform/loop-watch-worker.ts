/** A worker that runs a scenario and has nothing else to keep its loop alive; or that is busy with bells until it is terminated. */
import { parentPort, workerData } from 'node:worker_threads';
import { LoopWatch } from '../../src/platform/loop-watch.js';
import { createSocketPair, receiveBytes, ringBell } from '../../src/platform/unix-socket.js';
import { adoptDescriptor } from '../../src/platform/descriptors.js';
import { type Scenario, scenarios } from './loop-watch-scenarios.js';

const order = workerData as Scenario | 'busy';

if (order === 'busy') {
  for (let i = 0; i < 8; i++) {
    const [theirs, mine] = createSocketPair().map(adoptDescriptor) as [number, number];
    const watch = new LoopWatch(mine, () => {
      receiveBytes(mine, Buffer.alloc(8));
      if (!watch.closed) ringBell(theirs);
    });
    ringBell(theirs);
  }
  parentPort!.postMessage('busy', []);
} else {
  parentPort!.postMessage(await scenarios[order](), []);
}
