/** How a port waits: by clocks that nobody can set, and never by stopping the event loop of a main thread. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { connectPort, connectPortSync, createPort } from '../../src/index.js';
import { closeDescriptor, libc } from '../../src/platform/system.js';
import { failsWith } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { NAME, serve, serveByHand } from './meeting.js';
import { type HandPeer, RECORD_TYPE } from './peer.js';
import { connectTo, makeSocket } from './raw.js';

withLedger({ except: ['mappings'] }); // what a worker mapped goes with the process

const src = fileURLToPath(new URL('../../../src/', import.meta.url));

/** Places in src/ where this is said, in code. */
function saidIn(pattern: RegExp): string[] {
  return readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .flatMap((path) => readFileSync(join(src, path), 'utf8').split('\n').filter((line) => pattern.test(line) && !/^\s*(\*|\/)/.test(line)).map((line) => `${path}: ${line.trim()}`))
    .toSorted();
}

/** From now on each look at the wall clock is an hour early or an hour late. */
function shakeClock(t: TestContext): void {
  const RealDate = Date;
  const { now } = Date;
  let looks = 0;
  const shaken = (): number => now() + (++looks % 2 === 0 ? 3_600_000 : -3_600_000);
  Date.now = shaken;
  atEnd(t, () => {
    RealDate.now = now;
  });
}

test('B28: every timeout is kept while the wall clock jumps by an hour, forth and back', async (t) => {
  const { connect, listener } = serveByHand(t);
  shakeClock(t);
  const [client, hand] = await connect({ timeout: 10_000, limits: { ringLength: 4096 } });
  const timedOut = failsWith('ERR_ALPC_TIMEOUT');
  const takes = async (wait: () => Promise<void> | void): Promise<void> => {
    const start = performance.now();
    await wait();
    const taken = performance.now() - start;
    assert.ok(taken > 38 && taken < 10_000, `${taken} ms for a timeout of 40`);
  };
  const soon = { timeout: 40 };
  await takes(() => assert.rejects(client.request('', soon), timedOut));
  await takes(() => assert.throws(() => client.requestSync('', soon), timedOut));
  await takes(() => assert.rejects(client.receive(soon), timedOut));
  await takes(() => assert.throws(() => client.receiveSync(soon), timedOut));
  while (client.tryPost(Buffer.alloc(500)) === 'sent');
  await takes(() => assert.rejects(client.post(Buffer.alloc(500), soon), timedOut));
  await takes(() => assert.throws(() => client.postSync(Buffer.alloc(500), soon), timedOut));
  const silent = listener.accept(); // and says nothing
  await takes(() => assert.rejects(connectPort(NAME, soon), timedOut));
  await takes(() => assert.throws(() => connectPortSync(NAME, soon), timedOut));
  (await silent).close();
  const port = await createPort('\\RPC Control\\by the clock', soon);
  await takes(() => assert.rejects(port.receive(soon), timedOut));
  await takes(() => assert.throws(() => port.receiveSync(soon), timedOut));
  await port.close();
  while (hand.take() !== undefined);
  assert.equal(client.closed, false);
});

/** What keeps somebody else's server looking at its sockets. */
const disturbances: Record<string, (peer: HandPeer, path: string) => void> = {
  rings: (peer) => void peer.ring(),
  'connects and leaves': (_, path) => {
    const socket = makeSocket();
    connectTo(socket, path);
    closeDescriptor(socket);
  },
};

for (const [does, disturb] of Object.entries(disturbances)) {
  test(`a blocking receive gives up when its time is over, though somebody ${does} before each of its looks at the sockets`, async (t) => {
    const { port, path, peer } = await serve(t);
    const hostile = await peer();
    const wait = libc().epoll_wait.bind(libc());
    const disturbed = { looks: 0 };
    const MOST = 20_000;
    t.mock.method(libc(), 'epoll_wait', (...args: Parameters<typeof wait>) => {
      if (disturbed.looks++ < MOST) disturb(hostile, path);
      return wait(...args);
    });
    for (const timeout of [0, 5]) {
      disturbed.looks = 0;
      assert.throws(() => port.receiveSync({ timeout }), failsWith('ERR_ALPC_TIMEOUT'));
      assert.ok(disturbed.looks > 0 && disturbed.looks < MOST, `${disturbed.looks} looks in ${timeout} ms`);
    }
    hostile.send({ type: RECORD_TYPE.datagram, data: 'there when the time is over' });
    assert.equal(port.receiveSync({ timeout: 0 }).data.toString(), 'there when the time is over');
  });
}

/** What tells people when something was: inspection, and what it asks of the kernel. */
const FOR_PEOPLE = /^(?:explorer|cli)\/|^platform\/(?:processes|foreign-memory)\.ts: /;

test('B28: the wall clock is read for people alone: since when a thread waits, and when a name was made', () => {
  const said = saidIn(/\bDate\b|hrtime/).filter((line) => !FOR_PEOPLE.test(line));
  assert.deepEqual(said, [
    'memory/wait-page.ts: words[W.sinceSeconds] = (Date.now() / 1000) | 0;',
    'objects/namespace.ts: readonly created: Date;',
    'rpc/value-decoder.ts: return keep(new Date(this.#float64()));', // a value like others: no clock is read
  ]);
});

/** What waits for other threads of its own process, in memory that no other process has. */
const AMONG_THREADS = /^notification\/(?:completion-port|dispatch|drain-question|lane|request-table|seats|shared-lock|thread-pool)\.ts: /;

test('B36: no thread is stopped by Atomics.wait, and nothing rests on Atomics.waitAsync, which keeps no process alive: but in completion ports, among threads of one process, and never without a limit', () => {
  const waits = saidIn(/Atomics\s*\.\s*(wait|notify)/);
  assert.deepEqual(waits.filter((line) => !AMONG_THREADS.test(line)), []);
  for (const line of waits) if (line.includes('Atomics.wait(')) assert.match(line, /Atomics\.wait\((?:[^,]+, ){3}[^,]/, 'it has a limit');
});

test('B36: the event loop turns while calls, receives and connects are awaited', async (t) => {
  const { connect, listener } = serveByHand(t);
  const [client] = await connect();
  const silent = listener.accept();
  const waits = [client.request('', { timeout: 200 }), client.receive({ timeout: 200 }), connectPort(NAME, { timeout: 200 })].map((wait: Promise<unknown>) => wait.catch(() => {}));
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  await Promise.all(waits);
  clearInterval(timer);
  assert.ok(ticks > 10, `${ticks} ticks of a timer`);
  (await silent).close();
});

test('B36: a worker that awaits a reply, or a message, lives until it has come, and one whose port has no reference does not', async (t) => {
  const { port } = await serve(t);
  for (const [what, ends] of [['request', true], ['receive', true], ['request without reference', false]] as const) {
    const worker = new Worker(new URL('./waiting-worker.js', import.meta.url), { workerData: { name: NAME, what } });
    atEnd(t, () => worker.terminate());
    const told: unknown[] = [];
    worker.on('message', (news) => told.push(news));
    const exit = once(worker, 'exit');
    if (ends) {
      const message = await port.receive();
      await sleep(300); // nothing else keeps it alive meanwhile
      if (message.type === 'request') message.reply('answer');
      else if (message.type === 'datagram') await message.port.post('answer');
    }
    await exit;
    assert.deepEqual(told, ends ? ['answer'] : []);
    while (port.tryReceive() !== undefined);
  }
});
