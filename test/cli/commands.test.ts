/** Every subcommand, as text and as JSON, with its exit codes. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connectPort, createPort, createSymbolicLink } from '../../src/index.js';
import type { Cycle, Graph, ObjectDetails, ProcessNode, TraceEvent, Tree } from '../../src/explorer/index.js';
import { ask } from '../explorer/ask.js';
import { startCircle, startClient, startPair, startServer, until } from '../explorer/scene.js';
import { inspectObject, inspectWaits } from '../../src/explorer/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { alpcAlone, MAIN, withResident } from './run.js';

const { alpc, json } = withResident();
withLedger({ whole: true });

const NAME = '\\RPC Control\\shown';

/** A port of this process. */
async function serve(t: TestContext, name: string): Promise<void> {
  const port = await createPort(name);
  atEnd(t, () => port.close());
}

test('ls lists a directory with types and link targets', async (t) => {
  temporaryRoot(t, { leftovers: true });
  await serve(t, NAME);
  createSymbolicLink('\\RPC Control\\link', 'shown');
  const { out, code } = await alpc(['ls', '/RPC Control']);
  assert.deepEqual([code, out], [0, 'Name   Type          Link target\nlink   SymbolicLink  shown\nshown  ALPC Port\n']);
  assert.deepEqual(await json('ls', '\\RPC Control'), [{ name: 'link', type: 'SymbolicLink', target: 'shown' }, { name: 'shown', type: 'ALPC Port' }]);
});

test('tree draws the namespace, or what is below a directory', async (t) => {
  temporaryRoot(t, { leftovers: true });
  await serve(t, NAME);
  createSymbolicLink('\\z', '\\RPC Control');
  const { out } = await alpc(['tree']);
  assert.equal(out, '\\\n├─ ▸ BaseNamedObjects\n├─ ▸ Callback\n├─ ▸ RPC Control\n│  └─ ⚙ shown\n├─ ▸ Sessions\n└─ ↪ z -> \\RPC Control\n');
  assert.equal((await alpc(['tree', '\\RPC Control'])).out, '\\RPC Control\n└─ ⚙ shown\n');
  assert.deepEqual((await json<Tree>('tree', '/RPC Control')).objects, [{ name: NAME, type: 'ALPC Port' }]);
  assert.equal((await alpc(['tree', '\\z'])).out, '\\z -> \\RPC Control\n└─ ⚙ shown\n', 'a link is followed, as ls does');
  assert.deepEqual((await json<Tree>('tree', '/z')).objects, [{ name: NAME, type: 'ALPC Port' }]);
  const none = await alpc(['tree', NAME]);
  assert.deepEqual([none.code, none.out, /STATUS_OBJECT_TYPE_MISMATCH/.test(none.errors)], [1, '', true]);
});

