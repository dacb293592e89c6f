/** Calls from the server to its caller, also while the caller blocks; and context handles, whose rundown runs once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bind, bindSync, ContextHandle, implement } from '../../src/rpc/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { failsWith, local, remote, until } from './expect.js';
import { Progress, Spooler } from './spooler.js';

withLedger();

function progress(notes: string[] = []) {
  return implement(Progress, {
    report: (i) => `seen ${i}`,
    later: async (i) => {
      await Promise.resolve();
      return `seen ${i} later`;
    },
    note: (text) => void notes.push(text),
  });
}

test('a handler calls its caller back while that awaits', async (t) => {
  const { client } = await local(t, {}, { callbacks: [progress()] });
  assert.deepEqual(await client.withProgress({ count: 3, how: 'awaited' }), ['seen 0', 'seen 1', 'seen 2']);
  assert.deepEqual(await client.withProgress({ count: 2, how: 'later' }), ['seen 0 later', 'seen 1 later']);
});

test('a handler calls its caller back while that blocks, awaited and blocking itself', async (t) => {
  await remote(t);
  const client = bindSync(Spooler, 'spooler', { callbacks: [progress()] });
  atEnd(t, () => client.close());
  assert.deepEqual(client.withProgress.sync({ count: 3, how: 'awaited' }), ['seen 0', 'seen 1', 'seen 2']);
  assert.deepEqual(client.withProgress.sync({ count: 3, how: 'blocking' }), ['seen 0', 'seen 1', 'seen 2']);
  assert.deepEqual(await client.withProgress({ count: 3, how: 'blocking' }), ['seen 0', 'seen 1', 'seen 2']);
});

test('a callback that would need the event loop of a caller that blocks is refused at once', async (t) => {
  await remote(t);
  const client = bindSync(Spooler, 'spooler', { callbacks: [progress()] });
  atEnd(t, () => client.close());
  assert.throws(() => client.withProgress.sync({ count: 1, how: 'later' }), /its event loop does not turn/);
  assert.deepEqual(await client.withProgress({ count: 1, how: 'later' }), ['seen 0 later']);
});

test('a caller that serves no callbacks is not asked', async (t) => {
  const { client } = await local(t);
  await assert.rejects(client.withProgress({ count: 1, how: 'awaited' }), /serves no callbacks/);
});

test('a context handle names a state of one client, until it is closed', async (t) => {
  const { client, journal } = await local(t);
  const handle = await client.openJob('first');
  assert.ok(handle instanceof ContextHandle);
  assert.equal(await client.readJob(handle), 'first');
  using other = await bind(Spooler, 'spooler');
  await assert.rejects(other.readJob(handle), failsWith('ERR_ALPC_CONTEXT_MISMATCH'));
  assert.equal(await client.closeJob(handle), 'first');
  await assert.rejects(client.readJob(handle), failsWith('ERR_ALPC_CONTEXT_MISMATCH'));
  await assert.rejects(client.readJob('no handle' as unknown as ContextHandle), failsWith('ERR_ALPC_CONTEXT_MISMATCH'));
  assert.deepEqual(journal, []);
});

test('when a client closes, what it holds runs down, once', async (t) => {
  const { client, journal, server } = await local(t);
  for (const name of ['a', 'b', 'c']) await client.openJob(name);
  client.close();
  await until('all have run down', () => journal.length === 3);
  await server.close();
  assert.deepEqual(journal.toSorted(), ['run down: a', 'run down: b', 'run down: c']);
});

test('when the server closes, what its clients hold runs down, once', async (t) => {
  const { client, journal, server } = await local(t);
  await client.openJob('a');
  await server.close();
  assert.deepEqual(journal, ['run down: a']);
  client.close();
  await server.close();
  assert.deepEqual(journal, ['run down: a']);
});

test('when a client is killed, what it holds runs down, once', async (t) => {
  const { journal } = await local(t);
  const { startActor } = await import('../support/processes.js');
  const actor = startActor<never, { type: 'holds' }>(t, new URL('./holder-actor.js', import.meta.url));
  await actor.until('holds');
  await actor.kill();
  await until('it has run down', () => journal.length > 0);
  assert.deepEqual(journal, ['run down: held']);
});

test('a client holds no more handles than the limit', async (t) => {
  const { client } = await local(t, { limits: { handles: 2 } });
  await client.openJob('a');
  await client.openJob('b');
  await assert.rejects(client.openJob('c'), failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
});
