/** Handlers that end connections, or close the port, while the port goes through its connections to call them. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { type ClientPort, connectPort, type ConnectionPort, createPort } from '../../src/index.js';
import { failsWith, numbers, outcomeOf, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { PAIR_NAME } from './connected-pair.js';

withLedger();

async function crowd(t: TestContext, count = 4): Promise<{ port: ConnectionPort; clients: ClientPort[] }> {
  temporaryRoot(t);
  const port = await createPort(PAIR_NAME);
  atEnd(t, () => port.close());
  const clients: ClientPort[] = [];
  for (const _ of numbers(count)) {
    const client = await connectPort(PAIR_NAME);
    atEnd(t, () => client.close());
    clients.push(client);
  }
  return { port, clients };
}

/** What comes to the process as uncaught exceptions. */
function uncaughtIn(t: TestContext): string[] {
  const thrown: string[] = [];
  process.setUncaughtExceptionCaptureCallback((error) => thrown.push(String(error)));
  atEnd(t, () => process.setUncaughtExceptionCaptureCallback(null));
  return thrown;
}

/** What a handler of a server may do to all of its connections. */
const endings: Record<string, (port: ConnectionPort) => void> = {
  'closes the port': (port) => port.closeSync(),
  'disconnects all': (port) => port.connections.forEach((connection) => connection.disconnect()),
};

/** How a server's messages are taken meanwhile; gives what takes some at once. */
const receivers: Record<string, (port: ConnectionPort) => () => unknown> = {
  'nobody takes messages': () => () => {},
  'a listener gets messages': (port) => {
    port.on('message', () => {});
    return () => {};
  },
  'messages are taken one by one': (port) => () => port.tryReceive(),
  'a completion list is polled': (port) => {
    const list = port.registerCompletionList();
    return () => list.poll(8);
  },
};

for (const [ends, end] of Object.entries(endings)) {
  for (const [taken, receive] of Object.entries(receivers)) {
    for (const count of [1, 4]) {
      test(`an onCallback that ${ends} while ${taken} is no fault of the port, and every call settles, of ${count}`, async (t) => {
        const { port, clients } = await crowd(t, count);
        const uncaught = uncaughtIn(t);
        const take = receive(port);
        for (const client of clients) {
          client.on('message', (message) => {
            if (message.type !== 'request') return;
            void outcomeOf(message.callback('back'));
            take();
          });
        }
        const calls = port.connections.map((connection) => outcomeOf(connection.request('call me back', { onCallback: () => end(port) })));
        assert.deepEqual(await Promise.all(calls), clients.map(() => 'ERR_ALPC_CANCELED'));
        await until('the clients have heard of it', () => clients.every(({ closed }) => closed));
        assert.deepEqual(uncaught, []);
      });
    }
  }

  test(`what is set by a direct message and ${ends} is no fault of the port, and every call settles`, async (t) => {
    const { port, clients } = await crowd(t);
    const uncaught = uncaughtIn(t);
    const calls = port.connections.map((connection) => outcomeOf(connection.request('not answered')));
    const told = { times: 0 };
    const direct = { set: () => (told.times++, end(port)) };
    for (const connection of port.connections) connection.postSync('tell me', { direct });
    for (const client of clients) for (const _ of numbers(2)) assert.ok(client.tryReceive() !== undefined);
    assert.deepEqual(await Promise.all(calls), numbers(4).map(() => 'ERR_ALPC_CANCELED'));
    await until('the clients have heard of it', () => clients.every((client) => client.tryReceive() === undefined && client.closed));
    assert.ok(told.times > 0);
    assert.deepEqual(uncaught, []);
  });
}

test('a blocking receive ends with ERR_ALPC_CLOSED when a handler that it calls closes the port', async (t) => {
  const { port, clients } = await crowd(t);
  port.connections[0]!.postSync('tell me', { direct: { set: () => port.closeSync() } });
  assert.equal(String(clients[0]!.tryReceive()?.data), 'tell me');
  assert.throws(() => port.receiveSync(), failsWith('ERR_ALPC_CLOSED'));
});

test('what is set by a direct message may throw while its connection ends: every call settles, and the error is told once', async (t) => {
  const { port, clients } = await crowd(t);
  const uncaught = uncaughtIn(t);
  const [connection] = port.connections;
  const call = outcomeOf(connection!.request('not answered'));
  connection!.postSync('tell me', { direct: { set: () => { throw new Error('thrown by set'); } } });
  for (const _ of numbers(2)) assert.ok(clients[0]!.tryReceive() !== undefined);
  connection!.disconnect();
  assert.equal(await call, 'ERR_ALPC_CANCELED');
  await until('the error is told', () => uncaught.length > 0);
  assert.deepEqual(uncaught, ['Error: thrown by set']);
  assert.equal(port.connections.length, 3);
});
