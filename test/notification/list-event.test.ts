/** The event of a completion list, with those for whom it is made: threads and processes that can't await, and look at nothing else meanwhile. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { connectPort } from '../../src/index.js';
import type { News, Order } from '../process/actors/adopter.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import { turn } from '../support/turns.js';
import { open, texts } from './listed.js';

// A thread's wait page stays mapped until the process ends.
withLedger({ except: ['mappings'] });

for (const how of ['blocking', 'awaited']) {
  test(`another thread waits for the event of a list (${how}), and goes on when something has come`, async (t) => {
    const { port, clients } = await open(t, 1, { spin: false });
    const list = port.registerCompletionList();
    const thread = new Worker(new URL('./event-thread.js', import.meta.url), { workerData: { shared: list.event.share(), how, times: 1 } });
    atEnd(t, () => thread.terminate());
    let gone = false;
    const exit = once(thread, 'exit').then(() => (gone = true));
    await once(thread, 'online');
    for (let i = 0; i < 20; i++) await turn();
    assert.equal(gone, false);
    clients[0]!.tryPost('news');
    await exit;
    assert.deepEqual(texts(list.poll()), ['news']);
  });
}

test('another process that got the event of a list as a handle goes on when something has come', async (t) => {
  const { port, clients } = await open(t, 1, { spin: false });
  const list = port.registerCompletionList();
  const actor = startActor<Order, News>(t, new URL('../process/actors/adopter.js', import.meta.url), ['\\RPC Control\\adopter']);
  await actor.until('ready');
  const adopter = await connectPort('\\RPC Control\\adopter');
  atEnd(t, () => adopter.close());
  let gone = false;
  const answered = adopter.request('wait', { handles: [list.event] }).then(() => (gone = true));
  await actor.until('waits');
  for (let i = 0; i < 20; i++) await turn();
  assert.equal(gone, false);
  clients[0]!.tryPost('news');
  await answered;
  assert.deepEqual(texts(list.poll()), ['news']);
  await actor.ask({ type: 'close' }, 'done');
  await actor.ended;
});

test('an event that its user has closed is asked for no more: nothing is lost by that, and who asks again gets another', async (t) => {
  const { port, clients } = await open(t, 1);
  const list = port.registerCompletionList();
  const first = list.event;
  clients[0]!.tryPost('one');
  await first.wait();
  first.close();
  clients[0]!.tryPost('two');
  assert.deepEqual(texts(list.poll()), ['one', 'two']);
  assert.deepEqual(list.poll(), []);
  const second = list.event;
  assert.notEqual(second, first);
  clients[0]!.tryPost('three');
  await second.wait();
  assert.deepEqual(texts(list.poll()), ['three']);
  second.close();
  clients[0]!.tryPost('four');
  await list.wait();
  assert.deepEqual(texts(list.poll()), ['four']);
  await list.rundown();
});
