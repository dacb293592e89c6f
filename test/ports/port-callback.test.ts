/** A port's callback: the third way that Windows has to be told of messages. Here it is a listener with a context. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectPort, createPort, createUnconnectedPort, type Message } from '../../src/index.js';
import { outcomeOfSync, until } from '../process/expect.js';
import { NAME as SERVER, ownRoot, startServer } from '../process/serving.js';
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

/** A callback that does something with the port the first time it is called; what was heard, and how deep the calls stood at most. */
function within<M extends Message>(first: (message: M) => unknown): { callback: (message: M) => void; heard: string[]; deepest: () => number } {
  const heard: string[] = [];
  let depth = 0;
  let deepest = 0;
  const callback = (message: M): void => {
    deepest = Math.max(deepest, ++depth);
    const isFirst = heard.push(String(message.data)) === 1;
    try {
      if (isFirst) first(message);
    } finally {
      depth--;
    }
  };
  return { callback, heard, deepest: () => deepest };
}

test('from within the callback tryReceive and receiveSync take the next messages, and the callback does not get those', async () => {
  using port = createUnconnectedPort();
  const taken: string[] = [];
  const { callback, heard } = within(() => taken.push(String(port.tryReceive()?.data), String(port.receiveSync({ timeout: 20_000 }).data)));
  port.setCallback(callback);
  for (const text of ['a', 'b', 'c', 'd']) port.tryPost(text);
  await until('the last came', () => heard.includes('d'));
  assert.deepEqual([heard, taken], [['a', 'd'], ['b', 'c']]);
});

test('from within the callback an awaited receive gets the next message, and the callback those after it', async () => {
  using port = createUnconnectedPort();
  let taken: Promise<Message> | undefined;
  const { callback, heard } = within(() => (taken = port.receive()));
  port.setCallback(callback);
  for (const text of ['a', 'b', 'c']) port.tryPost(text);
  await until('the last came', () => heard.includes('c'));
  assert.deepEqual([heard, String((await taken)?.data)], [['a', 'c'], 'b']);
});

test('what the callback posts to its own port comes to it after it has returned', async () => {
  using port = createUnconnectedPort();
  const { callback, heard, deepest } = within(() => {
    assert.equal(port.tryPost('b'), 'sent');
    port.postSync('c');
    void port.post('d');
  });
  port.setCallback(callback);
  port.tryPost('a');
  await until('all came', () => heard.length === 4);
  assert.deepEqual([heard, deepest()], [['a', 'b', 'c', 'd'], 1]);
});

test('a blocking call from within the callback of the same port is answered; what comes meanwhile is heard after it, and by onCallback what belongs to it', async (t) => {
  ownRoot(t);
  await startServer(t);
  await using client = await connectPort(SERVER);
  const answers: string[] = [];
  const { callback, heard, deepest } = within(() => {
    answers.push(String(client.requestSync('push 3 meanwhile').data), String(client.requestSync('echo me').data));
    answers.push(String(client.requestSync('callback awaited this', { onCallback: (asked) => void asked.reply(`back: ${String(asked.data)}`) }).data));
  });
  client.setCallback(callback);
  await client.request('push 2 before');
  await until('all came', () => heard.length === 5);
  assert.deepEqual(heard, ['before 0', 'before 1', 'meanwhile 0', 'meanwhile 1', 'meanwhile 2']);
  assert.deepEqual([answers, deepest()], [['pushed', 'me', 'back: this'], 1]);
});

test('a blocking call from within the callback to a port of this very thread ends with ERR_ALPC_DEADLOCK, and the callback goes on', async (t) => {
  temporaryRoot(t);
  await using port = await createPort(NAME);
  const client = await connectPort(NAME);
  let outcome: string | undefined;
  const { callback, heard } = within<Message>((message) => {
    if (message.type === 'datagram') outcome = outcomeOfSync(() => message.port.requestSync('who?'));
  });
  port.setCallback(callback);
  client.tryPost('a');
  client.tryPost('b');
  await until('both came', () => heard.length === 2);
  assert.equal(outcome, 'ERR_ALPC_DEADLOCK');
  client.close();
});
