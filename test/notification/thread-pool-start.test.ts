/** Threads of a pool that do not start: it is told by `crash` and tried again, whatever was in the way, and the pool serves as soon as it can. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CompletionPort, ThreadPool } from '../../src/index.js';
import { failsWith, nameOf, numbers, outcomeOf, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import type { PoolNews, PoolOrder } from './pool-actor.js';
import { ask, HANDLER, serve } from './pooled.js';

// What a thread had mapped stays mapped when it has been terminated: nobody is left to unmap it.
withLedger({ except: ['mappings'] });

/** Data that can be cloned, but for some times in a row: then it is as if the system had no thread left. */
function scarce(from: number, times: number): object {
  let clones = 0;
  return {
    get given(): string {
      clones++;
      if (clones >= from && clones < from + times) throw new Error('no thread left');
      return 'given';
    },
  };
}

test('a thread that the system refuses is told by crash, and tried again', async (t) => {
  const { client, pool } = await serve(t, { minThreads: 0, maxThreads: 1, workerData: scarce(2, 2) });
  const crashes: string[] = [];
  pool.on('crash', (error) => crashes.push(error.message));
  assert.equal(await ask(client, 'echo 1'), 'echo 1');
  assert.deepEqual(crashes, ['no thread left', 'no thread left']);
  assert.deepEqual([pool.statistics().started, pool.statistics().crashed, pool.statistics().threads], [3, 2, 1]);
});

test('threads that are there without work, and that the system refused at first, come as soon as it does not', async (t) => {
  const { pool } = await serve(t, { minThreads: 3, maxThreads: 3, workerData: scarce(2, 4) });
  await until('all are there', () => pool.statistics().threads === 3 && pool.statistics().starting === 0);
  assert.equal(pool.statistics().crashed, 4);
});

test('data that can not be cloned for threads is refused by name', (t) => {
  const completions = new CompletionPort();
  atEnd(t, () => completions[Symbol.dispose]());
  for (const workerData of [() => {}, Symbol('x'), { of: [() => {}] }]) {
    assert.throws(() => new ThreadPool({ worker: HANDLER, completions, workerData }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /^argument 'options.workerData'/));
  }
});

test("what a pool's listeners throw comes to the process, and the pool goes on", async (t) => {
  const actor = startActor<PoolOrder, PoolNews>(t, new URL('./pool-actor.js', import.meta.url));
  await actor.until('ready');
  for (const _ of numbers(3)) await actor.ask({ type: 'post' }, 'posted');
  await until('all are handled', async () => (await actor.ask({ type: 'report' }, 'errors')).handled === 3);
  await actor.ask({ type: 'close' }, 'closed');
  const { errors } = await actor.ask({ type: 'report' }, 'errors');
  assert.deepEqual(errors, ['thread', 'crash', 'thread', 'close']);
});

/** A module that never finishes loading, so many times. */
function hanging(times: number): string {
  const code = `
    import { workerData } from 'node:worker_threads';
    setInterval(() => {}, 1000);
    if (Atomics.add(new Int32Array(workerData.data), 0, 1) < ${times}) await new Promise(() => {});
    export default (message) => void (message.type === 'request' && message.reply(String(message.data)));`;
  return `data:text/javascript,${encodeURIComponent(code)}`;
}

test('a thread whose handler does not finish loading within startTimeout is told by crash, and another is tried', async (t) => {
  const { client, pool } = await serve(t, { worker: hanging(1), maxThreads: 1, startTimeout: 1000, workerData: new SharedArrayBuffer(4) });
  const crashes: string[] = [];
  pool.on('crash', (error) => crashes.push(nameOf(error)));
  assert.equal(await ask(client, 'served'), 'served');
  assert.ok(crashes.length > 0);
  assert.deepEqual(new Set(crashes), new Set(['ERR_ALPC_TIMEOUT']));
});

test('a pool whose handler never finishes loading closes all the same, and declines what waits', async (t) => {
  const { client, pool, completions } = await serve(t, { worker: hanging(1000), maxThreads: 1, startTimeout: 50, workerData: new SharedArrayBuffer(4) });
  const outcome = outcomeOf(client.request('served'));
  await until('it is queued', () => completions.info().queued === 1);
  await pool.close();
  assert.equal(await outcome, 'ERR_ALPC_CANCELED');
});
