/**
 * Rings that never end. A peer that publishes as fast as it is read is served like any other, a few records at a time: timeouts
 * hold, others have their turn, and what is kept of it is bounded. What it claims to have costs nothing; what it sends costs it as much.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { type CommunicationPort, connectPort, type ConnectionPort, type Message } from '../../src/index.js';
import { Control } from '../../src/memory/layout.js';
import { failsWith, numbers, until } from '../process/expect.js';
import { insteadOfLoad } from '../memory/watch.js';
import { withLedger } from '../support/ledger.js';
import { type Actor, startActor } from '../support/processes.js';
import { turn } from '../support/turns.js';
import { type Flood, type News, type Order, SILENT } from './flood-actor.js';
import { RECORD_TYPE, STATE } from './peer.js';
import { connectionOf, NAME, serve, serveByHand } from './meeting.js';

withLedger();

/** Long enough for whoever would not come back. */
const LONG = 20_000;
/** So long that its writer may lose its core for a moment, and is still ahead. */
const ringLength = 2 ** 20;

function floodAt(t: TestContext, flood: Omit<Flood, 'type'>): Actor<Order, News> {
  const actor = startActor<Order, News>(t, new URL('./flood-actor.js', import.meta.url), [], {}, { thread: 'main' });
  actor.send({ type: 'flood', ...flood });
  return actor;
}

/** Everything that is there to be received. */
function drained(port: ConnectionPort): Message[] {
  const messages: Message[] = [];
  for (let message = port.tryReceive(); message !== undefined; message = port.tryReceive()) messages.push(message);
  return messages;
}

/** From now on the tail of this connection's peer is a whole ring ahead, whenever it is looked at: no process can be as fast. */
function neverEnding(t: TestContext, port: CommunicationPort): void {
  const { own, peer } = connectionOf(port).link;
  const { words } = peer;
  insteadOfLoad(t, (load, array, index) => (array === words && index === Control.tail ? (load(own.words, Control.head) + peer.ringLength) | 0 : load(array, index)));
}

for (const kind of Object.keys(SILENT) as (keyof typeof SILENT)[]) {
  test(`B24: whatever a server does, it comes back from a ring that never ends (${kind})`, async (t) => {
    const { port, peer, last } = await serve(t);
    const hostile = await peer();
    for (let at = 0; at < hostile.ringLength; at += 32) hostile.write(SILENT[kind], at);
    await until('it is connected', () => port.connections.length === 1);
    neverEnding(t, last());
    hostile.ring();
    const timedOut = failsWith('ERR_ALPC_TIMEOUT');
    assert.equal(port.tryReceive(), undefined);
    await assert.rejects(port.receive({ timeout: 5 }), timedOut);
    assert.throws(() => port.receiveSync({ timeout: 5 }), timedOut);
    assert.throws(() => last().requestSync('', { timeout: 5 }), timedOut);
    await assert.rejects(last().request('', { timeout: 5 }), timedOut);
    while (last().tryPost(Buffer.alloc(9000)) === 'sent');
    assert.throws(() => last().postSync(Buffer.alloc(9000), { timeout: 5 }), timedOut);
    assert.throws(() => last().postSync(Buffer.alloc(9000), { timeout: 0 }), timedOut);
    await assert.rejects(last().post(Buffer.alloc(9000), { timeout: 5 }), timedOut);
    port.on('message', () => {});
    for (let turns = 0; turns < 10; turns++) await turn();
    hostile.hangUp();
    await until('its end is seen', () => port.connections.length === 0);
  });

  test(`B24: whatever a client does, it comes back from a ring that never ends (${kind})`, async (t) => {
    const { connect } = serveByHand(t);
    const [client, hostile] = await connect();
    for (let at = 0; at < hostile.ringLength; at += 32) hostile.write(SILENT[kind], at);
    neverEnding(t, client);
    const timedOut = failsWith('ERR_ALPC_TIMEOUT');
    assert.equal(client.tryReceive(), undefined);
    await assert.rejects(client.receive({ timeout: 5 }), timedOut);
    assert.throws(() => client.receiveSync({ timeout: 5 }), timedOut);
    assert.throws(() => client.requestSync('', { timeout: 5 }), timedOut);
    const call = client.request('', { timeout: 5 });
    client.on('message', () => {});
    await assert.rejects(call, timedOut);
    for (let turns = 0; turns < 10; turns++) await turn();
    hostile.hangUp();
    await until('its end is seen', () => client.closed);
  });
}

test('B24: a cancellation costs no more for the thousands of requests that it could mean: no look at a ring takes much longer for them', async (t) => {
  const looks = async (requests: number): Promise<number> => {
    const { port, peer } = await serve(t);
    const hostile = await peer({ ringLength });
    for (let id = 1; id <= requests; id++) hostile.send({ type: RECORD_TYPE.request, messageId: id });
    while (drained(port).length > 0);
    for (let at = 0; at < ringLength; at += 32) hostile.write({ type: RECORD_TYPE.cancel, messageId: -1 }, hostile.position + at);
    hostile.publish(hostile.position + ringLength);
    // As often as the ring has records: how long the quickest of its looks takes is no matter of what else this machine does.
    const taken: number[] = [];
    while (hostile.theirs('head') !== hostile.position) {
      const start = performance.now();
      assert.equal(port.tryReceive(), undefined);
      taken.push(performance.now() - start);
    }
    hostile.close();
    await port.close();
    return taken.toSorted((one, other) => one - other)[taken.length >> 1]!;
  };
  const [few, many] = [await looks(1), await looks(4096)];
  assert.ok(many < 20 * few + 1, `${few} ms, ${many} ms`);
});

for (const kind of ['replies that nobody waits for', 'requests'] as const) {
  test(`B24: beside a process whose ring never ends (${kind}) others are served, by listeners and in a blocking loop`, async (t) => {
    const { port, path, ends } = await serve(t, { limits: { pendingMessages: 100 } });
    await using honest = await connectPort(NAME);
    const actor = floodAt(t, { path, as: 'client', kind, milliseconds: LONG, ringLength, reads: true });
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
    port.on('message', (message) => message.type === 'request' && message.dataLength > 0 && message.reply(message.data));
    for (const number of numbers(20)) assert.equal((await honest.request(`request ${number}`)).data.toString(), `request ${number}`);
    port.connections[1]?.disconnect();
    assert.ok((await actor.until('ended')).laps > 0);
    await until('its end is told', () => ends.length === 1);
    assert.ok(ends[0] === 'closed' || ends[0] === 'quota', ends[0]); // it may have read its answers too slowly
  });
}

for (const kind of ['replies that nobody waits for', 'datagrams', 'requests'] as const) {
  test(`B26: a client that hangs up and writes on all the same is read for one ring's worth at most (${kind})`, async (t) => {
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
