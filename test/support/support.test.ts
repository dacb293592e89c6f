/** The ledger and the actors watch the other tests; here it is seen that they would bark. */
import assert from 'node:assert/strict';
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Outbox } from '../../src/memory/outbox.js';
import { thisThread } from '../../src/ports/thread.js';
import { LoopWatch } from '../../src/platform/loop-watch.js';
import { closeDescriptor } from '../../src/platform/system.js';
import { createSocketPair } from '../../src/platform/unix-socket.js';
import { atEnd, cleanUp } from './at-end.js';
import type { News, Order } from './example-actor.js';
import { settle, takeStock, withLedger } from './ledger.js';
import { startActor } from './processes.js';
import { namesIn, temporaryRoot } from './root.js';
import { isInstalled, skipWithout } from './tools.js';

withLedger();

const exampleActor = new URL('./example-actor.js', import.meta.url);

/** A test whose end is called by hand, with `cleanUp`: all that the helpers know of a test is its `after`. */
function endedByHand(): TestContext {
  return { after: () => {} } as unknown as TestContext;
}

/** Leaves something behind, sees that it is told, and takes it away again. */
async function tells(leave: () => () => unknown, told: RegExp): Promise<void> {
  const before = takeStock();
  const undo = leave();
  await assert.rejects(settle(before, { patience: 50 }), told);
  await undo();
  await settle(before);
}

test('a descriptor that is left open is told', () =>
  tells(() => {
    const fd = openSync('/dev/zero', 'r');
    return () => closeSync(fd);
  }, /descriptors: left behind: \/dev\/zero/));

test('a descriptor that somebody else closed is told', async () => {
  const fd = openSync('/dev/full', 'r');
  const before = takeStock();
  closeSync(fd);
  await assert.rejects(settle(before, { patience: 50 }), /closed, but not the test's: \/dev\/full/);
});

test('an outbox that is left open is told: its descriptor, its mappings, its slot', () =>
  tells(() => {
    const outbox = Outbox.create(thisThread().arena, 'alpc:left', 4096, 0);
    return () => outbox.close();
  }, /descriptors: left behind: \/memfd:alpc:left[^]*mappings: left behind: [^\n]*alpc:left[^]*slots: left behind/));

test('a watch that is left on the event loop is told', () =>
  tells(() => {
    const [a, b] = createSocketPair();
    const watch = new LoopWatch(a, () => {});
    return () => {
      watch.close();
      closeDescriptor(a);
      closeDescriptor(b);
    };
  }, /watches: left behind: socket/));

test('a timer that is left is told', () =>
  tells(() => {
    const timer = setInterval(() => {}, 10_000);
    return () => clearInterval(timer);
  }, /resources: left behind: Timeout/));

test('a process that is left running is told', async (t) => {
  const before = takeStock();
  const actor = startActor<Order, News>(t, exampleActor);
  await actor.until('ready');
  await assert.rejects(settle(before, { patience: 50 }), /children: left behind: process \d+: .*example-actor/);
});

test('what is registered with atEnd is undone last first, each once, and its errors are told', async (t) => {
  const done: string[] = [];
  atEnd(t, () => done.push('first made'));
  atEnd(t, async () => {
    await sleep(1);
    done.push('fails');
    throw new Error('could not be undone');
  });
  atEnd(t, () => done.push('last made'));
  await assert.rejects(cleanUp(t), /could not be undone/);
  await cleanUp(t);
  assert.deepEqual(done, ['last made', 'fails', 'first made']);
});

test('a root is private, empty, and ALPC_ROOT of this process and its actors', async (t) => {
  const root = temporaryRoot(t);
  assert.equal(process.env['ALPC_ROOT'], root);
  assert.deepEqual(namesIn(root), []);
  const actor = startActor<Order, News>(t, exampleActor);
  const { root: theirs } = await actor.until('ready');
  assert.equal(theirs, root);
});

test('a name that is left in the root is told', async () => {
  const t = endedByHand();
  const root = temporaryRoot(t, { patience: 20 });
  mkdirSync(join(root, 'below'));
  writeFileSync(join(root, 'below', 'left'), '');
  await assert.rejects(cleanUp(t), /below\/left/);
});

test('an actor answers, and keeps its news until somebody waits for them', async (t) => {
  const actor = startActor<Order, News>(t, exampleActor, ['given'], { EXAMPLE: 'set' });
  const counted = actor.ask({ type: 'count', to: 3 }, 'counted');
  assert.equal((await counted).last, 3);
  assert.deepEqual(await actor.until('ready'), { type: 'ready', root: process.env['ALPC_ROOT'], given: ['given'], example: 'set' });
});

test('a tool that is missing skips its tests with a reason, and lets them run and fail where it ought to be', () => {
  assert.equal(skipWithout('fish', true, {}), false);
  assert.equal(skipWithout('fish', false, {}), 'needs fish, which is not installed');
  assert.equal(skipWithout('fish', false, { ALPC_NEEDS: 'zsh chromium' }), 'needs fish, which is not installed');
  assert.equal(skipWithout('fish', false, { ALPC_NEEDS: 'zsh fish chromium' }), false);
  assert.deepEqual([isInstalled('sh'), isInstalled('no such program')], [true, false]);
});

test('a wait for an actor that ends fails with its end and its output', async (t) => {
  const actor = startActor<Order, News>(t, exampleActor);
  const counted = actor.until('counted');
  actor.send({ type: 'crash' });
  await assert.rejects(counted, /ended \(exit code 1\) before it told 'counted'[^]*as ordered/);
  assert.equal((await actor.ended).code, 1);
  await assert.rejects(actor.until('counted'), /ended/);
});

test('an actor that ended badly and unseen fails its test', async () => {
  const t = endedByHand();
  const actor = startActor<Order, News>(t, exampleActor);
  await actor.until('ready');
  actor.send({ type: 'crash' });
  while (actor.child.exitCode === null) await sleep(5);
  await assert.rejects(cleanUp(t), /ended by itself \(exit code 1\)/);
});

test('an actor that hangs is killed by its watchdog, also when it is stopped', async () => {
  const t = endedByHand();
  const actor = startActor<Order, News>(t, exampleActor, [], {}, { watchdog: 300 });
  actor.signal('SIGSTOP');
  await assert.rejects(actor.until('counted'), /still running after 300 ms/);
  await assert.rejects(cleanUp(t), /watchdog/);
});
