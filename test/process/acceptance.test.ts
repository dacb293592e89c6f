/**
 * The acceptance checklist for a faithful equivalent of Windows' ALPC, as far as it concerns ports, statement by statement.
 * Each has suites of its own beside it; here each is shown once, whole, with real processes.
 */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { ReplyStatus } from '../../src/memory/layout.js';
import { answer } from '../../src/ports/answering.js';
import { connectPort, createPort, type ReplyOutcome, type RequestMessage, type ServerPort } from '../../src/ports/index.js';
import { thisThread } from '../../src/ports/thread.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import type { News as CrowdNews } from './actors/crowd.js';
import { failsWith, nameOf, numbers, outcomeOf, tally, until } from './expect.js';
import { journalOf, journalWhen, linesOf, NAME, ownRoot, startClient, startServer, stop } from './serving.js';
import { Verbs } from './verbs.js';

withLedger();

test('1. a hundred clients, one reader: all traffic is seen on the connection port, with the right context from the first message', async (t) => {
  ownRoot(t);
  await using port = await createPort(NAME, { connect: 'ask' });
  const seen = new Map<string, string[]>();
  port.on('message', (message) => {
    if (message.type === 'connection-request') {
      const who = message.data.toString();
      seen.set(who, []);
      message.accept({ context: { who } });
    } else {
      const { who } = message.portContext as { who: string };
      seen.get(who)!.push(message.type === 'port-closed' ? 'port-closed' : message.data.toString());
      if (message.type === 'request') message.reply(`${who} ${message.data.toString()}`);
    }
  });
  const crowds = numbers(4).map((crowd) => startActor<never, CrowdNews>(t, new URL('./actors/crowd.js', import.meta.url), [`${crowd}`, '25']));
  for (const crowd of crowds) assert.deepEqual((await crowd.until('done')).wrong, []);
  for (const crowd of crowds) assert.deepEqual(await crowd.ended, { code: 0, signal: null });
  await until('all ends are told', () => [...seen.values()].every((texts) => texts.at(-1) === 'port-closed'));
  assert.equal(seen.size, 100);
  for (const [who, texts] of seen) assert.deepEqual(texts, [...numbers(10).map((number) => `${who} says ${number}`), `${who} asks`, 'port-closed']);
});

test('2. a client that sends at once after it is connected is seen with its context, even before accept has returned', async (t) => {
  ownRoot(t);
  await using port = await createPort(NAME, { connect: 'ask' });
  const client = startClient(t);
  client.send({ type: 'connect', name: NAME, options: { data: 'in haste' } });
  client.send({ type: 'call', text: 'the first message', how: 'blocking' });
  const request = await port.receive();
  assert.ok(request.type === 'connection-request');
  const first = port.receive(); // another part of the server waits already
  const context = { of: request.data.toString() };
  const accepted = request.accept({ context });
  const message = await first;
  assert.ok(message.type === 'request');
  assert.equal(message.portContext, context);
  assert.equal(message.port, accepted);
  message.reply('got it');
  assert.equal((await client.until('settled')).outcome, 'got it');
});

test('3. a rejection reaches the client together with its payload', async (t) => {
  ownRoot(t);
  await using port = await createPort(NAME, { connect: 'ask' });
  const client = startClient(t);
  for (const how of ['blocking', 'awaited'] as const) {
    client.send({ type: 'connect', name: NAME, how });
    const request = await port.receive();
    assert.ok(request.type === 'connection-request');
    request.reject({ data: `no (${how})` });
    assert.deepEqual(await client.until('failed'), { type: 'failed', code: 'ERR_ALPC_REFUSED', data: `no (${how})` });
  }
});

test('4. kill -9 of the server: every pending promise settles', async (t) => {
  ownRoot(t);
  const server = await startServer(t);
  const clients = await Promise.all(numbers(5).map(() => connectPort(NAME)));
  const pending = clients.flatMap((client) => [...numbers(100).map(() => outcomeOf(client.request('hold'))), client.receive().then((message) => message.type, nameOf)]);
  await journalWhen('all are held', clients[0]!, (seen) => seen.length === 500);
  await server.kill();
  assert.deepEqual(tally(await Promise.all(pending)), { ERR_ALPC_MESSAGE_LOST: 500, 'port-closed': 5 });
  for (const client of clients) client.close();
});

test('4. kill -9 of a client: the server gets one close, and one cancel for each outstanding message', async (t) => {
  ownRoot(t);
  await using port = await createPort(NAME);
  const verbs = new Verbs();
  port.on('message', verbs.handle);
  const client = startClient(t);
  await client.ask({ type: 'connect', name: NAME }, 'connected');
  for (const number of numbers(50)) client.send({ type: 'call', text: number % 2 === 0 ? `hold ${number}` : `echo ${number}`, how: 'awaited' });
  await until('half are held, half answered', () => verbs.journal.length === 75);
  const awaited = outcomeOf(port.connections[0]!.request('of the server'));
  await client.kill();
  assert.equal(await awaited, 'ERR_ALPC_MESSAGE_LOST');
  await until('the close came', () => verbs.journal.some(({ what }) => what === 'port-closed'));
  const ends = linesOf(verbs.journal.slice(75));
  assert.deepEqual(ends.toSorted(), [...numbers(25).map((number) => `canceled hold ${2 * number}`), 'port-closed: died'].toSorted());
});

