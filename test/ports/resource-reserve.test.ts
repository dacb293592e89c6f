/** Resource reserves: a send that can't fail for want of room. Both sides are in one thread; test/process/reserves.test.ts has two processes. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { type ClientPort, createUnconnectedPort, createWorkTicket } from '../../src/index.js';
import { failsWith, numbers, outcomeOf } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { connectedPair, type Pair, received } from './connected-pair.js';
import { connectPort, type PortLimits } from '../../src/ports/index.js';
import { PAIR_NAME } from './connected-pair.js';

withLedger();

const RING = 16_384;
/** The longest message takes a quarter of the ring. */
const LIMITS: PortLimits = { ringLength: RING, maxMessageLength: 4096 };

/** A server, and a client with a short ring. Nobody reads until the test does. */
async function pair(t: TestContext): Promise<Pair> {
  const made = await connectedPair(t, ['security', 'work', 'secure-view', 'file'], { limits: { maxMessageLength: 4096 } });
  const client = await connectPort(PAIR_NAME, { limits: LIMITS });
  atEnd(t, () => client.close());
  return { ...made, client };
}

/** Sends until there is no room. How many went. */
function fill(client: ClientPort, text = 'x'.repeat(500)): number {
  let count = 0;
  while (client.tryPost(text) === 'sent') count++;
  while (client.tryPost('') === 'sent') count++;
  return count;
}

async function take(port: Pair['port'], count: number): Promise<string[]> {
  const texts: string[] = [];
  for (const _ of numbers(count)) texts.push(String((await received(port)).data));
  return texts;
}

test('a message with a reserve is sent when the ring is full, once until it has been read, and then again', async (t) => {
  const { port, client } = await pair(t);
  using reserve = client.createResourceReserve(100);
  assert.deepEqual([reserve.size, reserve.isFree, reserve.closed], [100, true, false]);
  for (const round of numbers(3)) {
    const count = fill(client);
    assert.equal(client.tryPost('a'.repeat(100), { reserve }), 'sent', `round ${round}`);
    assert.equal(reserve.isFree, false);
    assert.equal(client.tryPost('again', { reserve }), 'full');
    await assert.rejects(client.post('again', { reserve }), failsWith('ERR_ALPC_RESOURCE_IN_USE', /has not read the message/));
    assert.throws(() => client.postSync('again', { reserve }), failsWith('ERR_ALPC_RESOURCE_IN_USE'));
    assert.throws(() => client.requestSync('again', { reserve }), failsWith('ERR_ALPC_RESOURCE_IN_USE'));
    assert.equal((await take(port, count + 1)).at(-1), 'a'.repeat(100), 'behind what was sent before');
    assert.equal(reserve.isFree, true);
  }
});

test('many reserves are all good at once, and no other message takes their room, whatever has been sent with some of them', async (t) => {
  const { port, client } = await pair(t);
  const reserves = numbers(20).map((i) => client.createResourceReserve(i * 8));
  assert.equal(client.info().reservedBytes, numbers(20).reduce((sum, i) => sum + 32 + i * 8, 0));
  let count = fill(client);
  for (const [i, reserve] of reserves.entries()) {
    assert.equal(client.tryPost('r'.repeat(i * 8), { reserve }), 'sent');
    if (i === 10) count += fill(client);
  }
  assert.equal(client.tryPost(''), 'full');
  assert.equal((await take(port, count + 20)).filter((text) => /^r*$/.test(text) && text !== '').length, 19);
  assert.ok(reserves.every(({ isFree }) => isFree));
  for (const reserve of reserves) reserve.close();
  assert.equal(client.info().reservedBytes, 0);
});

