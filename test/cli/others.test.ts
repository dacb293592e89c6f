/** What the command says of other users' processes: that they can't be seen, and never that nobody waits or nothing goes on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObjectDetails, WaitGraph } from '../../src/explorer/index.js';
import { inspectWaits } from '../../src/explorer/index.js';
import { startClient, startServer, until } from '../explorer/scene.js';
import { withLedger } from '../support/ledger.js';
import { noOtherUsers, sharedRoot, USERS } from '../support/users.js';
import { alpcAlone, inTerminal, type Ran, withResident } from './run.js';

const { alpc } = withResident();
withLedger({ whole: true });

const NAME = '\\RPC Control\\theirs';
const [ada] = USERS;
const LIMITS = /as far as can be seen: \d+ process(?:es)? can't be looked into/;

/** Root's server and a client of root's that is blocked; ada looks. Then she serves and connects herself. */
test("of a port of another user's", { skip: noOtherUsers }, async (t) => {
  sharedRoot(t);
  await startServer(t, NAME);
  const client = await startClient(t, NAME);
  await client.ask({ type: 'call', data: 'a question', count: 3 }, 'done');
  await client.ask({ type: 'block', data: 'hang' }, 'done');
  await until(inspectWaits, ({ waits }) => waits.length > 0);
  const ask = (...args: string[]): Promise<Ran> => alpcAlone(args, { user: ada });
  const value = async <T>(...args: string[]): Promise<T> => JSON.parse((await ask(...args, '--json')).out) as T;

  await t.test('waits and deadlocks say that there are processes that can not be looked into', async () => {
    for (const [name, what] of [['waits', 'nobody waits'], ['deadlocks', 'no deadlocks']] as const) {
      const { code, out } = await ask(name);
      assert.equal(code, 0);
      assert.match(out, new RegExp(`^${what}, ${LIMITS.source}\n$`));
    }
    assert.ok((await value<WaitGraph>('waits')).hiddenProcesses >= 2);
    assert.match((await ask('ps')).out, new RegExp(`^${LIMITS.source}$`, 'm'));
  });

  await t.test('show says that figures are not visible, and leaves them out of its JSON', async () => {
    const { code, out } = await ask('show', NAME);
    assert.equal(code, 0);
    for (const line of [/^Connections: +1, 1 that can not be looked into$/m, ...['To the server', 'From the server', 'Queues', 'Lent', 'Doorbells', 'Late replies'].map((key) => new RegExp(`^${key}: +not visible$`, 'm')), new RegExp(`^${LIMITS.source}$`, 'm')]) assert.match(out, line);
    assert.doesNotMatch(out, /\b0 (?:messages|requests|B|views|rung)/);
    const { port } = await value<ObjectDetails>('show', NAME);
    assert.deepEqual(port!.totals, { connections: 1, hidden: 1 });
  });

  await t.test('top shows a connection of which nothing is known, also on a terminal', async () => {
    interface Picture { readonly ports: readonly object[]; readonly hiddenProcesses: number }
    const { ports, hiddenProcesses } = await value<Picture>('top', '-c', '1', '-i', '100');
    assert.deepEqual(ports, [{ port: NAME, connections: 1, hidden: 1 }]);
    assert.ok(hiddenProcesses >= 2);
    const { out } = await ask('top', '-c', '1', '-i', '100');
    assert.match(out, /^ +- +- +1 +- +- +- +\\RPC Control\\theirs +-$/m);
    assert.match(out, new RegExp(`^${LIMITS.source}$`, 'm'));
    const screen = await inTerminal(['top', '-i', '100'], [[/theirs/, 'q']], 80, ada);
    assert.equal(screen.code, 0);
    assert.match(screen.out, new RegExp(LIMITS.source));
  });

  await t.test('of the ports that she can look into all is told, and who may look into all hears of no limits', async () => {
    const own = '\\RPC Control\\own';
    await startServer(t, own, { uid: ada, gid: ada }, true);
    const hers = await startClient(t, own, 1, { uid: ada, gid: ada });
    await hers.ask({ type: 'call', data: 'a question', count: 2 }, 'done');
    assert.match((await ask('show', own)).out, /^To the server: +2 messages, 20 B$/m);
    await startClient(t, own); // root's
    assert.match((await ask('show', own)).out, /^To the server: +at least 2 messages, 20 B$/m);
    const waits = await alpc(['waits']);
    assert.match(waits.out, /^process \d+ .*, owned by process /);
    assert.equal(LIMITS.test(waits.out), inspectWaits().hiddenProcesses > 0);
    assert.match((await alpc(['show', NAME])).out, /^To the server: +4 messages, 34 B$/m);
  });
});
