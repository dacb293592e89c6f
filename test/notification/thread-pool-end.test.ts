/**
 * What a pool owes to callers when its threads end, for being idle or because it closes: a request that a thread has taken is answered, also
 * when the handler has returned long since, and what waits is served.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { connectPort, removeObject } from '../../src/index.js';
import { PooledThread } from '../../src/notification/pooled-thread.js';
import { nameOf, numbers, outcomeOf, tally, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { times } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';
import type { Haunt } from './completion-ghost.js';
import { ask, HANDLER, serve } from './pooled.js';

const OTHER = '\\RPC Control\\other';

// What a thread had mapped stays mapped when it has been terminated: nobody is left to unmap it.
withLedger({ except: ['mappings'] });

test('a thread whose handler answers later does not leave for being idle before that', async (t) => {
  const { client, pool } = await serve(t, { minThreads: 0, maxThreads: 1, idleTimeout: 20 });
  assert.equal(await ask(client, 'later 300'), 'later 300');
  await until('it has left', () => pool.statistics().threads === 0);
  assert.deepEqual([pool.statistics().started, pool.statistics().retired], [1, 1]);
});

test('a thread that has taken a request by the time it is asked to leave stays: it serves on, and answers', async (t) => {
  const { client, completions } = await serve(t, { minThreads: 0, worker: 'data:text/javascript,throw new Error("not this pool");' });
  const ended: string[] = [];
  const host = { ready: () => {}, idle: () => {}, left: () => void ended.push('left'), crashed: () => void ended.push('crashed'), gone: () => void ended.push('gone') };
  const thread = new PooledThread({ handle: completions.handle, worker: HANDLER.href, max: 1, busy: new Int32Array(new SharedArrayBuffer(4)), index: 0, idle: 10_000, data: undefined }, 60_000, host);
  await until('it serves', () => thread.isReady);
  const outcome = outcomeOf(client.request('later 300'));
  await until('it is taken', () => completions.info().dequeued === 1);
  thread.askToLeave();
  assert.equal(await ask(client, 'echo 1'), 'echo 1');
  assert.equal(await outcome, 'later 300');
  assert.equal(await ask(client, 'echo 2'), 'echo 2');
  assert.deepEqual([thread.isLeaving, ended], [false, []]);
  thread.askToLeave();
  await until('it is gone', () => ended.includes('gone'));
  assert.deepEqual(ended, ['left', 'gone']);
});

test("threads leave when the pool closes while their handler's module loads, also one that listens to what it is posted", async (t) => {
  const words = new Int32Array(new SharedArrayBuffer(4));
  const code = `
    import { parentPort, workerData } from 'node:worker_threads';
    parentPort.on('message', () => {});
    Atomics.store(workerData.data, 0, 1);
    await new Promise((resolve) => setTimeout(resolve, 200));
    export default () => {};`;
  const { pool } = await serve(t, { worker: `data:text/javascript,${encodeURIComponent(code)}`, workerData: words });
  await until('it listens', () => Atomics.load(words, 0) === 1);
  await pool.close({ timeout: 10_000 });
  assert.deepEqual([pool.statistics().retired, pool.statistics().crashed], [1, 0]);
});

test('close waits for answers that handlers give later', async (t) => {
  const { client, pool, completions } = await serve(t, { minThreads: 2, maxThreads: 2 });
  const outcomes = [1, 50, 300].map((milliseconds) => outcomeOf(client.request(`later ${milliseconds}`)));
  await until('they are taken', () => completions.info().dequeued === 3);
  await pool.close();
  assert.deepEqual(await Promise.all(outcomes), ['later 1', 'later 50', 'later 300']);
  assert.deepEqual([pool.statistics().retired, pool.statistics().crashed], [2, 0]);
});

test('close waits for a request that no handler answers until its caller gives up, and serves on until then', async (t) => {
  const { client, pool, completions } = await serve(t);
  const given = new AbortController();
  const outcome = client.request('never', { signal: given.signal }).catch(nameOf);
  await until('it is taken', () => completions.info().dequeued === 1);
  let isOver = false;
  const closed = pool.close().then(() => (isOver = true));
  assert.equal(await ask(client, 'echo'), 'echo ');
  assert.equal(isOver, false);
  given.abort();
  assert.equal(await outcome, 'AbortError');
  await closed;
});

test('close does not wait for answers to requests of a port whose thread has ended', async (t) => {
  const { pool, completions } = await serve(t);
  const haunt: Haunt = { handle: completions.handle, how: 'own', text: OTHER };
  const owner = new Worker(new URL('./completion-ghost.js', import.meta.url), { workerData: haunt });
  atEnd(t, () => owner.terminate());
  await once(owner, 'message');
  await using client = await connectPort(OTHER);
  const outcome = outcomeOf(client.request('never'));
  await until('it is taken', () => completions.info().dequeued === 1);
  await owner.terminate();
  removeObject(OTHER);
  assert.equal(await outcome, 'ERR_ALPC_MESSAGE_LOST');
  await pool.close();
});

test('close with a timeout declines what no handler answers', async (t) => {
  const { client, pool, completions } = await serve(t);
  const outcome = outcomeOf(client.request('never'));
  await until('it is taken', () => completions.info().dequeued === 1);
  await pool.close({ timeout: 10 });
  assert.equal(await outcome, 'ERR_ALPC_CANCELED');
});

test('after the close of the completion port threads answer what they hold, and leave; a caller may give up', async (t) => {
  const { client, pool, port, completions } = await serve(t, { maxThreads: 1 });
  const given = new AbortController();
  const outcomes = [outcomeOf(client.request('later 300')), client.request('never', { signal: given.signal }).catch(nameOf)];
  await until('they are taken', () => completions.info().dequeued === 2);
  completions.close();
  port.on('message', () => {}); // it receives as before, or it would not hear who gives up
  assert.equal(await outcomes[0], 'later 300');
  assert.equal(pool.statistics().threads, 1);
  given.abort();
  assert.equal(await outcomes[1], 'AbortError');
  await until('it has left', () => pool.statistics().threads === 0);
});

test('a thread that crashes while the pool closes is replaced: what waits behind it is served', async (t) => {
  const { client, pool, completions } = await serve(t, { maxThreads: 1 }, 1);
  const outcomes = ['sleep 50', 'throw', 'echo 1', 'throw', 'echo 2'].map((text) => outcomeOf(client.request(text)));
  await until('all are queued', () => completions.info().queued === 5);
  await pool.close();
  assert.deepEqual(await Promise.all(outcomes), ['sleep 50', 'ERR_ALPC_CANCELED', 'echo 1', 'ERR_ALPC_CANCELED', 'echo 2']);
  assert.deepEqual([pool.statistics().threads, pool.statistics().started, pool.statistics().crashed], [0, 3, 2]);
});

test('a pool that has no thread when it closes starts one for what waits', async (t) => {
  const { client, pool, completions } = await serve(t, { minThreads: 0, maxThreads: 1 });
  const outcomes = numbers(3).map((number) => outcomeOf(client.request(`echo ${number}`)));
  await until('all are queued', () => completions.info().queued === 3);
  await pool.close();
  assert.deepEqual(await Promise.all(outcomes), ['echo 0', 'echo 1', 'echo 2']);
});

test('what waits is declined when a pool closes that can start no thread', async (t) => {
  const { client, pool, completions } = await serve(t, { worker: 'data:text/javascript,throw new Error("not today");' });
  const outcomes = numbers(3).map((number) => outcomeOf(client.request(`echo ${number}`)));
  await until('all are queued', () => completions.info().queued === 3);
  await pool.close();
  assert.deepEqual(tally(await Promise.all(outcomes)), { ERR_ALPC_CANCELED: 3 });
  assert.equal(completions.info().queuedBytes, 0);
  assert.ok(pool.statistics().crashed >= 3);
});

test('threads that somebody terminates at random are replaced: each caller gets its own answer, or is told', async (t) => {
  const { client, pool, completions } = await serve(t, { minThreads: 1, maxThreads: 3, idleTimeout: 20 }, 2);
  const state = { over: false };
  const outcomes: string[] = [];
  const asking = numbers(6).map(async (asker) => {
    for (let count = 0; !state.over; count++) {
      const text = `${['echo', 'sleep', 'spin'][count % 3]} ${(asker + count) % 3}`;
      const outcome = await outcomeOf(client.request(text));
      outcomes.push(outcome === text ? 'its own' : outcome);
    }
  });
  for (let kills = times(10, 300); kills > 0; kills--) {
    await sleep(Math.random() * 60);
    await until('none starts', () => pool.statistics().threads > 0 && pool.statistics().starting === 0);
    const { workers } = pool;
    await workers[Math.floor(Math.random() * workers.length)]!.terminate();
  }
  state.over = true;
  await Promise.all(asking);
  const { 'its own': served = 0, ERR_ALPC_CANCELED: _, ...others } = tally(outcomes);
  assert.deepEqual([served > 0, others], [true, {}]);
  await pool.close();
  assert.deepEqual([pool.statistics().threads, completions.info().running, completions.info().blocked], [0, 0, 0]);
});