/** Looked at one after the other: while they talk, while the server is stopped, and when it is dead. */
test('of a server, and a client that has two connections', async (t) => {
  temporaryRoot(t, { leftovers: true });
  const server = await startServer(t, NAME);
  const client = await startClient(t, NAME, 2);

  await t.test('show tells everything about a port', async () => {
    await client.ask({ type: 'call', data: 'a question', count: 3 }, 'done');
    const { out, code } = await alpc(['show', NAME]);
    assert.equal(code, 0);
    for (const line of [/^Type: +ALPC Port$/m, /^Permissions: +rw------- \(600\)$/m, new RegExp(`^Server: +${server.pid} \\(`, 'm'), /^Connections: +2 of 16384$/m, /^To the server: +3 messages, 30 B$/m, /^Latency: +median .* of \d+ calls$/m, new RegExp(`^\\d+ +${client.pid} .* 3 +3 +0 +0/0 `, 'm')]) assert.match(out, line);
    const details = await json<ObjectDetails>('show', NAME);
    assert.deepEqual([details.port!.connections.map((connection) => connection.client.process!.pid), details.port!.totals.clientToServer!.messages], [[client.pid, client.pid], 3]);
  });

  await t.test('ps lists the processes and their ports', async () => {
    const { out } = await alpc(['ps']);
    assert.match(out, new RegExp(`^ *${server.pid} .* 2 +0 +0 +\\\\RPC Control\\\\shown +\\S*node`, 'm'));
    assert.match(out, new RegExp(`^ *${client.pid} .* 0 +2 +0 `, 'm'));
    assert.deepEqual((await json<ProcessNode[]>('ps')).map(({ pid }) => pid), [server.pid, client.pid].toSorted((a, b) => a - b));
  });

  await t.test('trace tells a call as lines, as JSON, and as a file that is whole for Perfetto, also when it is interrupted', async (each) => {
    const directory = mkdtempSync(join(tmpdir(), 'alpc-trace-'));
    atEnd(each, () => rmSync(directory, { recursive: true }));
    const file = join(directory, 'trace.json');
    const running = alpcAlone(['trace', NAME, '--format', 'perfetto', '-o', file, '-d', '1500']);
    const lines = alpcAlone(['trace', '--json', '-d', '1500']);
    const texts = alpcAlone(['trace', NAME], { signalAt: [/receive .*reply \d+, 9 bytes/, 'SIGINT'] });
    const traces = { end: false };
    const all = Promise.all([running, lines, texts]).finally(() => (traces.end = true));
    while (!traces.end) {
      await client.ask({ type: 'call', data: 'SECRET', count: 1 }, 'done');
      await sleep(20);
    }
    await all;
    assert.equal((await running).code, 0);
    const drawn = JSON.parse(readFileSync(file, 'utf8')) as { ph: string; name?: string; args?: { name?: string } }[];
    assert.ok(drawn.some(({ ph, args }) => ph === 'M' && /scene-actor/.test(args?.name ?? '')));
    const [begun, ended] = ['b', 'e'].map((ph) => drawn.filter((event) => event.ph === ph).length);
    assert.ok(begun! > 0 && begun === ended, `${begun} ${ended}`);
    const events = (await lines).out.trim().split('\n').map((line) => JSON.parse(line) as TraceEvent);
    assert.ok(events.some(({ event, type }) => event === 'send' && type === 'request'));
    const shown = await texts;
    assert.equal(shown.code, 0);
    assert.match(shown.out, /^\d\d:\d\d:\d\d\.\d{3}  connect /);
    assert.doesNotMatch(JSON.stringify(drawn) + (await lines).out + shown.out, /SECRET/);
  });

  await t.test('trace follows a link to its port, and what leads to no port is an error, before there is a file', async (each) => {
    const file = join(mkdtempSync(join(tmpdir(), 'alpc-trace-')), 'trace');
    atEnd(each, () => rmSync(join(file, '..'), { recursive: true }));
    createSymbolicLink('\\to it', NAME);
    createSymbolicLink('\\to nothing', 'none');
    const { code, out } = await alpc(['trace', '\\to it', '-d', '300']);
    assert.equal(code, 0);
    assert.match(out, / connect +\d+ client  \\RPC Control\\shown/);
    for (const [name, exit, why] of [['\\RPC Control', 1, 'STATUS_OBJECT_TYPE_MISMATCH'], ['\\to nothing', 3, 'STATUS_OBJECT_NAME_NOT_FOUND']] as const) {
      const failed = await alpc(['trace', name, '-d', '300', '-o', file]);
      assert.deepEqual([failed.code, failed.out, existsSync(file)], [exit, '', false], name);
      assert.match(failed.errors, new RegExp(`^alpc: .*\\[${why}\\]\n$`));
    }
  });

  await t.test('ping tells who answered and how fast', async () => {
    const { out, code } = await alpc(['ping', NAME, '-c', '2', '-i', '1']);
    assert.equal(code, 0);
    assert.match(out, new RegExp(`^(.*shown: process ${server.pid} of user ${process.geteuid!()} answered in .*\n){2}2 of 2 answered; `));
    const { microseconds, server: who } = await json<{ microseconds: number; server: { pid: number } }>('ping', NAME, '-c', '1');
    assert.ok(microseconds > 0 && who.pid === server.pid);
    for (const [name, exit, why] of [['\\RPC Control\\none', 3, 'STATUS_OBJECT_NAME_NOT_FOUND'], ['\\RPC Control', 1, 'STATUS_OBJECT_TYPE_MISMATCH'], ['no root before it', 2, 'STATUS_OBJECT_NAME_INVALID']] as const) {
      const failed = await alpc(['ping', name, '-i', '1']);
      assert.deepEqual([failed.code, failed.out], [exit, ''], name);
      assert.match(failed.errors, new RegExp(`^alpc: .*\\[${why}\\]\n$`), 'once, and on standard error');
      const told = await alpc(['ping', name, '-i', '1', '--json']);
      assert.deepEqual([told.code, told.errors, told.out.split('\n').length], [exit, failed.errors, 2]);
    }
  });

  await t.test('a process that waits for one that is stopped is told by waits, and is no deadlock', async () => {
    server.signal('SIGSTOP');
    await client.ask({ type: 'block', data: 'hang' }, 'done');
    await until(inspectWaits, ({ waits }) => waits.length > 0);
    assert.match((await alpc(['waits'])).out, new RegExp(`^process ${client.pid} .* owned by process ${server.pid} `));
    assert.equal((await alpc(['deadlocks'])).code, 0);
    assert.match((await alpc(['ps'])).out, new RegExp(`${server.pid} +\\S+ +stopped`));
  });

  await t.test('ping ends with a code that says why there is no answer: nobody listens, or is stopped', async () => {
    const silent = await alpc(['ping', NAME, '-c', '2', '-i', '1', '-t', '100']);
    assert.deepEqual([silent.code, silent.out, silent.errors.match(/^alpc: .*\[STATUS_TIMEOUT\]$/gm)?.length], [6, '', 2], 'it may answer the next time');
    await Promise.all([client.kill(), server.kill()]);
    assert.equal((await alpc(['ping', NAME, '-c', '1'])).code, 3);
  });
});

