/**
 * The thread pool: threads are started when work waits, retired when they are idle, replaced when they crash; nothing is lost in
 * silence. The handler is a plain module, and serves a port on the event loop as it is.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { threadId, Worker } from 'node:worker_threads';
import { type ClientPort, CompletionPort, ThreadPool, type ThreadPoolOptions } from '../../src/index.js';
import { blockFor, failsWith, numbers, outcomeOf, tally, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { Board } from './board.js';
import type { Haunt } from './completion-ghost.js';
import handle from './pool-handler.js';
import { ask, HANDLER, serve } from './pooled.js';

// What a thread had mapped stays mapped when it has been terminated: nobody is left to unmap it.
withLedger({ except: ['mappings'] });

test('a pool serves, and the same handler serves on the event loop', async (t) => {
  const { client, pool, port, completions } = await serve(t, { workerData: 'given' });
  assert.match(await ask(client, 'who'), /^thread [1-9]\d* given$/);
  assert.deepEqual(await Promise.all(numbers(50).map((number) => ask(client, `echo ${number}`))), numbers(50).map((number) => `echo ${number}`));
  await pool.close();
  completions.leave();
  port.on('message', (message) => void handle(message));
  assert.equal(await ask(client, 'who'), `thread ${threadId} undefined`);
});

test('a pool that is closed as its last client leaves starts no thread for the news of that, and every thread leaves', async (t) => {
  for (const round of numbers(5)) {
    await t.test(`round ${round}`, async (t) => {
      const { client, pool } = await serve(t, { minThreads: 1, maxThreads: 4 });
      await ask(client, 'echo');
      client.close();
      await pool.close({ timeout: 10_000 });
      const { threads, started, retired, crashed } = pool.statistics();
      assert.deepEqual([threads, started - retired, crashed], [0, 0, 0], 'none had to be terminated');
    });
  }
});

test('a pool may be closed at any moment of the start of its threads, at once: the process goes on, and each thread is terminated once', async (t) => {
  const { completions } = await serve(t, { minThreads: 0 });
  for (const milliseconds of numbers(12)) {
    const terminations = t.mock.method(Worker.prototype, 'terminate');
    const pool = new ThreadPool({ worker: HANDLER, completions, minThreads: 2, maxThreads: 2 });
    await new Promise((resolve) => void setTimeout(resolve, milliseconds * 12));
    await pool.close({ timeout: 0 });
    assert.equal(pool.statistics().threads, 0);
    const ended = terminations.mock.calls.map((call) => call.this);
    assert.equal(new Set(ended).size, ended.length);
    terminations.mock.restore();
  }
});

test('threads are started when all are busy and work waits, up to maxThreads and the concurrency', async (t) => {
  for (const [maxThreads, concurrency, expected] of [[3, 4, 3], [4, 2, 2]] as const) {
    await t.test(`at most ${maxThreads}, concurrency ${concurrency}`, async (t) => {
      const { client, pool, completions } = await serve(t, { minThreads: 1, maxThreads }, concurrency);
      await ask(client, 'echo');
      assert.equal(pool.statistics().threads, 1);
      await flood(client, () => completions.info().peak === expected);
      assert.deepEqual([pool.statistics().threads, completions.info().peak], [expected, expected]);
    });
  }
});

/** Keeps more requests waiting than any number of threads can serve, until something holds. */
async function flood(client: ClientPort, holds: () => boolean, text = 'sleep 5'): Promise<void> {
  const state = { over: false };
  const asking = numbers(20).map(async () => {
    while (!state.over) await ask(client, text);
  });
  await until('it holds', holds);
  state.over = true;
  await Promise.all(asking);
}

test('no more handlers work at once than the concurrency says, as they count themselves', async (t) => {
  const data = new SharedArrayBuffer(64);
  const words = new Int32Array(data);
  const { client, pool, completions } = await serve(t, { minThreads: 4, maxThreads: 4, workerData: data }, 2);
  await until('all threads are there', () => completions.info().waiting === 4);
  let served = 0;
  await flood(client, () => ++served > 20 && Atomics.load(words, Board.peak) >= 2, 'count 2');
  assert.deepEqual([Atomics.load(words, Board.peak), completions.info().peak, pool.statistics().threads], [2, 2, 4]);
});

