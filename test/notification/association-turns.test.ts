/**
 * Ports that share a completion port, of one thread or of several: what becomes free, tokens for requests and room for packets, is for all of them
 * in turn. Each test offers more than there is room for; without turns the other port would have nothing for as long as that lasts.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type ClientPort, CompletionPort, connectPort, type ConnectionPort, createPort, type Packet, removeObject } from '../../src/index.js';
import { MAX_LANES, TOKENS, Word } from '../../src/notification/completion-memory.js';
import { StarvedLanes } from '../../src/notification/starved-lanes.js';
import { failsWith, nameOf, numbers, outcomeOf, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { turn } from '../support/turns.js';

// What a thread had mapped stays mapped when it has been terminated: nobody is left to unmap it.
withLedger({ except: ['mappings'] });

const MANY = { pendingMessages: 20_000, ringLength: 1 << 22, peerRingLength: 1 << 22 };
const OF_A_THREAD = '\\RPC Control\\of a thread';
const LARGE = Buffer.alloc(60_000);
const SMALL = Buffer.alloc(200);

/** A port and a client of it. */
async function pair(t: TestContext, name: string, completions: CompletionPort, key: number): Promise<{ port: ConnectionPort; client: ClientPort }> {
  const port = await createPort(`\\RPC Control\\${name}`, { limits: MANY });
  atEnd(t, () => port.close());
  port.associate(completions, key);
  const client = await connectPort(`\\RPC Control\\${name}`, { limits: MANY });
  atEnd(t, () => client.close());
  return { port, client };
}

/** One with little room, and a namespace for ports. */
function narrow(t: TestContext): CompletionPort {
  temporaryRoot(t);
  const completions = new CompletionPort({ packetBytes: 256 << 10 });
  atEnd(t, () => completions[Symbol.dispose]());
  return completions;
}

/** Posts until no more goes in. How many there were. */
function fill(completions: CompletionPort): number {
  for (let count = 0; ; count++) {
    try {
      completions.post({ data: SMALL });
    } catch (error) {
      assert.equal(nameOf(error), 'ERR_ALPC_QUOTA_EXCEEDED');
      return count;
    }
  }
}

/** Sends more than anybody takes, until the client is closed. */
async function flood(client: ClientPort): Promise<void> {
  try {
    for (;;) await client.post(SMALL);
  } catch (error) {
    assert.equal(nameOf(error), 'ERR_ALPC_CANCELED');
  }
}

/** Takes a few packets at a time until one is as wanted. How many came before. */
async function takeUntil(completions: CompletionPort, isWanted: (packet: Packet) => boolean, most: number): Promise<number> {
  let count = 0;
  while (count < most) {
    for (const packet of completions.tryDequeue(4)) {
      if (isWanted(packet)) return count;
      count++;
    }
    await turn();
  }
  throw new Error(`${count} other packets came, and not that one`);
}

test('a request to one port has a token in its turn, though another port has thousands that wait for one', async (t) => {
  temporaryRoot(t);
  const completions = new CompletionPort({ packetBytes: 1 << 24 });
  atEnd(t, () => completions[Symbol.dispose]());
  const [busy, other] = [await pair(t, 'busy', completions, 1), await pair(t, 'other', completions, 2)];
  const ask = async (): Promise<void> => {
    while ((await outcomeOf(busy.client.request(SMALL))) === 'y');
  };
  const all = numbers(TOKENS + 2000).map(ask);
  await until('all tokens are in use', () => busy.port.connections[0]!.info().unansweredRequests === TOKENS + 2000);
  const answer = outcomeOf(other.client.request('x'));
  await until('it waits', () => other.port.connections[0]!.info().unansweredRequests === 1);
  await takeUntil(completions, (packet) => {
    if (packet.type === 'request') packet.reply('y');
    return packet.key === 2;
  }, 4 * TOKENS);
  assert.equal(await answer, 'y');
  completions.leave();
  await busy.port.close();
  await Promise.all(all);
});

for (const owners of ['one owner', 'several owners']) {
  test(`a large message finds room in its turn, though other ports would fill each bit of it with small ones: of ${owners}`, async (t) => {
    const completions = narrow(t);
    const again = CompletionPort.open(completions.handle);
    atEnd(t, () => again.leave());
    const [busy, other] = [await pair(t, 'busy', completions, 1), await pair(t, 'other', owners === 'one owner' ? completions : again, 2)];
    const flooding = flood(busy.client);
    await until('it is full', () => completions.info().queuedBytes > 250 << 10);
    for (const _ of numbers(2)) {
      other.client.tryPost(LARGE);
      await takeUntil(completions, ({ key }) => key === 2, 8000);
    }
    busy.client.close();
    await flooding;
  });
}

