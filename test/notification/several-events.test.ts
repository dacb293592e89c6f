/** Waiting for any and for all of several events, blocking and awaited. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { createEvent, type Event, type EventKind, openEvent, waitForAll, waitForAllSync, waitForAny, waitForAnySync } from '../../src/index.js';
import { failsWith, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { counter, turns, waitsOn } from './support.js';

withLedger();

/** Both forms of a wait, as one that is awaited. */
const ANY = { awaited: waitForAny, blocking: async (...args: Parameters<typeof waitForAnySync>) => waitForAnySync(...args) };
const ALL = { awaited: waitForAll, blocking: async (...args: Parameters<typeof waitForAllSync>) => waitForAllSync(...args) };

type Make = (kind: EventKind, initialState?: boolean) => Event;

function maker(t: Parameters<typeof atEnd>[0]): Make {
  return (kind, initialState = false) => {
    const event = createEvent(undefined, { kind, initialState });
    atEnd(t, () => event.close());
    return event;
  };
}

for (const form of ['awaited', 'blocking'] as const) {
  test(`a wait for any (${form}) ends by the first in the list that is set, and takes no other`, async (t) => {
    const make = maker(t);
    const events = [make('synchronization'), make('notification'), make('synchronization', true), make('synchronization', true)];
    assert.equal(await ANY[form](events), 2);
    assert.equal(await ANY[form](events), 3);
    events[1]!.set();
    assert.equal(await ANY[form](events), 1);
    events[0]!.set();
    assert.equal(await ANY[form](events, { timeout: 0 }), 0);
    assert.equal(await ANY[form](events, { timeout: 0 }), 1);
    events[1]!.reset();
    await assert.rejects(ANY[form](events, { timeout: 20 }), failsWith('ERR_ALPC_TIMEOUT', /any of 4 events: not set within 20 ms/));
    assert.deepEqual(events.map((event) => event.state), [false, false, false, false]);
  });

  test(`a wait for all (${form}) takes nothing until everything is there, and then all`, async (t) => {
    const make = maker(t);
    const events = [make('synchronization'), make('notification'), make('synchronization')];
    events[0]!.set();
    events[1]!.set();
    await assert.rejects(ALL[form](events, { timeout: 20 }), failsWith('ERR_ALPC_TIMEOUT', /all of 3 events/));
    assert.deepEqual(events.map((event) => event.state), [true, true, false]);
    events[2]!.set();
    await ALL[form](events);
    assert.deepEqual(events.map((event) => event.state), [false, true, false]);
  });

  test(`a wait for all (${form}) of two handles of one event takes it once`, async (t) => {
    const event = maker(t)('synchronization', true);
    using again = openEvent(event.share());
    await ALL[form]([event, again]);
    assert.equal(event.state, false);
    event.set();
    assert.equal(await ANY[form]([event, again]), 0);
    assert.equal(event.state, false);
  });
}

test('a wait for any that has ended waits on none of them any more', async (t) => {
  const make = maker(t);
  const events = [make('synchronization'), make('synchronization')];
  using seen = openEvent(events[0]!.share());
  const wait = waitForAny(events);
  assert.equal(waitsOn(seen), 1);
  events[1]!.set();
  assert.equal(await wait, 1);
  assert.equal(waitsOn(seen), 0);
  events[0]!.set();
  assert.equal(events[0]!.state, true);
});

test('a wait for all ends when they are set one after the other, in whatever order, and reset meanwhile', async (t) => {
  const make = maker(t);
  const events = [make('synchronization'), make('notification'), make('synchronization')];
  const [first, second, third] = events as [Event, Event, Event];
  const ended = counter();
  ended.add(waitForAll(events));
  for (const step of [() => third.set(), () => third.reset(), () => second.set(), () => first.set(), () => second.reset(), () => third.set()]) {
    step();
    await turns();
    assert.equal(ended.done, 0);
  }
  second.set();
  await until('it ends', () => ended.done === 1);
  assert.deepEqual(events.map((event) => event.state), [false, true, false]);
});

test('two waits for all that want the same events get them one after the other, each whole', async (t) => {
  const make = maker(t);
  const [one, two] = [make('synchronization'), make('synchronization')];
  const ended = counter();
  ended.add(waitForAll([one, two]));
  ended.add(waitForAll([two, one]));
  for (let round = 1; round <= 2; round++) {
    one.set();
    await turns();
    two.set();
    await until('one of them ends', () => ended.done === round);
    assert.deepEqual([one.state, two.state], [false, false]);
  }
});

test('a wait for all sleeps while only some of them are set', async (t) => {
  const make = maker(t);
  const wait = waitForAll([make('notification', true), make('notification')], { timeout: 300 });
  const before = performance.eventLoopUtilization();
  await assert.rejects(wait, failsWith('ERR_ALPC_TIMEOUT'));
  const { idle } = performance.eventLoopUtilization(before);
  assert.ok(idle > 100, `the loop was idle for ${idle} ms of 300`);
});

test('a wait for several ends when one of them is closed, or by its signal', async (t) => {
  const make = maker(t);
  for (const wait of [waitForAny, waitForAll]) {
    const events = [make('synchronization'), make('notification')];
    const closed = assert.rejects(wait(events), failsWith('ERR_ALPC_CLOSED'));
    events[0]!.close();
    await closed;
    const reason = new Error('given up');
    const controller = new AbortController();
    const aborted = assert.rejects(wait([events[1]!], { signal: controller.signal }), (error) => error === reason);
    controller.abort(reason);
    await aborted;
    await assert.rejects(wait(events), failsWith('ERR_ALPC_CLOSED'));
  }
});

test('a blocking wait for any ends with ERR_ALPC_CLOSED when a subscriber of alpc:wait closes one of the events, and has left the others', (t) => {
  const make = maker(t);
  const events = [make('synchronization'), make('synchronization')];
  const onWait = (): void => events[0]!.close();
  subscribe('alpc:wait', onWait);
  atEnd(t, () => unsubscribe('alpc:wait', onWait));
  assert.throws(() => waitForAnySync(events), failsWith('ERR_ALPC_CLOSED'));
  events[1]!.set();
  events[1]!.set();
  events[1]!.waitSync({ timeout: 0 });
  assert.throws(() => events[1]!.waitSync({ timeout: 0 }), failsWith('ERR_ALPC_TIMEOUT'), 'no set was for the wait that is over');
});
