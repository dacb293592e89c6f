/**
 * Ports that are associated with a completion port: their messages are packets, in their order and none too many, and what is no packet
 * stays with the port. The threads that take packets: completion-port.test.ts.
 */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { closeSync, openSync } from 'node:fs';
import { test } from 'node:test';
import { CompletionPort, connectPort, createPort, type RequestPacket } from '../../src/index.js';
import { TOKENS } from '../../src/notification/completion-memory.js';
import { DrainQuestion } from '../../src/notification/drain-question.js';
import { Lane } from '../../src/notification/lane.js';
import { Field } from '../../src/notification/packet.js';
import { failsWith, numbers, outcomeOf, tally, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { turn } from '../support/turns.js';
import { crew, NAME, serve } from './crew.js';

// What a thread had mapped stays mapped when it has been terminated: nobody is left to unmap it.
withLedger({ except: ['mappings'] });

test('a port is associated once; a second time is an error, and so is a list beside it', async (t) => {
  const { completions } = crew(t, 1);
  const { port } = await serve(t, completions);
  assert.throws(() => port.associate(completions, 2), failsWith('ERR_ALPC_ALREADY_SET'));
  assert.throws(() => port.associate(crew(t, 1).completions, 2), failsWith('ERR_ALPC_ALREADY_SET'));
  assert.throws(() => port.registerCompletionList(), failsWith('ERR_ALPC_ALREADY_SET'));
  completions.leave();
  port.registerCompletionList().unregister();
});

test('many ports with a key each, client ports among them', async (t) => {
  const { completions } = crew(t, 1);
  const { port } = await serve(t, completions, 1);
  await using other = await createPort('\\RPC Control\\other');
  other.associate(completions, 2);
  await using one = await connectPort(NAME);
  await using two = await connectPort('\\RPC Control\\other');
  two.associate(completions, 3);
  one.tryPost('a');
  two.tryPost('b');
  await until('both are connected', () => port.connections.length === 1 && other.connections.length === 1);
  other.connections[0]!.tryPost('c');
  const seen: string[] = [];
  while (seen.length < 3) for (const { key, data } of await completions.dequeue()) seen.push(`${key} ${String(data)}`);
  assert.deepEqual(seen.toSorted(), ['1 a', '2 b', '3 c']);
});

test('messages of a client come in their order with its connection number and sender; its end is the last packet', async (t) => {
  const { completions } = crew(t, 1);
  const { connect } = await serve(t, completions);
  const [one, two] = [await connect(), await connect()];
  for (const number of numbers(50)) for (const client of [one, two]) client.tryPost(`${client === one ? 'one' : 'two'} ${number}`);
  one.close();
  const byConnection = new Map<number, string[]>();
  for (let count = 0; count < 101; ) {
    for (const packet of await completions.dequeue()) {
      count++;
      assert.ok(packet.type === 'datagram' || packet.type === 'port-closed');
      assert.equal(packet.sender.pid, process.pid);
      const texts = byConnection.get(packet.connection) ?? [];
      byConnection.set(packet.connection, [...texts, packet.type === 'datagram' ? String(packet.data) : packet.reason]);
    }
  }
  const flat = (name: string): string[] => numbers(50).map((number) => `${name} ${number}`);
  assert.deepEqual([...byConnection.values()].toSorted((a, b) => (a[0]! < b[0]! ? -1 : 1)), [[...flat('one'), 'disconnected'], flat('two')]);
});

test('when the packets are full the messages stay with their senders, and nothing is lost when there is room again', async (t) => {
  const completions = new CompletionPort({ packetBytes: 256 << 10 });
  atEnd(t, () => completions[Symbol.dispose]());
  const { connect } = await serve(t, completions);
  const client = await connect();
  const data = Buffer.alloc(5000);
  const posts = numbers(400).map((number) => {
    data.writeInt32LE(number);
    return client.post(data);
  });
  await until('it is full', () => completions.info().queuedBytes > 240 << 10);
  assert.throws(() => { for (;;) completions.post({ data: 'x'.repeat(60_000) }); }, failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
  const seen: number[] = [];
  while (seen.length < 400) for (const packet of await completions.dequeue({ max: 3 })) if (packet.type === 'datagram') seen.push(packet.data.readInt32LE());
  assert.deepEqual(seen, numbers(400));
  await Promise.all(posts);
});

test('large messages have each its own bytes, whichever ways they go, though the memory that they are read into is used again', async (t) => {
  const completions = new CompletionPort({ packetBytes: 256 << 10 });
  atEnd(t, () => completions[Symbol.dispose]());
  const { port, connect } = await serve(t, completions);
  const client = await connect();
  const lengths = [5000, 60_000, 9000, 4000, 20_000];
  const dataOf = (number: number): Buffer => Buffer.alloc(lengths[number % lengths.length]!, number);
  const wholeOf = (data: Buffer): number | string => (data.equals(dataOf(data[0]!)) ? data[0]! : `${data.length} bytes of ${data[0]}`);
  const answers: (number | string)[] = [];
  const ends = Promise.allSettled(numbers(100).map(async (number) => answers.push(wholeOf((await client.request(dataOf(number))).data))));
  await until('it is full', () => completions.info().queuedBytes > 190 << 10);
  const packets = [...completions.tryDequeue(3)];
  while (packets.length < 60) packets.push(...(await completions.dequeue({ max: 2 })));
  for (const packet of packets) if (packet.type === 'request') packet.reply(packet.data);
  await until('they are there', () => answers.length === packets.length);
  completions.leave(); // the others are declined, or found in the ordinary queue
  const seen: (number | string)[] = [];
  port.on('message', (message) => {
    seen.push(wholeOf(message.data));
    if (message.type === 'request') message.reply(message.data);
  });
  const declined = (await ends).filter((end) => end.status === 'rejected').map(({ reason }: PromiseRejectedResult) => reason);
  const taken = packets.map((packet) => (packet.type === 'request' ? wholeOf(packet.data) : packet.type));
  assert.ok(seen.length > 0 && declined.length > 0 && declined.every(failsWith('ERR_ALPC_CANCELED')));
  assert.deepEqual([taken, seen], [numbers(taken.length), numbers(100).slice(100 - seen.length)]);
  assert.deepEqual(answers, [...taken, ...seen]);
});

test('room that a thread makes as the owner goes to rest, having found too little, is seen', async (t) => {
  const completions = new CompletionPort({ packetBytes: 256 << 10 });
  atEnd(t, () => completions[Symbol.dispose]());
  const { connect } = await serve(t, completions);
  const client = await connect();
  assert.throws(() => { for (;;) completions.post({ data: 'x'.repeat(2000) }); }, failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
  const rest = Reflect.get(Lane.prototype, 'rest');
  let rests = 0;
  t.mock.method(Lane.prototype, 'rest', function (this: Lane): boolean {
    if (++rests < 20) completions.tryDequeue(1); // as another thread would at this moment
    return rest.call(this);
  });
  client.tryPost('x'.repeat(60_000));
  for (const _ of numbers(100)) await turn();
  await until('it has come', () => completions.tryDequeue(1000).some(({ type }) => type === 'datagram'));
});

test('when threads hold as many requests as may be, others wait, and the news of callers who gave up comes through', async (t) => {
  const completions = new CompletionPort({ packetBytes: 1 << 24 });
  atEnd(t, () => completions[Symbol.dispose]());
  const { connect } = await serve(t, completions);
  const clients = await Promise.all(numbers(8).map(connect));
  const abort = new AbortController();
  const all = numbers(5000).map((number) => outcomeOf(clients[number % 8]!.request('x', { signal: abort.signal })));
  const held: RequestPacket[] = [];
  while (held.length < TOKENS) for (const packet of await completions.dequeue()) if (packet.type === 'request') held.push(packet);
  await assert.rejects(completions.dequeue({ timeout: 100 }), failsWith('ERR_ALPC_TIMEOUT'));
  // An answer lets one more come, in its turn.
  assert.equal(held[0]!.reply('y'), 'sent');
  const [next] = await completions.dequeue();
  assert.ok(next?.type === 'request');
  clients[0]!.tryPost('a message that needs no token');
  assert.equal((await completions.dequeue())[0]?.type, 'datagram');
  abort.abort();
  const outcomes = await Promise.all(all);
  assert.deepEqual([outcomes.filter((outcome) => outcome === 'y').length, outcomes.length], [1, 5000]);
  const canceled = new Set<number>();
  while (held.some(({ isPending }) => isPending)) for (const packet of await completions.dequeue()) if (packet.type === 'canceled') canceled.add(packet.connection * 1e6 + packet.id);
  assert.ok(canceled.size >= TOKENS - 1);
  // Some that waited may have come before their callers' news did.
  const later = clients[0]!.request('z');
  for (let isThere = false; !isThere; ) {
    for (const packet of await completions.dequeue()) {
      if (packet.type !== 'request' || String(packet.data) !== 'z') continue;
      isThere = true;
      packet.reply('Z');
    }
  }
  assert.equal(String((await later).data), 'Z');
});

test('tokens go round: an answer that comes late meets nobody else\'s request before all others have had their turn', async (t) => {
  const { completions } = crew(t, 1);
  const { connect } = await serve(t, completions);
  const client = await connect();
  const tokens = new Set<number>();
  for (const _ of numbers(100)) {
    const reply = client.request('');
    const [packet] = await completions.dequeue();
    assert.ok(packet?.type === 'request');
    tokens.add(packet.share().fields[Field.token]!);
    packet.reply('');
    await reply;
  }
  assert.equal(tokens.size, 100);
});

test('what came with a request is let go of when its caller gives up before there is a token for it, and when it is declined for want of one', async (t) => {
  const completions = new CompletionPort({ packetBytes: 1 << 24 });
  atEnd(t, () => completions[Symbol.dispose]());
  temporaryRoot(t);
  const limits = { pendingMessages: 3 * TOKENS, ringLength: 1 << 22, peerRingLength: 1 << 22 };
  await using port = await createPort(NAME, { limits, accepts: ['file'] });
  port.associate(completions, 1);
  await using busy = await connectPort(NAME, { limits });
  await using client = await connectPort(NAME, { limits });
  const abort = new AbortController();
  const { signal } = abort;
  const others = numbers(TOKENS).map(() => outcomeOf(busy.request('x', { signal })));
  await until('all tokens are in use', () => completions.info().queued === TOKENS);
  const file = openSync('/proc/self/stat', 'r');
  atEnd(t, () => closeSync(file));
  const ask = (): Promise<string> => outcomeOf(client.request('a file', { handles: [file], signal }));
  const held = (): number => port.connections.reduce((sum, connection) => sum + connection.info().heldHandles, 0);
  const waiting = numbers(5).map(ask);
  await until('they stand aside', () => held() === 5);
  others.push(...numbers(TOKENS - 5).map(() => outcomeOf(busy.request('x', { signal }))));
  await until('as many stand aside as may', () => port.connections.reduce((sum, connection) => sum + connection.info().unansweredRequests, 0) === 2 * TOKENS);
  assert.deepEqual([await ask(), held()], ['ERR_ALPC_CANCELED', 5]);
  abort.abort();
  assert.deepEqual(tally(await Promise.all(waiting)), { AbortError: 5 });
  await until('the news of it has come', () => held() === 0);
  await Promise.all(others);
});

test('when the completion port is closed, the receivers of a port are not told of requests that threads hold still; what they answer comes, and later requests go to the port', async (t) => {
  const { completions } = crew(t, 1);
  const { port, connect } = await serve(t, completions);
  const [client, other] = [await connect(), await connect()];
  const abort = new AbortController();
  const [kept, givenUp] = [outcomeOf(client.request('a')), outcomeOf(client.request('b'.repeat(9000), { signal: abort.signal }))];
  const ofOther = outcomeOf(other.request('c'));
  const held: RequestPacket[] = [];
  while (held.length < 3) for (const packet of await completions.dequeue()) if (packet.type === 'request') held.push(packet);
  completions.close();
  const seen: string[] = [];
  port.on('message', (message) => {
    seen.push(`${message.type} ${String(message.data)}`);
    if (message.type === 'request') message.reply('as before');
  });
  await until('the port receives', async () => (await outcomeOf(client.request('d'))) === 'as before');
  abort.abort();
  assert.equal(await givenUp, 'AbortError');
  other.close();
  await ofOther;
  await until('the last word of the other has come', () => seen.includes('port-closed '));
  assert.equal(await outcomeOf(client.request('e')), 'as before');
  assert.deepEqual(seen.filter((text) => !text.startsWith('request d')), ['port-closed ', 'request e']);
  await until('the threads learn of it', () => held.every(({ isPending, data }) => isPending === (String(data) === 'a')));
  assert.equal(held.find(({ data }) => String(data) === 'a')!.reply('A'), 'sent');
  assert.equal(await kept, 'A');
});

test('who is let in is decided from the ordinary queue of the port', async (t) => {
  const { completions } = crew(t, 1);
  temporaryRoot(t);
  await using port = await createPort(NAME, { connect: 'ask' });
  port.associate(completions, 1);
  port.on('message', (message) => void (message.type === 'connection-request' && message.accept()));
  await using client = await connectPort(NAME);
  client.tryPost('in');
  assert.equal(String((await completions.dequeue())[0]!.data), 'in');
});

test('a thread that owns associated ports is told when it would block on itself', async (t) => {
  const { completions } = crew(t, 1);
  const { port, connect } = await serve(t, completions);
  const client = await connect();
  client.associate(completions, 2);
  for (const receiving of [port, client]) {
    assert.throws(() => receiving.receiveSync(), failsWith('ERR_ALPC_DEADLOCK', /feeds a completion port/));
    assert.throws(() => receiving.receiveSync({ timeout: 0 }), failsWith('ERR_ALPC_TIMEOUT'));
  }
  client.close();
  assert.throws(() => client.receiveSync(), failsWith('ERR_ALPC_CLOSED'), 'nothing will come, whoever feeds on it');
  assert.throws(() => completions.dequeueSync(), failsWith('ERR_ALPC_DEADLOCK', /could not drain/));
  assert.throws(() => completions.dequeueSync({ timeout: 0 }), failsWith('ERR_ALPC_TIMEOUT'));
  const again = CompletionPort.open(completions.handle);
  assert.throws(() => again.dequeueSync(), failsWith('ERR_ALPC_DEADLOCK', /could not drain/), 'also by another object for the same completion port');
  again.leave();
});

test('a port whose association ends as a message of it is read (a subscriber leaves the completion port) has that message still, and those behind it', async (t) => {
  const { completions } = crew(t, 1);
  const { port, connect } = await serve(t, completions);
  const client = await connect();
  const answers = ['a', 'b', 'c'].map((text) => outcomeOf(client.request(text)));
  const onReceive = (told: unknown): void => void ((told as { role: string }).role === 'server' && completions.leave());
  subscribe('alpc:receive', onReceive);
  atEnd(t, () => unsubscribe('alpc:receive', onReceive));
  port.on('message', (message) => void (message.type === 'request' && message.reply(`${String(message.data)} by the port`)));
  assert.deepEqual(await Promise.all(answers), ['a by the port', 'b by the port', 'c by the port']);
});

test('who asks whether rings are drained does not wait for an owner without ports, nor for one whose first association failed', async (t) => {
  const { completions } = crew(t, 1);
  const { port, connect } = await serve(t, completions);
  await connect();
  const words = new Int32Array(completions.handle.completionPort);
  assert.ok(new DrainQuestion(words).isOpen(), 'before the owner has looked');
  await port.close();
  assert.equal(new DrainQuestion(words).isOpen(), false);
  const others = new CompletionPort();
  atEnd(t, () => others[Symbol.dispose]());
  assert.throws(() => port.associate(others, 1), failsWith('ERR_ALPC_CLOSED'));
  assert.equal(new DrainQuestion(new Int32Array(others.handle.completionPort)).isOpen(), false);
});
