/**
 * Connecting, with the server in a process of its own: the connection request and its answers, who is let in, what a client
 * may demand of its server, and what becomes of a client whose server says nothing, or ends.
 *
 * Whatever goes wrong, the client is left with a typed error and with nothing else: no descriptor, no memory, no connection.
 * The ledger after each test looks at this side, `descriptorsOf` at the server's.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClientPort, connectPort, connectPortSync, type ConnectOptions } from '../../src/ports/index.js';
import { withLedger } from '../support/ledger.js';
import { failsWith, numbers, until } from './expect.js';
import { journalOf, journalWhen, linesOf, NAME, ownRoot, startClient, startServer, stop } from './serving.js';
import { FORMS } from './taking.js';

withLedger();

/** Both forms of connecting, as one that is awaited. */
const HOW = {
  blocking: (options?: ConnectOptions): Promise<ClientPort> => new Promise((resolve) => resolve(connectPortSync(NAME, options))),
  awaited: (options?: ConnectOptions): Promise<ClientPort> => connectPort(NAME, options),
};
const HOWS = ['blocking', 'awaited'] as const;

const descriptorsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

for (const form of FORMS) {
  test(`the payload of a request reaches a server that decides by ${form}, its answer the client, and the context is there with the first message`, async (t) => {
    ownRoot(t);
    const server = await startServer(t, { form, options: { connect: 'ask' } });
    for (const round of numbers(20)) {
      const how = HOWS[round % 2]!;
      await using client = await HOW[how]({ data: `client ${round}` });
      const first = client.requestSync('context');
      assert.equal(first.data.toString(), `client ${round}`);
      assert.equal(client.connectData.toString(), `welcome client ${round}`);
      assert.equal(client.peer.pid, server.pid);
    }
  });
}