test('threads that are not there yet are told as starting', async (t) => {
  const { pool } = await serve(t, { minThreads: 2 });
  assert.deepEqual([pool.statistics().threads, pool.statistics().starting], [2, 2]);
  await until('they have started', () => pool.statistics().starting === 0);
  assert.equal(pool.statistics().threads, 2);
});

test('a thread takes up to max packets at once, and one that crashes takes all of them with it', async (t) => {
  const data = new SharedArrayBuffer(4);
  const { client, pool, completions } = await serve(t, { maxThreads: 1, max: 4, workerData: data }, 1);
  const gate = client.request('meet 2');
  await until('it is busy', () => pool.statistics().busy === 1);
  const outcomes = ['throw', ...numbers(4).map((number) => `echo ${number}`)].map((text) => outcomeOf(client.request(text)));
  await until('all are queued', () => completions.info().queued === 6);
  Atomics.store(new Int32Array(data), 0, 2);
  Atomics.notify(new Int32Array(data), 0);
  assert.equal(String((await gate).data), 'meet 2');
  assert.deepEqual(await Promise.all(outcomes), [...numbers(4).map(() => 'ERR_ALPC_CANCELED'), 'echo 3']);
  assert.equal(pool.statistics().crashed, 1);
});

test('a pool without threads starts one for the first packet', async (t) => {
  const { client, pool } = await serve(t, { minThreads: 0, maxThreads: 2 });
  assert.equal(pool.statistics().threads, 0);
  assert.equal(await ask(client, 'echo 1'), 'echo 1');
  assert.equal(pool.statistics().started, 1);
});

test('a pool without threads starts one for a packet whose poster has ended before it said that one is wanted', async (t) => {
  const { completions, pool } = await serve(t, { minThreads: 0, maxThreads: 2 });
  const haunt: Haunt = { handle: completions.handle, how: 'post-uncalled', text: 'unheard' };
  const poster = new Worker(new URL('./completion-ghost.js', import.meta.url), { workerData: haunt });
  atEnd(t, () => poster.terminate());
  await once(poster, 'message');
  await poster.terminate();
  assert.equal(pool.statistics().started, 0);
  await until('it is taken', () => completions.info().dequeued === 1);
  assert.equal(pool.statistics().started, 1);
});

test('work that came while the first thread started gets threads of its own', async (t) => {
  for (const round of numbers(10)) {
    await t.test(`round ${round}`, async (t) => {
      const { client, pool } = await serve(t, { minThreads: 0, maxThreads: 3, workerData: new SharedArrayBuffer(4) }, 3);
      const replies = numbers(3).map(() => ask(client, 'meet 3'));
      assert.deepEqual(await Promise.all(replies), ['meet 3', 'meet 3', 'meet 3'], 'three threads have met');
      assert.equal(pool.statistics().threads, 3);
    });
  }
});

test('idle threads leave, down to minThreads, and come again with work', async (t) => {
  const { client, pool } = await serve(t, { minThreads: 1, maxThreads: 3, idleTimeout: 40 });
  for (const _ of numbers(2)) {
    await flood(client, () => pool.statistics().threads === 3);
    await until('one is left', () => pool.statistics().threads === 1);
  }
  assert.equal(pool.statistics().crashed, 0);
  assert.ok(pool.statistics().retired >= 4);
});

for (const verb of ['throw', 'reject', 'exit']) {
  test(`a thread whose handler does '${verb}' is replaced; its caller gets an error and others their answers`, async (t) => {
    const { client, pool } = await serve(t, { maxThreads: 2 });
    const crashes: string[] = [];
    pool.on('crash', (error) => crashes.push(error.message));
    const outcomes = await Promise.all(numbers(20).map((number) => outcomeOf(client.request(number % 10 === 5 ? verb : `echo ${number}`))));
    assert.deepEqual(tally(outcomes.map((outcome) => outcome.replace(/ \d+/, ''))), { echo: 18, ERR_ALPC_CANCELED: 2 });
    assert.equal(await ask(client, 'echo again'), 'echo again');
    const told = verb === 'exit' ? 'thread pool: a thread has ended by itself, with exit code 3' : 'as ordered';
    assert.deepEqual(crashes, [told, told]);
    assert.equal(pool.statistics().crashed, 2);
    assert.ok(pool.statistics().started >= 3);
    await pool.close();
    assert.equal(pool.statistics().crashed, 2, 'threads that leave have not crashed');
  });
}

