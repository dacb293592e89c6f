/**
 * Watching a descriptor on the event loop: over libuv's poll in the main thread, with its sharp edges (collected handles,
 * exceptions that surface elsewhere, promises that do not go on, numbers that are used again), and over a handle of Node's
 * own in a worker. Both keep the same promises.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { LoopWatch } from '../../src/platform/loop-watch.js';
import { closeDescriptor } from '../../src/platform/system.js';
import { createSocketPair } from '../../src/platform/unix-socket.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import type { News, Order } from './loop-watch-actor.js';
import { type Scenario, scenarios } from './loop-watch-scenarios.js';

withLedger();

const actorModule = new URL('./loop-watch-actor.js', import.meta.url);

type Outcome<S extends Scenario> = Awaited<ReturnType<(typeof scenarios)[S]>>;

async function startWorker(t: TestContext, order: Scenario | 'busy'): Promise<{ worker: Worker; said: unknown }> {
  const worker = new Worker(new URL('./loop-watch-worker.js', import.meta.url), { workerData: order });
  atEnd(t, () => worker.terminate());
  const [said] = (await once(worker, 'message')) as [unknown];
  return { worker, said };
}

/** The same in the main thread and in a worker; `here` may be elsewhere when the test's own process can't do it. */
function inBoth<S extends Scenario>(sentence: string, scenario: S, expected: Outcome<S>, here?: (t: TestContext) => Promise<Outcome<S>>): void {
  test(`main thread: ${sentence}`, async (t) => {
    assert.deepEqual(await (here?.(t) ?? scenarios[scenario]()), expected);
  });
  test(`worker: ${sentence}`, async (t) => {
    assert.deepEqual((await startWorker(t, scenario)).said, expected);
  });
}

inBoth('each bell is heard, also after a hundred forced garbage collections', 'collections', 100);
inBoth('what is not read is told again, and what is read is not', 'tellings', { unread: true, after: 0 });
inBoth("a peer's end is heard", 'peersEnd', 'end');
inBoth('of a peer that died with something unread every packet is told, and the end behind them', 'reset', [1, 1, 'end']);
inBoth('after the bell, left by setImmediate, promises go on before the next turn of the loop', 'order', ['bell', 'left', 'promise', 'next turn']);
inBoth('a watch can be closed twice, in its own callback, and in that of another that is ready in the same turn', 'closings', { own: 1, ofTwo: 1 });
inBoth('closed before its descriptor, a watch does not hear of the one that gets its number next', 'usedAgain', 0);
inBoth('watches that came and went leave no descriptor open', 'descriptors', 0);
inBoth('while the process has no descriptor to spare bells are heard, and after it as ever', 'shortage', 3);
inBoth('an exception in the callback surfaces once, as an uncaught exception and in no other call, and the watch lives on', 'exception', { uncaught: ['thrown in the callback'], elsewhere: [], heardLater: true }, async (t) => {
  const { type: _, ...seen } = await startActor<Order, News>(t, actorModule).ask({ type: 'throw-in-callback' }, 'thrown');
  return seen;
});

test('after a watch is closed its methods do nothing, and it keeps nothing alive', (t) => {
  const [theirs, mine] = createSocketPair();
  const watch = new LoopWatch(mine, () => {});
  atEnd(t, () => {
    watch.close();
    closeDescriptor(mine);
    closeDescriptor(theirs);
  });
  assert.deepEqual([watch.hasRef(), watch.closed], [true, false]);
  watch.unref();
  assert.equal(watch.hasRef(), false);
  watch.ref();
  assert.equal(watch.hasRef(), true);
  watch.close();
  assert.deepEqual([watch.hasRef(), watch.closed], [false, true]);
  watch.ref();
  watch.unref();
  watch.ref();
  assert.equal(watch.hasRef(), false);
});

test('a process ends although an unreferenced watch is open, and lives while a referenced one is, though nobody holds it', async (t) => {
  const unreferenced = startActor<Order, News>(t, actorModule);
  unreferenced.send({ type: 'watch-and-leave', referenced: false });
  assert.equal((await unreferenced.ended).code, 0);
  const referenced = startActor<Order, News>(t, actorModule);
  referenced.send({ type: 'watch-and-leave', referenced: true });
  assert.equal((await referenced.ended).code, 7, 'it was still there for its timer, which does not keep it alive');
});

test('a worker can be terminated in the midst of bells, again and again, and nothing of it is left', async (t) => {
  for (let i = 0; i < 12; i++) {
    const { worker, said } = await startWorker(t, 'busy');
    assert.equal(said, 'busy');
    assert.equal(await worker.terminate(), 1);
  }
});
