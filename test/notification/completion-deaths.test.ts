/** Threads that end in the middle of something at a completion port: whoever is left goes on, also when nobody but who waits is there to miss them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { type CompletionPort, connectPort, type RequestPacket } from '../../src/index.js';
import { Seat, seatAt, SeatState } from '../../src/notification/completion-memory.js';
import { Seats } from '../../src/notification/seats.js';
import { numbers, outcomeOf, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import type { Haunt } from './completion-ghost.js';
import { crew, NAME, serve } from './crew.js';

// What a thread had mapped stays mapped when it has been terminated: nobody is left to unmap it.
withLedger({ except: ['mappings'] });

function ghost(t: TestContext, completions: CompletionPort, how: Haunt['how'], text = ''): Worker {
  const haunt: Haunt = { handle: completions.handle, how, text };
  const worker = new Worker(new URL('./completion-ghost.js', import.meta.url), { workerData: haunt });
  atEnd(t, () => worker.terminate());
  return worker;
}

test('a thread that ends at work is missed by those that wait, though who posted has left, and no other thread looks', async (t) => {
  for (const how of ['dequeue', 'dequeueSync'] as const) {
    const { completions, start, gone, taken } = crew(t, 1);
    const working = await start({ how: 'dequeueSync' });
    await once(ghost(t, completions, 'post', 'gate'), 'exit');
    await until('it works', () => taken.includes('gate'));
    const waiting = await start({ how });
    await once(ghost(t, completions, 'post', 'next'), 'exit');
    assert.equal(completions.info().waiting, 1);
    await working.terminate();
    await until('the other has it', () => taken.includes('next'));
    await waiting.terminate();
    await gone(waiting);
  }
});

test('an answer for a port whose thread has ended waits for no room, and for nobody', async (t) => {
  temporaryRoot(t, { leftovers: true });
  const { completions } = crew(t, 2);
  const owner = ghost(t, completions, 'own', NAME);
  await once(owner, 'message');
  await using client = await connectPort(NAME);
  const outcomes = numbers(40).map(() => outcomeOf(client.request('x')));
  const packets: RequestPacket[] = [];
  while (packets.length < 40) for (const packet of await completions.dequeue()) if (packet.type === 'request') packets.push(packet);
  await owner.terminate();
  assert.deepEqual(new Set(await Promise.all(outcomes)), new Set(['ERR_ALPC_MESSAGE_LOST']));
  const long = Buffer.alloc(60_000); // together more than the way back holds
  const answers = packets.map((packet) => packet.reply(long));
  assert.equal(answers.at(-1), 'canceled');
  completions.reap();
  assert.ok(packets.every(({ isPending }) => !isPending));
  // The next owner has tokens of its own, and all of them.
  const next = ghost(t, completions, 'own', NAME);
  await once(next, 'message');
  await using again = await connectPort(NAME);
  const reply = again.request('y');
  const [packet] = await completions.dequeue();
  assert.ok(packet?.type === 'request');
  assert.equal(packet.reply('z'), 'sent');
  assert.equal(String((await reply).data), 'z');
});

test('a thread that ends as it leaves, its seat free and the lock still held, keeps nobody out: also not who has that seat next', async (t) => {
  const { completions } = crew(t, 1);
  const leaving = ghost(t, completions, 'half-left');
  await once(leaving, 'message');
  await leaving.terminate();
  assert.deepEqual(await once(ghost(t, completions, 'look'), 'message'), ['has looked']);
  completions.post({ data: 'x' });
  assert.equal((await completions.dequeue()).length, 1);
});

test('a seat whose thread ended as it sat down is free again', async (t) => {
  const { completions } = crew(t, 1);
  completions.tryDequeue();
  const words = new Int32Array(completions.handle.completionPort);
  const gone = ghost(t, completions, 'post');
  await once(gone, 'exit');
  const dead = 2 ** 31 - 1; // no thread's number
  assert.equal(new Seats(words).take(dead), 1);
  Atomics.store(words, seatAt(1) + Seat.state, SeatState.free); // as it is before its thread has said more than who it is
  assert.equal(completions.reap(), 1);
  assert.equal(new Seats(words).take(dead), 1);
});

test('who waits sees what was posted, or that all is closed, though who did so ended before it had told anybody', async (t) => {
  for (const how of ['dequeue', 'dequeueSync'] as const) {
    for (const end of ['post-uncalled', 'post-unheard'] as const) {
      const { completions, start, taken } = crew(t, 1);
      await start({ how });
      const posting = ghost(t, completions, end, 'it');
      await once(posting, 'message');
      await posting.terminate();
      await until(`it is taken by ${how} after ${end}`, () => taken.includes('it'));
    }
    const { completions, start, gone } = crew(t, 1);
    const waiting = await start({ how });
    const closing = ghost(t, completions, 'close-unheard');
    await once(closing, 'message');
    await closing.terminate();
    await gone(waiting);
  }
});

test('a thread that ends as it leaves, its seat free, has told the owners of what it held', async (t) => {
  const { completions } = crew(t, 1);
  const { connect } = await serve(t, completions);
  const client = await connect();
  const leaving = ghost(t, completions, 'take-half-left');
  const outcome = outcomeOf(client.request('x'));
  await once(leaving, 'message');
  await leaving.terminate();
  assert.equal(await outcome, 'ERR_ALPC_CANCELED');
});
