/**
 * The loop of who consumes a completion list, and nothing but waits for it: what falls back to the ordinary queue, timers and newcomers need
 * the event loop, which turns only while a wait lasts.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CompletionList, Message } from '../../src/index.js';
import { failsWith, numbers, until } from '../process/expect.js';
import { withLedger } from '../support/ledger.js';
import { turn, turnsUntil } from '../support/turns.js';
import { open, texts } from './listed.js';

withLedger();

/** Polls, and waits when there was nothing. Where the event loop does not turn no limit of time would end it, so its waits are counted. */
async function consume(list: CompletionList, see: (messages: readonly Message[]) => void, isOver: () => boolean): Promise<void> {
  for (let waits = 0; !isOver(); ) {
    const messages = list.poll(256);
    see(messages);
    if (messages.length > 0) continue;
    assert.ok(++waits < 100_000, 'the event loop does not turn');
    await list.wait();
  }
}

test('a loop of polls and waits serves all that is there already, also when far more falls back than the list holds', async (t) => {
  const { port, clients } = await open(t, 1);
  const list = port.registerCompletionList({ entries: 4, maxDataLength: 10 });
  const seen: string[] = [];
  port.on('message', (message) => seen.push(String(message.data).trim()));
  for (const number of numbers(101)) clients[0]!.tryPost(number % 10 === 0 ? `${number}` : `${number}`.padEnd(100));
  await consume(list, (messages) => seen.push(...texts(messages)), () => seen.length === 101);
  assert.deepEqual(seen.toSorted(), numbers(101).map(String).toSorted());
  assert.ok(list.counts.fellBack >= 90);
});

test('while the ordinary queue is as long as the list may be, there is nothing to poll: who waits goes on when it is shorter again', async (t) => {
  const { port, clients } = await open(t, 1);
  const list = port.registerCompletionList({ entries: 2, maxDataLength: 10 });
  const { event } = list;
  for (const text of ['too long for it 1', 'too long for it 2', 'short']) clients[0]!.tryPost(text);
  assert.deepEqual(list.poll(), []);
  assert.equal(list.hasMessages, false);
  assert.ok(list.enter());
  assert.equal(list.leave(), false, 'a worker may go');
  let released = false;
  const waited = list.wait().then(() => (released = true));
  for (const _ of numbers(20)) await turn();
  assert.deepEqual([released, event.state], [false, false]);
  assert.equal(String(port.tryReceive()!.data), 'too long for it 1');
  assert.equal(list.hasMessages, true);
  await waited;
  await turnsUntil(() => event.state);
  assert.deepEqual(texts(list.poll()), ['short']);
});

test('a loop that finds something in each turn lets the event loop turn now and then', async (t) => {
  const { port, clients } = await open(t, 1);
  const list = port.registerCompletionList();
  const loop = { hasTurned: false };
  setImmediate(() => (loop.hasTurned = true));
  for (let rounds = 0; !loop.hasTurned; rounds++) {
    assert.ok(rounds < 100_000, 'the event loop does not turn');
    clients[0]!.tryPost('more');
    await list.wait();
    assert.equal(list.poll().length, 1);
  }
});

for (const how of ['a wait for its list ends by its timeout', 'a wait for its list ends by its signal', 'it is given a list'] as const) {
  test(`a port that rests hears what falls back, what its list's event is for, and the answers to its calls, after ${how}`, async (t) => {
    const { port, clients } = await open(t, 1, { spin: false });
    const [client] = clients;
    const fellBack: number[] = [];
    port.on('message', (message) => fellBack.push(message.data.length));
    await sleep(20); // it rests
    const list = port.registerCompletionList({ maxDataLength: 10 });
    if (how !== 'it is given a list') {
      await sleep(20);
      const abort = new AbortController();
      setTimeout(() => abort.abort(), 20);
      await assert.rejects(list.wait(how.endsWith('timeout') ? { timeout: 20 } : { signal: abort.signal }));
    }
    await sleep(20);
    client!.tryPost('too long for it');
    await until('it falls back', () => fellBack.length === 1);
    port.removeAllListeners('message');
    const { event } = list;
    const call = port.connections[0]!.request('');
    const asked = await client!.receive();
    await assert.rejects(list.wait({ timeout: 1 }), failsWith('ERR_ALPC_TIMEOUT'));
    await sleep(20);
    assert.ok(asked.type === 'request' && asked.reply('answered') === 'sent');
    assert.equal(String((await call).data), 'answered');
    client!.tryPost('short');
    await until('the event is set', () => event.state);
    assert.deepEqual(texts(list.poll()), ['short']);
  });
}

test('a client that rests and is given a list, or whose wait has ended, hears what falls back, and the answers to its calls', async (t) => {
  const { port, clients } = await open(t, 1, { spin: false });
  const [client] = clients;
  const fellBack: number[] = [];
  client!.on('message', (message) => fellBack.push(message.dataLength));
  await sleep(20);
  const list = client!.registerCompletionList({ maxDataLength: 10 });
  await sleep(20);
  port.connections[0]!.tryPost('too long for it');
  await until('it falls back', () => fellBack.length === 1);
  client!.removeAllListeners('message');
  const call = client!.request('');
  const asked = await port.receive();
  await assert.rejects(list.wait({ timeout: 1 }), failsWith('ERR_ALPC_TIMEOUT'));
  await sleep(20);
  assert.ok(asked.type === 'request' && asked.reply('answered') === 'sent');
  assert.equal(String((await call).data), 'answered');
});
