/** Descriptors that a worker thread holds end with it, however it ends: its peers see the end of file and do not wait for ever. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { adoptDescriptor, pageSize, releaseDescriptor } from '../../src/platform/descriptors.js';
import { waitReadable } from '../../src/platform/poller.js';
import { closeDescriptor, type SystemError } from '../../src/platform/system.js';
import { createSocketPair, receiveBytes } from '../../src/platform/unix-socket.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import type { Holding, WorkerOrder } from './descriptors-worker.js';

withLedger();

/** A worker that holds sockets; `peers` are the other ends, which belong to this thread. */
async function startHolder(t: TestContext, order: WorkerOrder): Promise<{ worker: Worker } & Holding> {
  const worker = new Worker(new URL('./descriptors-worker.js', import.meta.url), { workerData: order });
  atEnd(t, () => worker.terminate());
  const [holding] = (await once(worker, 'message')) as [Holding];
  return { worker, ...holding };
}

for (const end of ['terminated', 'process.exit', 'exception', 'by itself'] as const) {
  test(`a worker that ends (${end}) leaves no adopted socket open`, async (t) => {
    const { worker, peers } = await startHolder(t, { end, adopt: true, count: 5 });
    for (const fd of peers) assert.equal(receiveBytes(fd, Buffer.alloc(8)), 'none', 'the worker holds the other end');
    const gone = new Promise((resolve) => {
      worker.once('exit', resolve).on('error', () => {});
    });
    if (end === 'terminated') await worker.terminate();
    else worker.postMessage('end', []);
    await gone;
    for (const fd of peers) {
      assert.equal(waitReadable(fd, -1), true);
      assert.equal(receiveBytes(fd, Buffer.alloc(8)), 'end');
      closeDescriptor(fd);
    }
  });
}

test('a socket that a worker did not adopt stays open when it ends: that is what adopting is for', async (t) => {
  const { worker, peers, held } = await startHolder(t, { end: 'terminated', adopt: false, count: 1 });
  await worker.terminate();
  assert.equal(receiveBytes(peers[0]!, Buffer.alloc(8)), 'none');
  closeDescriptor(peers[0]!);
  closeDescriptor(held[0]!);
});

test('a worker that releases what it adopted closes it at once, and nothing twice', async (t) => {
  const { worker, peers } = await startHolder(t, { end: 'releases', adopt: true, count: 3 });
  for (const fd of peers) {
    assert.equal(waitReadable(fd, -1), true);
    assert.equal(receiveBytes(fd, Buffer.alloc(8)), 'end');
    closeDescriptor(fd);
  }
  await worker.terminate();
});

test('in the main thread a descriptor keeps its number', () => {
  const [a, b] = createSocketPair();
  assert.equal(adoptDescriptor(a), a);
  releaseDescriptor(a);
  assert.equal(receiveBytes(b, Buffer.alloc(8)), 'end');
  closeDescriptor(b);
});

test('adopting a number that is not open fails in a worker, and leaves nothing behind', async (t) => {
  const { worker, peers } = await startHolder(t, { end: 'adopts-nothing', adopt: true, count: 0 });
  const [{ name, errno }] = (await once(worker, 'message')) as [SystemError];
  assert.deepEqual({ name, errno, peers }, { name: 'SystemError', errno: 'EBADF', peers: [] });
  await worker.terminate();
});

test('a poller that can not be adopted by its worker leaves no descriptor open', async (t) => {
  const { worker } = await startHolder(t, { end: 'poller-fails', adopt: true, count: 0 });
  const [{ failed, left }] = (await once(worker, 'message')) as [{ failed: string; left: number }];
  assert.deepEqual({ failed, left }, { failed: 'uv_pipe_open: EMFILE', left: 0 });
  await worker.terminate();
});

test('a page is as long as the system says', () => {
  assert.equal(pageSize(), Number(execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' })));
});