test('while a message waits for room, what is made first is kept for it', async (t) => {
  const completions = narrow(t);
  const { port, client } = await pair(t, 'x', completions, 1);
  fill(completions);
  client.tryPost(LARGE);
  await until('it has been seen', async () => {
    await turn();
    return new Int32Array(completions.handle.completionPort)[Word.turn] !== 0;
  });
  completions.tryDequeue(10);
  assert.throws(() => completions.post({}), failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
  assert.ok((await takeUntil(completions, ({ key }) => key === 1, 2000)) < 1000);
  assert.ok(fill(completions) > 0, 'when it is through others may again');
  await port.close();
});

test('an owner that has its turn for room and does not come stops nobody: packets of others are queued beside what is kept for it', async (t) => {
  const completions = narrow(t);
  const { port, client } = await pair(t, 'x', completions, 1);
  fill(completions);
  client.tryPost(LARGE);
  await until('it waits', () => new Int32Array(completions.handle.completionPort)[Word.turn] !== 0);
  while (completions.tryDequeue(64).length > 0); // and the event loop, on which the owner would use its turn, does not turn
  const beside = fill(completions);
  assert.ok(beside * SMALL.length > 64 << 10, `${beside} packets`);
  assert.ok((await takeUntil(completions, ({ key }) => key === 1, beside + 1)) <= beside);
  await port.close();
});

test('two threads whose ports are flooded, and had to wait for room once, go on without waiting for each other\'s turn, and beside them packets of the user\'s own are queued', async (t) => {
  const completions = narrow(t);
  const names = numbers(2).map((number) => `${OF_A_THREAD} ${number}`);
  for (const name of names) await startOwner(t, completions, name);
  const clients = await Promise.all(names.map((name) => connectPort(name)));
  for (const client of clients) atEnd(t, () => client.close());
  const floods = clients.map((client) => flood(client));
  await until('it is full', () => completions.info().queuedBytes > 250 << 10);
  let posted = 0;
  let taken = 0;
  for (const rounds = numbers(500); rounds.length > 0; rounds.pop()) {
    taken += completions.tryDequeue(1000).length;
    try {
      completions.post({ key: 7 });
      posted++;
    } catch (error) {
      assert.equal(nameOf(error), 'ERR_ALPC_QUOTA_EXCEEDED');
    }
    await turn();
  }
  assert.ok(posted > 250, `${posted} of 500, beside ${taken} packets`);
  for (const client of clients) client.close();
  await Promise.all(floods);
});

test('nobody\'s turn lasts longer than he is there: a port that is closed, an owner that leaves', async (t) => {
  for (const how of ['closes', 'leaves'] as const) {
    await t.test(how, async (t) => {
      const completions = narrow(t);
      const again = CompletionPort.open(completions.handle);
      atEnd(t, () => again.leave());
      const { port, client } = await pair(t, 'x', again, 1);
      fill(completions);
      client.tryPost(LARGE);
      await until('it waits', () => new Int32Array(completions.handle.completionPort)[Word.turn] !== 0);
      completions.tryDequeue(10);
      assert.throws(() => completions.post({}), failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
      if (how === 'closes') await port.close();
      else again.leave();
      assert.ok(fill(completions) > 0);
    });
  }
});

function thrownBy(call: () => void): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
}

const OWNER = `
  const { workerData, parentPort } = require('node:worker_threads');
  import(workerData.module).then(async ({ CompletionPort, createPort }) => {
    const port = await createPort(workerData.name);
    port.associate(CompletionPort.open(workerData.handle), 1);
    parentPort.postMessage('ready');
  });`;

/** A thread that owns a port of this name. */
async function startOwner(t: TestContext, completions: CompletionPort, name: string): Promise<Worker> {
  const module = new URL('../../src/index.js', import.meta.url).href;
  const owner = new Worker(OWNER, { eval: true, workerData: { module, name, handle: completions.handle } });
  atEnd(t, () => removeObject(name));
  atEnd(t, () => owner.terminate());
  await once(owner, 'message');
  return owner;
}

test('nor when the thread that owned the port has ended', async (t) => {
  const completions = narrow(t);
  const owner = await startOwner(t, completions, OF_A_THREAD);
  await using client = await connectPort(OF_A_THREAD);
  fill(completions);
  client.tryPost(LARGE);
  await until('it waits', () => new Int32Array(completions.handle.completionPort)[Word.turn] !== 0);
  await owner.terminate();
  completions.tryDequeue(10);
  await until('its end has been found', () => fill(completions) > 0);
});

test('ports of eight threads may be associated at a time; threads that have ended do not count, also when nothing has happened since', async (t) => {
  const completions = narrow(t);
  const owners = await Promise.all(numbers(MAX_LANES).map((number) => startOwner(t, completions, `${OF_A_THREAD} ${number}`)));
  await using port = await createPort('\\RPC Control\\x');
  assert.throws(() => port.associate(completions, 1), failsWith('ERR_ALPC_QUOTA_EXCEEDED', /ports of 8 threads/));
  await sleep(600); // the owners look around for a moment after they came
  await owners[3]!.terminate();
  await until('the kernel knows of its end', () => nameOf(thrownBy(() => port.associate(completions, 1))) === 'undefined');
});

test('lanes that found no room have their turns one after the other, whenever they leave, and whoever ends between two steps', () => {
  const words = new Int32Array(new SharedArrayBuffer(4 * Word.seats));
  const lanes = new StarvedLanes(words);
  assert.equal(lanes.first, -1);
  for (const lane of [5, 7, 2, 5]) lanes.add(lane);
  const without = (lane: number): number => {
    lanes.remove(lane);
    return lanes.first;
  };
  assert.deepEqual([lanes.first, without(2)], [5, 5]);
  lanes.add(2);
  assert.deepEqual([without(5), without(7), lanes.has(2), without(2)], [7, 2, true, -1]);
  lanes.add(3);
  lanes.add(4);
  words[Word.starved]! &= ~(1 << 3); // as one that ended in `remove` leaves it
  assert.equal(without(3), 4);
  lanes.remove(4);
  words[Word.starved]! |= 1 << 6; // and one that ended in `add`
  assert.equal(without(6), -1);
  lanes.add(1);
  assert.deepEqual([lanes.first, lanes.has(6)], [1, false]);
});
