/**
 * Watching a descriptor on the event loop, over koffi's poll with its sharp edges: collected handles, exceptions that
 * surface elsewhere, promises that do not go on, numbers that are used again.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { LoopWatch } from '../../src/platform/loop-watch.js';
import { check, closeDescriptor, libc } from '../../src/platform/system.js';
import { createSocketPair, receiveBytes, ringBell } from '../../src/platform/unix-socket.js';
import { atEnd } from '../support/at-end.js';
import { collectGarbage } from '../support/garbage.js';
import { withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import { turn, turnsUntil } from '../support/turns.js';
import type { News, Order } from './loop-watch-actor.js';
import { orderAfterBell } from './loop-watch-order.js';

withLedger();

const actorModule = new URL('./loop-watch-actor.js', import.meta.url);
const read = (fd: number): unknown => receiveBytes(fd, Buffer.alloc(8));

/** A pair whose second socket is watched; the bell is read, then `heard` is called. */
function watched(t: TestContext, heard: () => void): { ring: () => void; watch: LoopWatch; mine: number; theirs: number } {
  const [theirs, mine] = createSocketPair();
  const watch = new LoopWatch(mine, () => {
    read(mine);
    heard();
  });
  atEnd(t, () => {
    watch.close();
    closeDescriptor(mine);
    closeDescriptor(theirs);
  });
  return { ring: () => void ringBell(theirs), watch, mine, theirs };
}

test('each bell is heard, also after a hundred forced garbage collections while nobody holds more than the watch', async (t) => {
  let count = 0;
  const { ring } = watched(t, () => count++);
  for (let i = 1; i <= 100; i++) {
    collectGarbage();
    await turn();
    ring();
    await turnsUntil(() => count === i);
  }
  assert.equal(count, 100);
});

test('what is not read is told again, and what is read is not', async (t) => {
  const [theirs, mine] = createSocketPair();
  let count = 0;
  const watch = new LoopWatch(mine, () => count++);
  atEnd(t, () => {
    watch.close();
    closeDescriptor(mine);
    closeDescriptor(theirs);
  });
  ringBell(theirs);
  await turnsUntil(() => count >= 5);
  read(mine);
  await turn();
  const after = count;
  await sleep(20);
  assert.equal(count, after);
});

test("a peer's end is heard", async () => {
  const [theirs, mine] = createSocketPair();
  const heard = new Promise((resolve) => {
    const watch = new LoopWatch(mine, () => {
      const end = receiveBytes(mine, Buffer.alloc(8));
      watch.close();
      resolve(end);
    });
  });
  closeDescriptor(theirs);
  assert.equal(await heard, 'end');
  closeDescriptor(mine);
});

test('an exception in the callback surfaces once, as an uncaught exception and in no other call, and the watch lives on', async (t) => {
  const actor = startActor<Order, News>(t, actorModule);
  const { uncaught, elsewhere, heardLater } = await actor.ask({ type: 'throw-in-callback' }, 'thrown');
  assert.deepEqual({ uncaught, elsewhere, heardLater }, { uncaught: ['thrown in the callback'], elsewhere: [], heardLater: true });
});

test('what a promise goes on with after the bell, left by setImmediate, runs before the next turn of the loop', async () => {
  const expected = ['bell', 'left', 'promise', 'next turn'];
  for (let i = 0; i < 20; i++) assert.deepEqual(await orderAfterBell(), expected);
});

test('in a worker with nothing else to do it does so too', async () => {
  const worker = new Worker(new URL('./loop-watch-worker.js', import.meta.url));
  const [orders] = (await once(worker, 'message')) as [string[][]];
  await once(worker, 'exit');
  assert.equal(orders.length, 20);
  for (const order of orders) assert.deepEqual(order, ['bell', 'left', 'promise', 'next turn']);
});

test('a watch can be closed in its own callback, in that of another that is ready in the same turn, and twice', async (t) => {
  let own = 0;
  const first = watched(t, () => {
    own++;
    first.watch.close();
    first.watch.close();
  });
  first.ring();
  first.ring();
  await turnsUntil(() => own > 0);
  await sleep(10);
  assert.equal(own, 1);
  assert.equal(first.watch.closed, true);

  const heard: string[] = [];
  const a = watched(t, () => {
    heard.push('a');
    b.watch.close();
  });
  const b = watched(t, () => {
    heard.push('b');
    a.watch.close();
  });
  a.ring();
  b.ring();
  await turnsUntil(() => heard.length > 0);
  await sleep(10);
  assert.equal(heard.length, 1, 'whichever came first closed the other');
});

test('after a watch is closed its methods do nothing, and it keeps nothing alive', (t) => {
  const { watch } = watched(t, () => {});
  assert.equal(watch.hasRef(), true);
  watch.unref();
  assert.equal(watch.hasRef(), false);
  watch.ref();
  assert.equal(watch.hasRef(), true);
  watch.close();
  assert.equal(watch.hasRef(), false);
  watch.ref();
  watch.unref();
  watch.ref();
  assert.equal(watch.hasRef(), false);
});

test('closed before its descriptor, a watch does not hear of the one that gets its number next', async (t) => {
  let heard = 0;
  const { watch, mine } = watched(t, () => heard++);
  await turn();
  for (let i = 0; i < 50; i++) {
    watch.close();
    const [theirs, other] = createSocketPair();
    check('dup3', libc().dup3(other, mine, 0o2000000)); // the watched number is another socket now
    ringBell(theirs);
    await turn();
    closeDescriptor(theirs);
    closeDescriptor(other);
  }
  assert.equal(heard, 0);
});

test('a process ends although an unreferenced watch is open, and lives while a referenced one is', async (t) => {
  const unreferenced = startActor<Order, News>(t, actorModule);
  unreferenced.send({ type: 'watch-and-leave', referenced: false });
  assert.equal((await unreferenced.ended).code, 0);
  const referenced = startActor<Order, News>(t, actorModule);
  referenced.send({ type: 'watch-and-leave', referenced: true });
  assert.equal((await referenced.ended).code, 7, 'it was still there for its timer, which does not keep it alive');
});
