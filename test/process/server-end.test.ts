/**
 * A server goes: by SIGKILL, by the end of its process, by closing its port, by disconnecting one client. Every call of its
 * clients settles at once (blocked, awaited, waiting for room, receiving), what it had answered and posted still arrives, and
 * whatever is tried afterwards says that the connection is gone.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { type ClientPort, connectPort, connectPortSync, createPort, type ServerPort } from '../../src/ports/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { failsWith, nameOf, numbers, outcomeOf, outcomeOfSync, tally, until } from './expect.js';
import { NAME, ownRoot, startClient, startServer, stop } from './serving.js';
import { FORMS, takeMessages } from './taking.js';

withLedger();

/** After the end everything says so, and says it again. */
async function assertGone(client: ClientPort, why: string): Promise<void> {
  for (const _ of numbers(2)) {
    await assert.rejects(client.request('x'), failsWith('ERR_ALPC_DISCONNECTED', new RegExp(`is gone \\(${why}\\)`)));
    await assert.rejects(client.post('x'), failsWith('ERR_ALPC_DISCONNECTED'));
    await assert.rejects(client.receive(), failsWith('ERR_ALPC_DISCONNECTED'));
    for (const call of [() => client.requestSync('x'), () => client.postSync('x'), () => client.receiveSync()]) assert.throws(call, failsWith('ERR_ALPC_DISCONNECTED'));
    assert.equal(client.tryPost('x'), 'disconnected');
    assert.equal(client.tryReceive(), undefined);
    for await (const message of client) assert.fail(`a message after the last: ${message.type}`);
  }
  assert.deepEqual([client.closed, client.info().state, client.info().pendingRequests, client.info().waitingForRoom], [true, 'closed', 0, 0]);
  client.close();
  assert.throws(() => client.requestSync('x'), failsWith('ERR_ALPC_DISCONNECTED'));
}

test('a server dies by SIGKILL: everything awaited settles at once, with ERR_ALPC_MESSAGE_LOST or its last message', async (t) => {
  ownRoot(t);
  const server = await startServer(t);
  const client = await connectPort(NAME);
  const closed = once(client, 'close');
  const requests = numbers(500).map(() => outcomeOf(client.request('hold')));
  await until('they are held', async () => (await client.request('echo x')).data.length === 1);
  await stop(server);
  while (client.tryPost(Buffer.alloc(1000)) === 'sent');
  const posts = numbers(20).map(() => outcomeOf(client.post(Buffer.alloc(1000), { timeout: 60_000 })));
  const late = outcomeOf(client.request('waits for room', { timeout: 60_000 }));
  const received = client.receive({ timeout: 60_000 });
  await server.kill();
  assert.deepEqual(tally(await Promise.all([...requests, ...posts, late])), { ERR_ALPC_MESSAGE_LOST: 521 });
  const last = await received;
  assert.ok(last.type === 'port-closed' && last.reason === 'died');
  assert.deepEqual(await closed, ['died', undefined]);
  await assertGone(client, 'died');
});

test('a server dies by SIGKILL while a client blocks for its reply, for a message, for room', async (t) => {
  ownRoot(t);
  const server = await startServer(t);
  const [requesting, receiving] = [startClient(t), startClient(t)];
  for (const actor of [requesting, receiving]) await actor.ask({ type: 'connect', name: NAME }, 'connected');
  requesting.send({ type: 'call', text: 'hold', how: 'blocking' });
  receiving.send({ type: 'take', form: 'receiveSync' });
  const client = await connectPort(NAME);
  await until('both wait', async () => (await client.request('journal 0')).data.includes('hold'));
  await stop(server); // it reads no more
  const killer = startClient(t); // for this thread will be blocked
  await killer.ask({ type: 'kill', pid: server.pid, after: 200 }, 'killing');
  const outcome = ((): string => {
    try {
      for (;;) client.postSync(Buffer.alloc(1000));
    } catch (error) {
      return nameOf(error);
    }
  })();
  assert.match(outcome, /^ERR_ALPC_(MESSAGE_LOST|DISCONNECTED)$/);
  assert.equal((await requesting.until('settled')).outcome, 'ERR_ALPC_MESSAGE_LOST');
  assert.equal((await receiving.until('took')).what, 'port-closed');
  await server.ended;
  client.close();
});

const POLLING = {
  tryReceive: (client: ClientPort): boolean => client.tryReceive()?.type === 'port-closed',
  tryPost: (client: ClientPort): boolean => client.tryPost(Buffer.alloc(1000)) === 'disconnected',
  'receiveSync with a timeout of 0': (client: ClientPort): boolean => outcomeOfSync(() => client.receiveSync({ timeout: 0 })) === '',
  'requestSync with a timeout of 0': (client: ClientPort): boolean => outcomeOfSync(() => client.requestSync('x', { timeout: 0 })) === 'ERR_ALPC_MESSAGE_LOST',
  'postSync with a timeout of 0': (client: ClientPort): boolean => /DISCONNECTED|LOST/.test(outcomeOfSync(() => client.postSync(Buffer.alloc(1000), { timeout: 0 }))),
};
for (const [how, hasSeen] of Object.entries(POLLING)) {
  test(`a client that does nothing but ${how}, again and again, and never lets its event loop turn, learns that its server has died`, async (t) => {
    ownRoot(t);
    const server = await startServer(t);
    const client = await connectPort(NAME);
    atEnd(t, () => client.close());
    process.kill(server.pid, 'SIGKILL');
    let isOver = false;
    for (const end = performance.now() + 20_000; !isOver && performance.now() < end; ) isOver = hasSeen(client);
    assert.ok(isOver);
    await server.ended;
  });
}

