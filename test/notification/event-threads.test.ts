/** Events shared between the threads of one process. A thread's wait page stays mapped until the process ends. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { createEvent, openEvent } from '../../src/index.js';
import { numbers, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { READY, turns, waitsOn } from './support.js';

withLedger({ except: ['mappings'] });

function startThread(t: TestContext, workerData: unknown): Worker {
  const worker = new Worker(new URL('./event-thread.js', import.meta.url), { workerData });
  atEnd(t, () => worker.terminate());
  return worker;
}

for (const how of ['blocking', 'awaited'] as const) {
  test(`threads share an event without a name, and wait (${how})`, async (t) => {
    using event = createEvent(undefined, { kind: 'synchronization' });
    const threads = numbers(3).map(() => startThread(t, { shared: event.share(), how, times: 1 }));
    const ended = threads.map((thread) => once(thread, 'exit'));
    await until('all wait', () => waitsOn(event) === 3);
    event.set();
    await Promise.race(ended);
    await turns();
    await until('two wait', () => waitsOn(event) === 2);
    event.set();
    event.set();
    await Promise.all(ended);
    assert.equal(event.state, false);
  });

  test(`a thread that is terminated while it waits (${how}) leaves nothing, and what is set to others`, async (t) => {
    temporaryRoot(t, { leftovers: true });
    for (const name of [undefined, READY]) {
      using event = createEvent(name, { kind: 'synchronization' });
      const thread = startThread(t, { shared: event.share(), how, times: 1000 });
      await until('it waits', () => waitsOn(event) === 1);
      event.set();
      await until('it waits again', () => waitsOn(event) === 1 && !event.tokens.mayTake);
      await thread.terminate();
      assert.equal(waitsOn(event), 0);
      assert.deepEqual([event.set(), event.state], [false, true]);
    }
  });
}

test('a shared event that has been closed is not found, and its number is not taken for another', () => {
  const event = createEvent();
  const shared = event.share();
  event.close();
  assert.throws(() => openEvent(shared), { code: 'ERR_ALPC_NAME_NOT_FOUND' });
  using _other = createEvent(); // mostly with the same number
  assert.throws(() => openEvent(shared), { code: 'ERR_ALPC_NAME_NOT_FOUND' });
});
