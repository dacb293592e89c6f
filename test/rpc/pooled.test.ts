/** Streams and context handles whose handlers are in the threads of a pool. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, threadId } from 'node:worker_threads';
import { CompletionPort, connectPort, ThreadPool } from '../../src/index.js';
import { bind, type Client, ContextHandle, Fault, pooled, RemoteError, serve, type Server, type ServeOptions } from '../../src/rpc/index.js';
import { Codec } from '../../src/rpc/codec.js';
import { Flag, header, Kind } from '../../src/rpc/frame.js';
import { DEFAULT_BOUNDS } from '../../src/rpc/value-encoder.js';
import { atEnd } from '../support/at-end.js';
import { times } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { failsWith, until } from './expect.js';
import { Other, Threads } from './threads.js';

withLedger({ except: ['resources'] });

interface Here {
  pool: ThreadPool;
  server: Server;
  client: Client<(typeof Threads)['methods']>;
  journal: () => string[];
  crashes: Error[];
  faults: unknown[];
}

async function threads(t: TestContext, { threads: count = 2, idleTimeout = 10_000, minThreads = count, ...options }: ServeOptions & { threads?: number; idleTimeout?: number; minThreads?: number } = {}): Promise<Here> {
  temporaryRoot(t);
  const directory = mkdtempSync(join(tmpdir(), 'pooled-'));
  const file = join(directory, 'journal');
  const completions = new CompletionPort({ concurrency: count });
  const pool = new ThreadPool({ worker: new URL('./threads-handler.js', import.meta.url), completions, minThreads, maxThreads: count, idleTimeout, workerData: file });
  const crashes: Error[] = [];
  const faults: unknown[] = [];
  pool.on('crash', (error) => crashes.push(error));
  const server = await serve([pooled(Threads, pool), pooled(Other, pool)], { endpoint: 'threads', ...options });
  server.on('fault', (error) => faults.push(error));
  const client = await bind(Threads, 'threads');
  atEnd(t, async () => {
    client.close();
    await server.close();
    await pool.close();
    completions.close();
    completions.leave();
    rmSync(directory, { recursive: true });
  });
  return { pool, server, client, crashes, faults, journal: () => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []) };
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

const range = (to: number): number[] => Array.from({ length: to }, (_, i) => i);
const MIB = 1024 * 1024;

test('a handler in a thread is told the groups of its caller', async (t) => {
  const groups = process.getgroups!();
  if (process.geteuid!() === 0 && isMainThread) {
    process.setgroups!([54_321, 54_322]); // root alone may, in its main thread, and seldom has any but its own
    t.after(() => process.setgroups!(groups));
  }
  const { client } = await threads(t);
  const own = process.getegid!(); // Node counts it to the groups, the kernel need not
  assert.deepEqual(new Set([own, ...(await client.who()).groups]), new Set([own, ...process.getgroups!()]));
});

test('calls, one-way calls and errors of pooled interfaces are those of handlers here, and long values go', async (t) => {
  const { client, journal, server } = await threads(t);
  assert.notEqual(await client.where(), threadId);
  assert.equal((await client.who()).uid, process.getuid!());
  const value = { map: new Map([[1, new Uint8Array(1000)]]), big: new Uint8Array(3 * MIB).fill(9), text: 'é'.repeat(50_000) };
  assert.deepEqual(await client.echo(value), value);
  assert.deepEqual(await Promise.all(range(200).map((i) => client.echo(i))), range(200));
  await assert.rejects(client.fail('fault'), (error) => Fault.is(error, 'broken') && error.data === 7);
  await assert.rejects(client.fail('error'), (error) => error instanceof RemoteError && error.remoteName === 'RangeError' && /fail/.test(error.remoteStack!));
  await assert.rejects(client.fail('handle'), failsWith('ERR_ALPC_CONTEXT_MISMATCH'));
  await assert.rejects(client.back(), (error) => failsWith('ERR_ALPC_INVALID_ARGUMENT')(error) && /by implement\(\)/.test((error as Error).message));
  await client.note('a word');
  await until('the word is there', () => journal().includes('a word'));
  assert.equal(server.figures.active, 0);
});

test('streams of threads have items of all lengths, errors behind them, and any number side by side', async (t) => {
  const { client } = await threads(t, { threads: 3 });
  for (const to of [0, 1, 1000, 30_000]) assert.deepEqual(await collect(client.count({ to })), range(to));
  for (const length of [10_000, 65_000, 65_486, 65_536, MIB]) {
    assert.deepEqual((await collect(client.blobs({ count: 7, length }))).map((item) => [item.length, item[length - 1]]), range(7).map((i) => [length, i]), String(length));
  }
  assert.deepEqual(await Promise.all(range(30).map((i) => collect(client.count({ to: i * 10 })))), range(30).map((i) => range(i * 10)));
  const seen: number[] = [];
  await assert.rejects((async () => { for await (const i of client.count({ to: 10, failAt: 5 })) seen.push(i); })(), (error) => error instanceof RemoteError && error.message === 'no 5'); // prettier-ignore
  assert.deepEqual(seen, range(5));
});

test('a client sends items to a thread, long and short, as it takes them', async (t) => {
  const { client } = await threads(t);
  const words = range(20_000).map((i) => `word ${i}`);
  assert.deepEqual(await collect(client.upper('> ', { items: words })), words.map((word) => `> ${word.toUpperCase()}`));
  const items = [1, new Uint8Array(MIB).fill(1), 'two', new Uint8Array(200_000).fill(2), { three: new Uint8Array(70_000) }];
  assert.deepEqual(await collect(client.echoes(undefined, { items })), items);
  await assert.rejects(collect(client.upper('', { items: (function* () { yield 'a'; throw new Error('the source is dry'); })() })), /the source is dry/); // prettier-ignore
  let taken = 0;
  const deaf = client.deaf(undefined, { items: (function* () { for (;;) { taken++; yield new Uint8Array(1000); } })() }); // prettier-ignore
  assert.equal((await deaf.next()).value, 1);
  await sleep(50);
  assert.ok(taken < 150, `${taken} were taken from the source`);
  await deaf.return?.();
});

test('a caller that gives up is heard by its handler in the thread: of a call, of a stream, and when it goes away', async (t) => {
  const { client, journal } = await threads(t, { threads: 4 });
  const controller = new AbortController();
  const waiting = client.wait('one', { signal: controller.signal });
  await until('it has begun', () => journal().includes('one waits'));
  controller.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
  await until('it is told', () => journal().includes('one was given up'));
  for await (const i of client.count({ to: Infinity, journal: 'two' })) if (i === 3) break;
  await until('the stream is told', () => journal().includes('two is over, given up'));
  const other = await bind(Threads, 'threads');
  const left = other.count({ to: Infinity, journal: 'three' });
  await left.next();
  const call = other.wait('four');
  await until('it has begun', () => journal().includes('four waits'));
  other.close();
  await Promise.allSettled([call, collect(left)]);
  await until('both are told', () => journal().includes('four was given up') && journal().includes('three is over, given up'));
});

test('calls with a context handle go to the thread that has its state, and its rundown runs once, there, when the client goes', async (t) => {
  const { client, journal, server } = await threads(t, { threads: 3 });
  const other = await bind(Threads, 'threads');
  const opened = await Promise.all(range(30).map((i) => other.open(`state ${i}`)));
  for (const text of ['a', 'b', 'c']) {
    const answers = await Promise.all(opened.map(({ handle }) => other.add({ handle, text })));
    assert.deepEqual(answers.map(({ thread }) => thread), opened.map(({ thread }) => thread));
  }
  assert.equal((await other.add({ handle: opened[0]!.handle, text: 'd' })).text, 'a b c d');
  await assert.rejects(client.add({ handle: opened[0]!.handle, text: 'not its own' }), failsWith('ERR_ALPC_CONTEXT_MISMATCH'));
  await assert.rejects(client.add({ handle: new ContextHandle('00'.repeat(20)), text: 'nobody gave it' }), failsWith('ERR_ALPC_CONTEXT_MISMATCH'));
  assert.equal(await other.shut(opened[1]!.handle), 'state 1');
  await assert.rejects(other.add({ handle: opened[1]!.handle, text: 'closed' }), failsWith('ERR_ALPC_CONTEXT_MISMATCH'));
  const elsewhere = opened.slice(2).find(({ thread }) => thread !== opened[0]!.thread);
  if (elsewhere !== undefined) await assert.rejects(other.add({ handle: opened[0]!.handle, other: elsewhere.handle, text: 'both' }), (error) => failsWith('ERR_ALPC_CONTEXT_MISMATCH')(error) && /different threads/.test((error as Error).message));
  assert.deepEqual(journal(), []);
  other.close();
  await until('all have run down', () => journal().length >= 29);
  await sleep(50);
  const expected = opened.flatMap(({ thread }, i) => (i === 1 ? [] : [`run down: state ${i} of ${i === 0 ? 4 : 3} in ${thread}`]));
  assert.deepEqual(journal().toSorted(), expected.toSorted());
  await until('it is forgotten', () => server.connections === 1);
});

test('a handle of one interface is none of another, and more than the limit are refused and run down', async (t) => {
  const { client, journal } = await threads(t, { limits: { handles: 3 } });
  const other = await bind(Other, 'threads');
  atEnd(t, () => other.close());
  const { handle } = await client.open('first');
  await assert.rejects(other.use(handle), failsWith('ERR_ALPC_CONTEXT_MISMATCH'));
  await client.open('second');
  await client.open('third');
  await assert.rejects(client.open('fourth'), failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
  await until('the fourth has run down', () => journal().some((line) => line.startsWith('run down: fourth of 0')));
  await client.shut(handle);
  await client.open('fifth');
});

test('calls of a thread that crashes are ERR_ALPC_CANCELED, its handles are gone without a rundown, and others go on', async (t) => {
  const { client, crashes, journal } = await threads(t, { threads: 2 });
  for (let i = 1; i <= times(2, 50); i++) {
    const { handle } = await client.open('lost');
    await assert.rejects(client.crash(handle), failsWith('ERR_ALPC_CANCELED'));
    await until('it has crashed', () => crashes.length === 2 * i - 1);
    await assert.rejects(client.add({ handle, text: 'x' }), failsWith('ERR_ALPC_CONTEXT_MISMATCH'));
    await assert.rejects(client.crash(undefined), failsWith('ERR_ALPC_CANCELED'));
    await until('another has', () => crashes.length === 2 * i);
  }
  assert.deepEqual(await collect(client.count({ to: 100 })), range(100));
  assert.deepEqual(journal(), []);
});

test('a thread that crashes while it streams ends the stream with ERR_ALPC_CANCELED', async (t) => {
  const { client, pool } = await threads(t, { threads: 1 });
  const items = client.count({ to: Infinity });
  assert.equal((await items.next()).value, 0);
  await pool.workers[0]!.terminate();
  await assert.rejects(collect(items), failsWith('ERR_ALPC_CANCELED'));
  assert.deepEqual(await collect(client.count({ to: 3 })), range(3));
});

test('a thread that holds handles does not leave for being idle, and one that has none does', async (t) => {
  const { client, pool, journal } = await threads(t, { threads: 2, minThreads: 0, idleTimeout: 20 });
  const { handle, thread } = await client.open('kept');
  await sleep(150);
  assert.equal(pool.statistics().threads, 1);
  assert.equal((await client.add({ handle, text: 'x' })).thread, thread);
  await client.shut(handle);
  await until('it has left', () => pool.statistics().threads === 0);
  assert.deepEqual(journal(), []);
  assert.equal(await client.echo(5), 5);
});

test('a pool that is closed runs its handles down, and calls that no thread took are ERR_ALPC_CANCELED', async (t) => {
  const { client, pool, journal } = await threads(t);
  await client.open('open still');
  const running = client.spin(100);
  await until('it runs', () => pool.statistics().busy > 0);
  await pool.close();
  await running; // what had begun was waited for
  assert.equal(journal().filter((line) => line.startsWith('run down: open still')).length, 1);
  await assert.rejects(client.echo(1), failsWith('ERR_ALPC_CANCELED'));
});

test('a pool that is closed while the module of its handlers loads, after poolHandler, lets its threads leave', async (t) => {
  const words = new Int32Array(new SharedArrayBuffer(4));
  const code = `
    import { workerData } from 'node:worker_threads';
    import { defineInterface, implement, poolHandler } from '${new URL('../../src/rpc/index.js', import.meta.url).href}';
    const handler = poolHandler([implement(defineInterface({ name: 'late', version: '1.0' }, {}), {})]);
    Atomics.store(workerData.data, 0, 1);
    await new Promise((resolve) => setTimeout(resolve, 200));
    export default handler;`;
  const completions = new CompletionPort();
  const pool = new ThreadPool({ worker: `data:text/javascript,${encodeURIComponent(code)}`, completions, minThreads: 1, workerData: words });
  atEnd(t, () => completions[Symbol.dispose]());
  await until('it has made its handler', () => Atomics.load(words, 0) === 1);
  await pool.close({ timeout: 10_000 });
  assert.deepEqual([pool.statistics().retired, pool.statistics().crashed], [1, 0]);
});

test('a peer that sends a thread more items than its credit, or gives credit for nothing, loses its connection', async (t) => {
  const { client, faults } = await threads(t);
  const codec = new Codec(DEFAULT_BOUNDS);
  for (const frames of [range(3).map(() => Buffer.concat([header(Kind.items, Flag.opener, 0, 1, 0), new Uint8Array(60_000)])), [header(Kind.credit, Flag.opener, 0, 1, 1000)]]) {
    const port = await connectPort('\\RPC Control\\threads');
    atEnd(t, () => port.close());
    const { data } = await port.request(codec.frame(Kind.bind, 0, 0, 0, 0, { name: 'threads', version: '1.0', methods: [['deaf', 'stream']] }));
    const [deaf] = (codec.value(data) as { procedures: number[] }).procedures;
    port.request(codec.frame(Kind.stream, 0, deaf!, 1, 0xffff_ffff, undefined)).catch(() => {});
    await sleep(50);
    for (const frame of frames) await port.post(frame).catch(() => {});
    await until('it is ended', () => port.closed);
  }
  assert.equal(faults.filter(failsWith('ERR_ALPC_PROTOCOL')).length, 2);
  assert.equal(await client.echo(1), 1);
});

test('interceptors of the server are refused for pooled interfaces: they would not be asked', async (t) => {
  temporaryRoot(t);
  const completions = new CompletionPort();
  const pool = new ThreadPool({ worker: new URL('./threads-handler.js', import.meta.url), completions, minThreads: 0 });
  await assert.rejects(serve([pooled(Threads, pool)], { endpoint: 'x', interceptors: [(_, next) => next()] }), failsWith('ERR_ALPC_INVALID_ARGUMENT'));
  await pool.close();
  completions.close();
  completions.leave();
});
