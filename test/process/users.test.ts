/**
 * Different users connected to each other: who is seen at each end, who is let in by the name's permissions and by the security
 * descriptor, and whose names are whose.
 */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { SecurityOptions } from '../../src/objects/index.js';
import { connectPort } from '../../src/ports/index.js';
import { withLedger } from '../support/ledger.js';
import { type Actor, startActor } from '../support/processes.js';
import { noOtherUsers, sharedRoot, USERS } from '../support/users.js';
import type { News as ClientNews, Order as ClientOrder } from './actors/client.js';
import type { News as ServerNews, Order as ServerOrder } from './actors/server.js';
import { failsWith } from './expect.js';
import { NAME } from './serving.js';
import { FORMS } from './taking.js';

withLedger();

const [SERVER, CLIENT, STRANGER] = USERS;
const GROUP = 54_330;

type Client = Actor<ClientOrder, ClientNews>;

function startAs(t: TestContext, uid: number, gid = uid): Client {
  return startActor<ClientOrder, ClientNews>(t, new URL('./actors/client.js', import.meta.url), [], {}, { uid, gid });
}

async function serveAs(t: TestContext, uid: number, security?: SecurityOptions, form = 'on'): Promise<Actor<ServerOrder, ServerNews>> {
  const options = security === undefined ? {} : { security };
  const server = startActor<ServerOrder, ServerNews>(t, new URL('./actors/server.js', import.meta.url), [JSON.stringify({ name: NAME, form, options })], {}, { uid, gid: uid });
  await server.until('ready');
  return server;
}

/** 'in', or the code of its error. */
async function tryToConnect(client: Client, how: 'blocking' | 'awaited' = 'awaited'): Promise<string> {
  return (await client.ask({ type: 'try', name: NAME, how }, 'tried')).outcome;
}

for (const form of FORMS) {
  test(`a user and another's server (${form}) see who the other is, and call each other, blocking and awaited`, { skip: noOtherUsers }, async (t) => {
    sharedRoot(t);
    const server = await serveAs(t, SERVER, { allow: [{ user: CLIENT }] }, form);
    const client = startAs(t, CLIENT, GROUP);
    for (const how of ['blocking', 'awaited'] as const) {
      client.send({ type: 'connect', name: NAME, how, options: { requiredServer: { uid: SERVER, gid: SERVER, pid: server.pid } } });
      assert.equal((await client.until('connected')).pid, server.pid);
      client.send({ type: 'call', text: 'who', how });
      assert.match((await client.until('settled')).outcome, new RegExp(`^${CLIENT} ${GROUP} `));
      client.send({ type: 'serve' });
      await client.until('serving');
      client.send({ type: 'call', text: 'ask awaited echo from the server', how: 'awaited' });
      assert.equal((await client.until('settled')).outcome, 'from the server');
      client.send({ type: 'close' });
      await client.until('closed');
    }
  });
}

test('a port that says nothing about security lets in its own user and root, and nobody else: the kernel keeps them from its name', { skip: noOtherUsers }, async (t) => {
  const root = sharedRoot(t);
  await serveAs(t, SERVER);
  assert.equal(statSync(join(root, 'RPC Control', 'server')).mode & 0o777, 0o600);
  assert.equal(await tryToConnect(startAs(t, CLIENT)), 'ERR_ALPC_ACCESS_DENIED');
  assert.equal(await tryToConnect(startAs(t, SERVER)), 'in');
  const client = await connectPort(NAME); // root
  assert.equal(client.peer.uid, SERVER);
  client.close();
});

/** Who is let in by which descriptor, each tried with real processes. */
const WHO = { owner: [SERVER, SERVER], client: [CLIENT, CLIENT], 'client in the group': [CLIENT, GROUP], 'stranger in the group': [STRANGER, GROUP], stranger: [STRANGER, STRANGER], root: [0, 0] } as const;
const DESCRIPTORS: { security: SecurityOptions; lets: (keyof typeof WHO)[] }[] = [
  { security: { allow: [{ user: 'everyone' }] }, lets: ['owner', 'client', 'client in the group', 'stranger in the group', 'stranger', 'root'] },
  { security: { allow: [{ user: CLIENT }] }, lets: ['client', 'client in the group'] },
  { security: { allow: [{ group: GROUP }] }, lets: ['client in the group', 'stranger in the group'] },
  { security: { allow: [{ user: 'everyone' }], deny: [{ group: GROUP }] }, lets: ['owner', 'client', 'stranger', 'root'] },
  { security: { allow: [{ user: 'me' }, { user: CLIENT }], deny: [{ user: STRANGER }] }, lets: ['owner', 'client', 'client in the group'] },
];

test('who is let in is what the security descriptor says, for each identity and each descriptor', { skip: noOtherUsers }, async (t) => {
  sharedRoot(t);
  const clients = Object.entries(WHO).map(([who, [uid, gid]]) => ({ who, actor: startAs(t, uid, gid) }));
  for (const { security, lets } of DESCRIPTORS) {
    const server = await serveAs(t, SERVER, security);
    for (const { who, actor } of clients) {
      assert.equal(await tryToConnect(actor, 'blocking'), lets.includes(who as keyof typeof WHO) ? 'in' : 'ERR_ALPC_ACCESS_DENIED', `${who}, ${JSON.stringify(security)}`);
    }
    await server.ask({ type: 'close' }, 'closed');
  }
});

test("a user can neither take another's name nor have it taken for its own, whether its server lives or died", { skip: noOtherUsers }, async (t) => {
  sharedRoot(t);
  const everyone = { allow: [{ user: 'everyone' }] };
  const server = await serveAs(t, SERVER, everyone);
  const rival = async (uid: number): Promise<string> => {
    const actor = startActor<ServerOrder, ServerNews>(t, new URL('./actors/server.js', import.meta.url), [JSON.stringify({ name: NAME, form: 'on', options: { security: everyone } })], {}, { uid, gid: uid });
    await actor.ended;
    return /ERR_ALPC_\w+/.exec(actor.output)![0];
  };
  assert.equal(await rival(STRANGER), 'ERR_ALPC_NAME_IN_USE');
  await server.kill();
  assert.equal(await rival(STRANGER), 'ERR_ALPC_ACCESS_DENIED');
  const again = await serveAs(t, SERVER, everyone);
  const client = startAs(t, CLIENT);
  client.send({ type: 'connect', name: NAME, options: { requiredServer: { uid: SERVER } } });
  assert.equal((await client.until('connected')).pid, again.pid);
});

test('a squatter who has the name is not taken for the server that is required', { skip: noOtherUsers }, async (t) => {
  sharedRoot(t);
  await serveAs(t, STRANGER, { allow: [{ user: 'everyone' }] });
  await assert.rejects(connectPort(NAME, { requiredServer: { uid: SERVER }, data: 'secret' }), failsWith('ERR_ALPC_SERVER_MISMATCH', /the server's uid is 54324, required is 54322/));
});
