/** What the explorer sees of processes that serve, connect and wait: in real processes, stopped and hanging ones among them. */
import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connectPort, createPort, createSymbolicLink, createDirectory } from '../../src/index.js';
import { type ConnectionDetails, inspectGraph, inspectObject, inspectProcesses, inspectTree, inspectWaits, type OutboxInfo, type PortDetails } from '../../src/explorer/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { noOtherUsers, sharedRoot, USERS } from '../support/users.js';
import { type SceneActor, startCircle, startClient, startServer, until } from './scene.js';

withLedger({ whole: true });

const NAME = '\\RPC Control\\inspected';

function portOf(name = NAME): PortDetails {
  const { port } = inspectObject(name);
  assert.ok(port !== undefined);
  return port;
}

function only(port: PortDetails): ConnectionDetails {
  assert.equal(port.connections.length, 1, JSON.stringify(port));
  return port.connections[0]!;
}

/** Looked at one after the other: before they talk, when they have, and when they are dead. */
test('of a server and its client', async (t) => {
  temporaryRoot(t, { leftovers: true });
  const before = Date.now();
  const server = await startServer(t, NAME);
  const client = await startClient(t, NAME);

  await t.test('a port shows its server and both ends of its connections, with pid, command, user and since when', async () => {
    const details = inspectObject(NAME);
    assert.deepEqual([details.type, details.owner.id, details.permissions, details.security.map(({ who, rights }) => [who, rights])], ['ALPC Port', process.geteuid!(), 'rw-------', [['owner', ['connect']]]]);
    assert.deepEqual(details.holders.map(({ pid }) => pid), [server.pid]);
    const port = details.port!;
    assert.deepEqual([port.state, port.server?.pid, port.backlog], ['listening', server.pid, { waiting: 0, limit: 511 }]);
    const connection = only(port);
    assert.equal(connection.problem, undefined);
    for (const [end, actor] of [[connection.client, client], [connection.server, server]] as const) {
      assert.deepEqual([end.process?.pid, end.process?.user.id, end.outbox?.ownerPid, end.outbox?.state], [actor.pid, process.geteuid!(), actor.pid, 'open']);
      assert.match(end.process!.command, /scene-actor\.js/);
      assert.ok(Math.abs(Date.parse(end.process!.started) - before) < 60_000);
    }
    assert.ok(Date.parse(connection.since!) >= before - 20 && Date.parse(connection.since!) <= Date.now(), connection.since);
    assert.deepEqual(connection.server.outbox?.accepts, ['secure-view', 'view']);
    assert.deepEqual([port.connectionQuota, connection.server.outbox?.pendingQuota], [{ used: 1, limit: 16_384 }, { used: 0, limit: 4096 }]);
  });

  await t.test('to look leaves no trace in those who are looked at', async () => {
    const figures = (): unknown => {
      const { totals, connections } = portOf();
      return [totals, connections.map(({ client, server }) => [client.outbox, server.outbox])];
    };
    const first = await until(figures, () => true);
    for (let i = 0; i < 20; i++) inspectGraph();
    assert.deepEqual(figures(), first);
  });

  await t.test('messages and bytes are counted in each direction, and the client measures how long its calls take', async () => {
    await client.ask({ type: 'call', data: 'a question', count: 100 }, 'done');
    await client.ask({ type: 'post', data: 'x', count: 3 }, 'done');
    const { totals, latency } = await until(portOf, ({ totals: { unreadBytes } }) => unreadBytes === 0);
    assert.deepEqual(totals.clientToServer, { messages: 103, bytes: 1003 });
    assert.deepEqual(totals.serverToClient, { messages: 100, bytes: 900 });
    assert.deepEqual([totals.pendingRequests, totals.queuedMessages, totals.hidden], [0, 0, 0]);
    assert.ok(latency!.count > 80 && latency!.count <= 100, String(latency!.count));
    assert.equal(latency!.buckets.reduce((sum, { count }) => sum + count, 0), latency!.count);
    assert.ok(latency!.medianMicroseconds! > 0 && latency!.p99Microseconds! >= latency!.medianMicroseconds!);
  });

  await t.test('since when a connection is there stays as it is, whatever goes through it', async () => {
    const { since, client: end } = only(portOf());
    const bytes = 4096;
    await client.ask({ type: 'call', data: 'x'.repeat(bytes), count: Math.ceil((2 * end.outbox!.ring.bytes) / bytes) + 1 }, 'done');
    const after = only(portOf());
    assert.ok(after.client.outbox!.sent.bytes > 2 * end.outbox!.ring.bytes, 'every page of the ring was written to');
    assert.equal(after.since, since);
    assert.deepEqual(inspectGraph().connections.map((connection) => connection.since), [since]);
  });

  await t.test('a request that its server has taken and does not answer is told on both sides', async () => {
    await client.ask({ type: 'block', data: 'hang' }, 'done');
    const connection = only(await until(portOf, ({ connections: [first] }) => first?.server.outbox?.unansweredRequests === 1 && first.client.outbox?.sleepsFor[0] === 'messages' && first.client.outbox.ring.unread === 0));
    assert.deepEqual([connection.client.outbox!.pendingRequests, connection.server.outbox!.unansweredRequests, connection.client.outbox!.ring.unread], [1, 1, 0]);
    assert.deepEqual(connection.server.outbox!.pendingQuota, { used: 1, limit: 4096 });
    assert.ok(connection.client.outbox!.sleepsFor.includes('messages'));
  });

  await t.test('a server that was killed leaves a port that is dead; a connection that ended is gone', async () => {
    assert.equal(portOf().state, 'listening');
    await client.kill();
    assert.equal((await until(portOf, ({ connections }) => connections.length === 0)).connections.length, 0);
    await server.kill();
    const { state, server: nobody } = portOf();
    assert.deepEqual([state, nobody], ['dead', undefined]);
  });
});