test('5. a blocking reply overtakes earlier asynchronous messages, which keep their order among themselves', async (t) => {
  ownRoot(t);
  await startServer(t);
  await using client = await connectPort(NAME);
  assert.equal(client.requestSync('push 500 number').data.toString(), 'pushed');
  for (const number of numbers(500)) assert.equal((await client.receive()).data.toString(), `number ${number}`);
});

// 6. A receive buffer that is too small can't arise: nobody gives one. A message comes with memory of its own length.

test('7. cancel before read, after read, after reply: exactly one outcome each, and a late reply is harmless', async (t) => {
  const file = join(ownRoot(t), 'go-on');
  const server = await startServer(t);
  await using client = await connectPort(NAME);
  const cancel = async (text: string, when: () => unknown): Promise<string> => {
    const abort = new AbortController();
    const call = outcomeOf(client.request(text, { signal: abort.signal }));
    await when();
    abort.abort();
    return call;
  };
  const goOn = await stop(server);
  assert.equal(await cancel('echo unread', () => {}), 'AbortError');
  goOn();
  assert.equal(await cancel('hold read', () => journalWhen('it is read', client, (seen) => seen.at(-1)?.text === 'hold read')), 'AbortError');
  assert.equal(await cancel('echo replied', () => journalWhen('it is answered', client, (seen) => seen.at(-1)?.outcome === 'sent')), 'replied');
  assert.throws(() => client.requestSync(`stall ${file} late`, { timeout: 200 }), failsWith('ERR_ALPC_TIMEOUT'));
  writeFileSync(file, '');
  assert.equal(client.requestSync('release').data.toString(), 'released');
  assert.deepEqual(linesOf(await journalOf(client)), [
    'request hold read', 'canceled hold read', 'request echo replied', 'answered echo replied: sent',
    `request stall ${file} late`, `answered stall ${file} late: sent`, 'request release', 'answered hold read: canceled', 'answered release: sent',
  ]);
  assert.equal(client.info().lateReplies, 1);
  assert.equal(client.requestSync('echo on').data.toString(), 'on');
});

test('10. a reply to a stale id is refused, and one whose number is more than 2^16 messages old is still safe', async (t) => {
  ownRoot(t);
  await using port = await createPort(NAME);
  const connected = once(port, 'connect') as Promise<[ServerPort]>;
  await using client = await connectPort(NAME);
  const [toClient] = await connected;
  const kept = outcomeOf(client.request('kept'));
  const old = (await port.receive()) as RequestMessage;
  let stale = old;
  for (const number of numbers(70_000)) {
    const call = client.request('x');
    stale = port.tryReceive() as RequestMessage;
    stale.reply(`${number}`);
    if (number % 1000 === 0) assert.equal((await call).data.toString(), `${number}`);
    else await call;
  }
  assert.throws(() => stale.reply('again'), failsWith('ERR_ALPC_REPLY_MISMATCH'));
  assert.ok(stale.id - old.id >= 65_536);
  const outcome: ReplyOutcome = old.reply('still mine');
  assert.equal(outcome, 'sent');
  assert.equal(await kept, 'still mine');
  assert.deepEqual([client.info().lateReplies, toClient.info().unansweredRequests], [0, 0]);
});

test('10. a reply under a foreign id settles nobody, on whichever connection that id is waited for', async (t) => {
  ownRoot(t);
  await using port = await createPort(NAME);
  await using one = await connectPort(NAME);
  await using two = await connectPort(NAME);
  const answers = [one.request('a'), two.request('b'), two.request('c')].map(outcomeOf);
  const requests = new Map<string, RequestMessage>();
  while (requests.size < 3) {
    const message = await port.receive();
    assert.ok(message.type === 'request');
    requests.set(message.data.toString(), message);
  }
  const [a, b, c] = ['a', 'b', 'c'].map((text) => requests.get(text)!);
  assert.equal(a!.id, b!.id, 'each connection counts for itself');
  const toOne = [...thisThread().connections.values()].flatMap((all) => [...all]).find((connection) => connection.port === a!.port);
  for (const id of [c!.id, 12_345, -1]) answer(toOne!, id, 0, ReplyStatus.ok, 'foreign', 7);
  await until('they have been read', () => one.info().lateReplies === 3);
  assert.deepEqual([one.info().pendingRequests, two.info().pendingRequests], [1, 2]);
  for (const [text, request] of requests) assert.equal(request.reply(`answer to ${text}`), 'sent');
  assert.deepEqual(await Promise.all(answers), ['answer to a', 'answer to b', 'answer to c']);
});

