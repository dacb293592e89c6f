/**
 * Memory that different users share: by a name, which the file's permissions guard and whose owner the opener has to know; and by views, which
 * whoever is let in at the port can read, and nobody but their owner can write.
 */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { withLedger } from '../support/ledger.js';
import { type Actor, startActor } from '../support/processes.js';
import { noOtherUsers, sharedRoot, USERS } from '../support/users.js';
import type { News, Order } from './actors/sharer.js';

withLedger();

const [OWNER, READER, STRANGER] = USERS;
const NAME = '\\BaseNamedObjects\\shared';

type Ask = (order: Order) => Promise<string>;

async function as(t: TestContext, uid: number): Promise<Ask> {
  const actor: Actor<Order, News> = startActor<Order, News>(t, new URL('./actors/sharer.js', import.meta.url), [], {}, { uid, gid: uid });
  await actor.until('ready');
  return async (order) => (await actor.ask(order, 'told')).outcome;
}

test('a named section that says nothing about security is its owner\'s and root\'s alone', { skip: noOtherUsers }, async (t) => {
  const root = sharedRoot(t);
  const [owner, reader, superuser] = await Promise.all([OWNER, READER, 0].map((uid) => as(t, uid)));
  assert.equal(await owner!({ type: 'make', name: NAME }), 'made');
  assert.equal(statSync(join(root, 'BaseNamedObjects', 'shared')).mode & 0o777, 0o600);
  assert.equal(await reader!({ type: 'open', name: NAME, options: { owner: OWNER } }), 'ERR_ALPC_ACCESS_DENIED');
  assert.equal(await owner!({ type: 'open', name: NAME, options: { writable: true } }), 'writable');
  assert.equal(await superuser!({ type: 'open', name: NAME }), 'ERR_ALPC_ACCESS_DENIED', 'root, too, has to say whose memory it looks at');
  assert.equal(await superuser!({ type: 'open', name: NAME, options: { owner: OWNER, writable: true } }), 'writable');
});

test('a user whom the security descriptor names reads another\'s section when it names the owner, sees what is written, and never writes', { skip: noOtherUsers }, async (t) => {
  sharedRoot(t);
  const [owner, reader, stranger] = await Promise.all([OWNER, READER, STRANGER].map((uid) => as(t, uid)));
  assert.equal(await owner!({ type: 'make', name: NAME, security: { allow: [{ user: 'everyone' }] } }), 'made');
  assert.equal(await reader!({ type: 'open', name: NAME }), 'ERR_ALPC_ACCESS_DENIED', 'without a word about the owner nobody else\'s memory is taken');
  assert.equal(await reader!({ type: 'open', name: NAME, options: { owner: STRANGER } }), 'ERR_ALPC_ACCESS_DENIED');
  assert.equal(await reader!({ type: 'open', name: NAME, options: { owner: OWNER, writable: true } }), 'ERR_ALPC_ACCESS_DENIED');
  for (const ask of [reader!, stranger!]) assert.equal(await ask({ type: 'open', name: NAME, options: { owner: OWNER } }), 'read-only');
  assert.equal(await owner!({ type: 'write', value: 42 }), 'written');
  assert.equal(await reader!({ type: 'read' }), '42');
  assert.equal(await reader!({ type: 'write', value: 43 }), 'written'); // to a copy of its own
  assert.deepEqual(await Promise.all([owner!, stranger!].map((ask) => ask({ type: 'read' }))), ['42', '42']);
});

for (const secure of [false, true]) {
  test(`a ${secure ? 'secure ' : ''}view goes to other users' processes, none of which can change what its owner and the others see of the same one`, { skip: noOtherUsers }, async (t) => {
    sharedRoot(t);
    const [owner, reader, stranger] = await Promise.all([OWNER, READER, STRANGER].map((uid) => as(t, uid)));
    const name = '\\RPC Control\\frames';
    assert.equal(await owner!({ type: 'publish', name, secure }), 'published');
    assert.equal(await reader!({ type: 'fetch', name }), `user ${READER}: 4096 bytes, all sevens, secure ${secure}, writable false`);
    assert.equal(await reader!({ type: 'write', value: 43 }), 'written');
    const seven = String(0x07070707);
    if (!secure) assert.equal(await owner!({ type: 'read' }), seven); // of a secure one its owner has no bytes any more
    assert.equal(await stranger!({ type: 'fetch', name }), `user ${STRANGER}: 4096 bytes, all sevens, secure ${secure}, writable false`);
    assert.deepEqual([await reader!({ type: 'read' }), await stranger!({ type: 'read' })], ['43', seven]);
  });
}