test('whom a server lets in and keeps out beyond its permission bits it says itself, also while it is stopped', async (t) => {
  temporaryRoot(t, { leftovers: true });
  const server = await startServer(t, NAME, {}, true);
  server.signal('SIGSTOP');
  assert.deepEqual(portOf().access, {
    allow: [{ user: 'everyone', rights: ['connect'] }],
    deny: [{ user: { id: 65_500 }, rights: ['connect'] }, { group: { id: 65_501 }, executable: '/bin/false', session: 7, label: 'unconfined', rights: ['connect'] }],
  });
  await startServer(t, '\\RPC Control\\plain');
  assert.equal(portOf('\\RPC Control\\plain').access, undefined, 'the bits say all of it');
});

test('more entries than have room are counted, and those that deny come first', async (t) => {
  temporaryRoot(t);
  await using port = await createPort(NAME, { security: { allow: Array.from({ length: 1000 }, (_, id) => ({ user: id })), deny: [{ user: 65_500 }] } });
  const { access } = portOf(port.name);
  assert.equal(access!.allow.length + access!.deny.length + access!.more!, 1001);
  assert.deepEqual(access!.deny.map(({ user }) => user), [{ id: 65_500 }]);
});

for (const [how, hang] of [['stopped by SIGSTOP', 'stop'], ['in an endless loop', 'spin']] as const) {
  test(`a server ${how} is fully shown, and what waits for it`, async (t) => {
    temporaryRoot(t, { leftovers: true });
    const server = await startServer(t, NAME);
    const client = await startClient(t, NAME, 3);
    await client.ask({ type: 'call', data: 'a question', count: 5 }, 'done');
    if (hang === 'stop') {
      server.signal('SIGSTOP');
      await until(() => inspectObject(NAME).port!.server!.state, (state) => state === 'stopped');
    } else await server.ask({ type: 'spin' }, 'done').then(() => new Promise((resolve) => setTimeout(resolve, 100)));
    await client.ask({ type: 'block', data: 'hang' }, 'done');
    const port = await until(portOf, ({ waits }) => waits.length > 0);
    assert.equal(port.server!.pid, server.pid);
    assert.equal(port.server!.state, hang === 'stop' ? 'stopped' : 'running');
    assert.deepEqual([port.connections.length, port.totals.hidden, port.totals.pendingRequests], [3, 0, 1]);
    assert.ok(port.totals.unreadBytes! > 0, 'the request lies in the ring');
    assert.deepEqual([port.totals.clientToServer!.messages, port.totals.serverToClient!.messages], [6, 5]);
    const [wait] = port.waits;
    assert.deepEqual([wait!.thread.pid, wait!.on?.pid, wait!.port, wait!.messageId], [client.pid, server.pid, NAME, 6]);
    assert.match(wait!.text, new RegExp(`^process ${client.pid} \\(.*\\), thread ${client.pid}, waits for the reply to message 6 on .*inspected, owned by process ${server.pid} \\(.*\\), since \\d+ s$`));
    await client.kill(); // before its call is lost, and it ends badly
    await server.kill('SIGKILL');
  });
}

