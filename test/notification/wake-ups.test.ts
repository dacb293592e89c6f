/**
 * No lost wake-up: messages come with pauses of any length, so that they arrive just as the consumer falls asleep, and the consumer is
 * woken each time. Half of them are sent only when the one before was taken, so that the consumer does fall asleep, thousands of times, and
 * no later message can make up for a wake-up that was lost: then the consumer sleeps for good, and the test's timeout tells. Some ten
 * thousand in `npm test`, a million in the long form.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { CompletionPort, type ConnectionPort, createEvent, createPort } from '../../src/index.js';
import { numbers } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { isLong } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { Tally } from './tally.js';
import type { WakeUpTask } from './wake-up-thread.js';

// What a thread had mapped stays mapped when it has ended.
withLedger({ except: ['mappings'] });

const COUNT = isLong ? 1_000_000 : 10_000;
const SENDERS = 2;
/** More often than that the consumer must have slept, or it was no test. */
const SLEEPS = COUNT / 20;
const NAME = '\\RPC Control\\wake-ups';

function start(t: TestContext, task: WakeUpTask): Worker {
  const worker = new Worker(new URL('./wake-up-thread.js', import.meta.url), { workerData: task });
  atEnd(t, () => worker.terminate());
  return worker;
}

function startSenders(t: TestContext, { memory }: Tally): Worker[] {
  return numbers(SENDERS).map((index) => start(t, { do: 'send', port: NAME, from: (index * COUNT) / SENDERS, count: COUNT / SENDERS, tally: memory }));
}

async function serve(t: TestContext, spin: boolean): Promise<ConnectionPort> {
  temporaryRoot(t);
  const port = await createPort(NAME, spin ? {} : { spin: false });
  atEnd(t, () => port.close());
  return port;
}

/** So that not every wait begins at the same moment. */
async function dawdle(): Promise<void> {
  const chance = Math.random();
  if (chance < 0.1) await turn();
  else if (chance < 0.3) for (const end = performance.now() + Math.random() * 0.05; performance.now() < end; );
}

for (const spin of [true, false]) {
  for (const how of ['wait', 'event'] as const) {
    test(`a completion list loses no wake-up: list.${how}${how === 'event' ? '.wait' : ''}, ${spin ? 'looking before it rests' : 'resting at once'}`, async (t) => {
      const port = await serve(t, spin);
      const list = port.registerCompletionList();
      const seen = Tally.of(COUNT);
      const gone = Promise.all(startSenders(t, seen).map((sender) => once(sender, 'exit')));
      while (seen.count < COUNT) {
        if (!list.hasMessages) seen.addSleep();
        await (how === 'wait' ? list.wait() : list.event.wait());
        for (let messages = list.poll(32); messages.length > 0; messages = list.poll(32)) for (const message of messages) if (message.type === 'datagram') seen.add(message.data.readDoubleLE());
        await dawdle();
      }
      assert.deepEqual(seen.wrong, []);
      assert.ok(seen.sleeps > (spin ? SLEEPS / 5 : SLEEPS), `it had to be told ${seen.sleeps} times only`);
      await gone;
    });
  }
}

for (const how of ['dequeueSync', 'dequeue'] as const) {
  for (const threads of [1, 3]) {
    test(`a completion port loses no wake-up: ${how}, ${threads} thread${threads === 1 ? '' : 's'}`, async (t) => {
      const port = await serve(t, true);
      const completions = new CompletionPort({ concurrency: 2 });
      atEnd(t, () => completions[Symbol.dispose]());
      port.associate(completions, 1);
      const seen = Tally.of(COUNT);
      const takers = numbers(threads).map(() => start(t, { do: 'take', how, handle: completions.handle, tally: seen.memory }));
      const gone = Promise.all(takers.map((taker) => once(taker, 'exit')));
      startSenders(t, seen);
      while (seen.count < COUNT) await new Promise((resolve) => void setTimeout(resolve, 5));
      assert.deepEqual(seen.wrong, []);
      assert.ok(seen.sleeps > SLEEPS, `they slept ${seen.sleeps} times only`);
      assert.ok(completions.info().peak <= 2);
      completions.close();
      await gone;
    });
  }
}

test('two threads that wait for each other by events, blocking and awaited, are woken each time', async (t) => {
  const count = COUNT / 5;
  const [ask, reply] = [createEvent(undefined, { kind: 'synchronization' }), createEvent(undefined, { kind: 'synchronization' })];
  atEnd(t, () => [ask, reply].forEach((event) => event.close()));
  const other = start(t, { do: 'answer', events: [ask.share(), reply.share()], count });
  const gone = once(other, 'exit');
  for (let i = 0; i < count; i++) {
    ask.set();
    if (i % 3 === 0) reply.waitSync();
    else await reply.wait();
  }
  await gone;
  assert.deepEqual([ask.state, reply.state], [false, false]);
});
