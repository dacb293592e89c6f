/**
 * What a port does to its process when there is nothing to do: it keeps it alive as long as it is referenced, lets it end when
 * not, and uses no processor time.
 *
 * The one figure here is no time to wait for but work done. In two idle seconds Node alone uses half a millisecond, and so does
 * a process with ports; what is allowed is far more, and far less than looking at memory in each turn of the event loop takes.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectPort, createPort, createUnconnectedPort } from '../../src/ports/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { type Actor, startActor } from '../support/processes.js';
import { temporaryRoot } from '../support/root.js';
import type { News, Order } from './actors/idle.js';
import { outcomeOf } from './expect.js';
import { journalWhen, NAME, ownRoot, startServer } from './serving.js';
import { Verbs } from './verbs.js';

withLedger();

const IDLE_FOR = 2000;
/** Microseconds of processor time in two idle seconds. */
const MOST = 40_000;
/** Node has work of its own after a while of traffic (it compiles, it collects), so one idle stretch of several is asked for. */
const STRETCHES = 5;

/** The least that any of some stretches takes. */
async function least(measure: () => Promise<number>): Promise<number> {
  let used = Infinity;
  for (let stretch = 0; stretch < STRETCHES && used >= MOST; stretch++) used = Math.min(used, await measure());
  return used;
}

function startIdle(t: TestContext, ...args: string[]): Actor<Order, News> {
  return startActor<Order, News>(t, new URL('./actors/idle.js', import.meta.url), args);
}

/** It was still there after a while in which it could have ended. */
async function assertStays(actor: Actor<Order, News>): Promise<void> {
  await actor.until('idle');
  await sleep(300);
  assert.deepEqual([actor.child.exitCode, actor.child.signalCode], [null, null]);
}

const ACTIVITIES = ['nothing', 'listen', 'await', 'receive', 'list', 'traffic'];

test('an unreferenced client lets its process end, a referenced one keeps it, whatever it has done and awaits', async (t) => {
  ownRoot(t);
  await startServer(t);
  const free = ACTIVITIES.map((activity) => startIdle(t, 'client', 'unref', activity));
  for (const actor of free) assert.deepEqual(await actor.ended, { code: 0, signal: null });
  const kept = ACTIVITIES.map((activity) => startIdle(t, 'client', 'ref', activity));
  await Promise.all(kept.map(assertStays));
});

test('the time that a call may take keeps no process alive whose client does not, and a referenced client keeps it while the call waits', async (t) => {
  ownRoot(t);
  const port = await createPort(NAME, { accepts: ['view'] }); // and nobody receives
  atEnd(t, () => port.close());
  const calls = ['call', 'post', 'allot'];
  const free = calls.map((activity) => startIdle(t, 'client', 'unref', activity));
  for (const actor of free) assert.deepEqual(await actor.ended, { code: 0, signal: null });
  await Promise.all(calls.map((activity) => assertStays(startIdle(t, 'client', 'ref', activity))));
});

test('an unreferenced server lets its process end, a referenced one keeps it', async (t) => {
  ownRoot(t);
  for (const activity of ['nothing', 'receive', 'list']) assert.deepEqual(await startIdle(t, 'server', 'unref', activity).ended, { code: 0, signal: null });
  const kept = startIdle(t, 'server', 'ref', 'nothing');
  await assertStays(kept);
  await using client = await connectPort(NAME);
  assert.equal((await client.request('echo x')).data.toString(), 'x');
});

test('a process whose server is gone ends, though its client was referenced', async (t) => {
  ownRoot(t);
  const server = await startServer(t);
  const client = startIdle(t, 'client', 'ref', 'listen');
  await client.until('idle');
  await server.kill();
  assert.deepEqual(await client.ended, { code: 0, signal: null });
});

