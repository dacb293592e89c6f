/**
 * Connecting, ten calls, closing, again and again; and creating a port and closing it: nothing is left of it, in the client or in the
 * server. No descriptor, no mapping, no memory.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { times } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import type { News, Order, Thing } from './actors/cycles.js';
import type { News as ServerNews, Order as ServerOrder } from './actors/server.js';
import { until } from './expect.js';
import { NAME, ownRoot } from './serving.js';

withLedger();

const ROUNDS = times(250, 10_000);
/** Bytes of heap that one round may leave: it leaves none, but the heap breathes. */
const MOST = 200;
const PATIENCE = { watchdog: 1_200_000 };

for (const thing of ['connection', 'port'] satisfies Thing[]) {
  test(`${ROUNDS} times a ${thing}: descriptors and mappings as before on both sides, and the heap too`, { timeout: PATIENCE.watchdog }, async (t) => {
    ownRoot(t);
    const server = startActor<ServerOrder, ServerNews>(t, new URL('./actors/server.js', import.meta.url), [JSON.stringify({ name: NAME, form: 'on' })], {}, PATIENCE);
    await server.until('ready');
    const actor = startActor<Order, News>(t, new URL('./actors/cycles.js', import.meta.url), [], {}, PATIENCE);
    const repeat = (times: number): Promise<News> => actor.ask({ type: 'repeat', thing, times }, 'repeated');
    const ofServer = (): [number, number] => [readdirSync(`/proc/${server.pid}/fd`).length, readFileSync(`/proc/${server.pid}/maps`, 'utf8').split('\n').filter((line) => line.includes('/memfd:alpc')).length];
    let before = await repeat(300); // code is compiled, pools are filled
    const serverBefore = ofServer();
    const slopes: number[] = [];
    // Of a few stretches the least: code that is compiled meanwhile stays, too.
    while (slopes.length < 10 && Math.min(...slopes) >= MOST) {
      const after = await repeat(ROUNDS);
      slopes.push(Math.round((after.heap - before.heap) / ROUNDS));
      assert.deepEqual([after.descriptors, after.mappings], [before.descriptors, before.mappings]);
      before = after;
    }
    assert.ok(Math.min(...slopes) < MOST, `bytes of heap that are left of each round, in stretches of ${ROUNDS}: ${slopes.join(', ')}`);
    await until('the server has no more than before', () => ofServer().every((count, index) => count <= serverBefore[index]!));
    t.diagnostic(`bytes of heap that are left of each round: ${slopes.join(', ')}`);
  });
}
