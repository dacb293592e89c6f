/**
 * An exception in a handler is its author's: it comes to the process as one uncaught exception, as from any emitter of Node's
 * own, and the port goes on with the next message.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { withLedger } from '../support/ledger.js';
import { type Actor, startActor } from '../support/processes.js';
import type { News, Order } from './actors/throwing.js';
import { until } from './expect.js';
import { ownRoot } from './serving.js';

withLedger();

async function start(t: TestContext): Promise<Actor<Order, News>> {
  ownRoot(t);
  const actor = startActor<Order, News>(t, new URL('./actors/throwing.js', import.meta.url));
  await actor.until('ready');
  return actor;
}

test("what a server's message handler throws is reported once, and the port lives on", async (t) => {
  const actor = await start(t);
  await until('the connect is told', async () => (await actor.ask({ type: 'report' }, 'report')).errors.includes('connect true'));
  for (const round of [1, 2, 3]) {
    assert.equal((await actor.ask({ type: 'call', text: `throw ${round}` }, 'settled')).outcome, 'ERR_ALPC_TIMEOUT'); // nobody answered it
    assert.equal((await actor.ask({ type: 'call', text: `fine ${round}` }, 'settled')).outcome, `answer to fine ${round}`);
    const { errors, heard } = await actor.ask({ type: 'report' }, 'report');
    assert.deepEqual(errors, [`throw ${round}`]);
    assert.deepEqual(heard, [`request throw ${round}`, 'canceled ', `request fine ${round}`]);
  }
});

test("what a client's message handler throws is reported once for each message, and none is lost", async (t) => {
  const actor = await start(t);
  const texts = Array.from({ length: 200 }, (_, index) => (index % 3 === 0 ? `throw ${index}` : `fine ${index}`));
  actor.send({ type: 'push', texts });
  const errors: string[] = [];
  const heard: string[] = [];
  await until('all came', async () => {
    const report = await actor.ask({ type: 'report' }, 'report');
    errors.push(...report.errors);
    heard.push(...report.heard);
    return heard.filter((line) => line.startsWith('client')).length === texts.length;
  });
  assert.deepEqual(heard.filter((line) => line.startsWith('client')), texts.map((text) => `client ${text}`));
  assert.deepEqual(errors.filter((line) => line.startsWith('client')), texts.filter((text) => text.startsWith('throw')).map((text) => `client ${text}`));
});

test("what a port's callback throws reaches neither the sender nor the listeners beside it, and is reported once for each message", async (t) => {
  const actor = await start(t);
  await actor.ask({ type: 'report' }, 'report');
  const texts = ['fine 1', 'throw 1', 'throw 2', 'fine 2'];
  assert.equal((await actor.ask({ type: 'callback', texts }, 'settled')).outcome, 'sent sent sent sent');
  const { errors, heard } = await actor.ask({ type: 'report' }, 'report');
  assert.deepEqual(errors.filter((error) => error.startsWith('throw')), ['throw 1', 'throw 2']);
  assert.deepEqual(heard.filter((line) => line.includes(': ')), texts.flatMap((text) => [`before: ${text}`, `callback: ${text}`, `after: ${text}`]));
});

test('what handlers of connect, disconnect and close throw is reported once each', async (t) => {
  const actor = await start(t);
  await actor.ask({ type: 'close' }, 'closed');
  const { errors } = await actor.ask({ type: 'report' }, 'report');
  assert.deepEqual(errors.toSorted(), ['close', 'connect true', 'disconnect']);
});