test('views that the peer holds are counted until it releases them', async (t) => {
  temporaryRoot(t);
  await using port = await createPort(NAME, { accepts: ['view'] });
  await using client = await connectPort(NAME);
  const section = client.createSection(1 << 16);
  atEnd(t, () => section.close());
  const view = section.createView(0, 4096);
  client.postSync('look', { view });
  const message = await port.receive();
  assert.ok(message.type === 'datagram');
  assert.deepEqual(only(portOf()).client.outbox!.views, { used: 1, limit: 64 });
  message.release();
  assert.deepEqual(only(portOf()).client.outbox!.views, { used: 0, limit: 64 });
  view.release();
});

test('handles that the peer holds are counted until it releases them, doorbells for a peer that sleeps, and replies that nobody waits for any more', async (t) => {
  temporaryRoot(t);
  await using port = await createPort(NAME, { accepts: ['file'] });
  await using client = await connectPort(NAME);
  const fd = openSync(fileURLToPath(import.meta.url), 'r');
  atEnd(t, () => closeSync(fd));
  const own = (): OutboxInfo => only(portOf()).client.outbox!;
  const isAsleep = (): Promise<string[]> => until(() => only(portOf()).server.outbox!.sleepsFor, (sleepsFor) => sleepsFor.includes('messages'));

  const message = port.receive();
  assert.ok((await isAsleep()).includes('messages'));
  const before = own().bellsRung;
  client.tryPost('two of them', { handles: [fd, fd] });
  assert.deepEqual([own().bellsRung - before, own().handles, portOf().totals.handlesOutstanding], [1, 2, 2]);
  assert.equal(portOf().totals.bellsRung, own().bellsRung + only(portOf()).server.outbox!.bellsRung);
  const received = await message;
  assert.ok(received.type === 'datagram');
  received.release();
  assert.deepEqual([own().handles, portOf().totals.handlesOutstanding], [0, 0]);

  const ending = new AbortController();
  const call = client.request('a question', { signal: ending.signal });
  const question = await port.receive();
  ending.abort();
  assert.ok(question.type === 'request');
  question.reply('too late'); // it has not read that the caller gave up
  await assert.rejects(call, { name: 'AbortError' });
  assert.equal(client.tryReceive(), undefined); // who awaits nothing reads nothing of its own accord
  assert.deepEqual(await until(() => [own().lateReplies, portOf().totals.lateReplies], ([late]) => late !== 0), [1, 1]);
});

test('three processes that wait for each other are a circle, of any length, and who waits outside it is not of it', async (t) => {
  temporaryRoot(t, { leftovers: true });
  const names = ['a', 'b', 'c'].map((name) => `\\RPC Control\\${name}`);
  let outside: SceneActor | undefined;
  const servers = await startCircle(t, names, async () => void (outside = await startClient(t, names[1]!)));
  assert.ok(outside !== undefined);
  await outside.ask({ type: 'block', data: 'hang' }, 'done');
  const { cycles, waits } = await until(inspectWaits, (graph) => graph.cycles.length > 0 && graph.waits.length === 4);
  assert.equal(cycles.length, 1);
  assert.deepEqual(cycles[0]!.waits.map(({ thread }) => thread.pid).toSorted((a, b) => a - b), servers.map(({ pid }) => pid).toSorted((a, b) => a - b));
  for (const { pid } of servers) assert.match(cycles[0]!.text, new RegExp(`process ${pid} \\(`));
  for (const [i, wait] of cycles[0]!.waits.entries()) assert.equal(wait.on!.key, cycles[0]!.threads[(i + 1) % 3]);
  assert.ok(waits.some(({ thread }) => thread.pid === outside!.pid));
});

test('processes show what they serve and where they are connected, and the picture of the whole is made of them', async (t) => {
  temporaryRoot(t, { leftovers: true });
  const server = await startServer(t, NAME);
  const client = await startClient(t, NAME, 4);
  const processes = inspectProcesses();
  assert.deepEqual(processes.map(({ pid, ports, asClient, asServer }) => ({ pid, ports, asClient, asServer })).toSorted((a, b) => a.pid - b.pid), [
    { pid: server.pid, ports: [NAME], asClient: 0, asServer: 4 },
    { pid: client.pid, ports: [], asClient: 4, asServer: 0 },
  ].toSorted((a, b) => a.pid - b.pid));
  const graph = inspectGraph();
  assert.equal(graph.connections.length, 4);
  for (const connection of graph.connections) assert.deepEqual([connection.client, connection.server, connection.port], [client.pid, server.pid, NAME]);
  assert.equal(new Set(graph.connections.map(({ id }) => id)).size, 4);
});

