/**
 * What becomes of the sections that a side made, of their views and of who waits for room in them, when the port or the connection
 * that they were made on ends; and that nothing of a pool that is warm asks the kernel for anything.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { connectPort, createPort, type DatagramMessage, type Section } from '../../src/index.js';
import { pageSize } from '../../src/platform/descriptors.js';
import type { News, Order } from '../process/actors/viewer.js';
import { failsWith, nameOf, numbers, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { Injection } from '../support/injection.js';
import { withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import { temporaryRoot } from '../support/root.js';
import { connectedPair, type Pair, PAIR_NAME as NAME } from './connected-pair.js';

withLedger();

const PAGE = pageSize();
const connected = (t: TestContext): Promise<Pair> => connectedPair(t, ['view', 'secure-view']);

/** A section with a view, and somebody who waits for room in it. */
function busy(section: Section): { ends: () => Promise<void> } {
  const view = section.createView(PAGE);
  view.bytes.fill(1);
  const waiting = section.waitForView(PAGE).then(() => 'got it', nameOf);
  return {
    ends: async () => {
      assert.equal(section.closed, true);
      assert.equal(view.released, true);
      assert.throws(() => view.bytes, failsWith('ERR_ALPC_CLOSED'));
      assert.throws(() => section.createView(1), failsWith('ERR_ALPC_CLOSED'));
      assert.equal(await waiting, 'ERR_ALPC_CLOSED');
    },
  };
}

for (const secure of [false, true]) {
  for (const [what, maker, end] of [
    ["client.close() ends the client's", ({ client }: Pair) => client, ({ client }: Pair) => client.close()],
    ["disconnect() by the server ends that connection's", ({ toClient }: Pair) => toClient, ({ toClient }: Pair) => toClient.disconnect()],
    ['port.close() ends those of its connections', ({ toClient }: Pair) => toClient, ({ port }: Pair) => port.close()],
    ["port.close() ends the port's own", ({ port }: Pair) => port, ({ port }: Pair) => port.close()],
  ] as const) {
    test(`${what} ${secure ? 'secure ' : ''}sections: their views throw ERR_ALPC_CLOSED, and who waits for room hears of it`, async (t) => {
      const pair = await connected(t);
      const { ends } = busy(maker(pair).createSection(PAGE, { secure }));
      await end(pair);
      await ends();
    });
  }
}

test('the sections of a client whose server was killed end with the connection', async (t) => {
  temporaryRoot(t, { leftovers: true });
  const server = startActor<Order, News>(t, new URL('../process/actors/viewer.js', import.meta.url));
  await server.until('ready');
  await server.ask({ type: 'serve', name: NAME, releases: false }, 'done');
  const client = await connectPort(NAME);
  atEnd(t, () => client.close());
  const section = client.createSection(2 * PAGE);
  await client.request('1', { view: section.createView(PAGE), autoRelease: true });
  const { ends } = busy(section);
  assert.equal(section.free, 0); // the server never releases
  await server.kill();
  await until('the end was seen', () => client.closed);
  await ends();
});

test('a port that is closed lets go of what was left to it by a client that has gone, and that nobody has received: the ledger finds no mapping', async (t) => {
  const { port, client, toClient } = await connected(t);
  const [plain, secure] = [client.createSection(PAGE), client.createSection(PAGE, { secure: true })];
  for (const section of [plain, secure]) client.tryPost('', { view: section.createView(PAGE), autoRelease: true });
  client.close();
  await until('the port has seen its end, and holds what it left', () => port.connections.length === 0 && toClient.info().heldViews === 2);
  await port.close();
  assert.equal(toClient.info().mappedBytes, 0);
});

for (const hears of [false, true]) {
  test(`a port that is closed releases what it has received of a client that has gone, whose end ${hears ? 'was heard' : 'nobody has heard'}: its view is no more`, async (t) => {
    const { port, client, toClient } = await connected(t);
    const [view, later] = [0, 1].map(() => client.createSection(PAGE).createView(PAGE));
    client.tryPost('', { view: view!, autoRelease: true });
    client.tryPost('', { view: later!, autoRelease: true });
    const [message, released] = [(await port.receive()) as DatagramMessage, (await port.receive()) as DatagramMessage];
    client.close();
    if (hears) assert.deepEqual([(await port.receive()).type, port.tryReceive()], ['port-closed', undefined]);
    await until('the port has seen its end', () => port.connections.length === 0);
    released.release();
    assert.equal(message.view!.bytes.length, PAGE);
    await port.close();
    assert.throws(() => message.view!.bytes, failsWith('ERR_ALPC_CLOSED'));
    assert.equal(toClient.info().mappedBytes, 0);
  });
}

test('a pool that is warm asks the kernel for nothing: not to make a view, to send it, to receive it, or to release it', async (t) => {
  temporaryRoot(t);
  const port = await createPort(NAME, { accepts: ['view'] });
  const client = await connectPort(NAME);
  atEnd(t, () => (client.close(), port.close()));
  const pool = client.createSection(4 * PAGE);
  const pass = (i: number): void => {
    const view = pool.createView(PAGE);
    view.bytes.fill(i & 0xff);
    assert.equal(client.tryPost('', { view, autoRelease: true }), 'sent');
    using message = port.tryReceive() as DatagramMessage;
    assert.ok(message.view!.bytes.every((byte) => byte === (i & 0xff)));
  };
  for (const i of numbers(10)) pass(i);
  using injection = new Injection();
  for (const i of numbers(1000)) pass(i);
  assert.deepEqual(injection.journal, []);
  pool.close();
  client.createSection(PAGE);
  assert.notDeepEqual(injection.journal, [], 'what asks the kernel is seen');
});