test('deadlocks names the processes that block each other, and its exit code says so', async (t) => {
  temporaryRoot(t, { leftovers: true });
  const none = await alpc(['deadlocks']);
  assert.equal(none.code, 0);
  assert.match(none.out, /^no deadlocks(?:, as far as can be seen: .*)?\n$/);
  const servers = await startCircle(t, ['\\RPC Control\\a', '\\RPC Control\\b', '\\RPC Control\\c']);
  await until(inspectWaits, ({ cycles }) => cycles.length > 0);
  const { code, out } = await alpc(['deadlocks']);
  assert.equal(code, 5);
  for (const { pid } of servers) assert.match(out, new RegExp(`^  process ${pid} \\(.*\\), thread ${pid}, waits for the reply to message 1 on `, 'm'));
  assert.match(out, /^deadlock: process \d+ \(.*waits for process \d+ \(/m);
  const { cycles } = await json<{ cycles: Cycle[] }>('deadlocks');
  assert.equal(cycles[0]!.threads.length, 3);
  assert.equal((await json<Graph>('waits')).cycles.length, 1);
  assert.match((await alpc(['waits'])).out, /waits for the reply to message 1 on /);
});

test('two processes whose threads wait for each other in a circle: deadlocks names both, with each message, its port, and since when', async (t) => {
  temporaryRoot(t, { leftovers: true });
  const pair = await startPair(t);
  await until(inspectWaits, ({ cycles }) => cycles.length > 0);
  const { code, out } = await alpc(['deadlocks']);
  assert.equal(code, 5);
  for (const [index, { pid }] of pair.entries()) {
    const other = pair[1 - index]!.pid;
    const waits = out.match(new RegExp(`^  process ${pid} \\(.*\\), thread \\d+, waits for the reply to message 1 on \\\\RPC Control\\\\.*, owned by process ${other} \\(.*\\), since \\d+ s$`, 'gm'));
    assert.equal(waits?.length, 2, out);
  }
  const { cycles } = await json<{ cycles: Cycle[] }>('deadlocks');
  assert.deepEqual(cycles[0]!.waits.map(({ port }) => port!.replace('\\RPC Control\\', '')).toSorted(), ['left', 'left worker', 'right', 'right worker']);
});

test('show tells what each side has used of what it may, doorbells, handles and late replies', async (t) => {
  temporaryRoot(t, { leftovers: true });
  await using port = await createPort(NAME, { accepts: ['file'], limits: { pendingMessages: 7 } });
  await using client = await connectPort(NAME);
  const fd = openSync(fileURLToPath(import.meta.url), 'r');
  atEnd(t, () => closeSync(fd));
  const file = port.receive();
  await until(() => inspectObject(NAME).port!.connections[0]!.server.outbox!.sleepsFor, ([first]) => first === 'messages');
  client.postSync('a file', { handles: [fd] }); // rings
  await file; // it keeps it
  const ending = new AbortController();
  const call = client.request('a question', { signal: ending.signal });
  const question = await port.receive();
  ending.abort();
  assert.ok(question.type === 'request');
  question.reply('too late');
  await call.catch(() => undefined);
  const next = client.request('another'); // it reads what came before the answer
  const other = await port.receive();
  assert.ok(other.type === 'request');
  other.reply('in time');
  await next;
  const { connections: [connection], totals } = await until(() => inspectObject(NAME).port!, (seen) => seen.totals.lateReplies === 1);
  const [rung, back] = [connection!.client.outbox!.bellsRung, connection!.server.outbox!.bellsRung];
  const { out } = await alpc(['show', NAME]);
  assert.ok(rung > 0 && totals.handlesOutstanding === 1);
  for (const text of [/^Lent: +0 views, 1 handles$/m, new RegExp(`^Doorbells: +${rung + back} rung$`, 'm'), /^Late replies: +1$/m, new RegExp(`^${connection!.id} +0/4096 0/7 +0/64 0/0 +1 0 +${rung} ${back} +1 0$`, 'm')]) assert.match(out, text);
});

test('rm removes what is stale, and a living port only by force', async (t) => {
  temporaryRoot(t, { leftovers: true });
  await serve(t, NAME);
  const other = await startServer(t, '\\RPC Control\\dead');
  await other.ask({ type: 'hold', event: '\\BaseNamedObjects\\left' }, 'ready');
  const living = await alpc(['rm', NAME]);
  assert.deepEqual([living.code, /server lives/.test(living.errors)], [1, true]);
  assert.deepEqual(await json('rm', '--stale'), { removed: [], failed: [] });
  await other.kill();
  createSymbolicLink('\\link', '\\BaseNamedObjects');
  const some = await alpc(['rm', '--stale', '\\nope', NAME, '\\link']);
  assert.deepEqual([some.code, some.out], [1, 'removed \\BaseNamedObjects\\left\n'], 'a directory that is not there is told, and a link to one followed');
  assert.match(some.errors, /^alpc: '\\nope'.*STATUS_OBJECT_NAME_NOT_FOUND\]\nalpc: .*shown.*STATUS_OBJECT_TYPE_MISMATCH\]\n$/);
  const none = await alpc(['rm', '--stale', '\\nope', '--json']);
  assert.deepEqual([none.code, (JSON.parse(none.out) as { failed: { code: string }[] }).failed.map(({ code }) => code)], [3, ['ERR_ALPC_NAME_NOT_FOUND']]);
  assert.deepEqual(await json('rm', '--stale'), { removed: ['\\RPC Control\\dead'], failed: [] });
  assert.deepEqual([(await alpc(['rm', '--force', NAME])).out, (await alpc(['rm', NAME])).code, (await alpc(['rm'])).code], [`removed ${NAME}\n`, 3, 2]);
});

