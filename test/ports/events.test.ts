/**
 * Ports as Node's own objects: listeners, iterators and waits on one port share its messages without losing any; `connect`,
 * `disconnect` and `close` are told once; `using` and `await using` close; a second close does nothing.
 */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { type ClientPort, connectPort, type ConnectionPort, createPort, createPortSync, createUnconnectedPort, type ServerPort } from '../../src/ports/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { namesIn, temporaryRoot } from '../support/root.js';
import { failsWith, nameOf, numbers, until } from '../process/expect.js';

withLedger();

const NAME = '\\RPC Control\\events';

async function connected(t: TestContext): Promise<{ port: ConnectionPort; client: ClientPort; toClient: ServerPort }> {
  temporaryRoot(t);
  const port = await createPort(NAME);
  atEnd(t, () => port.close());
  const client = await connectPort(NAME);
  atEnd(t, () => client.close());
  return { port, client, toClient: port.connections[0]! };
}

/** Both ports that receive, each with the one that sends to it. */
function directions({ port, client, toClient }: Awaited<ReturnType<typeof connected>>): { receiver: ConnectionPort | ClientPort; sender: ClientPort | ServerPort }[] {
  return [{ receiver: port, sender: client }, { receiver: client, sender: toClient }];
}

const textOf = (message: { data: Buffer }): string => message.data.toString();

test('a message that nobody takes stays where it is, until somebody comes', async (t) => {
  for (const { receiver, sender } of directions(await connected(t))) {
    for (const number of numbers(10)) await sender.post(`${number}`);
    await sleep(20);
    const seen: string[] = [];
    const listener = (message: { data: Buffer }): void => void seen.push(textOf(message));
    (receiver as ClientPort).once('message', listener);
    await until('one is heard', () => seen.length === 1);
    await sleep(20);
    assert.deepEqual(seen, ['0']);
    seen.push(textOf(receiver.tryReceive()!), textOf(await receiver.receive()), textOf(receiver.receiveSync()));
    for await (const message of receiver) if (seen.push(textOf(message)) === 6) break;
    assert.equal(seen.length, 6);
    (receiver as ClientPort).on('message', listener);
    await until('the rest is heard', () => seen.length === 10);
    (receiver as ClientPort).off('message', listener);
    assert.deepEqual(seen, numbers(10).map(String));
    await sender.post('10');
    await sleep(20);
    assert.equal(textOf(receiver.tryReceive()!), '10');
  }
});

test('each message goes to one taker: to who waits, in the order of their asking, else to all listeners', async (t) => {
  for (const { receiver, sender } of directions(await connected(t))) {
    const seen: string[] = [];
    for (const name of ['a', 'b']) (receiver as ClientPort).on('message', (message) => seen.push(`${name} ${textOf(message)}`));
    const waits = [receiver.receive(), receiver[Symbol.asyncIterator]().next().then(({ value }) => value as { data: Buffer }), receiver.receive()];
    for (const number of numbers(4)) await sender.post(`${number}`);
    assert.deepEqual((await Promise.all(waits)).map(textOf), ['0', '1', '2']);
    await until('the listeners heard', () => seen.length === 2);
    assert.deepEqual(seen, ['a 3', 'b 3']);
    receiver.removeAllListeners('message');
  }
});

test('a wait that ends by its timeout or its signal takes no message with it', async (t) => {
  for (const { receiver, sender } of directions(await connected(t))) {
    const abort = new AbortController();
    const waits = [receiver.receive({ timeout: 20 }), receiver.receive({ timeout: 0 }), receiver.receive({ signal: abort.signal }), receiver.receive({ signal: AbortSignal.abort() })];
    const kept = receiver.receive({ timeout: 60_000, signal: new AbortController().signal });
    setTimeout(() => abort.abort(), 10);
    const outcomes = await Promise.all(waits.map((wait) => wait.then(() => 'message', nameOf)));
    assert.deepEqual(outcomes, ['ERR_ALPC_TIMEOUT', 'ERR_ALPC_TIMEOUT', 'AbortError', 'AbortError']);
    await sender.post('for the one that stayed');
    assert.equal(textOf(await kept), 'for the one that stayed');
    assert.equal(receiver.tryReceive(), undefined);
    await sender.post('there already');
    assert.equal(textOf(await receiver.receive({ timeout: 0 })), 'there already');
    assert.throws(() => receiver.receiveSync({ timeout: 0 }), failsWith('ERR_ALPC_TIMEOUT'));
    await sender.post('there again');
    assert.equal(textOf(receiver.receiveSync({ timeout: 0 })), 'there again');
  }
});

