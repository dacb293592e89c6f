/**
 * Requests that are outstanding: many at once, answered in any order, and given up after their time. A call that timed out
 * takes nothing with it: the connection goes on, and a reply that comes too late is dropped and counted.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ClientPort, connectPort } from '../../src/ports/index.js';
import { withLedger } from '../support/ledger.js';
import { openDescriptors } from '../support/open-files.js';
import { startActor } from '../support/processes.js';
import { blockFor, failsWith, numbers, outcomeOf, outcomeOfSync, until } from './expect.js';
import { journalOf, journalWhen, linesOf, NAME, ownRoot, startServer } from './serving.js';
import { FORMS } from './taking.js';

withLedger();

/** Both forms of asking, as one that is awaited. */
const ASK = {
  blocking: (port: ClientPort, text: string, timeout?: number): Promise<string> => Promise.resolve(outcomeOfSync(() => port.requestSync(text, timeout === undefined ? {} : { timeout }))),
  awaited: (port: ClientPort, text: string, timeout?: number): Promise<string> => outcomeOf(port.request(text, timeout === undefined ? {} : { timeout })),
};
const HOWS = ['blocking', 'awaited'] as const;

for (const form of FORMS) {
  test(`a thousand requests to a server that receives by ${form} are outstanding at once, and each gets its own reply, last first`, async (t) => {
    ownRoot(t);
    await startServer(t, { form });
    await using client = await connectPort(NAME);
    const settled: string[] = [];
    const calls = numbers(1000).map(async (number) => {
      const reply = await client.request(`hold ${number}`);
      settled.push(reply.data.toString());
    });
    assert.equal(client.info().pendingRequests, 1000);
    assert.equal(client.requestSync('echo in between').data.toString(), 'in between');
    assert.equal((await client.request('release')).data.toString(), 'released');
    await Promise.all(calls);
    assert.deepEqual(settled, numbers(1000).toReversed().map((number) => `hold ${number}`));
    assert.equal(client.info().pendingRequests, 0);
  });
}

test('several clients have requests outstanding at one server, and none gets what another asked for', async (t) => {
  ownRoot(t);
  await startServer(t);
  const clients = await Promise.all(numbers(8).map(() => connectPort(NAME)));
  const calls = clients.flatMap((client, index) => numbers(50).map((number) => outcomeOf(client.request(`hold ${index} ${number}`))));
  await journalWhen('all are held', clients[0]!, (seen) => seen.length === 400);
  assert.equal((await clients[0]!.request('release')).data.toString(), 'released');
  assert.deepEqual(await Promise.all(calls), clients.flatMap((_, index) => numbers(50).map((number) => `hold ${index} ${number}`)));
  for (const client of clients) client.close();
});