for (const how of HOWS) {
  test(`a rejected client (${how}) gets ERR_ALPC_REFUSED with the server's payload`, async (t) => {
    ownRoot(t);
    await startServer(t, { options: { connect: 'ask' } });
    await assert.rejects(HOW[how]({ data: 'no thanks' }), (error: { code: string; status: string; data: Buffer }) => {
      assert.deepEqual([error.code, error.status, error.data.toString()], ['ERR_ALPC_REFUSED', 'STATUS_PORT_CONNECTION_REFUSED', 'not no thanks']);
      return true;
    });
    await using client = await HOW[how]({ data: 'yes' });
    assert.equal((await client.request('context')).data.toString(), 'yes');
  });

  test(`a client (${how}) whom the security descriptor does not allow gets ERR_ALPC_ACCESS_DENIED, and the server nothing`, async (t) => {
    ownRoot(t);
    const server = await startServer(t, { options: { security: { allow: [{ user: 'everyone' }], deny: [{ user: process.geteuid!() }] } } });
    const before = descriptorsOf(server.pid);
    for (const _ of numbers(20)) await assert.rejects(HOW[how]({ data: 'let me in' }), failsWith('ERR_ALPC_ACCESS_DENIED', /security descriptor/));
    await until('the server is as it was', () => descriptorsOf(server.pid) === before);
  });

  test(`a client (${how}) over the quota of connections gets ERR_ALPC_QUOTA_EXCEEDED, and is let in when another has left`, async (t) => {
    ownRoot(t);
    const server = await startServer(t, { options: { limits: { connections: 2 } } });
    await using observer = await HOW[how]();
    const other = await HOW[how]();
    assert.equal((await other.request('echo in')).data.toString(), 'in');
    for (const _ of numbers(20)) await assert.rejects(HOW[how](), failsWith('ERR_ALPC_QUOTA_EXCEEDED', /as many connections as it may/));
    await observer.request('echo by now it has closed what it refused');
    const before = descriptorsOf(server.pid);
    other.close();
    await journalWhen('the server has seen that it left', observer, (seen) => seen.at(-1)?.what === 'port-closed');
    await using another = await HOW[how]();
    assert.equal(another.requestSync('echo in').data.toString(), 'in');
    await until('the server is as it was', () => descriptorsOf(server.pid) === before);
  });

  test(`a client (${how}) whose server is not the one required gets ERR_ALPC_SERVER_MISMATCH`, async (t) => {
    ownRoot(t);
    const server = await startServer(t, { options: { connect: 'ask' } });
    const [uid, gid] = [process.geteuid!(), process.getegid!()];
    for (const wrong of [{ uid: uid + 1 }, { gid: gid + 1 }, { pid: process.pid }, { uid, gid, pid: server.pid + 1 }]) {
      await assert.rejects(HOW[how]({ requiredServer: wrong, data: 'secret' }), failsWith('ERR_ALPC_SERVER_MISMATCH', /the server's (uid|gid|pid) is \d+, required is \d+/));
    }
    await using client = await HOW[how]({ requiredServer: { uid, gid, pid: server.pid }, data: 'secret' });
    assert.deepEqual(linesOf(await journalOf(client)), ['connection-request secret']);
  });

  test(`a client (${how}) whose server does not decide gives up after its timeout, and nothing of it stays`, async (t) => {
    ownRoot(t);
    const server = await startServer(t, { options: { connect: 'ask' } });
    await assert.rejects(HOW[how]({ data: 'silence', timeout: 50 }), failsWith('ERR_ALPC_TIMEOUT', /within 50 ms/));
    await assert.rejects(HOW[how]({ data: 'silence', timeout: 0 }), failsWith('ERR_ALPC_TIMEOUT', /within 0 ms/));
    await using client = await HOW[how]({ data: 'late 100', timeout: Infinity });
    assert.equal(client.requestSync('context').data.toString(), 'late 100');
    assert.equal(server.child.exitCode, null);
  });

  test(`a client (${how}) whose server is stopped waits for its timeout, and for nobody else`, async (t) => {
    ownRoot(t);
    const server = await startServer(t, { options: { backlog: 1 } });
    const goOn = await stop(server);
    for (const _ of numbers(4)) await assert.rejects(HOW[how]({ timeout: 30 }), failsWith('ERR_ALPC_TIMEOUT'));
    goOn();
    await using client = await HOW[how]();
    assert.equal(client.requestSync('echo back').data.toString(), 'back');
  });

  test(`a client (${how}) of a name that is not there, or whose server is dead, gets ERR_ALPC_NAME_NOT_FOUND`, async (t) => {
    ownRoot(t);
    await assert.rejects(HOW[how](), failsWith('ERR_ALPC_NAME_NOT_FOUND'));
    const server = await startServer(t);
    await server.kill();
    await assert.rejects(HOW[how](), failsWith('ERR_ALPC_NAME_NOT_FOUND', /gone/));
  });
}

test('a client may send its first message as soon as it is accepted, however late that is', async (t) => {
  ownRoot(t);
  await startServer(t, { options: { connect: 'ask' } });
  await using client = await connectPort(NAME, { data: 'late 300' });
  await sleep(100); // the server has nothing to do by now and rests
  assert.equal((await client.request('context')).data.toString(), 'late 300');
});

test('an aborted connect rejects with the reason, before and while it waits', async (t) => {
  ownRoot(t);
  await startServer(t, { options: { connect: 'ask' } });
  const reason = new Error('changed my mind');
  await assert.rejects(connectPort(NAME, { data: 'yes', signal: AbortSignal.abort(reason) }), reason);
  const abort = new AbortController();
  const connecting = connectPort(NAME, { data: 'silence', signal: abort.signal });
  setTimeout(() => abort.abort(reason), 50);
  await assert.rejects(connecting, reason);
});

test('clients that wait to be accepted get ERR_ALPC_DISCONNECTED when the port is closed, and when the server dies', async (t) => {
  for (const end of ['close', 'SIGKILL'] as const) {
    ownRoot(t);
    const server = await startServer(t, { options: { connect: 'ask' } });
    const blocked = startClient(t);
    blocked.send({ type: 'connect', name: NAME, how: 'blocking', options: { data: 'silence' } });
    const awaited = numbers(3).map(() => assert.rejects(connectPort(NAME, { data: 'silence' }), failsWith('ERR_ALPC_DISCONNECTED')));
    await using client = await connectPort(NAME, { data: 'yes' });
    await journalWhen('all have asked', client, (seen) => seen.filter(({ text }) => text === 'silence').length === 4);
    if (end === 'close') server.send({ type: 'close' });
    else await server.kill();
    await Promise.all(awaited);
    assert.equal((await blocked.until('failed')).code, 'ERR_ALPC_DISCONNECTED');
    await until('the accepted client is told', () => client.tryReceive()?.type === 'port-closed');
  }
});

test('two hundred clients that come and go leave the server as it was', async (t) => {
  ownRoot(t);
  const server = await startServer(t);
  await using observer = await connectPort(NAME);
  assert.deepEqual(await journalOf(observer), []);
  const before = descriptorsOf(server.pid);
  for (const round of numbers(10)) {
    const clients = await Promise.all(numbers(20).map(() => connectPort(NAME)));
    const answers = await Promise.all(clients.map((client, index) => client.request(`echo ${round} ${index}`)));
    assert.deepEqual(answers.map(({ data }) => data.toString()), numbers(20).map((index) => `${round} ${index}`));
    for (const client of clients) client.close();
  }
  await journalWhen('all are gone', observer, (seen) => seen.filter(({ what }) => what === 'port-closed').length === 200);
  await until('the server is as it was', () => descriptorsOf(server.pid) === before);
});
