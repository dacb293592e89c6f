/**
 * Views between processes: streams to one and to three readers, words that both sides count on, a reader or an owner that is killed, worker
 * threads, and a million views that leave nothing behind.
 */
import assert from 'node:assert/strict';
import { closeSync, readdirSync, readFileSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread } from 'node:worker_threads';
import { type ClientPort, connectPort, createPort, type Section } from '../../src/index.js';
import { pageSize } from '../../src/platform/descriptors.js';
import { atEnd } from '../support/at-end.js';
import { times } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';
import { type Actor, startActor } from '../support/processes.js';
import type { News as StaleNews, Order as StaleOrder } from './actors/stale-work.js';
import type { News, Order } from './actors/viewer.js';
import { failsWith, numbers, outcomeOf, until } from './expect.js';
import { NAME, ownRoot, startServer, stop } from './serving.js';

withLedger();

const PAGE = pageSize();
type Viewer = Actor<Order, News>;

async function viewer(t: TestContext): Promise<Viewer> {
  const actor = startActor<Order, News>(t, new URL('./actors/viewer.js', import.meta.url), [], {}, { watchdog: 600_000 });
  await actor.until('ready');
  return actor;
}

async function serving(t: TestContext, releases = true): Promise<Viewer> {
  ownRoot(t);
  const actor = await viewer(t);
  await actor.ask({ type: 'serve', name: NAME, releases }, 'done');
  return actor;
}

test('a stream through a pool of four regions arrives whole, in its order, each region with the bytes of its own message', async (t) => {
  const server = await serving(t);
  const client = await connectPort(NAME);
  atEnd(t, () => client.close());
  const pool = client.createSection(4 * 64 * PAGE);
  const count = 2000;
  for (const i of numbers(count)) {
    const view = i % 2 === 0 ? await pool.waitForView(64 * PAGE) : pool.waitForViewSync(64 * PAGE);
    view.bytes.fill(i & 0xff);
    await client.post(String(i), { view, autoRelease: true });
  }
  await client.request('');
  const seen = await server.ask({ type: 'look' }, 'seen');
  assert.deepEqual([seen.count, seen.wrong], [count, 0]);
  assert.deepEqual(seen.numbers, numbers(count));
  assert.equal(pool.free, pool.size);
});

test('a thread that blocks for a view that nobody gives back is told when its time is over, also behind one that awaits more than there is', async (t) => {
  await serving(t, false);
  const client = await connectPort(NAME);
  atEnd(t, () => client.close());
  const section = client.createSection(2 * PAGE);
  client.postSync('1', { view: section.createView(PAGE), autoRelease: true });
  const all = assert.rejects(section.waitForView(2 * PAGE, { timeout: 20 }), failsWith('ERR_ALPC_TIMEOUT'));
  const rest = section.waitForViewSync(PAGE); // there is room for it as soon as the other one's time is over
  await all;
  assert.throws(() => section.waitForViewSync(1, { timeout: 5 }), failsWith('ERR_ALPC_TIMEOUT', /no room came free within 5 ms/));
  rest.release();
});

test('a thread that blocks for a view sends what waits for room meanwhile: the view may be there', async (t) => {
  const server = await serving(t);
  const client = await connectPort(NAME, { limits: { ringLength: PAGE } });
  atEnd(t, () => client.close());
  const section = client.createSection(PAGE);
  const goOn = await stop(server);
  while (client.tryPost(Buffer.alloc(500)) === 'sent');
  const posted = client.post(Buffer.alloc(501), { view: section.createView(PAGE), autoRelease: true });
  assert.equal(client.info().waitingForRoom, 1);
  goOn();
  section.waitForViewSync(PAGE, { timeout: 10_000 }).release();
  await posted;
});