test('top without a terminal writes pictures with rates', async (t) => {
  temporaryRoot(t, { leftovers: true });
  const port = await createPort(NAME);
  port.on('message', () => undefined);
  const client = await connectPort(NAME);
  const timer = setInterval(() => client.tryPost('x'.repeat(100)), 5);
  atEnd(t, async () => {
    clearInterval(timer);
    client.close();
    await port.close();
  });
  const { out } = await alpc(['top', '-c', '2', '-i', '300', '--json']);
  const pictures = out.trim().split('\n').map((line) => JSON.parse(line) as { ports: { port: string; messagesPerSecond: number; connections: number }[] });
  assert.equal(pictures.length, 2);
  assert.deepEqual([pictures[1]!.ports[0]!.port, pictures[1]!.ports[0]!.connections], [NAME, 1]);
  assert.ok(pictures[1]!.ports[0]!.messagesPerSecond > 1);
  assert.match((await alpc(['top', '-c', '1', '-i', '100'])).out, /^Messages\/s .*\n +\d+ .*\\RPC Control\\shown/);
});

test('explorer prints a link that opens, and ends with Ctrl+C', async (t) => {
  temporaryRoot(t);
  const child = spawn(process.execPath, [MAIN, 'explorer', '--json'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const { link, pid } = JSON.parse(String(line)) as { link: string; pid: number };
  const [, port, token] = /:(\d+)\/#token=(.*)$/.exec(link)!;
  const [stranger, friend] = [await ask(Number(port), '/api/tree'), await ask(Number(port), '/api/tree', { token: token! })];
  assert.deepEqual([pid, stranger.status, friend.status], [child.pid, 401, 200]);
  child.kill('SIGINT');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

test('bench gives its four figures', async () => {
  const figures = await json<Record<string, number>>('bench', '-s', '0.2');
  for (const name of ['blockingCallMicroseconds', 'awaitedCallMicroseconds', 'socketEchoMicroseconds', 'oneWayMessagesPerSecond']) assert.ok(figures[name]! > 0, name);
});