test('the tree has every object, links with what they lead to, and objects are told with what is theirs', async (t) => {
  temporaryRoot(t, { leftovers: true });
  await using port = await createPort(NAME);
  void port;
  createSymbolicLink('\\link', '\\RPC Control\\inspected');
  createSymbolicLink('\\lost', 'nowhere');
  createDirectory('\\closed');
  const { objects } = inspectTree();
  const named = (name: string): unknown => objects.find((object) => object.name === name);
  assert.deepEqual(named('\\link'), { name: '\\link', type: 'SymbolicLink', target: '\\RPC Control\\inspected', resolved: NAME });
  assert.deepEqual(named('\\lost'), { name: '\\lost', type: 'SymbolicLink', target: 'nowhere' });
  assert.deepEqual(named(NAME), { name: NAME, type: 'ALPC Port' });
  assert.equal(inspectObject('\\').directory?.byType?.['SymbolicLink'], 2);
  assert.equal(inspectObject('\\link').resolved, NAME);
  assert.throws(() => inspectObject('\\none'), { code: 'ERR_ALPC_NAME_NOT_FOUND' });
  assert.throws(() => inspectObject('none'), { code: 'ERR_ALPC_NAME_INVALID' });
});

test("of another user's processes is shown what the kernel lets see, and it is no error for the whole", { skip: noOtherUsers }, async (t) => {
  sharedRoot(t);
  const [ada, grace] = USERS;
  const theirs = await startServer(t, '\\RPC Control\\theirs', { uid: grace, gid: grace }, true);
  const own = await startServer(t, '\\RPC Control\\own', { uid: ada, gid: ada }, true);
  const visitor = await startClient(t, '\\RPC Control\\own', 1, { uid: grace, gid: grace });
  const looker = await startClient(t, '\\RPC Control\\theirs', 1, { uid: ada, gid: ada });
  const seen = async (name: string): Promise<PortDetails> => ((await looker.ask({ type: 'look', what: 'object', name }, 'seen')).seen as { port: PortDetails }).port;

  const port = await seen('\\RPC Control\\own');
  const connection = only(port);
  assert.deepEqual([port.server?.pid, connection.server.process?.pid], [own.pid, own.pid]);
  assert.deepEqual([connection.client.process, connection.client.user?.id, connection.client.outbox], [undefined, grace, undefined]);
  assert.match(connection.problem!, /may not look into/);
  assert.equal(port.totals.hidden, 1);

  const { connections, hidden, ...sums } = port.totals;
  assert.deepEqual([connections, hidden, sums, port.latency, port.waits], [1, 1, {}, undefined, []], 'what can not be seen is missing, never zero');
  assert.ok(port.hiddenProcesses >= 2);

  const other = await seen('\\RPC Control\\theirs');
  assert.deepEqual([other.totals.hidden, other.totals.clientToServer, other.totals.pendingRequests], [0, { messages: 0, bytes: 0 }, 0]);
  assert.deepEqual([other.state, other.server], ['listening', undefined]);
  assert.equal(only(other).client.process?.pid, looker.pid);
  const graph = (await looker.ask({ type: 'look', what: 'graph' }, 'seen')).seen as ReturnType<typeof inspectGraph>;
  assert.equal(graph.connections.length, 2);
  assert.ok(graph.hiddenProcesses >= 2);
  assert.ok(graph.processes.every(({ pid }) => pid !== theirs.pid && pid !== visitor.pid));
  const figures = (name: string): unknown => graph.connections.filter(({ port }) => port === name).map(({ clientToServer, serverToClient, pendingRequests }) => [clientToServer, serverToClient, pendingRequests]);
  assert.deepEqual(figures('\\RPC Control\\own'), [[undefined, undefined, undefined]]);
  assert.deepEqual(figures('\\RPC Control\\theirs'), [[{ messages: 0, bytes: 0 }, { messages: 0, bytes: 0 }, 0]]);
});
