/** A port's callback: the third way that Windows has to be told of messages. Here it is a listener with a context. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectPort, createPort, createUnconnectedPort, type Message } from '../../src/index.js';
import { until } from '../process/expect.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';

withLedger();

const NAME = '\\RPC Control\\callback';

test('a port gives each message to its callback, with the context, in the order of their coming', async (t) => {
  temporaryRoot(t);
  await using port = await createPort(NAME);
  const state = { count: 0 };
  assert.equal(port.setCallback((message, context) => message.type === 'request' && message.reply(`${++context.count} ${String(message.data)}`), state), port);
  const client = await connectPort(NAME);
  assert.equal(String((await client.request('a')).data), '1 a');
  assert.deepEqual((await Promise.all(['b', 'c', 'd'].map((text) => client.request(text)))).map(({ data }) => String(data)), ['2 b', '3 c', '4 d']);
  client.close();
});

test('messages wait for a callback, and one that is taken away leaves the next to whoever comes', async (t) => {
  temporaryRoot(t);
  await using port = await createPort(NAME);
  const client = await connectPort(NAME);
  const heard: string[] = [];
  const hear = (message: Message, who: string): void => void heard.push(`${who} ${String(message.data)}`);
  await client.post('early');
  port.setCallback(hear, 'first');
  await until('it came', () => heard.length === 1);
  port.setCallback(hear, 'second');
  await client.post('then');
  await until('it came', () => heard.length === 2);
  port.setCallback(undefined);
  await client.post('late');
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(heard, ['first early', 'second then']);
  assert.equal(String((await port.receive()).data), 'late');
  assert.equal(port.listenerCount('message'), 0);
  client.close();
});

test('a callback may change the callback, and close the port', async () => {
  const port = createUnconnectedPort();
  const heard: string[] = [];
  port.setCallback((message) => {
    heard.push(`first ${String(message.data)}`);
    port.setCallback((next) => {
      heard.push(`second ${String(next.data)}`);
      port.close();
    });
  });
  for (const text of ['a', 'b', 'c']) assert.equal(port.tryPost(text), 'sent');
  await until('it is closed', () => port.closed);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(heard.slice(0, 2), ['first a', 'second b']);
});

test('a client has a callback too, and listeners beside it hear the same', async (t) => {
  temporaryRoot(t);
  await using port = await createPort(NAME);
  const client = await connectPort(NAME);
  await until('it is connected', () => port.connections.length === 1);
  const heard: string[] = [];
  client.on('message', (message) => void heard.push(`listener ${String(message.data)}`));
  client.setCallback((message) => void heard.push(`callback ${String(message.data)}`));
  port.connections[0]!.tryPost('news');
  await until('both heard', () => heard.length === 2);
  assert.deepEqual(heard.toSorted(), ['callback news', 'listener news']);
  client.close();
});
