/**
 * Tens of thousands of exchanges between two processes, and between two threads, with pauses at random moments on both
 * sides: every sleep ends. A sleep of ten seconds beside what it waits for is a lost wake-up, and fails. And the canary: the
 * order of stores and loads that all of it rests on, asked of this machine and this version of Node.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { join as joinPath } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { closeDescriptor } from '../../src/platform/system.js';
import { atEnd } from '../support/at-end.js';
import { isLong, times } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';
import { type Actor, startActor } from '../support/processes.js';
import { temporaryRoot } from '../support/root.js';
import type { Meeting, News, Order, Part } from './exchange-actor.js';
import { drive, flood, host, listenAt, type Party } from './exchange.js';
import { bothStale, litmus, type Stores } from './litmus.js';
import { PAGE } from './support.js';

withLedger();

interface Ended {
  sleeps: number;
  count: number;
}

/** Starts the other party and resolves when it is on its way: from then on this thread may block. What it resolves with waits for its end. */
type Start = (t: TestContext, meeting: Meeting, part: Part) => Promise<() => Promise<Ended>>;

async function startOrdered(t: TestContext, order: Order): Promise<Actor<Order, News>> {
  const actor = startActor<Order, News>(t, new URL('./exchange-actor.js', import.meta.url));
  await actor.until('ready');
  await new Promise((resolve) => {
    actor.child.send(order, resolve);
  });
  return actor;
}

const inProcess: Start = async (t, meeting, part) => {
  const actor = await startOrdered(t, { type: 'exchange', meeting, part });
  return () => actor.until('done');
};

const inThread: Start = async (t, meeting, part) => {
  const worker = new Worker(new URL('./exchange-worker.js', import.meta.url), { workerData: { meeting, part } });
  atEnd(t, () => worker.terminate());
  await once(worker, 'online');
  return async () => ((await once(worker, 'message')) as [Ended])[0];
};

/** Meets the other party in a root of the test's own; its descriptors are closed at the end. */
async function meet<T>(t: TestContext, start: (meeting: Meeting) => Promise<T>): Promise<{ party: Party; other: T }> {
  const meeting = { path: joinPath(temporaryRoot(t, { leftovers: true }), 'meeting'), ringLength: PAGE, seed: Date.now() & 0xffffff };
  t.diagnostic(`seed ${meeting.seed}`);
  const listener = listenAt(meeting.path);
  atEnd(t, () => closeDescriptor(listener));
  const other = await start(meeting);
  const party = host(listener, meeting);
  atEnd(t, () => party.close());
  return { party, other };
}

for (const [who, start] of [['processes', inProcess], ['threads', inThread]] as const) {
  test(`two ${who} exchange 20,000 questions and answers, and no wake-up is lost`, async (t) => {
    const { party, other } = await meet(t, (meeting) => start(t, meeting, 'echo'));
    drive(party, 20_000);
    const { sleeps, count } = await other();
    t.diagnostic(`slept ${party.sleeps} and ${sleeps} times`);
    assert.equal(count, 20_000);
    assert.ok(party.sleeps > 100 && sleeps > 100, 'both slept often enough for this to mean something');
  });

  test(`200,000 records pass one way between two ${who} through the smallest ring, in order, and neither sleeps for ever`, async (t) => {
    const { party, other } = await meet(t, (meeting) => start(t, meeting, 'drain'));
    flood(party, 200_000);
    const { sleeps, count } = await other();
    t.diagnostic(`slept ${party.sleeps} and ${sleeps} times`);
    assert.equal(count, 200_000);
    assert.ok(party.sleeps > 100 && sleeps > 100, 'both slept often enough for this to mean something');
  });
}

async function countBothStale(t: TestContext, stores: Stores, trials: number): Promise<number> {
  const { party, other } = await meet(t, (meeting) => startOrdered(t, { type: 'litmus', meeting, stores, trials }));
  const mine = litmus(party, stores, trials, isLong ? Infinity : 15_000);
  const { stale } = await other.until('loaded');
  assert.equal(stale.length, mine.length);
  assert.ok(mine.length - 1 >= Math.min(trials, LEAST_TRIALS), `${mine.length - 1} trials were made`);
  const count = bothStale(mine, stale);
  t.diagnostic(`${stores} stores: neither saw the other in ${count} of ${mine.length - 1} trials`);
  return count;
}

/** Plain stores fail once in some thirty trials. */
const TRIALS = times(960_000, 3_840_000);
/** A machine that is too busy for all of them makes so many. */
const LEAST_TRIALS = isLong ? Infinity : 50_000;

test(`of two processes that store their own word and then load the other's at least one sees the other, in ${TRIALS} trials${isLong ? '' : `, or what a busy machine makes of them, ${LEAST_TRIALS} at least`}`, { skip: availableParallelism() < 2 && 'needs two cores' }, async (t) => {
  assert.ok((await countBothStale(t, 'plain', TRIALS / 4)) > 0, 'with plain stores this fails: without that the trial would prove nothing');
  assert.equal(await countBothStale(t, 'atomic', TRIALS), 0);
});