test('an iterator ends when its port is closed, and a wait fails with ERR_ALPC_CLOSED', async (t) => {
  for (const which of ['port', 'client'] as const) {
    const { [which]: receiver } = await connected(t);
    const wait = receiver.receive().then(() => 'message', nameOf);
    const iteration = (async () => {
      for await (const message of receiver) assert.fail(message.type);
      return 'ended';
    })();
    await nextTurn();
    await receiver.close();
    assert.deepEqual(await Promise.all([wait, iteration]), ['ERR_ALPC_CLOSED', 'ended']);
    await assert.rejects(receiver.receive(), failsWith('ERR_ALPC_CLOSED'));
    assert.throws(() => receiver.receiveSync(), failsWith('ERR_ALPC_CLOSED'));
    assert.equal(receiver.tryReceive(), undefined);
    assert.deepEqual(await receiver[Symbol.asyncIterator]().next(), { done: true, value: undefined });
  }
});

test('connect, disconnect and close are told, each once', async (t) => {
  temporaryRoot(t);
  const port = await createPort(NAME);
  const told: string[] = [];
  port.on('connect', (connection) => {
    told.push('connect');
    connection.on('close', (reason) => told.push(`server close ${reason}`));
  });
  port.on('disconnect', (connection, reason) => told.push(`disconnect ${reason} ${connection.closed}`));
  port.on('close', () => told.push('port close'));
  port.on('message', (message) => told.push(message.type));
  const client = await connectPort(NAME);
  client.on('close', (reason) => told.push(`client close ${reason}`));
  await until('it is connected', () => told.length === 1);
  client.close();
  client.close();
  await until('it is disconnected', () => told.includes('port-closed'));
  await port.close();
  await port.close();
  port.closeSync();
  await sleep(20);
  assert.deepEqual(told.toSorted(), ['client close closed', 'connect', 'disconnect disconnected true', 'port close', 'port-closed', 'server close disconnected']);
});

test('using and await using close ports of all kinds, and leave neither name nor descriptor', async (t) => {
  const root = temporaryRoot(t);
  let held: { closed: boolean }[] = [];
  {
    await using port = await createPort(NAME);
    await using awaited = await connectPort(NAME);
    using blocking = await connectPort(NAME);
    using itself = createUnconnectedPort();
    await using itselfToo = createUnconnectedPort();
    using toClient = port.connections[0]!;
    held = [port, awaited, blocking, itself, itselfToo, toClient];
    assert.ok(held.every(({ closed }) => !closed));
  }
  assert.ok(held.every(({ closed }) => closed));
  {
    using port = createPortSync(NAME);
    held = [port];
  }
  assert.ok(held[0]!.closed);
  assert.deepEqual(namesIn(root), []);
});

test('a port that is closed from within its own message handler ends in order', async (t) => {
  const { port, client } = await connected(t);
  const seen: string[] = [];
  port.on('message', (message) => {
    seen.push(textOf(message));
    void port.close();
  });
  const closed = once(port, 'close');
  for (const number of numbers(100)) assert.equal(client.tryPost(`${number}`), 'sent');
  await closed;
  assert.deepEqual(seen, ['0']);
  const last = await client.receive();
  assert.ok(last.type === 'port-closed' && last.reason === 'disconnected');
});

test('a client that closes within its own message handler gets nothing more', async (t) => {
  const { client, toClient } = await connected(t);
  const seen: string[] = [];
  client.on('message', (message) => {
    seen.push(textOf(message));
    client.close();
  });
  for (const number of numbers(10)) assert.equal(toClient.tryPost(`${number}`), 'sent');
  await once(client, 'close');
  await sleep(10);
  assert.deepEqual(seen, ['0']);
});

test('a port from which all listeners were removed hears those that come then', async (t) => {
  for (const { receiver, sender } of directions(await connected(t))) {
    for (const event of [[], ['newListener'], ['removeListener']] as const) {
      (receiver as ClientPort).on('message', () => assert.fail('it was removed')).removeAllListeners('message').removeAllListeners(...(event as []));
      const seen: string[] = [];
      await sender.post('precious');
      (receiver as ClientPort).on('message', (message) => seen.push(textOf(message)));
      await until('it is heard', () => seen.length === 1);
      assert.equal(receiver.listenerCount('message'), 1);
      (receiver as ClientPort).removeAllListeners();
      await sender.post('for nobody yet');
      await sleep(10);
      assert.equal(textOf(receiver.tryReceive()!), 'for nobody yet');
    }
  }
});

test('a message that is read for a receive which a subscriber of alpc:receive ends is there for the next', async (t) => {
  for (const { receiver, sender } of directions(await connected(t))) {
    const abort = new AbortController();
    const onReceive = (): void => abort.abort();
    subscribe('alpc:receive', onReceive);
    const waited = receiver.receive({ signal: abort.signal });
    await Promise.all([assert.rejects(waited, { name: 'AbortError' }), sender.post('precious')]);
    unsubscribe('alpc:receive', onReceive);
    await sender.post('the one after');
    assert.deepEqual([textOf(await receiver.receive()), textOf(receiver.receiveSync())], ['precious', 'the one after']);
  }
});