test('a thread that blocks for room in the ring is woken when the peer has read, though its event loop awaits a view, too', async (t) => {
  ownRoot(t);
  const server = await startServer(t, { options: { accepts: ['view'] } });
  const client = await connectPort(NAME, { limits: { ringLength: PAGE } });
  atEnd(t, () => client.close());
  const section = client.createSection(PAGE);
  const held = outcomeOf(client.request('hold', { view: section.createView(PAGE), autoRelease: true }));
  await client.request('echo'); // the view is with who keeps it
  const view = assert.rejects(section.waitForView(PAGE), failsWith('ERR_ALPC_CLOSED'));
  await server.ask({ type: 'freeze', milliseconds: 500 }, 'frozen'); // not by a signal: what the kernel tells of a child ends a sleep, too
  await sleep(50);
  while (client.tryPost(Buffer.alloc(500)) === 'sent');
  const begun = performance.now();
  client.postSync(Buffer.alloc(501), { timeout: 20_000 });
  assert.ok(performance.now() - begun < 10_000);
  section.close();
  client.close();
  await view;
  assert.equal(await held, 'ERR_ALPC_CANCELED');
});

test('one publishes frames to three readers, and a frame is used again when all three are done with it', async (t) => {
  ownRoot(t);
  const port = await createPort(NAME);
  atEnd(t, () => port.close());
  const readers = await Promise.all(numbers(3).map(() => viewer(t)));
  for (const reader of readers) await reader.ask({ type: 'read', name: NAME, releases: true }, 'done');
  await until('all three are there', () => port.connections.length === 3);
  const frames = port.createSection(3 * 16 * PAGE);
  for (const i of numbers(500)) {
    using frame = await frames.waitForView(16 * PAGE);
    frame.bytes.fill(i & 0xff);
    for (const reader of port.connections) await reader.post(String(i), { view: frame });
  }
  await until('all came back', () => frames.free === frames.size);
  for (const reader of readers) {
    const seen = await reader.ask({ type: 'look' }, 'seen');
    assert.deepEqual([seen.count, seen.wrong], [500, 0]);
    assert.deepEqual(seen.numbers, numbers(500));
  }
});

test('a reader that is killed while it holds frames gives them back, and the others go on', async (t) => {
  ownRoot(t);
  const port = await createPort(NAME);
  atEnd(t, () => port.close());
  const [good, bad] = [await viewer(t), await viewer(t)];
  await good.ask({ type: 'read', name: NAME, releases: true }, 'done');
  await bad.ask({ type: 'read', name: NAME, releases: false }, 'done');
  await until('both are there', () => port.connections.length === 2);
  const frames = port.createSection(4 * PAGE);
  const publish = async (i: number): Promise<void> => {
    using frame = await frames.waitForView(PAGE);
    frame.bytes.fill(i);
    for (const reader of port.connections) await reader.post(String(i), { view: frame });
  };
  for (const i of numbers(4)) await publish(i);
  const stuck = publish(4);
  await until('the good one has released', () => port.connections.some((each) => each.info().viewsOut === 0));
  assert.equal(frames.tryCreateView(PAGE), undefined);
  await bad.kill();
  await stuck;
  for (const i of numbers(20)) await publish(i);
  await until('all came back', () => frames.free === frames.size);
  const seen = await good.ask({ type: 'look' }, 'seen');
  assert.deepEqual([seen.count, seen.wrong], [25, 0]);
});

test('what an owner sent stays readable when it is killed', async (t) => {
  ownRoot(t);
  const port = await createPort(NAME, { accepts: ['view'] });
  atEnd(t, () => port.close());
  const owner = startActor(t, new URL('./actors/publisher.js', import.meta.url), [NAME]);
  const message = await port.receive();
  assert.ok(message.type === 'datagram');
  await owner.kill();
  const pidfd = message.token.openProcess(); // the connection's end has not been read yet
  if (pidfd !== undefined) {
    assert.match(readFileSync(`/proc/self/fdinfo/${pidfd}`, 'latin1'), /^Pid:\s+-1$/m, 'nobody any more');
    closeSync(pidfd);
  }
  assert.equal((await port.receive()).type, 'port-closed');
  assert.equal(message.token.openProcess(), undefined);
  assert.ok(message.view!.bytes.every((byte) => byte === 42));
  message.release();
});

