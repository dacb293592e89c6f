/**
 * One hostile user with a thousand connections. It gets its share of the port and no more, is refused with the quota's error,
 * and however much it sends, or comes and goes, another user's calls take about as long as without it.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectPort, type PortLimits } from '../../src/ports/index.js';
import { type Actor, startActor } from '../support/processes.js';
import { withLedger } from '../support/ledger.js';
import { noOtherUsers, sharedRoot, USERS } from '../support/users.js';
import type { News as ServerNews, Order as ServerOrder } from '../process/actors/server.js';
import { numbers, until } from '../process/expect.js';
import { NAME } from '../process/serving.js';
import type { Mode, News, Order } from './crowd-actor.js';
import type { News as VictimNews, Order as VictimOrder } from './crowd-victim.js';

withLedger();

const [HOSTILE, POLITE] = USERS;
type Crowd = Actor<Order, News>;

async function startServer(t: TestContext, limits: PortLimits = {}): Promise<Actor<ServerOrder, ServerNews>> {
  const options = { security: { allow: [{ user: 'everyone' }] }, limits };
  const server = startActor<ServerOrder, ServerNews>(t, new URL('../process/actors/server.js', import.meta.url), [JSON.stringify({ name: NAME, form: 'on', options })]);
  await server.until('ready');
  return server;
}

const startCrowd = (t: TestContext, uid: number): Crowd => startActor<Order, News>(t, new URL('./crowd-actor.js', import.meta.url), [], {}, { uid, gid: uid });

async function startVictim(t: TestContext): Promise<Actor<VictimOrder, VictimNews>> {
  const victim = startActor<VictimOrder, VictimNews>(t, new URL('./crowd-victim.js', import.meta.url), [], {}, { uid: POLITE, gid: POLITE });
  await victim.until('connected');
  return victim;
}

test('a user has its share of the connections and no more: refused with ERR_ALPC_QUOTA_EXCEEDED, while others are let in, and let in again when its own have left', { skip: noOtherUsers }, async (t) => {
  sharedRoot(t);
  const server = await startServer(t, { connections: 60, connectionsPerUser: 40 });
  const [hostile, polite] = [startCrowd(t, HOSTILE), startCrowd(t, POLITE)];
  assert.deepEqual(await hostile.ask({ type: 'connect', times: 50 }, 'connected'), { type: 'connected', count: 40, refusals: { ERR_ALPC_QUOTA_EXCEEDED: 10 } });
  assert.deepEqual(await polite.ask({ type: 'connect', times: 10 }, 'connected'), { type: 'connected', count: 10, refusals: {} });
  // The port's own user has no share, but the whole.
  for (const client of await Promise.all(numbers(10).map(() => connectPort(NAME)))) client.close();
  const descriptors = readdirSync(`/proc/${server.pid}/fd`).length;
  await hostile.ask({ type: 'leave' }, 'left');
  await until('the server has seen that they left', () => readdirSync(`/proc/${server.pid}/fd`).length <= descriptors - 40);
  assert.deepEqual((await hostile.ask({ type: 'connect', times: 41 }, 'connected')).refusals, { ERR_ALPC_QUOTA_EXCEEDED: 1 });
});

test('without a word a share is a quarter of all, and a thousand connections of one user keep nobody out', { skip: noOtherUsers }, async (t) => {
  sharedRoot(t);
  await startServer(t, { connections: 400 });
  const [hostile, polite] = [startCrowd(t, HOSTILE), startCrowd(t, POLITE)];
  assert.deepEqual(await hostile.ask({ type: 'connect', times: 1000 }, 'connected'), { type: 'connected', count: 100, refusals: { ERR_ALPC_QUOTA_EXCEEDED: 900 } });
  assert.deepEqual((await polite.ask({ type: 'connect', times: 100 }, 'connected')).refusals, {});
});

/**
 * Another user's calls, in turns with a hostile one that leaves the port alone and one that does not; in both it keeps a core busy,
 * so that what is compared is the server and not the scheduler. On a busy machine single figures say little: it is tried again.
 */
async function compare(hostile: Crowd, victim: Actor<VictimOrder, VictimNews>, mode: Mode): Promise<{ alone: number; beside: number; done: number }> {
  const times: Record<string, number[]> = { spin: [], [mode]: [] };
  let done = 0;
  for (const now of ['spin', mode, 'spin', mode, 'spin', mode] as const) {
    done += (await hostile.ask({ type: 'mode', mode: now }, 'in mode')).done;
    await sleep(50);
    times[now]!.push(...(await victim.ask({ type: 'measure', calls: 200, every: 2 }, 'measured')).times);
  }
  done += (await hostile.ask({ type: 'mode', mode: 'idle' }, 'in mode')).done;
  const p99 = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)]!;
  return { alone: p99(times['spin']!), beside: p99(times[mode]!), done };
}

for (const [mode, least] of [['flood', 50_000], ['come and go', 100]] as const) {
  test(`another user's calls take less than twice as long (p99) while a user with a thousand connections is at its worst (${mode})`, { skip: noOtherUsers, timeout: 110_000 }, async (t) => {
    sharedRoot(t);
    await startServer(t);
    const hostile = startCrowd(t, HOSTILE);
    assert.equal((await hostile.ask({ type: 'connect', times: 1000 }, 'connected')).count, 1000);
    const victim = await startVictim(t);
    const seen: string[] = [];
    for (let tries = 0; tries < 6; tries++) {
      const { alone, beside, done } = await compare(hostile, victim, mode);
      assert.ok(done >= least, `it was at its worst: ${done}`);
      seen.push(`${alone} us alone, ${beside} us beside ${done}`);
      if (beside < 2 * alone) return t.diagnostic(`p99: ${seen.join('; ')}`);
    }
    assert.fail(`p99: ${seen.join('; ')}`);
  });
}
