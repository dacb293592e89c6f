/**
 * Bells against a peer that is not ours: it sleeps as the page says, and as often as it can. Not one bell is lost, in either direction,
 * for data or for room. (That the library stores before it loads is held by test/memory/accesses.test.ts, that V8 keeps to it
 * by the canary of test/memory/exchange.test.ts, that it is enough by model/doorbell.pml.)
 *
 * In the long form (`npm run test:long`) two hundred thousand rounds.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectPort } from '../../src/index.js';
import { times } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import { NAME, serveByHand } from './meeting.js';
import type { News, Order } from './sleeper-actor.js';

withLedger();

const ROUNDS = times(2000, 200_000);
const PATIENCE = { timeout: 20_000 };

for (const [form, spin] of [['that always sleeps', false], ['that looks first', true]] as const) {
  test(`B37: a sleeping server by hand and a client ${form} wake each other for every single call, blocking and awaited`, async (t) => {
    const { path, listener } = serveByHand(t);
    listener.close();
    for (const how of ['blocking', 'awaited'] as const) {
      const actor = startActor<Order, News>(t, new URL('./sleeper-actor.js', import.meta.url), [], {}, { watchdog: 30 * 60_000 });
      await actor.ask({ type: 'answer', path: `${path} ${how}`, count: ROUNDS, seed: 37 }, 'ready');
      await using client = await connectPort(`${NAME} ${how}`, { spin });
      for (let i = 0; i < ROUNDS; i++) {
        const reply = how === 'blocking' ? client.requestSync(`${i}`, PATIENCE) : await client.request(`${i}`, PATIENCE);
        assert.equal(String(reply.data), `${i}`);
      }
      const { slept, lost } = await actor.until('done');
      assert.equal(lost, 0);
      assert.ok(slept > ROUNDS / 100, `it slept ${slept} times`);
      t.diagnostic(`${how}: ${ROUNDS} calls, ${slept} sleeps`);
    }
  });
}

test('B37: a peer by hand that waits for room is woken when there is, however its messages are received', async (t) => {
  const { path, listener } = serveByHand(t);
  listener.close();
  for (const how of ['blocking', 'listener'] as const) {
    const count = 2 * ROUNDS;
    const actor = startActor<Order, News>(t, new URL('./sleeper-actor.js', import.meta.url), [], {}, { watchdog: 30 * 60_000 });
    await actor.ask({ type: 'pour', path: `${path} ${how}`, count, seed: 38 }, 'ready');
    await using client = await connectPort(`${NAME} ${how}`, { spin: false });
    if (how === 'blocking') for (let i = 0; i < count; i++) assert.equal(client.receiveSync(PATIENCE).data[0] ?? i & 255, i & 255);
    else {
      let got = 0;
      await new Promise<void>((resolve) => client.on('message', () => ++got === count && resolve()));
    }
    const { slept, lost } = await actor.until('done');
    assert.equal(lost, 0);
    assert.ok(slept > 0);
    t.diagnostic(`${how}: ${count} messages, ${slept} sleeps`);
  }
});
