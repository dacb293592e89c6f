/**
 * Who waits for somebody that dies, without a connection between them: for the lock of a directory, for a name, in the queue of
 * a server that does not accept. And the dead in that queue, whom a server finds there when it looks.
 */
import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectPort, createPort, createPortSync } from '../../src/ports/index.js';
import { nameOf, numbers, outcomeOf, tally, until } from '../process/expect.js';
import { NAME, ownRoot, startClient, startServer, stop } from '../process/serving.js';
import { withLedger } from '../support/ledger.js';
import { type Actor, startActor } from '../support/processes.js';
import { clock } from './dialogue.js';
import type { News, Order } from './waiting-actor.js';

withLedger();

const SETTLED_WITHIN = 100;

/** One who waits, in a process of its own: for the moment at which it no longer does counts. */
async function startWaiting(t: TestContext, how: 'blocking' | 'awaited', order: Order): Promise<Actor<Order, News>> {
  const actor = startActor<Order, News>(t, new URL('./waiting-actor.js', import.meta.url), [how]);
  await actor.until('ready');
  await actor.ask(order, 'waiting');
  if (order.type === 'connect') await until('it has said hello', () => hasSaidHello(actor.pid));
  await sleep(50); // deep in its wait
  return actor;
}

/** It has made its outbox, and has let go of the file by which it found the server. */
function hasSaidHello(pid: number): boolean {
  const open = readdirSync(`/proc/${pid}/fd`).map((fd) => targetOf(`/proc/${pid}/fd/${fd}`));
  return open.some((target) => target.startsWith('/memfd:alpc:\\')) && !open.some((target) => target.endsWith('/RPC Control/server'));
}

function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return ''; // closed by now
  }
}

/** Kills, and says how long it took until all the others had settled; several times, for a busy machine can't be blamed on them. */
async function settlesWithin(attempt: () => Promise<{ took: number; heard: number }>): Promise<void> {
  for (let tries = 1; ; tries++) {
    const { took, heard } = await attempt();
    if (took <= SETTLED_WITHIN + heard) return;
    assert.ok(tries < 10, `it took ${took} ms, ${heard} ms until the kernel told this process`);
  }
}

for (const how of ['blocking', 'awaited'] as const) {
  test(`one who waits (${how}) for a directory's lock gets it when its holder dies, and takes the name`, (t) =>
    settlesWithin(async () => {
      ownRoot(t);
      (await createPort('\\RPC Control\\other')).closeSync(); // the directory is there
      const holder = startActor<Order, News>(t, new URL('./waiting-actor.js', import.meta.url), ['blocking']);
      await holder.until('ready');
      await holder.ask({ type: 'hold-lock', directory: '\\RPC Control' }, 'waiting');
      assert.throws(() => createPortSync(NAME, { timeout: 0 }), /the lock of its directory/);
      const next = await startWaiting(t, how, { type: 'create', name: NAME });
      const died = clock();
      const heard = holder.kill().then(() => clock() - died);
      const { outcome, at } = await next.until('settled');
      assert.equal(outcome, 'done');
      await next.kill();
      return { took: at - died, heard: await heard };
    }));

  test(`clients (${how}) in the queue of a server that dies learn of it at once`, (t) =>
    settlesWithin(async () => {
      ownRoot(t);
      const server = await startServer(t);
      await stop(server);
      const clients = await Promise.all(numbers(3).map(() => startWaiting(t, how, { type: 'connect', name: NAME })));
      const died = clock();
      const heard = server.kill().then(() => clock() - died);
      const settled = await Promise.all(clients.map((client) => client.until('settled')));
      assert.deepEqual(tally(settled.map(({ outcome }) => outcome)), { ERR_ALPC_DISCONNECTED: 3 });
      await using port = await createPort(NAME, { timeout: 0 });
      assert.equal(port.name, NAME);
      return { took: Math.max(...settled.map(({ at }) => at)) - died, heard: await heard };
    }));
}

test('a server finds only dead clients in its queue: nothing of them stays, and the next one is served', async (t) => {
  ownRoot(t);
  const server = await startServer(t);
  await using observer = await connectPort(NAME);
  assert.equal(await outcomeOf(observer.request('echo before')), 'before');
  const before = readdirSync(`/proc/${server.pid}/fd`).length;
  const goOn = await stop(server);
  const dead = await Promise.all(numbers(6).map((number) => startWaiting(t, number % 2 === 0 ? 'blocking' : 'awaited', { type: 'connect', name: NAME })));
  await Promise.all(dead.map((client) => client.kill()));
  goOn();
  await using next = await connectPort(NAME);
  assert.equal(await outcomeOf(next.request('echo after')), 'after');
  next.close();
  await until('the server is as it was', () => readdirSync(`/proc/${server.pid}/fd`).length === before);
});

test('a client whose server dies gets ERR_ALPC_MESSAGE_LOST for what is outstanding, and ERR_ALPC_DISCONNECTED from then on', async (t) => {
  for (const how of ['blocking', 'awaited'] as const) {
    ownRoot(t);
    const server = await startServer(t);
    const client = startClient(t);
    await client.ask({ type: 'connect', name: NAME }, 'connected');
    client.send({ type: 'call', text: 'hold', how });
    await sleep(50);
    await server.kill();
    assert.equal((await client.until('settled')).outcome, 'ERR_ALPC_MESSAGE_LOST');
    for (const next of ['blocking', 'awaited'] as const) assert.equal((await client.ask({ type: 'call', text: 'echo x', how: next }, 'settled')).outcome, 'ERR_ALPC_DISCONNECTED');
  }
});

test('a name is taken at once when its server has died, however often', async (t) => {
  ownRoot(t);
  for (const _ of numbers(5)) {
    const server = await startServer(t);
    await assert.rejects(createPort(NAME, { timeout: 0 }), (error) => nameOf(error) === 'ERR_ALPC_NAME_IN_USE');
    await server.kill();
    createPortSync(NAME, { timeout: 0 }).closeSync();
  }
});
