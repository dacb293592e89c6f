/**
 * The ends that a process or a thread prepares for itself: `process.exit`, an exception that nobody catches, a signal, the
 * termination of a worker. Whatever call of whatever thread is blocked at that moment: gone within two seconds, and who is
 * connected with it learns of it by calls that settle.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { connectPort, createPort, type Message } from '../../src/ports/index.js';
import type { ThreadTask } from '../process/actors/thread.js';
import { outcomeOf, until } from '../process/expect.js';
import { BLOCKING, type Blocking } from '../process/taking.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { type ActorEnd, startActor } from '../support/processes.js';
import { temporaryRoot } from '../support/root.js';
import { type End, ENDS, type News, type Order, type Where } from './exits-actor.js';

// What a thread had mapped stays mapped when it has been terminated: nobody is left to unmap it.
withLedger({ except: ['mappings'] });

const GONE_WITHIN = 2000;

/** The other side of a blocked call, in this thread: what it sees of the one who blocks, and how it learns of its end. */
interface Peer {
  /** Something of the one who blocks has arrived. */
  readonly met: () => boolean;
  /** Settles when the end has been told: the reason, or the code of a call's error. */
  readonly told: () => Promise<string>;
}

async function meet(t: TestContext, call: Blocking, begin: () => Promise<unknown>): Promise<Peer> {
  const name = nameFor(call);
  if (call === 'server receiveSync') {
    await begin();
    const client = await connectPort(name);
    atEnd(t, () => client.close());
    const held = outcomeOf(client.request('hold'));
    return { met: () => true, told: () => held };
  }
  const port = await createPort(name, { connect: 'ask' });
  atEnd(t, () => port.close());
  const seen: string[] = [];
  let tell!: (reason: string) => void;
  const told = new Promise<string>((resolve) => (tell = resolve));
  const take = (message: Message): void => {
    seen.push(message.type);
    if (message.type === 'connection-request' && message.data.toString() !== 'silence') message.accept();
    if (message.type === 'port-closed') tell(message.reason);
  };
  // One who waits for room is not read until it is gone.
  if (call === 'postSync') void port.receive().then(take);
  else port.on('message', take);
  await begin();
  return {
    met: () => seen.includes(call === 'requestSync' ? 'request' : 'connection-request'),
    told: async () => {
      if (call === 'connectPortSync') return 'died'; // it was never let in, so its end is nobody's business
      if (call === 'postSync') port.on('message', take);
      return told;
    },
  };
}

const nameFor = (call: Blocking): string => `\\RPC Control\\${call}`;

for (const where of ['main', 'worker'] as const) {
  for (const end of ENDS) {
    if (where === 'main' && end !== 'SIGTERM') continue; // a thread that is blocked runs nothing else
    test(`a process whose ${where} thread is blocked in any call ends by ${end} within two seconds, and its peer's calls settle`, async (t) => {
      temporaryRoot(t, { leftovers: true });
      await Promise.all(BLOCKING.map((call) => processEnds(t, where, call, end)));
    });
  }
}

const EXPECTED: Record<End, ActorEnd> = {
  'process.exit': { code: 7, signal: null },
  'an uncaught exception': { code: 1, signal: null },
  SIGTERM: { code: null, signal: 'SIGTERM' },
  'SIGTERM that it handles': { code: 8, signal: null },
};

async function processEnds(t: TestContext, where: Where, call: Blocking, end: End): Promise<void> {
  const actor = startActor<Order, News>(t, new URL('./exits-actor.js', import.meta.url), [where, call, nameFor(call)], {}, { thread: 'main' });
  const peer = await meet(t, call, () => actor.ask({ type: 'begin' }, 'begun'));
  await until('it is met', peer.met);
  await sleep(100); // it is deep in its wait
  const began = performance.now();
  if (end === 'SIGTERM') actor.signal('SIGTERM');
  else actor.send({ type: 'end', by: end });
  assert.deepEqual(await actor.ended, EXPECTED[end], call);
  const took = performance.now() - began;
  assert.ok(took < GONE_WITHIN, `${call}: it took ${took} ms`);
  assert.match(await peer.told(), /^(died|ERR_ALPC_MESSAGE_LOST)$/, call);
}

test("a worker that is blocked in any call is terminated within two seconds, and its peer's calls settle", async (t) => {
  temporaryRoot(t, { leftovers: true });
  await Promise.all(BLOCKING.map(async (call) => {
    const workerData: ThreadTask = { do: 'block', name: nameFor(call), in: call };
    const start = (): Worker => new Worker(new URL('../process/actors/thread.js', import.meta.url), { workerData });
    const started: { worker?: Worker } = {};
    const peer = await meet(t, call, async () => {
      started.worker = start();
      atEnd(t, () => started.worker!.terminate());
      await once(started.worker, 'message');
    });
    await until('it is met', peer.met);
    await sleep(100);
    const began = performance.now();
    await started.worker!.terminate();
    const took = performance.now() - began;
    assert.ok(took < GONE_WITHIN, `${call}: it took ${took} ms`);
    assert.match(await peer.told(), /^(died|ERR_ALPC_MESSAGE_LOST)$/, call);
  }));
});

test('workers that are terminated at any moment of their talk leave nothing, and end nobody else', async (t) => {
  temporaryRoot(t);
  const name = '\\RPC Control\\busy';
  const port = await createPort(name);
  atEnd(t, () => port.close());
  const calls = new Map<unknown, number>();
  port.on('message', (message) => {
    if (message.type !== 'request') return;
    calls.set(message.port, (calls.get(message.port) ?? 0) + 1);
    message.reply(message.data);
  });
  for (let round = 0; round < 6; round++) {
    const workers = ['blocking', 'awaited'].map((how) => new Worker(new URL('../process/actors/thread.js', import.meta.url), { workerData: { do: 'call', name, how, text: 'x', count: 1e6 } as ThreadTask }));
    // A worker that is terminated in the midst of connecting may leave descriptors that it had only just got: docs/threads.md.
    await until('both talk', () => port.connections.filter((connection) => (calls.get(connection) ?? 0) > 5).length === 2);
    await sleep(Math.random() * 20);
    await Promise.all(workers.map((worker) => worker.terminate()));
    await until('their ends are seen', () => port.connections.length === 0);
  }
});