test('ref and unref may be called at any time, and after the end mean nothing', async (t) => {
  ownRoot(t);
  const port = await createPort(NAME);
  const client = await connectPort(NAME);
  using itself = createUnconnectedPort();
  for (const each of [port, client, itself]) {
    assert.equal(each.hasRef(), true);
    assert.equal(each.unref(), each);
    assert.equal(each.unref().hasRef(), false);
    assert.equal(each.ref().hasRef(), true);
  }
  client.close();
  await port.close();
  for (const each of [port, client]) {
    assert.equal(each.ref().hasRef(), false);
    assert.equal(each.unref().hasRef(), false);
  }
});

test('an idle server and its idle clients use no processor time, whatever they have done and await', async (t) => {
  ownRoot(t);
  const server = startIdle(t, 'server', 'ref', 'nothing');
  await server.until('idle');
  const clients = ACTIVITIES.map((activity) => startIdle(t, 'client', 'ref', activity));
  await Promise.all(clients.map((client) => client.until('idle')));
  const used = await Promise.all([server, ...clients].map((actor) => least(async () => (await actor.ask({ type: 'measure', milliseconds: IDLE_FOR }, 'used')).microseconds)));
  for (const [index, microseconds] of used.entries()) {
    assert.ok(microseconds < MOST, `${['the server', ...ACTIVITIES][index]}: ${microseconds / 1000} ms of processor time in ${IDLE_FOR / 1000} idle seconds`);
  }
});

test('a server that sleeps in receiveSync, a client in requestSync and one whose worker does use no processor time', async (t) => {
  ownRoot(t);
  const holding = await startServer(t);
  const clients = ['block', 'worker'].map((activity) => startIdle(t, 'client', 'ref', activity));
  for (const client of clients) await client.until('idle');
  await using witness = await connectPort(NAME);
  await journalWhen('both block', witness, (seen) => seen.filter(({ text }) => text.startsWith('hold')).length === 2);
  temporaryRoot(t, { leftovers: true }); // another server of the same name
  const server = startIdle(t, 'server', 'ref', 'block');
  await server.until('idle');
  await sleep(500); // it sleeps
  for (const actor of [...clients, server]) {
    const used = await least(async () => {
      const before = processorTime(actor.pid);
      await sleep(IDLE_FOR);
      return processorTime(actor.pid) - before;
    });
    assert.ok(used < MOST, `${used / 1000} ms of processor time in ${IDLE_FOR / 1000} idle seconds`);
  }
  for (const actor of [...clients, server, holding]) await actor.kill();
});

/** Of all threads of a process, in microseconds: it can't tell itself while it blocks. */
function processorTime(pid: number): number {
  const nanoseconds = readdirSync(`/proc/${pid}/task`).map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]));
  return nanoseconds.reduce((sum, time) => sum + time, 0) / 1000;
}

test('a port that has rested is awake at once when something comes', async (t) => {
  ownRoot(t);
  const server = await startServer(t);
  const client = await connectPort(NAME);
  atEnd(t, () => client.close());
  for (const pause of [1, 5, 20, 100, 400]) {
    await sleep(pause);
    assert.equal(await outcomeOf(client.request(`echo ${pause}`)), `${pause}`);
    await sleep(pause);
    assert.equal(client.requestSync(`echo ${pause}`).data.toString(), `${pause}`);
  }
  const last = client.receive();
  await sleep(300);
  await server.kill();
  assert.equal((await last).type, 'port-closed');
});

test('a server with a thousand idle connections uses no processor time, and answers each', async (t) => {
  ownRoot(t);
  await using port = await createPort(NAME, { limits: { ringLength: 4096 } });
  port.on('message', new Verbs().handle);
  const clients = [];
  for (let count = 0; count < 1000; count++) clients.push(await connectPort(NAME, { limits: { ringLength: 4096 } }));
  await sleep(300); // they rest
  const used = await least(async () => {
    const before = process.cpuUsage();
    await sleep(1000);
    const { user, system } = process.cpuUsage(before);
    return user + system;
  });
  assert.ok(used < MOST, `${used / 1000} ms of processor time in an idle second`);
  const answers = await Promise.all(clients.map((client, index) => client.request(`echo ${index}`)));
  assert.deepEqual(answers.map(({ data }) => data.toString()), clients.map((_, index) => String(index)));
  for (const client of clients) client.close();
});