for (const whose of ['sender', 'receiver'] as const) {
  test(`native work that still reads through a ${whose}'s view when it is released, and when forty more have come and gone, ends no process`, async (t) => {
    const actor = startActor<StaleOrder, StaleNews>(t, new URL('./actors/stale-work.js', import.meta.url), [whose]);
    await actor.until('ready');
    assert.ok((await actor.ask({ type: 'work' }, 'worked')).bytes > 0);
  });
}

test('Atomics count together in two processes, and waitSync in one is woken by notify in the other', async (t) => {
  const server = await serving(t, false);
  const client = await connectPort(NAME);
  atEnd(t, () => client.close());
  for (const writable of [true, false]) {
    const view = client.createSection(PAGE, { writable }).createView(PAGE);
    await client.request('0', { view });
    const words = new Int32Array(view.buffer);
    if (writable) {
      const added = server.ask({ type: 'add', index: 3, times: 100_000 }, 'done');
      for (let i = 0; i < 100_000; i++) Atomics.add(words, 3, 1);
      await added;
      assert.equal(Atomics.load(words, 3), 200_000);
    }
    assert.equal((await server.ask({ type: 'wait', index: 5, value: 0, timeout: 10 }, 'waited')).outcome, 'timed-out');
    const waited = server.ask({ type: 'wait', index: 5, value: 0, timeout: 60_000 }, 'waited');
    await until('it sleeps', () => view.notify(5) === 1);
    assert.equal((await waited).outcome, 'ok');
    Atomics.store(words, 5, 1);
    assert.equal((await server.ask({ type: 'wait', index: 5, value: 0, timeout: 60_000 }, 'waited')).outcome, 'not-equal');
  }
});

test('notify wakes as many as it is told, and at most that many, of those who block in waitSync in three processes; and none when it is told none', async (t) => {
  ownRoot(t);
  const port = await createPort(NAME);
  atEnd(t, () => port.close());
  const readers = await Promise.all(numbers(3).map(() => viewer(t)));
  for (const reader of readers) await reader.ask({ type: 'read', name: NAME, releases: false }, 'done');
  await until('all three are there', () => port.connections.length === 3);
  const view = port.createSection(PAGE).createView(PAGE);
  for (const reader of port.connections) await reader.post('0', { view });
  for (const reader of readers) await until('it has the view', async () => (await reader.ask({ type: 'look' }, 'seen')).count === 1);
  // A thread that blocks is awake for a moment now and then, so there may be fewer at once: then again.
  await until('two of three were woken at once', async () => {
    const waits = readers.map(async (reader) => (await reader.ask({ type: 'wait', index: 5, value: 0, timeout: 60_000 }, 'waited')).outcome);
    await sleep(100);
    assert.equal(view.notify(5, 0), 0);
    const woken = view.notify(5, 2);
    assert.ok(woken <= 2, `${woken} were woken`);
    let all = woken;
    await until('all are awake', () => {
      const next = view.notify(5, 1);
      assert.ok(next <= 1, `${next} were woken`);
      return (all += next) === 3;
    });
    assert.deepEqual(await Promise.all(waits), ['ok', 'ok', 'ok']);
    assert.equal(view.notify(5), 0);
    return woken === 2;
  });
});

test('a signal that the process handles ends no waitSync: only notify does, and the time', { skip: !isMainThread && 'a worker thread, as its actor is one then, handles no signals' }, async (t) => {
  const server = await serving(t, false);
  const client = await connectPort(NAME);
  atEnd(t, () => client.close());
  const view = client.createSection(PAGE).createView(PAGE);
  await client.request('0', { view });
  for (const [timeout, outcome] of [[60_000, 'ok'], [600, 'timed-out']] as const) {
    const waited = server.ask({ type: 'wait', index: 5, value: 0, timeout }, 'waited');
    for (const _ of numbers(5)) {
      await sleep(50);
      server.signal('SIGUSR2');
    }
    if (outcome === 'ok') await until('it was woken', () => view.notify(5) === 1);
    assert.equal((await waited).outcome, outcome);
  }
});

