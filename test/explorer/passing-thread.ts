/** A worker thread of a scene: it serves a port, and passes on what comes to the next, blocking. It says when it is connected with the next. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { connectPort, createPort } from '../../src/index.js';

const { name, next } = workerData as { name: string; next: string };
const port = await createPort(name);
const client = await connected();

port.on('message', () => {
  try {
    client.requestSync('go');
  } catch {
    // the circle is opened when the test ends its processes
  }
});
parentPort!.postMessage('ready', []);

/** The next may not be there yet. */
async function connected(): ReturnType<typeof connectPort> {
  for (;;) {
    try {
      return await connectPort(next);
    } catch {
      await sleep(20);
    }
  }
}