for (const form of FORMS) {
  test(`a server that receives by ${form} dies of the very request that a client blocks for: ERR_ALPC_MESSAGE_LOST, then ERR_ALPC_DISCONNECTED`, async (t) => {
    ownRoot(t);
    const server = await startServer(t, { form });
    const client = await connectPort(NAME);
    assert.equal(outcomeOfSync(() => client.requestSync('die')), 'ERR_ALPC_MESSAGE_LOST');
    assert.equal((await client.receive()).type, 'port-closed');
    await assertGone(client, 'died');
    assert.equal((await server.ended).signal, 'SIGKILL');
  });

  test(`what a server that receives by ${form} answers and posts before it ends by process.exit arrives`, async (t) => {
    ownRoot(t);
    for (const how of ['blocking', 'awaited']) {
      const server = await startServer(t, { form });
      const client = await connectPort(NAME);
      const pushed = client.request('push 100 number');
      const last = how === 'blocking' ? outcomeOfSync(() => client.requestSync('last words')) : await outcomeOf(client.request('last words'));
      assert.equal(last, 'words');
      assert.equal((await pushed).data.toString(), 'pushed');
      const seen: string[] = [];
      await takeMessages(client, form, (message) => seen.push(message.type === 'datagram' ? message.data.toString() : message.type));
      assert.deepEqual(seen, [...numbers(100).map((number) => `number ${number}`), 'port-closed']);
      assert.equal((await server.ended).code, 0);
      client.close();
    }
  });
}

test('a server closes its port: awaited and blocked calls end with ERR_ALPC_DISCONNECTED, and the name is free', async (t) => {
  ownRoot(t);
  const server = await startServer(t);
  const blocked = startClient(t);
  await blocked.ask({ type: 'connect', name: NAME }, 'connected');
  blocked.send({ type: 'call', text: 'hold', how: 'blocking' });
  const client = await connectPort(NAME);
  const requests = numbers(50).map(() => outcomeOf(client.request('hold')));
  await until('all wait', async () => (await client.request('journal 0')).data.toString().split('hold').length === 52);
  await server.ask({ type: 'close' }, 'closed');
  assert.deepEqual(tally(await Promise.all(requests)), { ERR_ALPC_DISCONNECTED: 50 });
  assert.equal((await blocked.until('settled')).outcome, 'ERR_ALPC_DISCONNECTED');
  const last = await client.receive();
  assert.ok(last.type === 'port-closed' && last.reason === 'disconnected');
  await assertGone(client, 'disconnected');
  assert.throws(() => connectPortSync(NAME), failsWith('ERR_ALPC_NAME_NOT_FOUND'));
  await using next = await createPort(NAME);
  assert.equal(next.name, NAME);
});

test('a new server takes the name of one that died, and serves', async (t) => {
  ownRoot(t);
  for (const round of numbers(3)) {
    const server = await startServer(t);
    const client = await connectPort(NAME);
    assert.equal(client.requestSync(`echo ${round}`).data.toString(), `${round}`);
    assert.equal(client.peer.pid, server.pid);
    await server.kill();
    await until('the client knows', () => client.tryReceive()?.type === 'port-closed');
    client.close();
  }
});

test('a server ends the connection of one client: that one is told, the others go on, the server itself gets no port-closed', async (t) => {
  ownRoot(t);
  const port = await createPort(NAME);
  atEnd(t, () => port.close());
  const clients = await Promise.all(numbers(3).map(() => connectPort(NAME)));
  const calls = clients.map((client) => outcomeOf(client.request('hold')));
  const messages = [await port.receive(), await port.receive(), await port.receive()];
  const outcast = messages[1]!.type === 'request' ? messages[1] : undefined;
  const told = once(port, 'disconnect') as Promise<[ServerPort, string]>;
  (outcast!.port as ServerPort).disconnect();
  assert.equal((await told)[1], 'closed');
  assert.equal(outcast!.reply('x'), 'disconnected');
  for (const message of messages) if (message !== outcast && message.type === 'request') message.reply('answered');
  assert.deepEqual(tally(await Promise.all(calls)), { answered: 2, ERR_ALPC_DISCONNECTED: 1 });
  assert.equal(port.connections.length, 2);
  assert.equal(port.tryReceive(), undefined);
  (outcast!.port as ServerPort).disconnect();
  for (const client of clients) client.close();
});
