/** Views of a worker thread. What a thread that was terminated had mapped stays mapped until the process ends: the ledger does not look at that. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { createPort } from '../../src/index.js';
import { pageSize } from '../../src/platform/descriptors.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { NAME, ownRoot } from './serving.js';

withLedger({ except: ['mappings'] });

const PAGE = pageSize();

test('a worker thread sends views and receives them, and what it leaves when it is terminated comes back', async (t) => {
  ownRoot(t);
  const port = await createPort(NAME, { accepts: ['view'] });
  atEnd(t, () => port.close());
  const worker = new Worker(new URL('./actors/view-worker.js', import.meta.url), { workerData: NAME });
  const frames = port.createSection(4 * PAGE);
  const first = await port.receive();
  assert.ok(first.type === 'request' && first.view!.bytes.every((byte) => byte === 7));
  const frame = frames.createView(PAGE);
  frame.bytes.fill(9);
  first.reply('', { view: frame, autoRelease: true, unmapExisting: true });
  const second = await port.receive();
  assert.ok(second.type === 'datagram');
  assert.equal(second.data.toString(), 'all 9');
  assert.equal(frames.free, 3 * PAGE);
  await worker.terminate();
  assert.equal((await port.receive()).type, 'port-closed');
  assert.equal(frames.free, 4 * PAGE);
  if (worker.threadId >= 0) await once(worker, 'exit');
});
