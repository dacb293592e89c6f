/** Version skew: two processes that know different versions of one interface. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { bind } from '../../src/rpc/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { type Actor, startActor } from '../support/processes.js';
import { temporaryRoot } from '../support/root.js';
import { failsWith, until } from './expect.js';
import type { News } from './versions-actor.js';
import { V1_0, V1_1, type Version } from './versions.js';

withLedger();

async function server(t: TestContext, version: Version, endpoint: string): Promise<Actor<never, News>> {
  const actor = startActor<never, News>(t, new URL('./versions-actor.js', import.meta.url), ['serve', version, endpoint]);
  await actor.until('ready');
  return actor;
}

async function seenBy(t: TestContext, version: Version, binding: string): Promise<Record<string, unknown>> {
  const actor = startActor<never, News>(t, new URL('./versions-actor.js', import.meta.url), ['call', version, binding]);
  const { lines } = await actor.until('saw');
  await actor.ended;
  return lines;
}

test('an old client and a new server: what the client knows works, with what was added left out or passed along; what became another kind of method fails alone', async (t) => {
  temporaryRoot(t, { leftovers: true });
  await server(t, '1.1', 'catalogue');
  assert.deepEqual(await seenBy(t, '1.0', 'catalogue'), {
    find: { title: 'two', pages: 100, author: 'anonymous' },
    titles: ['one', 'two', 'three'],
    seen: undefined,
    remove: 'ERR_ALPC_UNKNOWN_METHOD',
    blocking: undefined,
  });
});

test('a new client and an old server: it is told at the bind, in whichever way the versions differ', async (t) => {
  temporaryRoot(t, { leftovers: true });
  await server(t, '1.0', 'catalogue');
  assert.deepEqual(await seenBy(t, '1.1', 'catalogue'), { find: 'ERR_ALPC_UNKNOWN_INTERFACE', count: 'ERR_ALPC_UNKNOWN_INTERFACE', has: 'ERR_ALPC_UNKNOWN_INTERFACE' });
  assert.deepEqual(await seenBy(t, '2.0', 'catalogue'), { find: 'ERR_ALPC_UNKNOWN_INTERFACE' });
});

test('an old client and a server of the next major version: it is told at the bind', async (t) => {
  temporaryRoot(t, { leftovers: true });
  await server(t, '2.0', 'catalogue');
  assert.equal((await seenBy(t, '1.0', 'catalogue'))['find'], 'ERR_ALPC_UNKNOWN_INTERFACE');
  assert.deepEqual(await seenBy(t, '2.0', 'catalogue'), { find: 1 });
});

test('servers of several versions beside each other: each client finds one that serves it', async (t) => {
  temporaryRoot(t, { leftovers: true });
  for (const version of ['2.0', '1.0', '1.1'] as const) await server(t, version, 'dynamic');
  assert.deepEqual((await seenBy(t, '1.1', 'ncalrpc:'))['count'], 3);
  assert.deepEqual((await seenBy(t, '2.0', 'ncalrpc:'))['find'], 1);
  assert.deepEqual((await seenBy(t, '1.0', 'ncalrpc:'))['titles'], ['one', 'two', 'three']);
});

test('a server is replaced by a newer one: its client goes on, though the methods have other numbers; by an older one: it is gone', async (t) => {
  temporaryRoot(t, { leftovers: true });
  const first = await server(t, '1.0', 'catalogue');
  const client = await bind(V1_0, 'catalogue', { reconnect: true });
  atEnd(t, () => client.close());
  assert.deepEqual(await client.find({ title: 'one' }), { title: 'one', pages: 100 });
  assert.equal(await client.remove('one'), true);
  await first.kill();
  const second = await server(t, '1.1', 'catalogue');
  assert.deepEqual(await client.find({ title: 'one' }), { title: 'one', pages: 100, author: 'anonymous' });
  await assert.rejects(client.remove('one'), failsWith('ERR_ALPC_UNKNOWN_METHOD'));
  const newer = await bind(V1_1, 'catalogue', { reconnect: true });
  atEnd(t, () => newer.close());
  assert.equal(await newer.count(), 3);
  await second.kill();
  await server(t, '1.0', 'catalogue');
  assert.deepEqual(await client.find({ title: 'two' }), { title: 'two', pages: 100 });
  await until('it is gone', () => newer.binding.state === 'gone');
  await assert.rejects(newer.count(), failsWith('ERR_ALPC_NOT_EXECUTED'));
});
