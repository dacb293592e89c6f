/**
 * How long a message may be: what both sides agreed on, header of 32 bytes included, and never more than 65,535. Whoever sends
 * more is told at once, by name of the limit, and nothing of it is sent. Rings as small as one page carry what fits into them.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { AlpcError } from '../../src/base/errors.js';
import { type ClientPort, connectPort, createPort, type PortLimits, type ServerPort } from '../../src/ports/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { failsWith, numbers, outcomeOf } from './expect.js';
import { NAME, ownRoot, startServer } from './serving.js';

withLedger();

const HEADER = 32;

/** A client of a server process that echoes; both with limits of their own. */
async function connectedTo(t: TestContext, server: PortLimits, client: PortLimits): Promise<ClientPort> {
  ownRoot(t);
  await startServer(t, { options: { limits: server } });
  const port = await connectPort(NAME, { limits: client });
  atEnd(t, () => port.close());
  return port;
}

/** A request of exactly so many bytes that is answered with all but its verb. */
const echo = (length: number, letter = 'x'): string => `echo ${letter.repeat(length - 5)}`;

test('messages of every length up to 65,535 go both ways, blocking and awaited', async (t) => {
  const client = await connectedTo(t, {}, {});
  for (const length of [5, 6, 7, 8, 9, 12, 13, 31, 32, 33, 255, 256, 4063, 4064, 4065, 32_768, 65_502, 65_503]) {
    assert.equal(client.requestSync(echo(length)).data.length, length - 5);
    assert.equal((await client.request(echo(length, 'e'))).data.toString(), 'e'.repeat(length - 5));
  }
  for (const length of [0, 1, 65_502, 65_503]) assert.equal(client.requestSync(`large ${length}`).data.length, length);
});

test('text travels as UTF-8, and its length is counted in bytes', async (t) => {
  const client = await connectedTo(t, {}, { maxMessageLength: 132 });
  const text = `${'é'.repeat(20)}€${'\u{1f600}'.repeat(10)}`; // 40 + 3 + 40 bytes
  assert.equal(client.requestSync(`echo ${text}`).data.toString(), text);
  assert.equal((await client.request(Buffer.from(`echo ${text}`))).data.toString(), text);
  assert.throws(() => client.requestSync(`echo ${'é'.repeat(48)}`), failsWith('ERR_ALPC_MESSAGE_TOO_LONG', /101 bytes/));
  assert.equal(client.requestSync('echo \ud800').data.toString(), '\ufffd'); // a lone surrogate is no character
});

test("the stricter side's limit holds for both, whichever it is", async (t) => {
  for (const [server, client] of [[{ maxMessageLength: 1000 }, {}], [{}, { maxMessageLength: 1000 }], [{ maxMessageLength: 1000 }, { maxMessageLength: 2000 }]] as [PortLimits, PortLimits][]) {
    const port = await connectedTo(t, server, client);
    const most = 1000 - HEADER;
    assert.equal(port.requestSync(echo(most)).data.length, most - 5);
    for (const send of [() => port.requestSync(echo(most + 1)), () => port.tryPost(Buffer.alloc(most + 1)), () => port.postSync(Buffer.alloc(most + 1))]) {
      assert.throws(send, failsWith('ERR_ALPC_MESSAGE_TOO_LONG', new RegExp(`a payload of ${most + 1} bytes does not fit into a message of at most 1000 bytes`)));
    }
    await assert.rejects(port.request(echo(most + 1)), failsWith('ERR_ALPC_MESSAGE_TOO_LONG'));
    await assert.rejects(port.post(Buffer.alloc(most + 1)), failsWith('ERR_ALPC_MESSAGE_TOO_LONG'));
    assert.equal(port.requestSync(`large ${most}`).data.length, most);
    assert.equal(port.info().pendingRequests, 0);
  }
});

test('a reply that is too long is refused to the server, who may answer with less', async (t) => {
  ownRoot(t);
  await using port = await createPort(NAME);
  const connected = once(port, 'connect') as Promise<[ServerPort]>;
  await using client = await connectPort(NAME, { limits: { maxMessageLength: 132 } });
  const [toClient] = await connected;
  const call = outcomeOf(client.request('question'));
  const message = await port.receive();
  assert.ok(message.type === 'request');
  assert.throws(() => message.reply(Buffer.alloc(101)), failsWith('ERR_ALPC_MESSAGE_TOO_LONG', /at most 132 bytes/));
  assert.equal(message.isPending, true);
  assert.equal(message.reply('less'), 'sent');
  assert.equal(await call, 'less');
  for (const send of [() => toClient.tryPost(Buffer.alloc(101)), () => toClient.requestSync(Buffer.alloc(101)), () => toClient.postSync(Buffer.alloc(101))]) assert.throws(send, failsWith('ERR_ALPC_MESSAGE_TOO_LONG'));
  await assert.rejects(toClient.request(Buffer.alloc(101)), failsWith('ERR_ALPC_MESSAGE_TOO_LONG'));
  assert.equal(client.tryReceive(), undefined);
});

