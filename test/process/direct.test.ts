/**
 * Direct messages between processes: a peer that is stopped and has not taken them, that goes on, that dies; and an event with a name, for
 * which somebody else waits.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { connectPort, createEvent, createPort, openEvent, type ServerPort } from '../../src/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { numbers, until } from './expect.js';
import { NAME, ownRoot, startClient, startServer, stop } from './serving.js';

withLedger();

test('a server that is stopped has not taken a message; when it goes on the event is set, for whoever waits for its name', async (t) => {
  ownRoot(t);
  const server = await startServer(t);
  const client = await connectPort(NAME);
  atEnd(t, () => client.close());
  using taken = createEvent('\\BaseNamedObjects\\taken');
  using elsewhere = openEvent('\\BaseNamedObjects\\taken');
  const goOn = await stop(server);
  await client.post('nothing', { direct: taken });
  const wait = elsewhere.wait();
  assert.equal(taken.state, false);
  goOn();
  await wait;
});

test('who waits blocking for a reply hears meanwhile that the messages before it were taken', async (t) => {
  ownRoot(t);
  await startServer(t);
  const client = await connectPort(NAME);
  atEnd(t, () => client.close());
  const heard: string[] = [];
  for (const i of numbers(200)) {
    client.postSync('nothing', { direct: (outcome) => void heard.push(outcome) });
    if (i % 40 === 39) client.requestSync('nothing');
  }
  await until('all are told of', () => heard.length === 200);
  assert.ok(heard.every((outcome) => outcome === 'taken'));
});

test('a client takes what its server sends it, and the server sleeps until it hears of that', async (t) => {
  ownRoot(t);
  const server = await createPort(NAME);
  atEnd(t, () => server.close());
  const client = startClient(t);
  client.send({ type: 'connect', name: NAME });
  const [port] = (await once(server, 'connect')) as [ServerPort];
  await client.ask({ type: 'serve' }, 'serving');
  for (const _ of numbers(20)) {
    using event = createEvent();
    await port.post('nothing', { direct: event });
    await event.wait({ timeout: 20_000 });
  }
});

test('what a peer that dies has not taken is lost, and the event is not set', async (t) => {
  ownRoot(t);
  const server = await startServer(t);
  const client = await connectPort(NAME);
  atEnd(t, () => client.close());
  using event = createEvent();
  const heard: string[] = [];
  await stop(server);
  await client.post('nothing', { direct: event });
  await client.post('nothing', { direct: (outcome) => void heard.push(outcome) });
  server.signal('SIGKILL');
  await server.ended;
  await until('it is told of', () => heard.length > 0);
  assert.deepEqual(heard, ['lost']);
  assert.equal(event.state, false);
});
