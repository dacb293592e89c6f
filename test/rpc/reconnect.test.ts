/** What becomes of a client when its server goes: told apart are a call that was not sent, one that may have been executed, and the end of hope. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AlpcError } from '../../src/index.js';
import { bind, bindSync, call, defineInterface, serve, type } from '../../src/rpc/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import { temporaryRoot } from '../support/root.js';
import { another, failsWith, remote, type SpoolerClient, until } from './expect.js';
import type { News as HeirNews } from './heirs-actor.js';
import { Spooler } from './spooler.js';

withLedger();

/** What a client's binding emits from now on, with the codes of the errors. */
function eventsOf({ binding }: SpoolerClient): string[] {
  const events: string[] = [];
  binding.on('interrupted', (error) => events.push(`interrupted ${(error as AlpcError).code}`));
  binding.on('reconnected', () => events.push('reconnected'));
  binding.on('gone', (error) => events.push(`gone ${(error as AlpcError).code}`));
  return events;
}

test('a client that may reconnect goes on with the next server; what was outstanding may have been executed', async (t) => {
  const first = await remote(t);
  const client = await bind(Spooler, 'spooler', { reconnect: true });
  atEnd(t, () => client.close());
  const events = eventsOf(client);
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
  assert.deepEqual(events, ['interrupted ERR_ALPC_DISCONNECTED', 'reconnected']);
});

test('a binding that reconnects requires of the next server what was said at first; a figure that is undefined is refused', async (t) => {
  const first = await remote(t);
  const requiredServer = { uid: process.geteuid!() };
  await assert.rejects(bind(Spooler, 'spooler', { requiredServer: { uid: undefined } as object }), failsWith('ERR_ALPC_INVALID_ARGUMENT'));
  const client = await bind(Spooler, 'spooler', { requiredServer, reconnect: true });
  atEnd(t, () => client.close());
  requiredServer.uid++;
  await first.kill();
  await until('it is interrupted', () => client.binding.state === 'interrupted');
  await another(t);
  assert.equal(await client.add([1, 2]), 3);
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

test('an idempotent call is made again as often as its server dies, awaited and blocking alike', async (t) => {
  temporaryRoot(t, { leftovers: true });
  for (const how of ['awaited', 'blocking']) {
    const actor = startActor<never, HeirNews>(t, new URL('./heirs-actor.js', import.meta.url), ['3']);
    await actor.until('ready');
    const client = await bind(Spooler, 'spooler', { reconnect: true });
    const first = client.binding.peer.pid;
    assert.equal(how === 'awaited' ? await client.idempotent(7, { timeout: 60_000 }) : client.idempotent.sync(7, { timeout: 60_000 }), 7);
    assert.notEqual(client.binding.peer.pid, first);
    client.close();
    await actor.kill();
    await until('the last server is gone', () => bind(Spooler, 'spooler').then((other) => other.close(), () => true) as Promise<boolean>);
  }
});

test('the time of an idempotent call goes on while it is made again', async (t) => {
  temporaryRoot(t);
  const Timed = defineInterface({ name: 'timed', version: '1.0' }, { left: call({ output: type<number>(), idempotent: true }) });
  let isAsked = false;
  const first = await serve(Timed, { left: () => new Promise(() => (isAsked = true)) }, { endpoint: 'timed' });
  const client = await bind(Timed, 'timed', { reconnect: true });
  atEnd(t, () => client.close());
  const answer = client.left(undefined, { timeout: 60_000 });
  await until('it is being handled', () => isAsked);
  await sleep(1000);
  await first.close();
  const second = await serve(Timed, { left: (_, { timeLeft }) => timeLeft }, { endpoint: 'timed' });
  atEnd(t, () => second.close());
  const left = await answer;
  assert.ok(left <= 59_001, `${left} ms are left of 60,000 after a second`);
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
  const events = eventsOf(client);
  await first.kill();
  await until('it is gone', () => client.binding.state === 'gone');
  assert.deepEqual(events, ['interrupted ERR_ALPC_DISCONNECTED', 'gone ERR_ALPC_NAME_NOT_FOUND']);
  await assert.rejects(client.add([1, 2]), failsWith('ERR_ALPC_NOT_EXECUTED'));
  assert.throws(() => client.add.sync([1, 2]), failsWith('ERR_ALPC_NOT_EXECUTED'));
  assert.equal(events.length, 2);
});

test('a client that may not reconnect is gone at once, and one that is closed is neither', async (t) => {
  const first = await remote(t);
  const client = await bind(Spooler, 'spooler');
  const closed = await bind(Spooler, 'spooler', { reconnect: true });
  const [events, eventsOfClosed] = [eventsOf(client), eventsOf(closed)];
  closed.close();
  await first.kill();
  await until('it is gone', () => client.binding.state === 'gone');
  assert.deepEqual(events, ['gone ERR_ALPC_DISCONNECTED']);
  assert.deepEqual([closed.binding.state, eventsOfClosed], ['closed', []]);
  client.close();
});

test('a client of a dynamic endpoint finds another server of the interface', async (t) => {
  const servers = [await remote(t, ['dynamic']), await another(t, ['dynamic'])];
  const client = await bind(Spooler, 'ncalrpc:', { reconnect: true });
  atEnd(t, () => client.close());
  const mine = servers.find(({ pid }) => pid === client.binding.peer.pid)!;
  const other = servers.find((server) => server !== mine)!;
  const events = eventsOf(client);
  await mine.kill();
  await until('it has heard of that', () => events.length > 0); // a call before would be one that may have been made
  assert.equal(await client.add([1, 2]), 3);
  assert.equal(client.binding.peer.pid, other.pid);
});