for (const [what, end] of [
  ['closes the section', (section: Section) => section.close()],
  ['goes', (_: Section, client: ClientPort) => client.close()],
] as const) {
  test(`who blocks in waitSync when the view's owner ${what} is not harmed: its time passes, and what it holds can be read`, async (t) => {
    const server = await serving(t, false);
    const client = await connectPort(NAME);
    atEnd(t, () => client.close());
    const section = client.createSection(PAGE);
    const view = section.createView(PAGE);
    await client.request('0', { view });
    const waited = server.ask({ type: 'wait', index: 5, value: 0, timeout: 60_000 }, 'waited');
    await until('it sleeps', () => view.notify(6) === 0 && view.notify(5) === 1);
    assert.equal((await waited).outcome, 'ok');
    const again = server.ask({ type: 'wait', index: 5, value: 0, timeout: 600 }, 'waited');
    end(section, client);
    assert.throws(() => view.notify(5), failsWith('ERR_ALPC_CLOSED'));
    assert.equal((await again).outcome, 'timed-out');
    assert.equal((await server.ask({ type: 'wait', index: 5, value: 1, timeout: 0 }, 'waited')).outcome, 'not-equal');
  });
}

test('47: a million views (in the long form) leave no memory, mapping or descriptor behind, on either side', async (t) => {
  const server = await serving(t);
  const client = await connectPort(NAME);
  atEnd(t, () => client.close());
  const pool = client.createSection(16 * PAGE);
  const secure = client.createSection(16 * PAGE, { secure: true });
  const stock = (pid: number): { mappings: number; descriptors: number } => ({
    mappings: readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n').length,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  });
  const run = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const from = i % 16 === 0 ? secure : pool;
      const view = from.tryCreateView(PAGE) ?? (await from.waitForView(PAGE));
      view.bytes.fill(i & 0xff);
      if (client.tryPost(String(i), { view, autoRelease: true }) !== 'sent') await client.post(String(i), { view, autoRelease: true });
    }
    await client.request('');
  };
  const count = times(20_000, 1_000_000);
  await run(count / 2); // until everything that is made once is there, and the heap is as large as it gets
  const before = [stock(process.pid), stock(server.pid)];
  const memory = [process.memoryUsage().rss, (await server.ask({ type: 'look' }, 'seen')).memory.rss];
  await run(count);
  const seen = await server.ask({ type: 'look' }, 'seen');
  assert.deepEqual([seen.count, seen.wrong], [1.5 * count, 0]);
  const after = [stock(process.pid), stock(server.pid)];
  const grown = [process.memoryUsage().rss - memory[0]!, seen.memory.rss - memory[1]!].map((bytes) => bytes / 2 ** 20);
  t.diagnostic(`${count} views: memory grew by ${grown.map((each) => each.toFixed(1)).join(' and ')} MiB; mappings ${JSON.stringify(before.map((each) => each.mappings))} then ${JSON.stringify(after.map((each) => each.mappings))}`);
  for (const side of [0, 1]) {
    // Zero pages that rest for a while, and the collector's own.
    assert.ok(after[side]!.mappings < before[side]!.mappings + 300, `side ${side}: ${before[side]!.mappings} mappings, then ${after[side]!.mappings}`);
    assert.ok(after[side]!.descriptors < before[side]!.descriptors + 8, `side ${side}: ${before[side]!.descriptors} descriptors, then ${after[side]!.descriptors}`);
  }
  for (const each of grown) assert.ok(each < 64, `${each} MiB`);
});
