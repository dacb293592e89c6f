/** A completion port and the event loop of a thread that awaits packets: what else the thread has to do there, meanwhile and between. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { createEvent } from '../../src/index.js';
import { failsWith, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { crew } from './crew.js';
import { ask, serve } from './pooled.js';

// What a thread had mapped stays mapped when it has been terminated: nobody is left to unmap it.
withLedger({ except: ['mappings'] });

test('a loop that finds a packet each time lets the event loop turn now and then', async (t) => {
  const { completions } = crew(t, 1);
  const loop = { hasTurned: false };
  setImmediate(() => (loop.hasTurned = true));
  for (let rounds = 0; !loop.hasTurned; rounds++) {
    assert.ok(rounds < 100_000, 'the event loop does not turn');
    completions.post({});
    assert.equal((await completions.dequeue()).length, 1);
  }
});

test('a thread of a pool that finds a packet each time answers what its handler answers later', async (t) => {
  const code = `import { workerData } from 'node:worker_threads';
    import { CompletionPort } from ${JSON.stringify(import.meta.resolve('../../src/index.js'))};
    const completions = CompletionPort.open(workerData.handle);
    let rounds = 0;
    let hasTurned = false;
    export default (message) => {
      if (message.type === 'request') setImmediate(() => {
        hasTurned = true;
        message.reply(rounds < 100_000 ? 'later' : 'the event loop does not turn');
      });
      else if (!hasTurned && ++rounds < 100_000) completions.post({});
    };`;
  const { client, completions } = await serve(t, { worker: `data:text/javascript,${encodeURIComponent(code)}`, maxThreads: 1 });
  const reply = ask(client, 'x');
  await until('it is queued', () => completions.info().queued > 0);
  completions.post({});
  assert.equal(await reply, 'later');
});

test('a wait keeps no thread alive that has said so, also one with a timeout', async (t) => {
  const { completions } = crew(t, 1);
  for (const order of ['completions.unref(); void completions.dequeue({ timeout: 2 ** 31 - 1 });', 'void completions.dequeue({ timeout: 2 ** 31 - 1 }); completions.unref();']) {
    const code = `import { CompletionPort } from ${JSON.stringify(import.meta.resolve('../../src/index.js'))};
      import { workerData } from 'node:worker_threads';
      const completions = CompletionPort.open(workerData);
      ${order}`;
    const thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), { workerData: completions.handle });
    let isGone = false;
    thread.once('exit', () => (isGone = true));
    atEnd(t, () => thread.terminate());
    await until('it has ended', () => isGone);
  }
});

test('a thread that blocks while its dequeue waits is not called, nor is its place kept for it; then it waits on', async (t) => {
  const { completions, start, taken, takenBy } = crew(t, 1);
  const blocked = createEvent();
  atEnd(t, () => blocked.close());
  const other = await start();
  const packets = completions.dequeue();
  completions.post({ data: 'first' }); // calls this thread, which came last
  for (let waits = 0; completions.info().dequeued === 0; waits++) {
    assert.ok(waits < 400, 'the packet waits for this thread');
    assert.throws(() => blocked.waitSync({ timeout: 50 }), failsWith('ERR_ALPC_TIMEOUT'));
  }
  await until('the other has it', () => taken.includes('first'));
  assert.deepEqual(takenBy.get(other), ['first']);
  await until('the other waits', () => completions.info().waiting === 2);
  await other.terminate();
  completions.reap();
  completions.post({ data: 'second' });
  assert.equal(String((await packets)[0]!.data), 'second');
});
