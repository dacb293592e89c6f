/**
 * A request and its answer, both sides in one thread: it is answered once, by nobody but its receiver, and an answer that
 * nobody waits for any more is a value and no error. Also what a message is: its numbers, its payload, its signal.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { type ClientPort, connectPort, type ConnectionPort, createPort, type Message, type RequestMessage, type ServerPort } from '../../src/ports/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { failsWith, numbers, outcomeOf, until } from '../process/expect.js';

withLedger();

const NAME = '\\RPC Control\\replies';

async function connected(t: TestContext): Promise<{ port: ConnectionPort; client: ClientPort; toClient: ServerPort }> {
  temporaryRoot(t);
  const port = await createPort(NAME);
  atEnd(t, () => port.close());
  const client = await connectPort(NAME);
  atEnd(t, () => client.close());
  return { port, client, toClient: port.connections[0]! };
}

function asRequest(message: Pick<Message, 'type'>): RequestMessage {
  assert.equal(message.type, 'request');
  return message as RequestMessage;
}

test('a request is answered once: the second answer fails with ERR_ALPC_REPLY_MISMATCH, whatever the first was', async (t) => {
  const { port, client } = await connected(t);
  for (const first of ['reply', 'cancel'] as const) {
    const call = outcomeOf(client.request('question'));
    const request = asRequest(await port.receive());
    assert.equal(request.isPending, true);
    assert.equal(first === 'reply' ? request.reply('answer') : request.cancel(), 'sent');
    assert.equal(request.isPending, false);
    assert.throws(() => request.reply('another'), failsWith('ERR_ALPC_REPLY_MISMATCH', /request \d+ has been answered already/));
    assert.throws(() => request.cancel(), failsWith('ERR_ALPC_REPLY_MISMATCH'));
    assert.equal(await call, first === 'reply' ? 'answer' : 'ERR_ALPC_CANCELED');
  }
  assert.equal(client.info().lateReplies, 0);
});

test("a request's signal aborts when its caller gives up or goes, not when it is answered, and may be asked for at any time", async (t) => {
  const { port, client } = await connected(t);
  const answered = client.request('answered');
  const one = asRequest(await port.receive());
  const { signal } = one;
  one.reply('');
  await answered;
  assert.equal(signal.aborted, false);
  assert.equal(one.signal, signal);

  const abort = new AbortController();
  const canceled = outcomeOf(client.request('canceled', { signal: abort.signal }));
  const two = asRequest(await port.receive());
  abort.abort();
  assert.equal(await canceled, 'AbortError');
  assert.equal((await port.receive()).type, 'canceled');
  assert.equal(two.signal.aborted, true); // asked for only now

  const lost = outcomeOf(client.request('lost'));
  const { signal: asked } = asRequest(await port.receive());
  assert.equal(asked.aborted, false);
  client.close();
  assert.equal(await lost, 'ERR_ALPC_CANCELED');
  assert.equal((await port.receive()).type, 'canceled');
  assert.equal(asked.aborted, true);
});

test('the answer to a request that was canceled, or whose caller is gone, is a value, however often it is tried', async (t) => {
  const { port, client } = await connected(t);
  const abort = new AbortController();
  const calls = [outcomeOf(client.request('canceled', { signal: abort.signal })), outcomeOf(client.request('left'))];
  const [canceled, left] = [asRequest(await port.receive()), asRequest(await port.receive())];
  abort.abort();
  assert.equal((await port.receive()).type, 'canceled');
  assert.deepEqual([canceled.reply('x'), canceled.reply('x'), canceled.cancel()], ['canceled', 'canceled', 'canceled']);
  client.close();
  assert.deepEqual(await Promise.all(calls), ['AbortError', 'ERR_ALPC_CANCELED']);
  assert.deepEqual([(await port.receive()).type, (await port.receive()).type], ['canceled', 'port-closed']);
  assert.deepEqual([left.reply('x'), left.reply('x'), left.cancel(), canceled.reply('x')], ['disconnected', 'disconnected', 'disconnected', 'disconnected']);
});

test('a request that is answered after its own port was closed says so', async (t) => {
  const { port, client } = await connected(t);
  const call = outcomeOf(client.request('question'));
  const request = asRequest(await port.receive());
  await port.close();
  assert.equal(request.reply('too late'), 'disconnected');
  assert.equal(await call, 'ERR_ALPC_DISCONNECTED');
});

test('requests of two clients have the same numbers, and each gets its own answer', async (t) => {
  const { port, client } = await connected(t);
  await using other = await connectPort(NAME);
  const calls = [client, other].map((each, index) => outcomeOf(each.request(`of ${index}`)));
  const requests = [asRequest(await port.receive()), asRequest(await port.receive())];
  assert.equal(requests[0]!.id, requests[1]!.id);
  assert.notEqual(requests[0]!.port, requests[1]!.port);
  for (const request of requests.toReversed()) request.reply(`answer to ${request.data.toString()}`);
  assert.deepEqual(await Promise.all(calls), ['answer to of 0', 'answer to of 1']);
});

test('both sides ask at once, with the same numbers, and nothing is mixed up', async (t) => {
  const { port, client, toClient } = await connected(t);
  const calls = numbers(20).flatMap((number) => [outcomeOf(client.request(`up ${number}`)), outcomeOf(toClient.request(`down ${number}`))]);
  for (const _ of numbers(20)) {
    const [up, down] = [asRequest(await port.receive()), asRequest(await client.receive())];
    assert.equal(up.id, down.id);
    up.reply(`${up.data.toString()} answered`);
    down.reply(`${down.data.toString()} answered`);
  }
  assert.deepEqual(await Promise.all(calls), numbers(20).flatMap((number) => [`up ${number} answered`, `down ${number} answered`]));
});

test('a message tells its sender, its place in the sequence, and through which port it came', async (t) => {
  const { port, client, toClient } = await connected(t);
  await client.post('one');
  await client.post('two');
  const [one, two] = [await port.receive(), await port.receive()];
  assert.ok(one.type === 'datagram' && two.type === 'datagram');
  assert.deepEqual([one.sequence, two.sequence], [1, 2]);
  assert.deepEqual([one.sender.pid, one.sender.uid, one.sender.gid], [process.pid, process.geteuid!(), process.getegid!()]);
  assert.equal(one.sender, toClient.peer);
  assert.equal(one.port, toClient);
  assert.equal(one.port.name, NAME);
  assert.match(String(toClient), /^server communication port of \\RPC Control\\replies \(open, peer pid \d+ uid \d+\)$/);
  assert.match(String(client), /^client communication port of /);
  assert.match(String(port), /^connection port \\RPC Control\\replies \(open, 1 connections\)$/);
});

test('payloads are copies: neither side sees what the other writes into its own afterwards', async (t) => {
  const { port, client } = await connected(t);
  for (const length of [3, 100, 5000, 60_000]) {
    const sent = Buffer.alloc(length, 1);
    const call = client.request(sent);
    sent.fill(2);
    const request = asRequest(await port.receive());
    assert.deepEqual(request.data, Buffer.alloc(length, 1));
    const answer = Buffer.alloc(length, 3);
    request.reply(answer);
    answer.fill(4);
    request.data.fill(5);
    const { data } = await call;
    assert.deepEqual(data, Buffer.alloc(length, 3));
    data.fill(6);
    const next = await (async () => {
      const again = client.request(Buffer.alloc(length, 7));
      asRequest(await port.receive()).reply(Buffer.alloc(length, 8));
      return again;
    })();
    assert.deepEqual(next.data, Buffer.alloc(length, 8));
    assert.deepEqual(data, Buffer.alloc(length, 6));
  }
});

test('a request that was read ahead and then given up is never received', async (t) => {
  const { port, client, toClient } = await connected(t);
  const abort = new AbortController();
  const awaited = outcomeOf(toClient.request('so the server reads ahead'));
  const given = outcomeOf(client.request('given up', { signal: abort.signal }));
  const kept = outcomeOf(client.request('kept'));
  asRequest(await client.receive()).reply('answer');
  assert.equal(await awaited, 'answer');
  assert.equal(toClient.info().queuedMessages, 2);
  abort.abort();
  assert.equal(await given, 'AbortError');
  // The cancellation is read when the server next looks: a second call makes it.
  const again = outcomeOf(toClient.request('again'));
  asRequest(await client.receive()).reply('answer');
  await again;
  const request = asRequest(await port.receive());
  assert.equal(request.data.toString(), 'kept');
  request.reply('done');
  assert.equal(await kept, 'done');
  assert.equal(port.tryReceive(), undefined);
  assert.equal(toClient.info().unansweredRequests, 0);
});

for (const how of ['the client goes', 'the port is closed', 'the client is disconnected'] as const) {
  test(`when ${how}, who is told of one request may answer the others, and each is given up`, async (t) => {
    const { port, client, toClient } = await connected(t);
    const calls = numbers(3).map(() => outcomeOf(client.request('question')));
    const requests: RequestMessage[] = [];
    for (const _ of calls) requests.push(asRequest(await port.receive()));
    const told: string[] = [];
    for (const [number, request] of requests.entries()) {
      request.signal.addEventListener('abort', () => told.push(`${number}: ${requests.map((one) => (one.isPending ? 'pending' : one.reply('too late'))).join(' ')} ${requests[2]!.cancel()}`));
    }
    if (how === 'the client goes') client.close();
    else if (how === 'the port is closed') await port.close();
    else toClient.disconnect();
    await until('all are told', () => told.length === 3);
    assert.deepEqual(told, numbers(3).map((number) => `${number}: disconnected disconnected disconnected disconnected`));
    for (const call of calls) assert.match(await call, /^ERR_ALPC_(CANCELED|DISCONNECTED)$/);
    assert.equal(toClient.info().unansweredRequests, 0);
    await port.close();
  });
}
