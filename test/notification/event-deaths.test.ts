/** Events and those who wait for them, when some are killed or stopped. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createEvent, type Event, openEvent } from '../../src/index.js';
import { until } from '../process/expect.js';
import { times } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';
import { namesIn, temporaryRoot } from '../support/root.js';
import { named, READY, startWaiters, type Waiter, waitsOn } from './support.js';

withLedger();

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
  const { waiters, start, wentOn } = await startWaiters(t, 4);
  const how = (index: number): 'blocking' | 'awaited' => (index % 2 === 0 ? 'blocking' : 'awaited');
  for (const [index, waiter] of waiters.entries()) waiter.send({ type: 'go-on-waiting', how: how(index), name: READY });
  const kills = times(3, 60);
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
  await until('all wait, and nothing is left', () => waitsOn(event) === 4 && !event.tokens.mayTake);
  await sleep(20);
  // One that is killed may have taken one and not told yet, and one that was meant for it may be nobody's.
  const lost = counted - wentOn();
  assert.ok(lost >= 0 && lost <= 2 * killed, `${counted} sets, ${killed} killed, ${wentOn()} went on`);
  // And the event is as good as new.
  const before = wentOn();
  for (let i = 0; i < 20; i++) {
    assert.equal(event.set(), false);
    await until('one goes on', () => wentOn() === before + i + 1 && waitsOn(event) === 4);
  }
  assert.equal(event.tokens.mayTake, false);
});

for (const mode of ['any', 'all'] as const) {
  test(`processes that are killed at random while they wait for ${mode} of several events leave each set to another`, async (t) => {
    temporaryRoot(t);
    const names = [READY, `${READY} too`];
    const [first, second] = names.map((name) => named(t, name)) as [Event, Event];
    const { waiters, start, wentOn } = await startWaiters(t, 4);
    const wait = (waiter: Waiter, index: number): void => waiter.send({ type: 'go-on-waiting-for', mode, how: index % 2 === 0 ? 'blocking' : 'awaited', names: index < 2 ? names : names.toReversed() });
    for (const [index, waiter] of waiters.entries()) wait(waiter, index);
    const setting = { on: true };
    const set = async (): Promise<void> => {
      while (setting.on) {
        for (let burst = Math.floor(Math.random() * 4); burst >= 0; burst--) for (const event of [first, second]) event.set();
        await sleep(Math.random() * 3);
      }
    };
    const done = set();
    for (let kills = times(4, 60); kills > 0; kills--) {
      await sleep(Math.random() * 60);
      const at = Math.floor(Math.random() * waiters.length);
      await waiters[at]!.kill();
      wait((waiters[at] = await start()), at);
    }
    setting.on = false;
    await done;
    // Only waits for any are counted by the events. Of those who wait for all, one that was killed may have taken the one event and not yet the other.
    const isQuiet = (): boolean => (mode === 'any' ? waitsOn(first) === 4 && waitsOn(second) === 4 && !first.tokens.mayTake && !second.tokens.mayTake : !first.tokens.mayTake || !second.tokens.mayTake);
    await until('nothing is left that ends a wait', isQuiet);
    for (let i = 0; i < 20; i++) {
      const before = wentOn();
      if (mode === 'all' || i % 2 === 0) first.set();
      if (mode === 'all' || i % 2 === 1) second.set();
      await until('one goes on', () => wentOn() > before && isQuiet());
    }
  });
}

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

function statusOf(pid: number): string {
  return readFileSync(`/proc/${pid}/status`, 'utf8');
}
