/**
 * Test 28: peers of other user namespaces. Each end sees of the other what the kernel says in its own namespace: for a user that has
 * no number there the overflow number 65534, which stands for anybody, and so opens no door but the one that is open to everyone.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { SecurityOptions } from '../../src/objects/index.js';
import type { RequiredServer } from '../../src/ports/client-port.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { noOtherUsers, sharedRoot, USERS } from '../support/users.js';
import { NAME } from './serving.js';

withLedger();

const OVERFLOW = 65_534;
const [STRANGER] = USERS;
const INDEX = JSON.stringify(fileURLToPath(new URL('../../src/index.js', import.meta.url)));

/** Why there can be no other user namespaces here, or false. */
const noNamespaces = noOtherUsers !== false ? noOtherUsers : spawnSync('unshare', ['--user', '--map-root-user', 'true']).status !== 0 && 'no user namespaces may be made here';

/** A module in a process: of this namespace as some user, or as root of a namespace that knows of no other user. */
function run(t: TestContext, where: 'elsewhere' | number, code: string): ChildProcess {
  const node = [process.execPath, '--input-type=module', '-e', code];
  const [command, ...args] = where === 'elsewhere' ? ['unshare', '--user', '--map-root-user', ...node] : node;
  const child = spawn(command!, args, { ...(where === 'elsewhere' ? {} : { uid: where, gid: where }), stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = once(child, 'close');
  atEnd(t, async () => {
    child.kill('SIGKILL');
    await gone;
  });
  return child;
}

/** What it says first. */
async function firstLine(child: ChildProcess): Promise<string> {
  const [text] = (await once(child.stdout!, 'data')) as [Buffer];
  return text.toString().trim();
}

async function serve(t: TestContext, where: 'elsewhere' | number, security: SecurityOptions): Promise<ChildProcess> {
  const child = run(t, where, `import { createPort } from ${INDEX};
    const port = await createPort(${JSON.stringify(NAME)}, { security: ${JSON.stringify(security)} });
    port.on('message', (message) => message.type === 'request' && message.reply(String(message.sender.uid)));
    console.log('ready');`);
  assert.equal(await firstLine(child), 'ready');
  return child;
}

/** As whom the client sees the server, and the server the client; or why it was not connected. */
function connect(t: TestContext, where: 'elsewhere' | number, requiredServer?: RequiredServer): Promise<string> {
  return firstLine(run(t, where, `import { connectPort } from ${INDEX};
    try {
      const client = await connectPort(${JSON.stringify(NAME)}, ${JSON.stringify(requiredServer === undefined ? {} : { requiredServer })});
      console.log('sees ' + client.peer.uid + ', is seen as ' + String((await client.request('')).data));
      client.close();
    } catch (error) {
      console.log(error.code);
    }`));
}

test('a server sees a user who has no number in its namespace as the overflow number, and lets it in for being everyone only', { skip: noNamespaces }, async (t) => {
  sharedRoot(t);
  for (const [allow, expected] of [
    [[{ user: 'everyone' }], `sees 0, is seen as ${OVERFLOW}`],
    [[{ user: 'me' }, { user: OVERFLOW }, { group: OVERFLOW }], 'ERR_ALPC_ACCESS_DENIED'],
  ] as const) {
    const server = await serve(t, 'elsewhere', { allow });
    assert.equal(await connect(t, STRANGER), expected);
    assert.equal(await connect(t, 0), 'sees 0, is seen as 0', 'root is root in both');
    server.kill('SIGKILL');
    await once(server, 'close');
  }
});

test('a client sees a server whose user has no number in its namespace as the overflow number, and never takes it for the one that it requires', { skip: noNamespaces }, async (t) => {
  sharedRoot(t);
  await serve(t, STRANGER, { allow: [{ user: 'everyone' }] });
  assert.equal(await connect(t, 'elsewhere'), `sees ${OVERFLOW}, is seen as 0`);
  assert.equal(await connect(t, 'elsewhere', { uid: STRANGER }), 'ERR_ALPC_SERVER_MISMATCH');
  assert.equal(await connect(t, 0, { uid: STRANGER }), `sees ${STRANGER}, is seen as 0`);
});
