/** A worker thread that opens an event that was shared with it, waits for it so many times, and ends. */
import { workerData } from 'node:worker_threads';
import { openEvent, type SharedEvent } from '../../src/index.js';

const { shared, how, times } = workerData as { shared: SharedEvent; how: 'blocking' | 'awaited'; times: number };
const event = openEvent(shared);
for (let i = 0; i < times; i++) {
  if (how === 'blocking') event.waitSync();
  else await event.wait();
}
event.close();
