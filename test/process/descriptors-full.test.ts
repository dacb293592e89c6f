/**
 * A table of descriptors that is full: of a client that connects, of a server that accepts, of either while it receives the
 * other's. Whoever can't be connected is told by a typed error, at the side that can do something about it; who is connected
 * already is served as ever; nothing goes round and round meanwhile; and with room all is as before.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClientPort, connectPort, connectPortSync } from '../../src/ports/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { type Actor, startActor } from '../support/processes.js';
import type { News, Order } from './actors/crammed.js';
import { failsWith, numbers, outcomeOf, until } from './expect.js';
import { NAME, ownRoot, startServer } from './serving.js';

withLedger();

/** More than any connect or accept needs at once. */
const PLENTY = 16;

const startCrammed = (t: TestContext): Actor<Order, News> => startActor<Order, News>(t, new URL('./actors/crammed.js', import.meta.url));
const descriptorsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

/** How many descriptors a process holds when nothing is on its way any more: some are closed by a thread of Node's pool, a moment later. */
async function atRest(pid: number): Promise<number> {
  for (let last = -1, same = 0; ; ) {
    const now = descriptorsOf(pid);
    same = now === last ? same + 1 : 0;
    if (same === 10) return now;
    last = now;
    await sleep(10);
  }
}

async function connected(t: TestContext): Promise<ClientPort> {
  const client = await connectPort(NAME);
  atEnd(t, () => client.close());
  return client;
}

for (const how of ['blocking', 'awaited'] as const) {
  test(`a client without descriptors (${how}) gets ERR_ALPC_INSUFFICIENT_RESOURCES with the errno, whichever it lacks; its old connection goes on, and with room it is connected`, async (t) => {
    ownRoot(t);
    const server = await startServer(t);
    const actor = startCrammed(t);
    assert.equal((await actor.ask({ type: 'connect', how }, 'tried')).outcome, 'in');
    const [before, ofServer] = [await atRest(actor.pid), await atRest(server.pid)];
    const outcomes: string[] = [];
    const failed = new Set<string>();
    for (const room of numbers(PLENTY)) {
      await actor.ask({ type: 'fill', room }, 'filled');
      const full = descriptorsOf(actor.pid);
      const { outcome, errno, syscall } = await actor.ask({ type: 'connect', how }, 'tried');
      outcomes.push(outcome);
      if (outcome === 'in') break;
      assert.deepEqual([outcome, errno], ['ERR_ALPC_INSUFFICIENT_RESOURCES', 'EMFILE']);
      failed.add(syscall);
      assert.equal(descriptorsOf(actor.pid), full, `nothing is left of an attempt with room for ${room}`);
      assert.equal((await actor.ask({ type: 'call', text: `echo ${room}` }, 'settled')).outcome, `${room}`);
    }
    assert.equal(outcomes.at(-1), 'in');
    assert.ok(failed.size >= 3, `it failed at several steps: ${[...failed].join(', ')}`);
    await actor.ask({ type: 'fill', room: Infinity }, 'filled');
    await until('of all attempts two connections are left', () => descriptorsOf(server.pid) === ofServer + 1 && descriptorsOf(actor.pid) <= before + 8); // in a worker a watch takes some, too
  });
}

for (const [form, thread] of [['on', 'main'], ['receiveSync', 'main'], ['on', 'worker']] as const) {
  test(`a server without descriptors (${form}, ${thread}) refuses newcomers with ERR_ALPC_QUOTA_EXCEEDED, serves its old clients, rests between, and lets newcomers in when it has room`, async (t) => {
    ownRoot(t);
    const server = startCrammed(t);
    await server.ask({ type: 'serve', form, thread }, 'serving');
    const old = await connected(t);
    assert.equal(old.requestSync('echo warm').data.toString(), 'warm');
    let rooms = 0;
    for (const room of numbers(PLENTY)) {
      await server.ask({ type: 'fill', room }, 'filled');
      const full = descriptorsOf(server.pid);
      let isIn = false;
      for (const connect of [() => Promise.resolve().then(() => connectPortSync(NAME)), () => connectPort(NAME)]) {
        const newcomer = await connect().catch(failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
        if (newcomer !== true) {
          isIn = true;
          newcomer.close();
        }
        assert.equal(old.requestSync(`echo blocking ${room}`).data.toString(), `blocking ${room}`);
        assert.equal(await outcomeOf(old.request(`echo awaited ${room}`)), `awaited ${room}`);
      }
      if (isIn) break;
      rooms++;
      assert.equal(descriptorsOf(server.pid), full, `nothing is left of a newcomer for whom there was room for ${room}`);
    }
    assert.ok(rooms >= 2 && rooms < PLENTY, `newcomers were refused with room for 0 to ${rooms - 1}`);
    await server.ask({ type: 'fill', room: 0 }, 'filled');
    const { milliseconds } = await server.ask({ type: 'measure', milliseconds: 1000 }, 'used');
    assert.ok(milliseconds < 300, `${milliseconds} ms of processor time in a second without newcomers`);
    await server.ask({ type: 'fill', room: Infinity }, 'filled');
    assert.equal((await connected(t)).requestSync('echo in').data.toString(), 'in');
  });
}

test('a server that can neither take a newcomer in nor send it away lets it wait, goes not round and round, and takes it in when it has room', async (t) => {
  ownRoot(t);
  const server = startCrammed(t);
  await server.ask({ type: 'serve without a reserve' }, 'serving');
  await server.ask({ type: 'fill', room: 0 }, 'filled');
  await assert.rejects(connectPort(NAME, { timeout: 300 }), failsWith('ERR_ALPC_TIMEOUT'));
  const newcomer = connectPort(NAME);
  const { milliseconds } = await server.ask({ type: 'measure', milliseconds: 1000 }, 'used');
  assert.ok(milliseconds < 300, `${milliseconds} ms of processor time in a second with a newcomer at the door`);
  await server.ask({ type: 'end of the shortage' }, 'filled');
  const client = await newcomer;
  assert.equal(client.requestSync('echo at last').data.toString(), 'at last');
  client.close();
  await sleep(0);
});
