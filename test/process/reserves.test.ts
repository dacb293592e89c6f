/**
 * Resource reserves between processes: a peer that is stopped and reads nothing, that dies there, that closes; in both directions. And who
 * waits for room beside large reserves is woken all the same.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { type CommunicationPort, connectPort, createPort, type ServerPort } from '../../src/ports/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { failsWith, numbers, outcomeOf, until } from './expect.js';
import { journalOf, NAME, ownRoot, startClient, startServer, stop } from './serving.js';

withLedger();

const LIMITS = { ringLength: 16_384, maxMessageLength: 4096 };

/** Each side of a connection whose other side is a process of its own, and that process. */
const SIDES = {
  'a client': async (t: TestContext) => {
    const other = await startServer(t);
    const port = await connectPort(NAME, { limits: LIMITS });
    atEnd(t, () => port.close());
    return { port: port as CommunicationPort, other };
  },
  'a server': async (t: TestContext) => {
    const server = await createPort(NAME, { limits: LIMITS });
    atEnd(t, () => server.close());
    const other = startClient(t);
    other.send({ type: 'connect', name: NAME });
    const [port] = (await once(server, 'connect')) as [ServerPort];
    await other.ask({ type: 'serve' }, 'serving');
    return { port: port as CommunicationPort, other };
  },
};

function fill(port: CommunicationPort): void {
  while (port.tryPost('nothing'.padEnd(500)) === 'sent');
  while (port.tryPost('nothing') === 'sent');
}

for (const [side, meet] of Object.entries(SIDES)) {
  test(`${side} with a reserve reaches a peer that is stopped, whose ring is full, and again when that has gone on`, async (t) => {
    ownRoot(t);
    const { port, other } = await meet(t);
    using reserve = port.createResourceReserve(100);
    for (const round of numbers(3)) {
      const goOn = await stop(other);
      fill(port);
      const call = port.request(`echo ${round}`, { reserve });
      assert.equal(reserve.isFree, false);
      assert.equal(port.tryPost('nothing', { reserve }), 'full');
      goOn();
      assert.equal(String((await call).data), String(round));
      assert.equal(reserve.isFree, true, 'whoever answers has read the question');
    }
  });

  test(`what ${side} sent with a reserve is lost with a peer that dies; then nothing can be sent, and nothing waits`, async (t) => {
    ownRoot(t);
    const { port, other } = await meet(t);
    const reserve = port.createResourceReserve(100);
    await stop(other);
    fill(port);
    const call = outcomeOf(port.request('echo never', { reserve }));
    const waits = outcomeOf(port.post('nothing'));
    other.signal('SIGKILL');
    await other.ended;
    assert.deepEqual([await call, await waits], ['ERR_ALPC_MESSAGE_LOST', 'ERR_ALPC_MESSAGE_LOST']);
    assert.equal(reserve.isFree, false);
    assert.equal(port.tryPost('', { reserve }), 'disconnected');
    await assert.rejects(port.post('', { reserve }), failsWith('ERR_ALPC_DISCONNECTED'));
    assert.throws(() => port.requestSync('', { reserve }), failsWith('ERR_ALPC_DISCONNECTED'));
    assert.throws(() => port.createResourceReserve(1), failsWith('ERR_ALPC_DISCONNECTED'));
    reserve.close();
  });
}

test('who waits for room beside reserves that take three quarters of the ring is woken: all arrives, awaited and blocking, in its order', async (t) => {
  ownRoot(t);
  await startServer(t);
  const client = await connectPort(NAME, { limits: LIMITS });
  atEnd(t, () => client.close());
  const reserves = numbers(3).map(() => client.createResourceReserve(4096 - 32));
  const texts = numbers(600).map((i) => `${i} `.padEnd((i * 37) % 280, '.'));
  for (const [i, text] of texts.entries()) {
    const free = i % 10 === 0 ? reserves.find(({ isFree }) => isFree) : undefined;
    if (i % 2 === 0) client.postSync(text, free === undefined ? {} : { reserve: free });
    else await client.post(text);
  }
  await client.request('nothing');
  const looker = await connectPort(NAME); // takes pages of the journal, which are longer
  atEnd(t, () => looker.close());
  const journal = await journalOf(looker);
  assert.deepEqual(journal.filter(({ what }) => what === 'datagram').map(({ text }) => text), texts);
  await until('all are free', () => reserves.every(({ isFree }) => isFree));
});