test('it goes ahead of what waits for room, and what waits arrives behind it in its order', async (t) => {
  const { port, client } = await pair(t);
  using reserve = client.createResourceReserve(10);
  const count = fill(client);
  const waiting = numbers(5).map((i) => client.post(`waits ${i}`));
  const call = outcomeOf(client.request('waits too'));
  await client.post('ahead', { reserve });
  assert.equal(client.info().waitingForRoom, 6);
  assert.deepEqual((await take(port, count + 1)).at(-1), 'ahead');
  assert.deepEqual(await take(port, 5), numbers(5).map((i) => `waits ${i}`));
  await Promise.all(waiting);
  const message = await received(port);
  assert.ok(message.type === 'request');
  message.reply('done');
  assert.equal(await call, 'done');
});

test('requests and replies are sent with a reserve, too, awaited and blocking', async (t) => {
  const port = createUnconnectedPort({ limits: LIMITS });
  atEnd(t, () => port.close());
  using reserve = port.createResourceReserve(100);
  using forReplies = port.createResourceReserve(200);
  while (port.tryPost('x'.repeat(300)) === 'sent');
  while (port.tryPost('') === 'sent');
  const call = port.request('question', { reserve });
  for (;;) {
    const message = await port.receive();
    if (message.type !== 'request') continue;
    while (port.tryPost('x'.repeat(300)) === 'sent');
    while (port.tryPost('') === 'sent');
    assert.equal(port.info().waitingForRoom, 0);
    assert.equal(message.reply('answer', { reserve: forReplies }), 'sent');
    assert.equal(port.info().waitingForRoom, 0, 'it has not been put aside');
    break;
  }
  assert.equal(String((await call).data), 'answer');
  while (port.tryReceive() !== undefined);
  assert.equal(String(port.requestSync('blocking', { reserve, onCallback: (message) => message.reply('so', { reserve: forReplies }) }).data), 'so');
});

test('a request that was sent with a reserve and given up is taken back, and its room comes back when the peer has passed it', async (t) => {
  const { port, client } = await pair(t);
  using reserve = client.createResourceReserve(10);
  await assert.rejects(client.request('never seen', { reserve, timeout: 1 }), failsWith('ERR_ALPC_TIMEOUT'));
  assert.equal(reserve.isFree, false);
  await client.post('seen');
  assert.deepEqual(await take(port, 1), ['seen']);
  assert.equal(reserve.isFree, true);
});