for (const [listens, told] of [
  ["process.on('uncaughtException', () => {})", 'RangeError ORDERED: as ordered'],
  ["process.on('unhandledRejection', () => {})", 'RangeError ORDERED: as ordered'],
  ['process.setUncaughtExceptionCaptureCallback(() => {})', 'Error undefined: thread pool: a thread has ended by itself, with exit code 1'],
] as const) {
  test(`a thread whose handler throws ends, also after '${listens}' in it: the crash is told, its caller gets an error, and the pool closes`, async (t) => {
    const code = `
      ${listens};
      export default async function handle(message) {
        if (message.type !== 'request') return;
        if (String(message.data) === 'throw') throw Object.assign(new RangeError('as ordered'), { code: 'ORDERED', method() {} });
        message.reply(String(message.data));
      }`;
    const { client, pool } = await serve(t, { worker: `data:text/javascript,${encodeURIComponent(code)}`, maxThreads: 1 });
    const crashes: string[] = [];
    pool.on('crash', (error) => crashes.push(`${error.name} ${(error as { code?: string }).code}: ${error.message}`));
    assert.equal(await outcomeOf(client.request('throw', { timeout: 10_000 })), 'ERR_ALPC_CANCELED');
    assert.equal(await ask(client, 'again'), 'again');
    assert.deepEqual(crashes, [told]);
    await pool.close();
    assert.deepEqual([pool.statistics().threads, pool.statistics().started, pool.statistics().crashed], [0, 2, 1]);
  });
}

test('what a handler returns is awaited also when it is no promise of the language: its thread is busy until then, and a rejection ends it', async (t) => {
  const code = `
    export default (message) => message.type === 'request' && {
      then(resolve, reject) {
        if (String(message.data) === 'reject') reject(new Error('as ordered'));
        else if (String(message.data) === 'wait') setTimeout(() => { message.reply('waited'); resolve(); }, 200);
        else resolve(message.reply(String(message.data)));
      },
    };`;
  const { client, pool } = await serve(t, { worker: `data:text/javascript,${encodeURIComponent(code)}`, maxThreads: 1 });
  const crashes: string[] = [];
  pool.on('crash', (error) => crashes.push(error.message));
  const [waited, next] = [ask(client, 'wait'), ask(client, 'next')];
  await until('it is busy', () => pool.statistics().busy === 1);
  assert.equal(await Promise.race([waited, next]), 'waited');
  assert.equal(await next, 'next');
  assert.equal(await outcomeOf(client.request('reject', { timeout: 10_000 })), 'ERR_ALPC_CANCELED');
  await until('it is told', () => crashes.length > 0);
  assert.deepEqual(crashes, ['as ordered']);
});

test("what a handler's module and the pool's user post to each other is theirs alone, and so is workerData", async (t) => {
  const code = `
    import { parentPort, workerData } from 'node:worker_threads';
    parentPort.on('message', (told) => parentPort.postMessage(told));
    export default (message) => void (message.type === 'request' && message.reply(structuredClone(workerData).data));`;
  const { client, pool } = await serve(t, { worker: `data:text/javascript,${encodeURIComponent(code)}`, workerData: 'given' });
  const [worker] = pool.workers;
  const words = [null, undefined, 5, 'leave', 'may leave', { alpcPool: 'left' }, { alpcPool: 'ready', seat: 7 }];
  const echoes: unknown[] = [];
  worker!.on('message', (told) => echoes.push(told));
  for (const word of words) worker!.postMessage(word); // oxlint-disable-line unicorn/require-post-message-target-origin
  await until('they are back', () => echoes.length === words.length);
  assert.deepEqual(echoes, words);
  assert.equal(await ask(client, ''), 'given');
  assert.deepEqual([pool.statistics().started, pool.statistics().retired], [1, 0]);
});

test('a module that throws while it loads is told at once, also when it listens to uncaught exceptions and has more to do', async (t) => {
  const code = `process.on('uncaughtException', () => {}); setInterval(() => {}, 1000); throw new Error('not today');`;
  const { pool } = await serve(t, { worker: `data:text/javascript,${encodeURIComponent(code)}` });
  const [error] = (await once(pool, 'crash')) as [Error];
  assert.equal(error.message, 'not today');
});

