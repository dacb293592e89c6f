/**
 * Either side is stopped and goes on again at random, while both talk without a pause: whatever was sent arrives once and in
 * its order, and every call is answered. Six hundred times here in all, forty thousand in `npm run test:kill`.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import { temporaryRoot } from '../support/root.js';
import type { News, Order } from './traffic-actor.js';

withLedger();

const STOPS = Number(process.env['ALPC_STOPS'] ?? 150);
/** Milliseconds that a side stands, and runs, at most. */
const LONGEST = 8;
const MODULE = new URL('./traffic-actor.js', import.meta.url);

for (const [clientForm, serverForm] of [['awaited', 'awaited'], ['awaited', 'blocking'], ['blocking', 'awaited'], ['blocking', 'blocking']] as const) {
  test(`a client (${clientForm}) or its server (${serverForm}) is stopped at random ${STOPS} times: everything arrives, everything settles`, { timeout: 60_000 + STOPS * 100 }, async (t) => {
    temporaryRoot(t, { leftovers: true });
    const options = { watchdog: 60_000 + STOPS * 100 };
    const server = startActor<Order, News>(t, MODULE, ['server', serverForm, '\\RPC Control\\traffic'], {}, options);
    await server.until('ready');
    const client = startActor<Order, News>(t, MODULE, ['client', clientForm, '\\RPC Control\\traffic'], {}, options);
    await client.until('ready');
    for (let stop = 0; stop < STOPS; stop++) {
      const stopped = Math.random() < 0.5 ? client : server;
      stopped.signal('SIGSTOP');
      await sleep(Math.random() * LONGEST);
      stopped.signal('SIGCONT');
      await sleep(Math.random() * LONGEST);
    }
    const { calls, posts, received, wrong } = await client.ask({ type: 'finish' }, 'finished');
    t.diagnostic(`${calls} calls, ${posts} posts, and ${received} of the server`);
    assert.deepEqual(wrong, []);
    assert.ok(calls > 0 && posts >= calls && received > 0);
  });
}