for (const how of HOWS) {
  test(`timeouts of nothing, of little and of infinity are told apart (${how})`, async (t) => {
    ownRoot(t);
    await startServer(t);
    await using client = await connectPort(NAME);
    assert.equal(await ASK[how](client, 'hold nothing', 0), 'ERR_ALPC_TIMEOUT');
    const begun = performance.now();
    assert.equal(await ASK[how](client, 'hold little', 120), 'ERR_ALPC_TIMEOUT');
    assert.ok(performance.now() - begun >= 119, 'a call is not given up before its time');
    assert.equal(await ASK[how](client, 'later 200 infinity', Infinity), 'infinity');
    assert.equal(await ASK[how](client, 'later 200 nothing said'), 'nothing said');
    assert.equal(await ASK[how](client, 'later 1 enough', 2 ** 31 - 1), 'enough');
  });

  test(`a timeout that is none is refused by name before anything is sent (${how})`, async (t) => {
    ownRoot(t);
    await startServer(t);
    await using client = await connectPort(NAME);
    for (const timeout of [-1, -Infinity, Number.NaN, 2 ** 31, '5' as unknown as number, null as unknown as number]) {
      const call = how === 'blocking' ? new Promise((resolve) => resolve(client.requestSync('echo no', { timeout }))) : client.request('echo no', { timeout });
      await assert.rejects(call, failsWith('ERR_ALPC_INVALID_ARGUMENT', /argument 'options\.timeout' must be a number of milliseconds from 0 to 2147483647, or Infinity/));
    }
    assert.equal(client.info().pendingRequests, 0);
    assert.deepEqual(await journalOf(client), []);
  });

  test(`a call that timed out leaves the connection as it was; its late reply is dropped and counted (${how})`, async (t) => {
    const root = ownRoot(t);
    await startServer(t);
    await using client = await connectPort(NAME);
    for (const round of numbers(2, 1)) {
      const file = join(root, `go-on-${round}`); // the server works until it is there, and hears of nothing
      assert.equal(await ASK[how](client, `stall ${file} late`, 300), 'ERR_ALPC_TIMEOUT');
      writeFileSync(file, '');
      assert.equal(await ASK[how](client, `echo next ${round}`), `next ${round}`);
      assert.equal(client.info().lateReplies, round);
    }
    assert.equal(linesOf(await journalOf(client)).filter((line) => /^answered stall .*: sent$/.test(line)).length, 2);
    assert.equal(client.info().pendingRequests, 0);
  });

  test(`the view and the handle of a late reply come back: the server lends them again, and no descriptor stays (${how})`, async (t) => {
    const root = ownRoot(t);
    const lender = startActor(t, new URL('./actors/lender.js', import.meta.url), [NAME]);
    await lender.until('ready');
    await using client = await connectPort(NAME, { accepts: ['view', 'file'] });
    const before = openDescriptors();
    for (const round of numbers(3, 1)) {
      const file = join(root, `go-on-${round}`);
      assert.equal(await ASK[how](client, `stall ${file}`, 300), 'ERR_ALPC_TIMEOUT');
      writeFileSync(file, '');
      await until('all came back', async () => (await ASK[how](client, 'how')) === 'sent, 1 free, 0 out');
      assert.deepEqual([client.info().lateReplies, client.info().heldViews, client.info().heldHandles], [round, 0, 0]);
    }
    await until('all are closed', () => openDescriptors() === before);
    using reply = await client.request(`stall ${root}`);
    assert.deepEqual([reply.view!.bytes.every((byte) => byte === 7), reply.handles.kinds], [true, ['file']]);
  });

  test(`a server that hears in time that nobody waits any more sends no late reply (${how})`, async (t) => {
    ownRoot(t);
    await startServer(t);
    await using client = await connectPort(NAME);
    assert.equal(await ASK[how](client, 'hold in vain', 100), 'ERR_ALPC_TIMEOUT');
    assert.equal(client.requestSync('release').data.toString(), 'released');
    assert.deepEqual(linesOf(await journalOf(client)), ['request hold in vain', 'canceled hold in vain', 'request release', 'answered hold in vain: canceled', 'answered release: sent']);
    assert.equal(client.info().lateReplies, 0);
  });
}

test('timeout, abort, refusal and reply of calls that are outstanding together are told apart', async (t) => {
  ownRoot(t);
  await startServer(t);
  await using client = await connectPort(NAME);
  const abort = new AbortController();
  const calls = [
    outcomeOf(client.request('hold a', { timeout: 50 })),
    outcomeOf(client.request('hold b', { signal: abort.signal })),
    outcomeOf(client.request('hold c', { signal: AbortSignal.timeout(50) })),
    outcomeOf(client.request('decline')),
    outcomeOf(client.request('later 100 d', { timeout: 60_000, signal: new AbortController().signal })),
    outcomeOf(client.request('hold e')),
  ];
  setTimeout(() => abort.abort(), 50);
  const firstFive = await Promise.all(calls.slice(0, 5));
  assert.deepEqual(firstFive, ['ERR_ALPC_TIMEOUT', 'AbortError', 'TimeoutError', 'ERR_ALPC_CANCELED', 'd']);
  client.close();
  assert.equal(await calls[5], 'ERR_ALPC_CANCELED');
  assert.equal(await outcomeOf(client.request('echo closed')), 'ERR_ALPC_CLOSED');
});

test('a reply that is there when the time is over wins', async (t) => {
  ownRoot(t);
  await startServer(t);
  await using client = await connectPort(NAME);
  await using witness = await connectPort(NAME);
  const call = outcomeOf(client.request('echo in time', { timeout: 20 }));
  // The reply has come, and the timer is due, before this thread's event loop looks at either.
  while (!witness.requestSync('journal 0').data.includes('answered')) blockFor(1);
  blockFor(30);
  assert.equal(await call, 'in time');
  assert.equal(client.info().lateReplies, 0);
});

test('an id that is kept for more than 65,536 messages still answers its own request', async (t) => {
  ownRoot(t);
  await startServer(t, { form: 'receiveSync' });
  await using client = await connectPort(NAME);
  const kept = outcomeOf(client.request('hold the first'));
  await until('it is held', async () => (await journalOf(client)).length === 1);
  for (const _ of numbers(70_000)) client.requestSync('nothing');
  assert.equal((await client.request('release')).data.toString(), 'released');
  assert.equal(await kept, 'hold the first');
});