test('a reply for which the reserve is not free is refused, and can be sent without it', async (t) => {
  const { port, client, toClient } = await pair(t);
  using small = toClient.createResourceReserve(4);
  const call = client.request('question');
  const message = await received(port);
  assert.ok(message.type === 'request');
  using mine = message.port.createResourceReserve(4);
  assert.throws(() => message.reply('five!', { reserve: mine }), failsWith('ERR_ALPC_MESSAGE_TOO_LONG', /5 bytes, attributes included, does not fit into a reserve of 4/));
  assert.throws(() => message.reply('four', { reserve: small }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /another port's ring/));
  assert.equal(message.isPending, true);
  assert.equal(message.reply('four', { reserve: mine }), 'sent');
  assert.equal(String((await call).data), 'four');
});

test('levels and tickets go with it, and count; a view or handles do not, for their descriptors have no room of their own', async (t) => {
  const { port, client } = await pair(t);
  using reserve = client.createResourceReserve(48 + 2);
  const workOnBehalfOf = createWorkTicket();
  fill(client);
  assert.throws(() => client.tryPost('abc', { reserve, security: 'impersonate', workOnBehalfOf }), failsWith('ERR_ALPC_MESSAGE_TOO_LONG', /51 bytes/));
  assert.equal(client.tryPost('ab', { reserve, security: 'impersonate', workOnBehalfOf }), 'sent');
  for (;;) {
    const message = await received(port);
    if (String(message.data) !== 'ab') continue;
    assert.deepEqual([message.securityLevel, message.workOnBehalfOf?.pid], ['impersonate', process.pid]);
    break;
  }
  using section = client.createSection(4096, { secure: true });
  using view = section.createView(8);
  assert.throws(() => client.tryPost('', { reserve, view }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /without a view or handles/));
  assert.throws(() => client.tryPost('', { reserve, handles: [0] }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /without a view or handles/));
  assert.equal(reserve.isFree, true, 'a send that comes to nothing does not use it');
});

test('the ring has room for the longest message besides all reserves; what is beyond is over the quota, and what is in use now can\'t be kept', async (t) => {
  const { port, client } = await pair(t);
  const most = RING - 4096;
  assert.throws(() => client.createResourceReserve(4096), failsWith('ERR_ALPC_INVALID_ARGUMENT', /'size'/));
  const three = numbers(3).map(() => client.createResourceReserve(4096 - 32));
  assert.equal(client.info().reservedBytes, most);
  assert.throws(() => client.createResourceReserve(0), failsWith('ERR_ALPC_QUOTA_EXCEEDED', /limits.ringLength/));
  assert.equal(client.tryPost('x'.repeat(client.maxDataLength)), 'sent', 'the longest message still fits');
  assert.equal(client.tryPost(''), 'full');
  three[1]!.close();
  three[1]!.close();
  assert.equal(client.tryPost(''), 'sent');
  assert.throws(() => client.createResourceReserve(4096 - 32), failsWith('ERR_ALPC_INSUFFICIENT_RESOURCES', /before the ring is full/));
  assert.equal(client.info().reservedBytes, most - 4096);
  await take(port, 2);
  using again = client.createResourceReserve(4096 - 32);
  assert.equal(again.isFree, true);
});

test('a ring that is no longer than the longest message has room for no reserve, and says so', async (t) => {
  const { client } = await connectedPair(t, []);
  const second = await connectPort(PAIR_NAME, { limits: { ringLength: 4096 } });
  atEnd(t, () => second.close());
  assert.throws(() => second.createResourceReserve(0), failsWith('ERR_ALPC_QUOTA_EXCEEDED', /of its 4096 0 are left/));
  for (const size of [-1, 1.5, NaN, '8', undefined, client.maxDataLength + 1]) assert.throws(() => client.createResourceReserve(size as number), failsWith('ERR_ALPC_INVALID_ARGUMENT', /'size'/));
  for (const reserve of [{}, 1, 'reserve', null]) assert.throws(() => client.tryPost('', { reserve: reserve as never }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /'options.reserve'/));
});

test('a reserve that is closed refuses, and its message that is out arrives; its room is for what waits', async (t) => {
  const { port, client } = await pair(t);
  const reserve = client.createResourceReserve(1000);
  const count = fill(client, 'x'.repeat(100));
  await client.post('out', { reserve });
  const waits = client.post('waits');
  reserve.close();
  assert.deepEqual([reserve.closed, reserve.isFree], [true, false]);
  assert.throws(() => client.tryPost('', { reserve }), failsWith('ERR_ALPC_CLOSED', /resource reserve has been closed/));
  assert.deepEqual((await take(port, count + 2)).slice(-2), ['out', 'waits']);
  await waits;
});

test('with the connection its reserves end: nothing can be sent, nothing is free, and closing them does nothing', async (t) => {
  const { client, toClient, port } = await pair(t);
  const [mine, theirs] = [client.createResourceReserve(8), toClient.createResourceReserve(8)];
  await client.post('', { reserve: mine });
  client.close();
  assert.equal(client.tryPost('', { reserve: mine }), 'disconnected');
  await assert.rejects(client.post('', { reserve: mine }), failsWith('ERR_ALPC_CLOSED'));
  assert.throws(() => client.createResourceReserve(8), failsWith('ERR_ALPC_CLOSED'));
  assert.equal(mine.isFree, false);
  mine.close();
  assert.equal(theirs.isFree, true, 'that is of the pair\'s first client');
  await port.close();
  assert.equal(theirs.isFree, false);
  assert.throws(() => toClient.createResourceReserve(8), failsWith('ERR_ALPC_CLOSED'));
  theirs.close();
});
