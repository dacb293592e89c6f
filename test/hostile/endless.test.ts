/**
 * Rings that never end. A peer that publishes as fast as it is read is served like any other, a few records at a time: timeouts
 * hold, others have their turn, and what is kept of it is bounded. What it claims to have costs nothing; what it sends costs it as much.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { connectPort, type ConnectionPort, type Message } from '../../src/index.js';
import { failsWith, numbers, until } from '../process/expect.js';
import { withLedger } from '../support/ledger.js';
import { type Actor, startActor } from '../support/processes.js';
import { turn } from '../support/turns.js';
import { type Flood, type Kind, LOUD, type News, type Order, SILENT } from './flood-actor.js';
import { STATE } from './peer.js';
import { NAME, serve, serveByHand } from './stage.js';

withLedger();

/** Long enough for whoever would not come back. */
const LONG = 20_000;

function floodAt(t: TestContext, flood: Omit<Flood, 'type'>): Actor<Order, News> {
  const actor = startActor<Order, News>(t, new URL('./flood-actor.js', import.meta.url));
  actor.send({ type: 'flood', ...flood });
  return actor;
}

/** Everything that is there to be received. */
function drained(port: ConnectionPort): Message[] {
  const messages: Message[] = [];
  for (let message = port.tryReceive(); message !== undefined; message = port.tryReceive()) messages.push(message);
  return messages;
}

const kinds = [...Object.keys(SILENT), ...Object.keys(LOUD)] as Kind[];

for (const kind of kinds) {
  test(`B24: a client whose ring never ends (${kind}) is served in its turn, and others in theirs`, async (t) => {
    const { port, path, ends } = await serve(t, { limits: { pendingMessages: 100 } });
    port.on('message', (message) => message.type === 'request' && message.dataLength > 0 && message.reply(message.data));
    const actor = floodAt(t, { path, as: 'client', kind, milliseconds: LONG, reads: true });
    await actor.until('flooding');
    await until('it is connected', () => port.connections.length === 1);
    await using honest = await connectPort(NAME);
    for (const number of numbers(50)) {
      assert.equal((await honest.request(`request ${number}`)).data.toString(), `request ${number}`);
      await turn();
    }
    port.connections[0]!.disconnect();
    const { laps } = await actor.until('ended');
    assert.ok(laps > 100, `${laps} laps`);
    assert.deepEqual(ends, ['closed']);
  });

  test(`B24: a server in a blocking loop serves others, and its timeouts hold, beside a ring that never ends (${kind})`, async (t) => {
    const { port, path } = await serve(t, { limits: { pendingMessages: 100 } });
    await using honest = await connectPort(NAME);
    const actor = floodAt(t, { path, as: 'client', kind, milliseconds: LONG, reads: true });
    await actor.until('flooding');
    await until('it is connected', () => port.connections.length === 2);
    for (const number of numbers(20)) {
      const call = honest.request(`request ${number}`);
      for (let answered = false; !answered; ) {
        const message = port.receiveSync();
        if (message.type === 'request' && message.dataLength > 0) answered = message.reply(message.data) === 'sent';
      }
      assert.equal((await call).data.toString(), `request ${number}`);
    }
    if (kind in SILENT) assert.throws(() => port.receiveSync({ timeout: 50 }), failsWith('ERR_ALPC_TIMEOUT'));
  });
}

for (const kind of Object.keys(SILENT) as Kind[]) {
  test(`B24: the timeouts of a client hold while its server's ring never ends (${kind})`, async (t) => {
    const { path, listener } = serveByHand(t);
    listener.close();
    const actor = floodAt(t, { path: `${path}2`, as: 'server', kind, milliseconds: LONG });
    await actor.until('flooding');
    await using client = await connectPort(`${NAME}2`, { limits: { ringLength: 4096 } });
    const timedOut = failsWith('ERR_ALPC_TIMEOUT');
    await assert.rejects(client.request('', { timeout: 50 }), timedOut);
    assert.throws(() => client.requestSync('', { timeout: 50 }), timedOut);
    await assert.rejects(client.receive({ timeout: 50 }), timedOut);
    assert.throws(() => client.receiveSync({ timeout: 50 }), timedOut);
    while (client.tryPost(Buffer.alloc(500)) === 'sent');
    assert.throws(() => client.postSync(Buffer.alloc(500), { timeout: 50 }), timedOut);
    assert.throws(() => client.postSync(Buffer.alloc(500), { timeout: 0 }), timedOut);
    await assert.rejects(client.post(Buffer.alloc(500), { timeout: 50 }), timedOut);
    let turns = 0;
    client.on('message', () => {});
    for (; turns < 100; turns++) await turn();
    assert.ok(client.info().lateReplies > 100 || kind !== 'replies that nobody waits for');
  });
}

for (const kind of kinds) {
  test(`B26: a client that hangs up and writes on all the same is read for one ring's worth at most (${kind})`, async (t) => {
    const ringLength = 65_536;
    const { port, path, ends } = await serve(t);
    const actor = floodAt(t, { path, as: 'client', kind, milliseconds: LONG, ringLength, hangsUp: true });
    await actor.until('flooding');
    await until('its end is seen', () => ends.length === 1);
    assert.equal((await actor.until('ended')).state, STATE.closed);
    const messages = drained(port);
    const last = messages.pop();
    assert.ok(last?.type === 'port-closed' && last.reason === 'died', last?.type);
    // Requests of a client that is gone are not delivered.
    assert.equal(messages.length, kind === 'datagrams' ? ringLength / 32 : 0);
    assert.ok(messages.every(({ type }) => type === 'datagram'));
  });
}

test('B26: a ring whose records lead nowhere and back is read once round and no further', async (t) => {
  // Every record says that it ends where the first begins; the tail is one whole ring ahead, and stays there.
  const { port, ends, peer } = await serve(t);
  const hostile = await peer();
  for (let at = 0; at < hostile.ringLength; at += 32) hostile.write({ length: hostile.ringLength - (at % hostile.ringLength) }, at);
  hostile.publish(hostile.ringLength);
  const first = await port.receive();
  assert.equal(first.type === 'datagram' && first.dataLength, hostile.ringLength - 32);
  await assert.rejects(port.receive({ timeout: 20 }), failsWith('ERR_ALPC_TIMEOUT'));
  assert.deepEqual(ends, []);
  assert.equal(hostile.theirs('head'), hostile.ringLength);
});