test('13. a server whose identity is not the required one never sees a byte', async (t) => {
  ownRoot(t);
  const server = await startServer(t, { options: { connect: 'ask' } });
  await using witness = await connectPort(NAME, { data: 'witness' });
  assert.deepEqual(linesOf(await journalOf(witness)), ['connection-request witness']);
  // It takes nothing in while it is stopped, so what had been sent to it would lie in the sockets that wait to be accepted.
  const goOn = await stop(server);
  for (const _ of numbers(20)) await assert.rejects(connectPort(NAME, { requiredServer: { uid: process.geteuid!() + 1 }, data: 'secret' }), failsWith('ERR_ALPC_SERVER_MISMATCH'));
  goOn();
  await using another = await connectPort(NAME, { requiredServer: { uid: process.geteuid!() }, data: 'another' }); // behind them in the queue
  assert.deepEqual(linesOf(await journalOf(another)), ['connection-request witness', 'connection-request another']);
});

test('15. A blocks on B while B blocks on A: both are released, each page names the other, and a nested callback is no deadlock', async (t) => {
  ownRoot(t);
  await startServer(t);
  await using client = await connectPort(NAME);
  assert.throws(() => client.requestSync('ask blocking x'), failsWith('ERR_ALPC_DEADLOCK', /waits for a peer that waits for its own request|wait for each other/));
  const verbs = new Verbs();
  assert.equal(client.requestSync('call 6 deep', { onCallback: verbs.handle }).data.toString(), 'deep');
  assert.equal(verbs.journal.length, 6);
  // While one waits alone, its page says on whom: that is what a wait chain is read from.
  const actor = startClient(t);
  await actor.ask({ type: 'listen', name: '\\RPC Control\\waiting' }, 'listening');
  await using toActor = await connectPort('\\RPC Control\\waiting');
  await using port = await createPort('\\RPC Control\\waited-for');
  actor.send({ type: 'connect', name: port.name });
  const [connected] = (await once(port, 'connect')) as [ServerPort];
  actor.send({ type: 'call', text: 'question', how: 'blocking' });
  const question = await port.receive();
  const [own] = [...thisThread().connections.values()].flatMap((all) => [...all]).filter((connection) => connection.port === connected);
  const chain = await until('it sleeps', () => own!.peerPage.read());
  assert.deepEqual([chain.thread, chain.connection, chain.messageId], [thisThread().waitPage.inode, own!.inode, question.id]);
  // When this thread blocks on a port of the other's now, the chain is closed, and told with both ports.
  assert.throws(() => toActor.requestSync('echo x'), failsWith('ERR_ALPC_DEADLOCK', /of \\RPC Control\\waiting .*waits for its own request \d+ on \\RPC Control\\waited-for \[/));
  assert.equal((await actor.until('settled')).outcome, 'ERR_ALPC_DEADLOCK');
  assert.ok(question.type === 'request' && question.reply('late') === 'canceled');
  actor.send({ type: 'call', text: 'again', how: 'blocking' });
  assert.deepEqual([(await port.receive()).type, (await port.receive()).type], ['canceled', 'request']);
});

test('16. timeouts of nothing, negative ones, infinite ones and aborts are told apart', async (t) => {
  ownRoot(t);
  await startServer(t);
  await using client = await connectPort(NAME);
  for (const timeout of [0, -1, Infinity]) {
    // What is there when the time is over wins: so who gets none here must have none coming, however long this process is held up.
    const text = timeout === Infinity ? 'later 100 answered' : 'hold';
    const blocking = ((): string => {
      try {
        return client.requestSync(text, { timeout }).data.toString();
      } catch (error) {
        return nameOf(error);
      }
    })();
    const expected = timeout === 0 ? 'ERR_ALPC_TIMEOUT' : timeout === -1 ? 'ERR_ALPC_INVALID_ARGUMENT' : 'answered';
    assert.deepEqual([blocking, await outcomeOf(client.request(text, { timeout }))], [expected, expected]);
  }
  assert.equal(await outcomeOf(client.request('hold', { signal: AbortSignal.timeout(20) })), 'TimeoutError');
  const abort = new AbortController();
  setTimeout(() => abort.abort(), 20);
  assert.equal(await outcomeOf(client.request('hold', { signal: abort.signal })), 'AbortError');
});

test('17. the trace yields connect, disconnect, send, receive, wait and unwait, and never a payload', async (t) => {
  ownRoot(t);
  await startServer(t);
  const seen: [string, unknown][] = [];
  for (const name of ['connect', 'disconnect', 'send', 'receive', 'wait', 'unwait']) {
    const listener = (message: unknown): void => void seen.push([name, message]);
    subscribe(`alpc:${name}`, listener);
    atEnd(t, () => unsubscribe(`alpc:${name}`, listener));
  }
  const client = await connectPort(NAME, { data: 'sesame', spin: false }); // on a busy machine a look takes long enough for the answer to come
  assert.equal(client.requestSync('later 50 sesame').data.toString(), 'sesame');
  assert.equal((await client.request('echo sesame')).data.toString(), 'sesame');
  client.close();
  const names = seen.map(([name]) => name);
  assert.deepEqual([names[0], names[1], names.at(-1)], ['connect', 'send', 'disconnect']);
  assert.deepEqual([...new Set(names)].toSorted(), ['connect', 'disconnect', 'receive', 'send', 'unwait', 'wait']);
  assert.ok(!inspect(seen, { depth: Infinity, showHidden: true }).includes('sesame'));
});