test('a handler that can not be loaded is told, and tried again later and later', async (t) => {
  const { pool } = await serve(t, { worker: 'data:text/javascript,export const nothing = 1;' });
  const [error] = (await once(pool, 'crash')) as [Error];
  assert.match(error.message, /no handler as its default export/);
  await once(pool, 'crash');
  await pool.close();
});

test('close drains: what was sent before is answered, and all threads leave', async (t) => {
  const { client, pool, completions } = await serve(t, { minThreads: 2, maxThreads: 2 });
  const replies = numbers(50).map((number) => ask(client, `sleep ${number % 5}`));
  await until('they are queued', () => completions.info().queued === 50);
  const closed = once(pool, 'close');
  await pool.close();
  await closed;
  assert.equal(pool.statistics().threads, 0);
  assert.equal((await Promise.all(replies)).length, 50);
  assert.equal(completions.info().running, 0);
});

test('close with a timeout terminates what does not end, and its callers are told', async (t) => {
  const { client, pool } = await serve(t);
  const outcome = outcomeOf(client.request('spin 1000000'));
  await until('it is busy', () => pool.statistics().busy === 1);
  await pool.close({ timeout: 10 });
  assert.equal(await outcome, 'ERR_ALPC_CANCELED');
});

test('a pool of a completion port that is closed has no threads any more', async (t) => {
  const { pool, completions } = await serve(t, { minThreads: 2 });
  await until('they are there', () => completions.info().waiting === 2);
  completions.close();
  await until('they are gone', () => pool.statistics().threads === 0);
  await pool.close();
  assert.equal(pool.statistics().crashed, 0);
});

test('the event thread tells of every thread, also of the first ones, before anything that it posts', async (t) => {
  const code = `
    import { parentPort } from 'node:worker_threads';
    parentPort.postMessage('as I load');
    export default () => {};`;
  const completions = new CompletionPort();
  atEnd(t, () => completions[Symbol.dispose]());
  const posted: unknown[] = [];
  const pool = new ThreadPool({ worker: `data:text/javascript,${encodeURIComponent(code)}`, completions, minThreads: 2 });
  const told: Worker[] = [];
  pool.on('thread', (worker) => {
    told.push(worker);
    worker.on('message', (word) => posted.push(word));
  });
  blockFor(500); // both have posted by then
  await until('both are heard', () => posted.length === 2);
  assert.deepEqual([told, posted], [pool.workers, ['as I load', 'as I load']]);
  await pool.close();
});

test('bad options are refused by name, and no thread is started', async (t) => {
  const completions = new CompletionPort();
  atEnd(t, () => completions[Symbol.dispose]());
  const good = { worker: HANDLER, completions };
  const refused = (name: string, options: unknown): void => assert.throws(() => new ThreadPool(options as ThreadPoolOptions), failsWith('ERR_ALPC_INVALID_ARGUMENT', new RegExp(`^argument '${name}'`)));
  for (const options of [null, 5, { ...good, worker_: 1 }]) refused('options', options);
  for (const worker of [undefined, 5, {}]) refused('options.worker', { ...good, worker });
  for (const value of [undefined, {}, completions.handle]) refused('options.completions', { ...good, completions: value });
  for (const minThreads of [-1, 1.5, 257, '1', 2n, NaN, Symbol('two'), null]) {
    refused('options.minThreads', { ...good, maxThreads: 256, minThreads });
    assert.throws(() => new ThreadPool({ ...good, minThreads: minThreads as number }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /^argument 'options.minThreads' must be an integer from 0 to 256/));
  }
  refused('options.minThreads', { ...good, minThreads: 3, maxThreads: 2 });
  for (const maxThreads of [0, 1.5, 257, '1']) refused('options.maxThreads', { ...good, maxThreads });
  for (const max of [0, 1.5, 65_537, '1']) refused('options.max', { ...good, max });
  for (const idleTimeout of [0, -1, 1.5, 2 ** 31, '1']) refused('options.idleTimeout', { ...good, idleTimeout });
  for (const startTimeout of [0, -1, 1.5, 2 ** 31, '1']) refused('options.startTimeout', { ...good, startTimeout });
  const pool = new ThreadPool({ ...good, minThreads: 0 });
  assert.throws(() => void pool.close({ timeout: -1 }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /^argument 'options.timeout'/));
  assert.equal(pool.statistics().started, 0);
  await pool.close();
});
