/** Events between processes, and what is left when some of them are killed. */
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createEvent, type Event, openEvent } from '../../src/index.js';
import { until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { times } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';
import { type Actor, startActor } from '../support/processes.js';
import { namesIn, temporaryRoot } from '../support/root.js';
import type { News, Order } from './event-actor.js';
import { READY, waitsOn } from './support.js';

withLedger();

type Waiter = Actor<Order, News>;

/** So many processes, with a file where each wait that went on leaves a byte. */
async function startWaiters(t: TestContext, count: number): Promise<{ waiters: Waiter[]; start: () => Promise<Waiter>; wentOn: () => number }> {
  const tally = join(process.env['ALPC_ROOT']!, '..', 'tally');
  writeFileSync(tally, '');
  const start = async (): Promise<Waiter> => {
    const waiter = startActor<Order, News>(t, new URL('./event-actor.js', import.meta.url), [tally], {}, { watchdog: 110_000 });
    await waiter.until('ready');
    return waiter;
  };
  const waiters: Waiter[] = [];
  for (let i = 0; i < count; i++) waiters.push(await start());
  return { waiters, start, wentOn: () => statSync(tally).size };
}

function named(t: TestContext, name = READY, kind: 'notification' | 'synchronization' = 'synchronization'): Event {
  const event = createEvent(name, { kind });
  atEnd(t, () => event.close());
  return event;
}

test('ten processes wait for one synchronization event, blocking and awaited: so many sets release so many, however fast', async (t) => {
  temporaryRoot(t);
  const event = named(t);
  const { waiters, wentOn } = await startWaiters(t, 10);
  for (const [index, waiter] of waiters.entries()) waiter.send({ type: 'wait', how: index % 2 === 0 ? 'blocking' : 'awaited', name: READY });
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
});

test('ten processes wait for one notification event: one set releases them all', async (t) => {
  temporaryRoot(t);
  const event = named(t, READY, 'notification');
  const { waiters } = await startWaiters(t, 10);
  for (const [index, waiter] of waiters.entries()) waiter.send({ type: 'wait', how: index % 2 === 0 ? 'blocking' : 'awaited', name: READY });
  for (const waiter of waiters) await waiter.until('begun');
  event.set();
  for (const waiter of waiters) assert.equal((await waiter.until('ended')).outcome, 'went on');
  assert.equal(event.state, true);
});

test('a process that is killed between being woken and taking what was set leaves it to another', async (t) => {
  temporaryRoot(t);
  const event = named(t);
  const { waiters, wentOn } = await startWaiters(t, 2);
  for (const [index, how] of (['blocking', 'awaited'] as const).entries()) {
    const victim = waiters[index]!;
    victim.send({ type: 'wait', how, name: READY });
    await until('it waits', () => waitsOn(event) === 1);
    victim.signal('SIGSTOP');
    await until('it is stopped', () => /^State:\s+T/m.test(statusOf(victim.pid)));
    assert.equal(event.set(), false);
    assert.equal(event.state, false, 'it is for the one that waits');
    await victim.kill();
    await until('nobody waits', () => waitsOn(event) === 0);
    assert.equal(event.state, true, 'it is for anybody now');
    assert.deepEqual([event.tryWait(), event.tryWait(), wentOn()], [true, false, 0]);
  }
});

test('processes that are killed at random while they wait lose no more than they had taken', async (t) => {
  temporaryRoot(t);
  const event = named(t);
  const { waiters, start, wentOn } = await startWaiters(t, 6);
  const how = (index: number): 'blocking' | 'awaited' => (index % 2 === 0 ? 'blocking' : 'awaited');
  for (const [index, waiter] of waiters.entries()) waiter.send({ type: 'go-on-waiting', how: how(index), name: READY });
  const kills = times(8, 60);
  let [counted, killed] = [0, 0];
  const setting = { on: true };
  const set = async (): Promise<void> => {
    while (setting.on) {
      for (let burst = Math.floor(Math.random() * 4); burst >= 0; burst--) if (!event.set()) counted++;
      await sleep(Math.random() * 3);
    }
  };
  const done = set();
  while (killed < kills) {
    await sleep(Math.random() * 60);
    const at = Math.floor(Math.random() * waiters.length);
    await waiters[at]!.kill();
    killed++;
    const next = await start();
    waiters[at] = next;
    next.send({ type: 'go-on-waiting', how: how(at), name: READY });
  }
  setting.on = false;
  await done;
  await until('all wait, and nothing is left', () => waitsOn(event) === 6 && !event.tokens.mayTake);
  await sleep(20);
  // One that is killed may have taken one and not told yet, and one that was meant for it may be nobody's.
  const lost = counted - wentOn();
  assert.ok(lost >= 0 && lost <= 2 * killed, `${counted} sets, ${killed} killed, ${wentOn()} went on`);
  // And the event is as good as new.
  const before = wentOn();
  for (let i = 0; i < 20; i++) {
    assert.equal(event.set(), false);
    await until('one goes on', () => wentOn() === before + i + 1 && waitsOn(event) === 6);
  }
  assert.equal(event.tokens.mayTake, false);
});

test('sets of several processes at once, and waits of several, lose and double nothing', async (t) => {
  temporaryRoot(t);
  const event = named(t);
  const { waiters, wentOn } = await startWaiters(t, 6);
  const setters = waiters.splice(0, 2);
  for (const [index, waiter] of waiters.entries()) waiter.send({ type: 'go-on-waiting', how: index % 2 === 0 ? 'blocking' : 'awaited', name: READY });
  await until('all wait', () => waitsOn(event) === 4);
  const rounds = times(300, 5000);
  for (const setter of setters) setter.send({ type: 'set', name: READY, times: rounds });
  let counted = 0;
  for (const setter of setters) counted += (await setter.until('done')).count;
  await until('all that was set is taken', () => !event.tokens.mayTake && waitsOn(event) === 4);
  await until('and told', () => wentOn() === counted);
  await sleep(20);
  assert.equal(wentOn(), counted);
});

test('processes that wait for all of two events, in different orders, get them whole and one after the other', async (t) => {
  temporaryRoot(t);
  const [one, two] = [named(t, '\\BaseNamedObjects\\one'), named(t, '\\BaseNamedObjects\\two')];
  const { waiters, wentOn } = await startWaiters(t, 4);
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

test('a stopped process that holds the lock of the state does not hold the others up for good', async (t) => {
  temporaryRoot(t);
  const event = named(t);
  using stopped = openEvent(READY);
  // What a process does that is stopped at the worst moment: it has the lock and does not go on.
  stopped.tokens.locked(() => {
    assert.equal(event.set(), false);
    assert.equal(event.tryWait(), true);
    assert.equal(event.tryWait(), false);
  });
  event.set();
  assert.equal(event.tryWait(), true);
});

test('an event whose holders are all killed is gone: its name can be taken, and its state is not inherited', async (t) => {
  const root = temporaryRoot(t, { leftovers: true });
  const { waiters } = await startWaiters(t, 2);
  const event = createEvent(READY, { initialState: true });
  for (const waiter of waiters) await waiter.ask({ type: 'hold', name: READY }, 'held');
  event.close();
  openEvent(READY).close();
  for (const waiter of waiters) await waiter.kill();
  assert.throws(() => openEvent(READY), { code: 'ERR_ALPC_NAME_NOT_FOUND' });
  assert.equal(namesIn(root).length, 1);
  using next = createEvent(READY, { kind: 'synchronization' });
  assert.equal(next.state, false);
  next.close();
  assert.deepEqual(namesIn(root), []);
});

test('processes that create, open and close one name at the same time always get an event, and leave nothing', async (t) => {
  const root = temporaryRoot(t);
  const { waiters } = await startWaiters(t, 4);
  const rounds = times(60, 1000);
  for (const waiter of waiters) waiter.send({ type: 'come-and-go', name: READY, times: rounds });
  for (const waiter of waiters) assert.equal((await waiter.until('done')).count, rounds);
  assert.deepEqual(namesIn(root), []);
});

function statusOf(pid: number): string {
  return readFileSync(`/proc/${pid}/status`, 'utf8');
}
