/**
 * Quotas and backpressure. Whoever is over a quota is told by a typed error, and nobody else feels it: a slow reader slows its
 * own sender only, what waits for a reader is bounded, and a peer that asks and never reads the answers is dropped.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectPort, createPort, type ServerPort } from '../../src/ports/index.js';
import { WAITING_COST } from '../../src/ports/holdings.js';
import { withLedger } from '../support/ledger.js';
import { blockFor, failsWith, numbers, outcomeOf, outcomeOfSync, tally, until } from './expect.js';
import { journalOf, journalWhen, linesOf, NAME, ownRoot, startClient, startServer, stop } from './serving.js';

withLedger();

test('requests over the quota of unanswered messages are answered with ERR_ALPC_QUOTA_EXCEEDED, and the others as ever', async (t) => {
  ownRoot(t);
  await startServer(t, { options: { limits: { pendingMessages: 8 } } });
  await using client = await connectPort(NAME);
  await using other = await connectPort(NAME);
  const calls = numbers(20).map((number) => outcomeOf(client.request(`hold ${number}`)));
  assert.deepEqual(await Promise.all(calls.slice(8)), numbers(12).map(() => 'ERR_ALPC_QUOTA_EXCEEDED'));
  assert.throws(() => client.requestSync('hold too'), failsWith('ERR_ALPC_QUOTA_EXCEEDED', /the peer's quota of unanswered requests/));
  assert.equal(client.tryPost('datagrams are not answered'), 'sent');
  assert.equal(other.requestSync('release').data.toString(), 'released');
  assert.deepEqual(await Promise.all(calls.slice(0, 8)), numbers(8).map((number) => `hold ${number}`));
  assert.equal(client.requestSync('echo again').data.toString(), 'again');
  assert.equal((await journalOf(client)).filter(({ what, text }) => what === 'request' && text.startsWith('hold')).length, 8);
});

test('the same holds for their bytes', async (t) => {
  ownRoot(t);
  await startServer(t, { options: { limits: { pendingBytes: 1000 } } });
  await using client = await connectPort(NAME);
  await using other = await connectPort(NAME);
  const calls = numbers(5).map((number) => outcomeOf(client.request(`hold ${number} ${'x'.repeat(293)}`))); // 300 bytes each
  assert.deepEqual(await Promise.all(calls.slice(3)), numbers(2).map(() => 'ERR_ALPC_QUOTA_EXCEEDED'));
  assert.equal(client.requestSync('echo small').data.toString(), 'small');
  assert.equal(other.requestSync('release').data.toString(), 'released');
  assert.ok((await Promise.all(calls.slice(0, 3))).every((outcome, number) => outcome.startsWith(`hold ${number}`)));
});

test('a client that does not read slows its own sender, and nobody else', async (t) => {
  ownRoot(t);
  await using port = await createPort(NAME);
  const slow = startClient(t);
  slow.send({ type: 'connect', name: NAME });
  const [toSlow] = (await once(port, 'connect')) as [ServerPort];
  await using fast = await connectPort(NAME);
  const toFast = port.connections.find((connected) => connected !== toSlow)!;
  let sent = 0;
  while (toSlow.tryPost(`number ${sent}`) === 'sent') sent++;
  assert.equal(toSlow.tryPost('one more'), 'full');
  let posted = 0;
  const waiting = numbers(100, sent).map(async (number) => {
    await toSlow.post(`number ${number}`);
    assert.equal(number, sent + posted++, 'in the order of their posting');
  });
  const received: string[] = [];
  fast.on('message', (message) => received.push(message.data.toString()));
  for (const number of numbers(20_000)) if (toFast.tryPost(`${number}`) !== 'sent') await toFast.post(`${number}`);
  await until('the fast one has all', () => received.length === 20_000);
  assert.deepEqual(received, numbers(20_000).map(String));
  assert.equal(posted, 0);
  assert.equal(toSlow.info().waitingForRoom, 100);
  slow.send({ type: 'take', form: 'on' });
  await Promise.all(waiting);
  for (const number of numbers(sent + 100)) assert.deepEqual(await slow.until('took'), { type: 'took', what: 'datagram', text: `number ${number}` });
});

test('what may wait for room is bounded in number and in bytes; the next one is refused with ERR_ALPC_QUOTA_EXCEEDED', async (t) => {
  ownRoot(t);
  const server = await startServer(t);
  for (const limits of [{ pendingMessages: 10 }, { pendingBytes: 10 * (100 + WAITING_COST) }]) {
    const client = await connectPort(NAME, { limits });
    const goOn = await stop(server);
    while (client.tryPost(Buffer.alloc(100)) === 'sent');
    const waiting = numbers(10).map(() => outcomeOf(client.post(Buffer.alloc(100))));
    await assert.rejects(client.post(Buffer.alloc(100)), failsWith('ERR_ALPC_QUOTA_EXCEEDED', /10 messages \(3560 bytes\) wait for room already/));
    await assert.rejects(client.request(Buffer.alloc(100)), failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
    assert.throws(() => client.requestSync(Buffer.alloc(100)), failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
    assert.equal(client.info().waitingForRoom, 10);
    goOn();
    assert.deepEqual(tally(await Promise.all(waiting)), { done: 10 });
    client.close();
  }
});

test('a post that waits for room ends with its timeout or its signal, and then is never delivered', async (t) => {
  ownRoot(t);
  const server = await startServer(t);
  await using client = await connectPort(NAME, { limits: { ringLength: 4096 } });
  const goOn = await stop(server);
  while (client.tryPost(`filler ${'x'.repeat(80)}`) === 'sent');
  const abort = new AbortController();
  const posts = [outcomeOf(client.post('timed out', { timeout: 30 })), outcomeOf(client.post('aborted', { signal: abort.signal })), outcomeOf(client.post('kept', { timeout: 60_000 }))];
  setTimeout(() => abort.abort(), 30);
  assert.throws(() => client.postSync('blocked', { timeout: 30 }), failsWith('ERR_ALPC_TIMEOUT', /no room for a message within 30 ms/));
  assert.deepEqual(await Promise.all(posts.slice(0, 2)), ['ERR_ALPC_TIMEOUT', 'AbortError']);
  goOn();
  assert.equal(await posts[2], 'done');
  const journal = linesOf(await journalWhen('the last came', client, (seen) => seen.at(-1)!.text === 'kept'));
  assert.deepEqual(journal.filter((line) => !line.startsWith('datagram filler')), ['datagram kept']);
});

test('a small message does not overtake a large one that waits for room', async (t) => {
  ownRoot(t);
  const server = await startServer(t);
  await using client = await connectPort(NAME, { limits: { ringLength: 4096 } });
  const goOn = await stop(server);
  const large = (number: number): string => `${number} ${'x'.repeat(1200)}`;
  let sent = 0;
  while (client.tryPost(large(sent)) === 'sent') sent++;
  const posts = [client.post(large(sent)), client.post('small')]; // for which there is room
  assert.equal(client.tryPost('tiny'), 'full');
  goOn();
  await Promise.all(posts);
  const journal = await journalWhen('all came', client, (seen) => seen.length === sent + 2);
  assert.deepEqual(journal.map(({ text }) => text.split(' ')[0]), [...numbers(sent + 1).map(String), 'small']);
});

test('postSync waits for room, and everything arrives in order', async (t) => {
  ownRoot(t);
  const server = await startServer(t);
  await using client = await connectPort(NAME, { limits: { ringLength: 4096 } });
  await server.ask({ type: 'freeze', milliseconds: 200 }, 'frozen');
  for (const number of numbers(2000)) client.postSync(`${number}`);
  const journal = await journalWhen('all came', client, (seen) => seen.length === 2000);
  assert.deepEqual(journal.map(({ text }) => text), numbers(2000).map(String));
});

test('a client that asks and never reads the answers is dropped for its quota; others are served', async (t) => {
  ownRoot(t);
  await startServer(t, { options: { limits: { pendingBytes: 1_000_000 } } });
  const client = await connectPort(NAME);
  await using other = await connectPort(NAME);
  const calls = numbers(60).map(() => outcomeOf(client.request('large 50000').then(() => ({ data: Buffer.from('answered') }))));
  blockFor(500); // and reads nothing meanwhile
  const outcomes = tally(await Promise.all(calls));
  assert.equal(outcomes['ERR_ALPC_DISCONNECTED']! + (outcomes['answered'] ?? 0), 60, JSON.stringify(outcomes));
  const last = await client.receive();
  assert.ok(last.type === 'port-closed' && last.reason === 'quota');
  assert.throws(() => client.requestSync('echo'), failsWith('ERR_ALPC_DISCONNECTED', /quota/));
  const journal = await journalWhen('it is dropped', other, (seen) => seen.some(({ what }) => what === 'port-closed'));
  assert.equal(journal.findLast(({ what }) => what === 'port-closed')!.outcome, 'quota');
  assert.equal(outcomeOfSync(() => other.requestSync('echo me')), 'me');
});

test('answers of no bytes count too: a client can not make its server keep any number of them', async (t) => {
  ownRoot(t);
  await startServer(t, { options: { limits: { pendingBytes: 100_000 } } });
  const client = await connectPort(NAME);
  const calls: Promise<string>[] = [];
  for (const round of numbers(200)) {
    for (const _ of numbers(100)) calls.push(outcomeOf(client.request('nothing')));
    if (round % 10 === 0) blockFor(10);
  }
  const outcomes = tally(await Promise.all(calls));
  assert.ok(outcomes['ERR_ALPC_DISCONNECTED']! > 0, JSON.stringify(outcomes));
  assert.equal(await until('the last words', () => client.tryReceive()).then((message) => message.type === 'port-closed' && message.reason), 'quota');
});

test('a reply that stands behind more messages than may be read ahead is refused to a blocking call, and not waited for in a circle', async (t) => {
  ownRoot(t);
  await startServer(t);
  await using client = await connectPort(NAME, { limits: { pendingMessages: 10 } });
  assert.throws(() => client.requestSync('push 50 x'), failsWith('ERR_ALPC_QUOTA_EXCEEDED', /10 messages wait to be received/));
  for (const number of numbers(50)) assert.equal(client.receiveSync().data.toString(), `x ${number}`);
  assert.equal(client.requestSync('echo on').data.toString(), 'on');
});

test('an awaited reply that stands behind more messages than may be read ahead comes when they have been received, at no cost until then', async (t) => {
  ownRoot(t);
  await startServer(t);
  await using client = await connectPort(NAME, { limits: { pendingMessages: 10 } });
  const call = outcomeOf(client.request('push 50 x'));
  await until('as many as may be are read ahead', () => client.info().queuedMessages === 10);
  await sleep(50);
  const before = process.cpuUsage();
  await sleep(1000);
  const { user, system } = process.cpuUsage(before);
  assert.ok(user + system < 300_000, `waiting took ${(user + system) / 1000} ms of a second`);
  for (const number of numbers(50)) assert.equal((await client.receive()).data.toString(), `x ${number}`);
  assert.equal(await call, 'pushed');
});
