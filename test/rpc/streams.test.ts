/** Streams in both directions: order, ends, errors, credit, cancellation, abandonment. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { bind, call, defineInterface, RemoteError, serve, stream, type } from '../../src/rpc/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { failsWith, local, remote, until } from './expect.js';
import { Spooler } from './spooler.js';

withLedger();

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

const range = (to: number): number[] => Array.from({ length: to }, (_, i) => i);

test('items arrive in order, all of them, however many', async (t) => {
  const { client } = await local(t);
  for (const to of [0, 1, 2, 1000, 50_000]) assert.deepEqual(await collect(client.count({ to })), range(to));
  assert.deepEqual(await collect(client.count({ to: 3, pause: 5 })), [0, 1, 2]);
});

test('items as long as a message arrive, and longer ones', async (t) => {
  const { client } = await local(t);
  for (const length of [30_000, 32_760, 40_000, 65_000, 65_485, 65_486, 65_535, 65_536, 65_537, 1_000_000]) {
    const items = await collect(client.blobs({ count: 7, length }));
    assert.deepEqual(items.map((item) => [item.length, item[0]]), range(7).map((i) => [length, i]), String(length));
  }
});

test('a hundred streams side by side do not mix', async (t) => {
  const { client } = await local(t);
  const all = await Promise.all(range(100).map((i) => collect(client.count({ to: i * 10 }))));
  all.forEach((items, i) => assert.deepEqual(items, range(i * 10)));
});

test('the client sends items, the server sends items, and neither waits for the end of the other', async (t) => {
  const { client } = await local(t);
  assert.deepEqual(await collect(client.upper('> ', { items: ['a', 'b'] })), ['> A', '> B']);
  let goOn!: () => void;
  const answered = new Promise<void>((resolve) => (goOn = resolve));
  async function* source(): AsyncGenerator<string> {
    yield 'first';
    await answered;
    yield 'second';
  }
  const words = client.upper('', { items: source() });
  assert.equal((await words.next()).value, 'FIRST');
  goOn();
  assert.equal((await words.next()).value, 'SECOND');
  assert.equal((await words.next()).done, true);
  const many = range(20_000).map(String);
  assert.equal((await collect(client.upper('', { items: many }))).length, 20_000);
});

test('an error of the server comes after the items before it, and ends the stream', async (t) => {
  const { client } = await local(t);
  const seen: number[] = [];
  await assert.rejects(
    (async () => {
      for await (const i of client.count({ to: 10, failAt: 5 })) seen.push(i);
    })(),
    (error) => error instanceof RemoteError && error.message === 'no 5' && error.remoteStack !== undefined,
  );
  assert.deepEqual(seen, range(5));
});

test('an error of the source of the client fails the handler, which fails the stream', async (t) => {
  const { client } = await local(t);
  const seen: string[] = [];
  await assert.rejects(
    (async () => {
      for await (const word of client.upper('', { items: (function* () { yield 'a'; throw new Error('the source is dry'); })() })) seen.push(word); // prettier-ignore
    })(),
    /the source is dry/,
  );
  assert.deepEqual(seen, ['A']);
});

test('a slow reader holds its writer back: what is produced ahead is bounded by the window', async (t) => {
  temporaryRoot(t);
  let produced = 0;
  const Flood = defineInterface({ name: 'flood', version: '1.0' }, { flood: stream<void, Uint8Array>(), sink: stream({ output: type<number>(), items: type<Uint8Array>() }) });
  async function* flood(): AsyncGenerator<Uint8Array> {
    for (;;) {
      produced++;
      yield new Uint8Array(1000);
    }
  }
  let release: () => void;
  const released = new Promise<void>((resolve) => (release = resolve));
  const server = await serve(Flood, {
    flood,
    async *sink(_, __, items) {
      await released;
      let count = 0;
      for await (const item of items) count += item.length;
      yield count;
    },
  }, { endpoint: 'flood' }); // prettier-ignore
  atEnd(t, () => server.close());
  const client = await bind(Flood, 'flood');
  atEnd(t, () => client.close());
  const slow = client.flood();
  for (let i = 0; i < 10; i++) assert.equal((await slow.next()).value?.length, 1000);
  await sleep(50);
  assert.ok(produced < 150, `${produced} were produced`);
  await slow.return?.();
  produced = 0;
  let sent = 0;
  const sunk = client.sink(undefined, { items: (function* () { for (; sent < 500; sent++) yield new Uint8Array(1000); })() }); // prettier-ignore
  await sleep(50);
  assert.ok(sent < 150, `${sent} were sent`);
  release!();
  assert.deepEqual(await collect(sunk), [500_000]);
});

test('who leaves a stream ends it: the handler is told, and the connection goes on', async (t) => {
  const { client, journal } = await local(t);
  for await (const i of client.count({ to: 1_000_000 })) if (i === 3) break;
  await until('the generator has ended', () => journal.includes('count is over'));
  const idle = client.count({ to: 1, pause: 10_000 });
  await idle.return?.();
  assert.deepEqual(await idle.next(), { done: true, value: undefined });
  assert.deepEqual(await collect(client.count({ to: 3 })), [0, 1, 2]);
});

test('a signal or a timeout ends a stream with its reason', async (t) => {
  const { client } = await local(t);
  const controller = new AbortController();
  const stopped = client.count({ to: 5, pause: 10_000 }, { signal: controller.signal });
  setTimeout(() => controller.abort(new Error('enough')), 10);
  await assert.rejects(collect(stopped), /enough/);
  await assert.rejects(collect(client.count({ to: 5, pause: 10_000 }, { timeout: 20 })), failsWith('ERR_ALPC_TIMEOUT'));
  assert.throws(() => client.count({ to: 1 }, { signal: AbortSignal.abort(new Error('before')) }), /before/);
});

test('a handler that does not read its items stops their source, even one that never yields again', async (t) => {
  const { client } = await local(t);
  let ended = 0;
  const items = {
    [Symbol.asyncIterator]: () => ({
      next: () => (ended === 0 ? Promise.resolve({ done: false as const, value: 1 }) : new Promise<never>(() => {})),
      return: () => {
        ended++;
        return Promise.resolve({ done: true as const, value: undefined });
      },
    }),
  };
  assert.deepEqual(await collect(client.ignore(2, { items })), [0, 1]);
  await until('the source was told', () => ended === 1);
});

test('calls and streams go on side by side, and blocking calls too', async (t) => {
  await remote(t);
  const client = await bind(Spooler, 'spooler');
  atEnd(t, () => client.close());
  const seen: number[] = [];
  for await (const i of client.count({ to: 2000 })) {
    seen.push(i);
    if (i % 100 === 0) assert.equal(client.add.sync([i, 1]), i + 1);
    if (i % 150 === 0) assert.equal(await client.add([i, 2]), i + 2);
  }
  assert.deepEqual(seen, range(2000));
});

test('a stream whose server is killed fails, after what had come', async (t) => {
  const actor = await remote(t);
  const client = await bind(Spooler, 'spooler');
  atEnd(t, () => client.close());
  const items = client.count({ to: 1_000_000, pause: 1 });
  assert.equal((await items.next()).value, 0);
  await actor.kill();
  await assert.rejects(collect(items), failsWith('ERR_ALPC_MESSAGE_LOST'));
});

test('a client that goes away in the middle ends the handlers of its streams', async (t) => {
  const { client, journal, server } = await local(t);
  const items = client.count({ to: 1_000_000, pause: 1 });
  await items.next();
  client.close();
  await assert.rejects(collect(items));
  await until('the generator has ended', () => journal.includes('count is over'));
  await until('nothing is left of it', () => server.connections === 0);
});

test('more streams than the limit are refused one by one', async (t) => {
  const { client } = await local(t, { limits: { streams: 2 } });
  const open = [client.count({ to: 1, pause: 10_000 }), client.count({ to: 1, pause: 10_000 })];
  const first = open.map((items) => items.next());
  await assert.rejects(collect(client.count({ to: 1 })), failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
  for (const items of open) await items.return?.();
  await Promise.all(first);
  await until('there is room again', async () => (await collect(client.count({ to: 1 })).catch(() => [])).length === 1);
});

test('an item that does not fit its schema fails the stream at who reads it', async (t) => {
  temporaryRoot(t);
  const even = { '~standard': { version: 1 as const, vendor: 'test', validate: async (value: unknown) => (Number(value) % 2 === 0 ? { value: Number(value) / 2 } : { issues: [{ message: 'odd', path: ['n'] }] }) } };
  const Even = defineInterface({ name: 'even', version: '1.0' }, { half: stream({ input: even, output: even }), whole: call({ input: even }) });
  const server = await serve(Even, { half: (n) => [0, 2 * Number(n), 1], whole: () => {} }, { endpoint: 'even' });
  atEnd(t, () => server.close());
  using client = await bind(Even, 'even');
  const seen: unknown[] = [];
  await assert.rejects(
    (async () => {
      for await (const item of client.half(8)) seen.push(item);
    })(),
    /n: odd/,
  );
  assert.deepEqual(seen, [0, 4]);
  await assert.rejects(client.whole(1), failsWith('ERR_ALPC_BAD_VALUE'));
  await assert.rejects(collect(client.half(1)), failsWith('ERR_ALPC_BAD_VALUE'));
});
