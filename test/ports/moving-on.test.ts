/**
 * A port whose thread takes one message after the other, and never lets its event loop turn: what waits for room to its peers goes on all
 * the same, however many messages there are, and where there is none the peer's end is seen.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectPort, type Message } from '../../src/index.js';
import { numbers, outcomeOf, tally } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { connectedPair, PAIR_NAME } from './connected-pair.js';

withLedger();

const RING = { limits: { ringLength: 4096 } };
const LONG = '.'.repeat(1000);
const FORMS = ['receiveSync', 'tryReceive'] as const;

for (const form of FORMS) {
  test(`answers that wait for room go on while somebody else always has a message for the server that takes them by ${form}`, async (t) => {
    const { port, client } = await connectedPair(t, [], RING);
    const toClient = port.connections[0]!;
    const flooder = await connectPort(PAIR_NAME);
    atEnd(t, () => flooder.close());
    const calls = numbers(40).map(() => outcomeOf(client.request('')));
    const serve = (message: Message | undefined): void => void (message?.type === 'request' && message.reply(LONG));
    for (const _ of calls) serve(port.receiveSync());
    assert.ok(toClient.info().waitingForRoom > 20);
    for (let turns = 0; toClient.info().waitingForRoom > 0; turns++) {
      assert.ok(turns < 10_000, 'what waits does not move');
      flooder.tryPost('flood');
      flooder.tryPost('flood');
      serve(port[form]());
      client.tryReceive(); // reads its answers
    }
    assert.deepEqual(tally(await Promise.all(calls)), { [LONG]: 40 });
  });

  test(`posts that wait for room go on while the server always has a message for the client that takes them by ${form}`, async (t) => {
    const { port, toClient } = await connectedPair(t, []);
    const client = await connectPort(PAIR_NAME, RING);
    atEnd(t, () => client.close());
    const flooder = port.connections.find((one) => one !== toClient)!;
    const posts = numbers(20).map(() => outcomeOf(client.post(LONG)));
    assert.ok(client.info().waitingForRoom > 10);
    for (let turns = 0; client.info().waitingForRoom > 0; turns++) {
      assert.ok(turns < 10_000, 'what waits does not move');
      flooder.tryPost('flood');
      flooder.tryPost('flood');
      client[form]();
      port.tryReceive();
    }
    assert.deepEqual(tally(await Promise.all(posts)), { done: 20 });
  });
}

test('an answer that waits for room goes on while its server posts all the time, and lets nobody else do it', async (t) => {
  const { client, toClient, port } = await connectedPair(t, [], RING);
  const call = outcomeOf(client.request(''));
  const request = port.receiveSync();
  while (toClient.tryPost(LONG) === 'sent');
  assert.ok(request.type === 'request' && request.reply(LONG) === 'sent');
  assert.equal(toClient.info().waitingForRoom, 1);
  while (client.tryReceive() !== undefined);
  assert.equal(toClient.tryPost('behind it'), 'sent');
  assert.equal(toClient.info().waitingForRoom, 0);
  assert.equal(await call, LONG);
});