test('rings of one page carry messages of one page, in both directions, again and again', async (t) => {
  const client = await connectedTo(t, { ringLength: 4096 }, { ringLength: 4096 });
  const most = 4096 - HEADER;
  for (const round of numbers(200)) {
    const letter = String.fromCharCode(97 + (round % 26));
    assert.equal(client.requestSync(echo(most, letter)).data.toString(), letter.repeat(most - 5));
    assert.equal((await client.request(`large ${most - (round % 9)}`)).data.length, most - (round % 9));
  }
  assert.throws(() => client.requestSync(echo(most + 1)), failsWith('ERR_ALPC_MESSAGE_TOO_LONG', /at most 4096 bytes/));
});

test('many messages at once through rings of one page wait for each other, and all arrive', async (t) => {
  const client = await connectedTo(t, { ringLength: 4096 }, { ringLength: 4096 });
  const lengths = numbers(500).map((number) => 5 + ((number * 97) % 4000));
  const replies = await Promise.all(lengths.map((length) => client.request(echo(length))));
  assert.deepEqual(replies.map(({ data }) => data.length), lengths.map((length) => length - 5));
  assert.equal(client.requestSync('push 300 a message of some length that wraps around').data.toString(), 'pushed');
});

test("each side's ring has its own length", async (t) => {
  const client = await connectedTo(t, { ringLength: 1 << 20 }, { ringLength: 4096 });
  assert.throws(() => client.requestSync(echo(4065)), failsWith('ERR_ALPC_MESSAGE_TOO_LONG'));
  assert.equal(client.requestSync('large 65503').data.length, 65_503);
});

test("a client's ring that is longer than the server takes is refused with both figures, and one that is as long is not", async (t) => {
  ownRoot(t);
  await using port = await createPort(NAME, { limits: { peerRingLength: 16_384 } });
  const refused = failsWith('ERR_ALPC_QUOTA_EXCEEDED', /the server takes rings of at most 16384 bytes, this side's has 32768/);
  await assert.rejects(connectPort(NAME, { limits: { ringLength: 32_768 } }), refused);
  await assert.rejects(connectPort(NAME), failsWith('ERR_ALPC_QUOTA_EXCEEDED', /has 131072/));
  assert.deepEqual(port.connections, []);
  await using client = await connectPort(NAME, { limits: { ringLength: 16_384 } });
  assert.equal(client.tryPost('taken'), 'sent');
  assert.equal((await port.receive()).data.toString(), 'taken');
});

test("a server's ring that is longer than the client takes is refused too, and the server is told why its client went", async (t) => {
  ownRoot(t);
  await using port = await createPort(NAME, { limits: { ringLength: 32_768 } });
  const disconnect = once(port, 'disconnect');
  port.on('message', () => {});
  await assert.rejects(connectPort(NAME, { limits: { peerRingLength: 16_384 } }), failsWith('ERR_ALPC_QUOTA_EXCEEDED', /a ring of 32768 bytes; limits\.peerRingLength is 16384/));
  assert.equal((await disconnect)[1], 'quota');
  await using client = await connectPort(NAME, { limits: { peerRingLength: 32_768 } });
  assert.equal(client.closed, false);
});

test('whoever decides on a client decides on the length of its ring, and is told when that is too long', async (t) => {
  ownRoot(t);
  await using port = await createPort(NAME, { connect: 'ask', limits: { peerRingLength: 4096 } });
  for (const [peerRingLength, outcome] of [[2 ** 20, 'ERR_ALPC_QUOTA_EXCEEDED'], [2 ** 21, 'done']] as const) {
    const connecting = connectPort(NAME, { limits: { ringLength: 2 ** 21 } });
    const ended = outcomeOf(connecting.then((client) => client.close()));
    const request = await port.receive();
    assert.ok(request.type === 'connection-request');
    const refused = outcome === 'done' ? undefined : once(port, 'refuse');
    const accepted = request.accept({ limits: { peerRingLength } });
    assert.deepEqual([accepted === undefined, await ended], [outcome !== 'done', outcome]);
    if (refused !== undefined) assert.deepEqual((await refused).slice(1).map((told: unknown) => told instanceof AlpcError ? told.code : told), ['ringTooLong', outcome]);
  }
});

test("a ring of 64 KiB carries the longest message, and the buffer is the sender's again at once", async (t) => {
  const client = await connectedTo(t, { ringLength: 65_536 }, { ringLength: 65_536 });
  const buffer = Buffer.from(echo(65_503, 'a'));
  const calls = numbers(10).map((number) => {
    buffer.fill(97 + number, 5);
    return client.request(buffer);
  });
  buffer.fill(0);
  const replies = await Promise.all(calls);
  assert.deepEqual(replies.map(({ data }) => data.toString()), numbers(10).map((number) => String.fromCharCode(97 + number).repeat(65_498)));
});
