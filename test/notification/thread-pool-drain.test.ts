/**
 * What a pool serves before it closes: all that was sent to the ports when `close` was called, wherever it lies. Only the thread that owns a port can see into its
 * rings, so each is asked.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { CompletionPort, connectPort, createPort, removeObject, type ServerPort, ThreadPool } from '../../src/index.js';
import { blockFor, numbers, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';

const NAME = '\\RPC Control\\drained';
const KIB = 1024;

// What a thread had mapped stays mapped when it has been terminated: nobody is left to unmap it.
withLedger({ except: ['mappings'] });

/** Counts the datagrams that it takes. */
const COUNTING = `
  import { workerData } from 'node:worker_threads';
  export default function handle(message) {
    if (message.type === 'datagram') Atomics.add(workerData.data, 0, 1);
    if (message.type === 'request') message.reply('here');
  }`;

interface Counted {
  readonly completions: CompletionPort;
  readonly pool: ThreadPool;
  /** Datagrams that were served. */
  readonly served: () => number;
}

function count(t: TestContext, packetBytes = 256 * KIB): Counted {
  const completions = new CompletionPort({ concurrency: 2, packetBytes });
  atEnd(t, () => completions[Symbol.dispose]());
  const words = new Int32Array(new SharedArrayBuffer(4));
  const pool = new ThreadPool({ worker: `data:text/javascript,${encodeURIComponent(COUNTING)}`, completions, workerData: words });
  atEnd(t, () => pool.close({ timeout: 10_000 }));
  return { completions, pool, served: () => Atomics.load(words, 0) };
}

/** Sends until there is no room, and tells how many went. */
function fill(port: Pick<ServerPort, 'tryPost'>): number {
  let sent = 0;
  while (port.tryPost(Buffer.alloc(1000)) === 'sent') sent++;
  return sent;
}

/** A thread with a port there, that blocks for so many milliseconds when it is told to, event loop and all. */
async function startOwner(t: TestContext, { completions }: Counted): Promise<Worker> {
  const code = `
    import { parentPort, workerData } from 'node:worker_threads';
    import { CompletionPort, createPort } from '${new URL('../../src/index.js', import.meta.url).href}';
    const port = await createPort(workerData.name);
    port.associate(CompletionPort.open(workerData.handle), 1);
    parentPort.on('message', (milliseconds) => {
      parentPort.postMessage('blocks');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
    });
    parentPort.postMessage('up');`;
  const owner = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), { workerData: { name: NAME, handle: completions.handle } });
  atEnd(t, async () => {
    await owner.terminate();
    removeObject(NAME);
  });
  await once(owner, 'message');
  return owner;
}

async function block(owner: Worker, milliseconds: number): Promise<void> {
  owner.postMessage(milliseconds); // oxlint-disable-line unicorn/require-post-message-target-origin
  await once(owner, 'message');
}

test('close serves all that was sent before, also what lies in the rings of ports still, and more than there is room for in packets', async (t) => {
  temporaryRoot(t);
  const { completions, pool, served } = count(t);
  await using port = await createPort(NAME);
  port.associate(completions, 1);
  const clients = await Promise.all(numbers(4).map(() => connectPort(NAME)));
  for (const client of clients) await client.request('are you there?');
  const sent = clients.map(fill).reduce((sum, count) => sum + count, 0);
  assert.ok(sent * 1000 > 256 * KIB);
  await pool.close();
  assert.deepEqual([served(), completions.info().queuedBytes, pool.statistics().threads], [sent, 0, 0]);
  for (const client of clients) client.close();
});

test("close serves what was sent to a client's port that is associated, too", async (t) => {
  temporaryRoot(t);
  const { completions, pool, served } = count(t);
  await using port = await createPort(NAME);
  using client = await connectPort(NAME);
  client.associate(completions, 1);
  await until('a thread is there', () => completions.info().waiting === 1);
  const sent = fill(port.connections[0]!);
  const closed = pool.close();
  blockFor(100); // a thread that had been told to leave would have left
  await closed;
  assert.equal(served(), sent);
});

test('close waits for an owner of ports whose event loop is busy, and serves what came to it', async (t) => {
  temporaryRoot(t, { leftovers: true });
  const counted = count(t);
  const owner = await startOwner(t, counted);
  await using client = await connectPort(NAME);
  await client.request('are you there?');
  await block(owner, 300);
  const sent = fill(client);
  await counted.pool.close();
  assert.equal(counted.served(), sent);
});

test('close waits for an owner of ports whose event loop never turns until its timeout, or until the owner ends', async (t) => {
  for (const how of ['timeout', 'end'] as const) {
    await t.test(how, async (t) => {
      temporaryRoot(t, { leftovers: true });
      const counted = count(t);
      const owner = await startOwner(t, counted);
      await using client = await connectPort(NAME);
      await client.request('are you there?');
      await block(owner, 2 ** 31 - 1);
      fill(client);
      if (how === 'timeout') return counted.pool.close({ timeout: 50 });
      let isOver = false;
      const closed = counted.pool.close().then(() => (isOver = true));
      await new Promise((resolve) => void setTimeout(resolve, 50));
      assert.equal(isOver, false);
      await owner.terminate();
      await closed;
    });
  }
});
