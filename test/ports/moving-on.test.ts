/**
 * A port whose thread takes one message after the other, and never lets its event loop turn: what waits for room to its peers goes on all
 * the same, however many messages there are, and where there is none the peer's end is seen.
 */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectPort, type Message } from '../../src/index.js';
import { failsWith, numbers, outcomeOf, tally } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { Injection } from '../support/injection.js';
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

test('a client that finds nothing again and again asks its socket now and then, not each time, and hears that its peer has gone', async (t) => {
  const { client, toClient } = await connectedPair(t, []);
  const looks: Record<string, () => Message | undefined> = { tryReceive: () => client.tryReceive(), receiveSync: () => messageOf(() => client.receiveSync({ timeout: 0 })) };
  for (const [how, look] of Object.entries(looks)) {
    using injection = new Injection();
    injection.failAt(-1, '');
    for (const _ of numbers(640)) assert.equal(look(), undefined);
    const { length } = injection.journal;
    assert.ok(length > 0 && length < 64, `${how}: ${length} system calls`);
  }
  toClient.disconnect();
  let message: Message | undefined;
  for (let turns = 0; message === undefined; turns++) {
    assert.ok(turns < 1000, 'the end is not seen');
    message = client.tryReceive();
  }
  assert.equal(message.type, 'port-closed');
});

test('a wait whose time has run out always looks once at the socket', async (t) => {
  const { client, toClient } = await connectedPair(t, []);
  toClient.disconnect();
  assert.equal(client.receiveSync({ timeout: 1e-6 }).type, 'port-closed');
});

for (const form of ['requestSync', 'postSync'] as const) {
  test(`${form} with no time left hears that the peer has gone, though a bell was rung before`, async (t) => {
    const { client, toClient } = await connectedPair(t, []);
    client.on('message', () => {});
    await sleep(20); // it rests, and wants to be rung
    if (form === 'postSync') while (client.tryPost(LONG) === 'sent');
    assert.equal(toClient.tryPost('bell'), 'sent');
    toClient.disconnect();
    assert.equal(client.tryReceive()?.data.toString(), 'bell');
    assert.throws(() => client[form](LONG, { timeout: 0 }), failsWith('ERR_ALPC_DISCONNECTED'));
  });
}

for (const side of ['client', 'server'] as const) {
  test(`a message that a ${side} takes as its port is closed is nobody's, and is released`, async (t) => {
    const { client, port, toClient } = await connectedPair(t, ['view']);
    const [receiver, sender] = side === 'client' ? [client, toClient] : [port, client];
    const section = sender.createSection(4096);
    const close = (): void => {
      unsubscribe('alpc:receive', close);
      if (side === 'client') client.close();
      else port.closeSync();
    };
    subscribe('alpc:receive', close);
    atEnd(t, () => unsubscribe('alpc:receive', close));
    const waiting = outcomeOf(receiver.receive().then(() => undefined));
    assert.equal(sender.tryPost('', { view: section.createView(4096), autoRelease: true }), 'sent');
    assert.equal(await waiting, 'ERR_ALPC_CLOSED');
    assert.equal(receiver.tryReceive(), undefined);
  });
}

/** What a look gives: nothing, when its time was over. */
function messageOf(look: () => Message): Message | undefined {
  try {
    return look();
  } catch (error) {
    failsWith('ERR_ALPC_TIMEOUT')(error);
    return undefined;
  }
}
