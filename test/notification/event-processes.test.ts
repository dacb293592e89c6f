/** Events between processes: who is released, how often, and whose an event is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createEvent } from '../../src/index.js';
import { until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { times } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import { namesIn, temporaryRoot } from '../support/root.js';
import { noOtherUsers, sharedRoot, USERS } from '../support/users.js';
import type { News, Order } from './event-actor.js';
import { named, READY, startWaiters, waitsOn } from './support.js';

withLedger();

test('ten processes wait, blocking and awaited: so many sets of a synchronization event release so many, however fast, and one of a notification event all', async (t) => {
  temporaryRoot(t);
  const event = named(t);
  const all = named(t, '\\BaseNamedObjects\\all', 'notification');
  const { waiters, wentOn } = await startWaiters(t, 10);
  for (const [index, waiter] of waiters.entries()) waiter.send({ type: 'wait', how: index % 2 === 0 ? 'blocking' : 'awaited', name: READY });
  for (const waiter of waiters) await waiter.until('begun');
  await until('all wait', () => waitsOn(event) === 10);
  let total = 0;
  for (const burst of [1, 3, 2, 4]) {
    for (let i = 0; i < burst; i++) assert.equal(event.set(), false);
    total += burst;
    await until('so many go on', () => wentOn() === total);
    await until('and the others wait', () => waitsOn(event) === 10 - total);
    await sleep(50);
    assert.deepEqual([wentOn(), event.state], [total, false]);
  }
  for (const waiter of waiters) assert.equal((await waiter.until('ended')).outcome, 'went on');
  event.set();
  assert.deepEqual([event.state, event.set(), event.tryWait(), event.tryWait()], [true, true, true, false]);

  for (const [index, waiter] of waiters.entries()) waiter.send({ type: 'wait', how: index % 2 === 0 ? 'blocking' : 'awaited', name: all.name! });
  for (const waiter of waiters) await waiter.until('begun');
  all.set();
  for (const waiter of waiters) assert.equal((await waiter.until('ended')).outcome, 'went on');
  assert.equal(all.state, true);
});

test('sets of several processes at once, and waits of several, lose and double nothing', async (t) => {
  temporaryRoot(t);
  const event = named(t);
  const { waiters, wentOn } = await startWaiters(t, 5);
  const setters = waiters.splice(0, 2);
  for (const [index, waiter] of waiters.entries()) waiter.send({ type: 'go-on-waiting', how: index % 2 === 0 ? 'blocking' : 'awaited', name: READY });
  await until('all wait', () => waitsOn(event) === 3);
  const rounds = times(300, 5000);
  for (const setter of setters) setter.send({ type: 'set', name: READY, times: rounds });
  let counted = 0;
  for (const setter of setters) counted += (await setter.until('done')).count;
  await until('all that was set is taken', () => !event.tokens.mayTake && waitsOn(event) === 3);
  await until('and told', () => wentOn() === counted);
  await sleep(20);
  assert.equal(wentOn(), counted);
});

test('processes that wait for all of two events, in different orders, get them whole and one after the other', async (t) => {
  temporaryRoot(t);
  const [one, two] = [named(t, '\\BaseNamedObjects\\one'), named(t, '\\BaseNamedObjects\\two')];
  const { waiters, wentOn } = await startWaiters(t, 3);
  const names = [one.name!, two.name!];
  const rounds = times(10, 200);
  for (const [index, waiter] of waiters.entries()) waiter.send({ type: 'wait-several', mode: 'all', names: index % 2 === 0 ? names : names.toReversed(), times: rounds });
  for (let i = 1; i <= rounds * waiters.length; i++) {
    (i % 2 === 0 ? one : two).set();
    (i % 2 === 0 ? two : one).set();
    await until('one of them has both', () => wentOn() === i);
    assert.deepEqual([one.state, two.state], [false, false]);
  }
  for (const waiter of waiters) assert.equal((await waiter.until('done')).count, rounds);
});

test('processes that wait for any of two events, in different orders: each set of either releases exactly one of them', async (t) => {
  temporaryRoot(t);
  const [one, two] = [named(t, '\\BaseNamedObjects\\one'), named(t, '\\BaseNamedObjects\\two')];
  const { waiters, wentOn } = await startWaiters(t, 3);
  const names = [one.name!, two.name!];
  const rounds = times(10, 200);
  for (const [index, waiter] of waiters.entries()) waiter.send({ type: 'wait-several', mode: 'any', names: index % 2 === 0 ? names : names.toReversed(), times: rounds });
  const sets = rounds * waiters.length;
  for (let i = 0; i < sets; ) {
    await until('all wait for both that have not gone on for the last time', () => waitsOn(one) === waitsOn(two) && waitsOn(one) > 0);
    const both = waitsOn(one) > 1;
    (i % 3 === 0 ? two : one).set();
    if (both) (i % 2 === 0 ? two : one).set();
    i += both ? 2 : 1;
    await until('so many went on', () => wentOn() === i);
    assert.deepEqual([one.state, two.state], [false, false]);
  }
  for (const waiter of waiters) assert.equal((await waiter.until('done')).count, rounds);
  assert.deepEqual([one.state, two.state, wentOn()], [false, false, sets]);
});

test('processes that create, open and close one name at the same time always get an event, and leave nothing', async (t) => {
  const root = temporaryRoot(t);
  const { waiters } = await startWaiters(t, 3);
  const rounds = times(60, 1000);
  for (const waiter of waiters) waiter.send({ type: 'come-and-go', name: READY, times: rounds });
  for (const waiter of waiters) assert.equal((await waiter.until('done')).count, rounds);
  assert.deepEqual(namesIn(root), []);
});

test('another user can open an event that everyone or its group may, and no other', { skip: noOtherUsers }, async (t) => {
  sharedRoot(t);
  const [uid, gid] = USERS;
  const events = {
    mine: createEvent('\\BaseNamedObjects\\mine'),
    everyone: createEvent('\\BaseNamedObjects\\everyone', { security: { allow: [{ user: 'everyone' }] }, kind: 'synchronization' }),
    group: createEvent('\\BaseNamedObjects\\group', { security: { allow: [{ user: 'me' }, { group: gid }] } }),
  };
  for (const event of Object.values(events)) atEnd(t, () => event.close());
  const outcomes: Record<string, string[]> = {};
  for (const identity of [{ uid, gid: uid }, { uid, gid }]) {
    const actor = startActor<Order, News>(t, new URL('./event-actor.js', import.meta.url), [], {}, { watchdog: 110_000, ...identity });
    await actor.until('ready');
    for (const [name, event] of Object.entries(events)) {
      const { outcome } = await actor.ask({ type: 'try', name: event.name! }, 'ended');
      assert.equal(event.reset(), outcome === 'set');
      (outcomes[name] ??= []).push(outcome);
    }
  }
  assert.deepEqual(outcomes, { mine: ['ERR_ALPC_ACCESS_DENIED', 'ERR_ALPC_ACCESS_DENIED'], everyone: ['set', 'set'], group: ['ERR_ALPC_ACCESS_DENIED', 'set'] });
});
