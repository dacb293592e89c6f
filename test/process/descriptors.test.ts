/**
 * Security descriptors between processes: by program, by login session, by label; a program whose file is exchanged, a client whose process
 * the server may not look at.
 */
import assert from 'node:assert/strict';
import { readFileSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createPort, type SecurityEntry, type SecurityOptions } from '../../src/index.js';
import { ownSession } from '../../src/platform/peer-process.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import { noOtherUsers, sharedRoot, USERS } from '../support/users.js';
import type { News as ClientNews, Order as ClientOrder } from './actors/client.js';
import type { News as ServerNews, Order as ServerOrder } from './actors/server.js';
import { failsWith } from './expect.js';
import { type ClientActor, NAME, ownRoot, startClient } from './serving.js';

withLedger();

const EVERYONE: SecurityEntry = { user: 'everyone' };

async function tryWith(client: ClientActor, security: SecurityOptions): Promise<string> {
  const port = await createPort(NAME, { security });
  try {
    return (await client.ask({ type: 'try', name: NAME, how: 'awaited' }, 'tried')).outcome;
  } finally {
    await port.close();
  }
}

/** Whether this machine's kernel names processes by sockets; before Linux 6.5 nobody is let in by program or session. */
const release = readFileSync('/proc/sys/kernel/osrelease', 'utf8').split('.').map(Number);
const isOld = (release[0]! < 6 || (release[0] === 6 && release[1]! < 5)) && 'needs Linux 6.5';

test('a client is let in, or kept out, by the program that it runs', { skip: isOld }, async (t) => {
  ownRoot(t);
  const client = startClient(t);
  assert.equal(await tryWith(client, { allow: [{ user: 'me', executable: process.execPath }] }), 'in');
  assert.equal(await tryWith(client, { allow: [{ executable: '/bin/sh' }] }), 'ERR_ALPC_ACCESS_DENIED');
  assert.equal(await tryWith(client, { allow: [EVERYONE], deny: [{ executable: process.execPath }] }), 'ERR_ALPC_ACCESS_DENIED');
  assert.equal(await tryWith(client, { allow: [EVERYONE], deny: [{ executable: '/bin/sh' }] }), 'in');
});

test('the file counts that stands there when the client connects: after it was exchanged, who runs the old one is somebody else', { skip: isOld }, async (t) => {
  const root = ownRoot(t);
  const program = join(root, 'program');
  symlinkSync(process.execPath, program);
  const port = await createPort(NAME, { security: { allow: [{ executable: program }] } });
  atEnd(t, () => port.close());
  const client = startClient(t);
  const outcome = async (): Promise<string> => (await client.ask({ type: 'try', name: NAME, how: 'blocking' }, 'tried')).outcome;
  assert.equal(await outcome(), 'in');
  unlinkSync(program);
  assert.equal(await outcome(), 'ERR_ALPC_ACCESS_DENIED', 'nothing stands there');
  symlinkSync('/bin/sh', program);
  assert.equal(await outcome(), 'ERR_ALPC_ACCESS_DENIED', 'another program stands there');
  unlinkSync(program);
});

test('a client is let in, or kept out, by its login session, and who is in none is in no session that is asked for', { skip: isOld }, async (t) => {
  ownRoot(t);
  const [client, other] = [startClient(t), startClient(t)];
  const { session } = await client.ask({ type: 'log-in' }, 'logged-in');
  if (typeof session !== 'number') return t.skip('needs a login session, or a root who may begin one');
  assert.equal(await tryWith(client, { allow: [{ session }] }), 'in');
  assert.equal(await tryWith(client, { allow: [{ session: session + 1 }] }), 'ERR_ALPC_ACCESS_DENIED');
  assert.equal(await tryWith(client, { allow: [EVERYONE], deny: [{ session }] }), 'ERR_ALPC_ACCESS_DENIED');
  if (ownSession() === session) return; // then the other is in it as well
  assert.equal(await tryWith(other, { allow: [{ session }] }), 'ERR_ALPC_ACCESS_DENIED');
  assert.equal(await tryWith(other, { allow: [EVERYONE], deny: [{ session }] }), 'in');
});

test('\'mine\' is this process\'s login session; where it is in none the descriptor is refused', { skip: isOld }, async (t) => {
  ownRoot(t);
  const client = startClient(t);
  const mine = { allow: [{ session: 'mine' as const }] };
  if (ownSession() === 'none') await assert.rejects(createPort(NAME, { security: mine }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /in none that could be 'mine'/));
  else assert.equal(await tryWith(client, mine), 'in');
});

test('a label that nobody gave lets nobody in', async (t) => {
  ownRoot(t);
  assert.equal(await tryWith(startClient(t), { allow: [{ label: 'no such label' }] }), 'ERR_ALPC_ACCESS_DENIED');
});

test('whom the server may not look at is not let in by the program it may run, and is kept out by one that it may not', { skip: noOtherUsers }, async (t) => {
  sharedRoot(t);
  const [owner, stranger] = USERS;
  const client = startActor<ClientOrder, ClientNews>(t, new URL('./actors/client.js', import.meta.url), [], {}, { uid: stranger, gid: stranger });
  for (const [security, expected] of [
    [{ allow: [EVERYONE] }, 'in'],
    [{ allow: [{ executable: process.execPath }] }, 'ERR_ALPC_ACCESS_DENIED'],
    [{ allow: [EVERYONE], deny: [{ executable: '/bin/sh' }] }, 'ERR_ALPC_ACCESS_DENIED'],
    [{ allow: [EVERYONE], deny: [{ user: owner, executable: '/bin/sh' }] }, 'in'],
  ] as [SecurityOptions, string][]) {
    const server = startActor<ServerOrder, ServerNews>(t, new URL('./actors/server.js', import.meta.url), [JSON.stringify({ name: NAME, form: 'on', options: { security } })], {}, { uid: owner, gid: owner });
    await server.until('ready');
    assert.equal((await client.ask({ type: 'try', name: NAME, how: 'awaited' }, 'tried')).outcome, expected, JSON.stringify(security));
    await server.kill();
  }
});
