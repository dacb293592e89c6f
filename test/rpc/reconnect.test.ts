/** What becomes of a client when its server goes: told apart are a call that was not sent, one that may have been executed, and the end of hope. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bind, bindSync } from '../../src/rpc/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { another, failsWith, remote, until } from './expect.js';
import { Spooler } from './spooler.js';

withLedger();

test('a client that may reconnect goes on with the next server; what was outstanding may have been executed', async (t) => {
  const first = await remote(t);
  const client = await bind(Spooler, 'spooler', { reconnect: true });
  atEnd(t, () => client.close());
  const events: string[] = [];
  for (const event of ['interrupted', 'reconnected', 'gone'] as const) client.binding.on(event, () => events.push(event));
  const outstanding = assert.rejects(client.wait(undefined), failsWith('ERR_ALPC_MESSAGE_LOST'));
  assert.equal(await client.add([1, 2]), 3);
  await first.kill();
  await outstanding;
  const unsent = client.add([3, 4]);
  await assert.rejects(client.add([5, 6], { timeout: 20 }), failsWith('ERR_ALPC_NOT_EXECUTED'));
  assert.equal(client.binding.state, 'interrupted');
  const second = await another(t);
  assert.equal(await unsent, 7);
  assert.equal(client.binding.peer.pid, second.pid);
  assert.deepEqual(events, ['interrupted', 'reconnected']);
});

test('an idempotent call is made again when it may have been executed', async (t) => {
  const first = await remote(t);
  const client = await bind(Spooler, 'spooler', { reconnect: { timeout: 20_000 } });
  atEnd(t, () => client.close());
  const answer = client.idempotent(first.pid); // kills a server of this pid
  await first.ended;
  await until('it is interrupted', () => client.binding.state === 'interrupted');
  const second = await another(t);
  assert.equal(await answer, first.pid);
  const unanswered = client.idempotent(second.pid);
  await second.ended;
  client.close();
  await assert.rejects(unanswered);
});

test('a blocking call finds the next server, too', async (t) => {
  const first = await remote(t);
  const client = bindSync(Spooler, 'spooler', { reconnect: true });
  atEnd(t, () => client.close());
  assert.equal(client.add.sync([1, 2]), 3);
  assert.throws(() => client.exit.sync(0), failsWith('ERR_ALPC_MESSAGE_LOST'));
  await first.ended;
  assert.throws(() => client.add.sync([1, 2], { timeout: 50 }), failsWith('ERR_ALPC_NOT_EXECUTED'));
  const second = await another(t);
  assert.equal(client.add.sync([2, 2]), 4);
  assert.equal(client.binding.peer.pid, second.pid);
  assert.equal(await client.add([2, 3]), 5);
});

test('when nobody comes, the client is gone for good, and says so', async (t) => {
  const first = await remote(t);
  const client = await bind(Spooler, 'spooler', { reconnect: { timeout: 50 } });
  atEnd(t, () => client.close());
  await first.kill();
  await until('it is gone', () => client.binding.state === 'gone');
  await assert.rejects(client.add([1, 2]), failsWith('ERR_ALPC_NOT_EXECUTED'));
});

test('a client of a dynamic endpoint finds another server of the interface', async (t) => {
  const servers = [await remote(t, ['dynamic']), await another(t, ['dynamic'])];
  const client = await bind(Spooler, 'ncalrpc:', { reconnect: true });
  atEnd(t, () => client.close());
  const mine = servers.find(({ pid }) => pid === client.binding.peer.pid)!;
  const other = servers.find((server) => server !== mine)!;
  await mine.kill();
  assert.equal(await client.add([1, 2]), 3);
  assert.equal(client.binding.peer.pid, other.pid);
});
