/** The explorer's HTTP server: what it answers, what it tells live, and whom it turns away. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test, type TestContext } from 'node:test';
import { connectPort, createDirectory, createEvent, createPort, createSymbolicLink, namespaceRoot, removeObject } from '../../src/index.js';
import { EXPLORER_PORT, type ExplorerServer, type Graph, type ObjectDetails, type ObjectEvent, serveExplorer, type Tree } from '../../src/explorer/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { noOtherUsers, USERS } from '../support/users.js';
import { type Answer, ask as askAt } from './ask.js';

withLedger({ except: ['resources'] }); // Node keeps a timer for its servers' connections

async function serve(t: TestContext, page?: string): Promise<ExplorerServer> {
  const server = await serveExplorer({ interval: 50, ...(page === undefined ? {} : { page }) });
  atEnd(t, () => server.close());
  return server;
}

function ask(server: ExplorerServer, path: string, headers: Record<string, string> = { Authorization: `Bearer ${server.token}` }, method = 'GET'): Promise<Answer> {
  return askAt(server.port, path, { headers, method });
}

async function get<T>(server: ExplorerServer, path: string): Promise<T> {
  const { status, body } = await ask(server, path);
  assert.equal(status, 200, body);
  return JSON.parse(body) as T;
}

function codeOf({ body }: Answer): string {
  return (JSON.parse(body) as { error: { code: string } }).error.code;
}

test('the link that it gives leads to the page, and its token opens the interface', async (t) => {
  temporaryRoot(t);
  const server = await serve(t);
  const [, port, token] = /^http:\/\/127\.0\.0\.1:(\d+)\/#token=([\w-]{43})$/.exec(server.link)!;
  assert.deepEqual([Number(port), token], [server.port, server.token]);
  const page = await ask(server, '/', {});
  assert.deepEqual([page.status, page.headers['content-type']], [200, 'text/html; charset=utf-8']);
  assert.match(String(page.headers['content-security-policy']), /^default-src 'none'; script-src 'self'; style-src 'self';.* frame-ancestors 'none'$/);
  assert.equal(page.headers['x-content-type-options'], 'nosniff');
  const { pid, root } = await get<{ pid: number; root: string }>(server, '/api/info');
  assert.deepEqual([pid, root], [process.pid, process.env['ALPC_ROOT']]);
});

test('it listens on a port that is always the same, and where the kernel chooses while that is taken', async (t) => {
  temporaryRoot(t);
  await using first = await serveExplorer(); // or somebody else has it, as long as this test runs beside others
  await using second = await serveExplorer();
  assert.notEqual(first.port, second.port);
  const socket = connect(EXPLORER_PORT, '127.0.0.1');
  await once(socket, 'connect');
  socket.destroy();
  await assert.rejects(serveExplorer({ port: second.port }), { code: 'EADDRINUSE' });
});

test('the tree, an object, a port, the picture of the whole and the waits are told', async (t) => {
  temporaryRoot(t);
  await using port = await createPort('\\RPC Control\\shown');
  await using client = await connectPort(port.name);
  void client;
  const server = await serve(t);
  assert.ok((await get<Tree>(server, '/api/tree')).objects.some(({ name }) => name === port.name));
  const object = await get<ObjectDetails>(server, `/api/object?name=${encodeURIComponent(port.name)}`);
  assert.deepEqual([object.type, object.port!.connections.length, object.port!.server!.pid], ['ALPC Port', 1, process.pid]);
  assert.equal((await get<ObjectDetails>(server, '/api/object?name=%5C')).type, 'Directory');
  assert.equal((await get<Graph>(server, '/api/graph')).connections.length, 1);
  assert.deepEqual((await get<Graph>(server, '/api/waits')).cycles, []);
});

test('ten thousand objects of the namespace are told in one answer, each once, and one that comes to them as it comes', async (t) => {
  const root = temporaryRoot(t, { leftovers: true });
  const directories = Array.from({ length: 10 }, (_, i) => `\\BaseNamedObjects\\many ${i}`);
  const event = createEvent('\\BaseNamedObjects\\event');
  atEnd(t, () => event.close());
  for (const directory of directories) {
    createDirectory(directory);
    // Further names of the event's file: each is an event, and made in no time.
    for (let i = 0; i < 900; i++) linkSync(join(root, 'BaseNamedObjects', 'event'), join(root, directory.replaceAll('\\', '/'), `event ${i}`));
    for (let i = 0; i < 100; i++) createSymbolicLink(`${directory}\\link ${i}`, i === 0 ? '\\BaseNamedObjects' : 'event 0');
  }
  const server = await serve(t);
  const { objects } = await get<Tree>(server, '/api/tree');
  const many = new Map(objects.filter(({ name }) => /\\many \d\\/.test(name)).map((object) => [object.name, object]));
  assert.deepEqual([objects.filter(({ name }) => many.has(name)).length, many.size], [10_000, 10_000]);
  for (const directory of directories) {
    assert.deepEqual(many.get(`${directory}\\event 899`), { name: `${directory}\\event 899`, type: 'Event' });
    assert.deepEqual([many.get(`${directory}\\link 0`)?.resolved, many.get(`${directory}\\link 99`)?.resolved], ['\\BaseNamedObjects', `${directory}\\event 0`]);
  }
  assert.deepEqual((await get<ObjectDetails>(server, `/api/object?name=${encodeURIComponent(directories[3]!)}`)).directory?.byType, { Event: 900, SymbolicLink: 100 });
  const told: ObjectEvent[] = [];
  await listen(server, '', (event, data) => {
    if (event === 'info') createSymbolicLink(`${directories[7]}\\one more`, 'event 0');
    if (event === 'objects') told.push(...(data as ObjectEvent[]));
    return told.length > 0;
  });
  assert.deepEqual(told.map(({ event, name }) => [event, name]), [['created', `${directories[7]}\\one more`]]);
});

test('a wrong or missing token is refused', async (t) => {
  temporaryRoot(t);
  const server = await serve(t);
  const wrong = server.token.startsWith('A') ? `B${server.token.slice(1)}` : `A${server.token.slice(1)}`;
  for (const authorization of [undefined, '', 'Bearer', 'Bearer ', `Bearer ${wrong}`, `Bearer ${server.token}x`, `bearer ${server.token}`, `Basic ${server.token}`, server.token]) {
    for (const path of ['/api/info', '/api/tree', '/api/events', '/api/object?name=%5C', '/api/none', `/api/info?token=${server.token}`]) {
      const answer = await ask(server, path, authorization === undefined ? {} : { Authorization: authorization });
      assert.deepEqual([answer.status, codeOf(answer)], [401, 'token'], `${path} with ${authorization}`);
    }
  }
});

test('a name of somebody else that leads here, and a page of another origin, are refused, even with the token', async (t) => {
  temporaryRoot(t);
  const server = await serve(t);
  const Authorization = `Bearer ${server.token}`;
  for (const host of ['evil.example', `evil.example:${server.port}`, '127.0.0.1', `127.0.0.1:${server.port + 1}`, `127.0.0.1.evil.example:${server.port}`, `localhost.:${server.port}`]) {
    for (const path of ['/', '/api/info']) assert.deepEqual([codeOf(await ask(server, path, { Authorization, Host: host }))], ['host'], host);
  }
  for (const origin of ['null', 'http://evil.example', `https://127.0.0.1:${server.port}`, `http://127.0.0.1:${server.port + 1}`, 'http://127.0.0.1', `http://127.0.0.1:${server.port}.evil.example`]) {
    assert.deepEqual(codeOf(await ask(server, '/api/info', { Authorization, Origin: origin })), 'origin', origin);
  }
  for (const site of ['cross-site', 'same-site']) assert.equal(codeOf(await ask(server, '/api/info', { Authorization, 'Sec-Fetch-Site': site })), 'origin');
  for (const host of ['127.0.0.1', 'localhost', 'LOCALHOST', '[::1]']) assert.equal((await ask(server, '/api/info', { Authorization, Host: `${host}:${server.port}` })).status, 200, host);
  assert.equal((await ask(server, '/api/info', { Authorization, Origin: `http://127.0.0.1:${server.port}`, 'Sec-Fetch-Site': 'same-origin' })).status, 200);
});

test('nothing but reading is answered', async (t) => {
  temporaryRoot(t);
  const server = await serve(t);
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    const answer = await ask(server, '/api/info', { Authorization: `Bearer ${server.token}` }, method);
    assert.deepEqual([answer.status, codeOf(answer), answer.headers['access-control-allow-origin']], [405, 'method', undefined], method);
  }
});

test('files of the page are served by their names, and no way of writing a path leads out', async (t) => {
  temporaryRoot(t);
  const directory = mkdtempSync(join(tmpdir(), 'alpc-page-'));
  atEnd(t, () => rmSync(directory, { recursive: true }));
  const page = join(directory, 'page');
  mkdirSync(join(page, 'assets'), { recursive: true });
  writeFileSync(join(directory, 'secret.txt'), 'SECRET');
  writeFileSync(join(page, 'index.html'), '<title>it is the page</title>');
  writeFileSync(join(page, 'assets', 'main-AbCd1234.js'), 'export {};');
  symlinkSync('../secret.txt', join(page, 'link.txt'));
  const server = await serve(t, page);
  assert.match((await ask(server, '/', {})).body, /it is the page/);
  const script = await ask(server, '/assets/main-AbCd1234.js', {});
  assert.deepEqual([script.status, script.headers['content-type'], script.headers['cache-control']], [200, 'text/javascript; charset=utf-8', 'public, max-age=31536000, immutable']);
  for (const path of ['/../secret.txt', '/assets/../../secret.txt', '/%2e%2e/secret.txt', '/..%2fsecret.txt', '/%2e%2e%2fsecret.txt', '/..\\secret.txt', '/..%5csecret.txt', '//secret.txt', '/link.txt', '/.', '/assets', '/assets/', '/%00', '/index.html%00.js', `/${directory}/secret.txt`, '/etc/passwd', '/%ff', '/assets/main-AbCd1234.js/..']) {
    const answer = await ask(server, path, {});
    assert.ok(answer.status === 404 || answer.status === 400 || (answer.status === 200 && answer.body.includes('it is the page')), `${path}: ${answer.status}`);
    assert.doesNotMatch(answer.body, /SECRET|root:/);
  }
});

test('what there is not is told so', async (t) => {
  temporaryRoot(t);
  const server = await serve(t);
  for (const [path, status, code] of [
    ['/api/none', 404, 'not-found'],
    ['/api', 404, 'not-found'],
    ['/api/object?name=%5Cnone', 404, 'ERR_ALPC_NAME_NOT_FOUND'],
    ['/api/object', 400, 'ERR_ALPC_NAME_INVALID'],
    ['/api/object?name=..%2Fetc', 400, 'ERR_ALPC_NAME_INVALID'],
    ['/api/object?name=%5C..%5Cetc', 400, 'ERR_ALPC_NAME_INVALID'],
    ['/api/events?port=x', 400, 'ERR_ALPC_NAME_INVALID'],
  ] as const) {
    const answer = await ask(server, path);
    assert.deepEqual([answer.status, codeOf(answer)], [status, code], path);
  }
});

test('a process of another user is not even heard', { skip: noOtherUsers }, async (t) => {
  temporaryRoot(t);
  const server = await serve(t);
  const program = `const s = require('net').connect(${server.port}, '127.0.0.1', () => s.write('GET / HTTP/1.1\\r\\nHost: 127.0.0.1:${server.port}\\r\\nConnection: close\\r\\n\\r\\n')); let n = 0; s.on('data', (d) => n += d.length); s.on('error', () => {}); s.on('close', () => console.log('got ' + n));`;
  assert.equal(await runProgram(program, USERS[0]), 'got 0\n');
  assert.match(await runProgram(program), /^got [1-9]\d+\n$/);
});

async function runProgram(program: string, uid?: number): Promise<string> {
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'], cwd: '/', ...(uid === undefined ? {} : { uid, gid: uid }) });
  return text(child.stdout);
}

/** Reads a stream of events until `enough`. */
async function listen(server: ExplorerServer, query: string, onEvent: (event: string, data: unknown) => boolean): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let rest = '';
    const asked = request({ host: '127.0.0.1', port: server.port, path: `/api/events${query}`, headers: { Authorization: `Bearer ${server.token}` }, agent: false }, (answer) => {
      assert.match(String(answer.headers['content-type']), /^text\/event-stream/);
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        const parts = (rest + chunk).split('\n\n');
        rest = parts.pop()!;
        for (const part of parts) {
          const [, event, data] = /^event: (.*)\ndata: (.*)$/m.exec(part) ?? [];
          if (event === undefined || !onEvent(event, JSON.parse(data!))) continue;
          asked.destroy();
          return resolve();
        }
      });
      answer.on('close', resolve).on('error', () => undefined);
    });
    asked.on('error', reject).end();
  });
}

test('objects that come and go are told as they do, links with what they lead to', async (t) => {
  temporaryRoot(t, { leftovers: true });
  namespaceRoot(); // makes the standard directories
  const server = await serve(t);
  const told: ObjectEvent[] = [];
  await listen(server, '', (event, data) => {
    if (event === 'info') {
      createDirectory('\\made');
      createSymbolicLink('\\made\\link', '\\RPC Control');
    } else if (event === 'objects') {
      told.push(...(data as ObjectEvent[]));
      if (told.length === 2) removeObject('\\made\\link');
    }
    return told.length >= 3;
  });
  assert.deepEqual(told, [
    { event: 'created', name: '\\made', type: 'Directory' },
    { event: 'created', name: '\\made\\link', type: 'SymbolicLink', target: '\\RPC Control', resolved: '\\RPC Control' },
    { event: 'removed', name: '\\made\\link', type: 'SymbolicLink' },
  ]);
});

test('a port is told again and again, that it is gone once, and again when it is back', async (t) => {
  temporaryRoot(t);
  const name = '\\RPC Control\\watched';
  const first = await createPort(name);
  const server = await serve(t);
  const seen: string[] = [];
  let [pictures, graphs] = [0, 0];
  await listen(server, `?port=${encodeURIComponent(name)}&graph=1`, (event, data) => {
    if (event === 'graph') graphs++;
    if (event !== 'port') return false;
    const now = (data as { gone?: true }).gone === true ? 'gone' : 'there';
    if (seen.at(-1) !== now) seen.push(now);
    else if (now === 'gone') seen.push('told twice');
    if (++pictures === 3) void first.close();
    if (now === 'gone') void createPort(name).then((second) => atEnd(t, () => second.close()));
    return seen.length === 3;
  });
  assert.deepEqual(seen, ['there', 'gone', 'there']);
  assert.ok(graphs >= 3);
});

test('it makes nothing in a root that is there, and does not begin where the one that is given is not', async (t) => {
  const root = temporaryRoot(t);
  const server = await serve(t);
  await listen(server, '?graph=1', (event) => event === 'graph');
  for (const path of ['/api/info', '/api/tree', '/api/graph', '/api/waits', '/api/object?name=%5C']) await get(server, path);
  assert.deepEqual(readdirSync(root), []);
  const missing = join(root, 'missing');
  await assert.rejects(serveExplorer({ root: missing }), { code: 'ERR_ALPC_NAME_NOT_FOUND', message: /is not there/ });
  assert.equal(existsSync(missing), false);
});

test('a root that goes away while it is looked at ends nothing, and is shown again when it is back', async (t) => {
  const root = temporaryRoot(t);
  createDirectory('\\made');
  const server = await serve(t);
  let [isBack, status, graphs] = [false, 0, 0];
  await listen(server, `?graph=1&port=${encodeURIComponent('\\made')}`, (event) => {
    if (event === 'graph' && graphs++ === 0) {
      renameSync(root, `${root}-elsewhere`);
      setTimeout(() => {
        void ask(server, '/api/tree').then((answer) => {
          status = answer.status;
          renameSync(`${root}-elsewhere`, root);
          isBack = true;
        });
      }, 300);
    }
    return isBack && event === 'reload';
  });
  assert.equal(status, 404);
  assert.ok((await get<Tree>(server, '/api/tree')).objects.some(({ name }) => name === '\\made'));
});

test("a root of this user's own that nobody has made yet is shown as empty, and what is in it as soon as somebody makes it", { skip: existsSync('/run/alpc') && 'an administrator has made a root here' }, async (t) => {
  temporaryRoot(t);
  const runtime = mkdtempSync(join(tmpdir(), 'alpc-runtime-'));
  const before = process.env['XDG_RUNTIME_DIR'];
  delete process.env['ALPC_ROOT']; // temporaryRoot sets it back
  process.env['XDG_RUNTIME_DIR'] = runtime;
  atEnd(t, () => {
    if (before === undefined) delete process.env['XDG_RUNTIME_DIR'];
    else process.env['XDG_RUNTIME_DIR'] = before;
    rmSync(runtime, { recursive: true });
  });
  const server = await serve(t);
  const told: string[] = [];
  await listen(server, '?graph=1', (event) => {
    if (event === 'graph' && told.at(-1) === 'info') {
      assert.deepEqual(readdirSync(runtime), []);
      createDirectory('\\made');
    }
    if (told.at(-1) !== event) told.push(event);
    return event === 'reload';
  });
  assert.deepEqual([told[0], told.includes('reload')], ['info', true]);
  const { root, objects } = await get<Tree>(server, '/api/tree');
  assert.deepEqual([root, objects.some(({ name }) => name === '\\made')], [join(runtime, 'alpc'), true]);
});

test('an object of any type is told as it changes, and no other to a stream that asks for none', async (t) => {
  temporaryRoot(t, { leftovers: true });
  createDirectory('\\counted');
  const server = await serve(t);
  const counts: (number | undefined)[] = [];
  const others: string[] = [];
  await listen(server, `?port=${encodeURIComponent('\\counted')}&objects=0`, (event, data) => {
    if (event !== 'port') {
      others.push(event);
      return false;
    }
    const { directory } = data as ObjectDetails;
    if (counts.at(-1) !== directory?.objects) counts.push(directory?.objects);
    if (counts.length < 3) createDirectory(`\\counted\\${counts.length}`, { recursive: true });
    return counts.length === 3;
  });
  assert.deepEqual([counts, others], [[0, 1, 2], ['info']]);
});

test('to close it ends its streams and frees its port', async (t) => {
  temporaryRoot(t);
  const server = await serveExplorer({ interval: 50 });
  let infos = 0;
  await listen(server, '?graph=1', (event) => {
    infos += event === 'info' ? 1 : 0;
    if (event === 'graph') void server.close();
    return false;
  });
  assert.equal(infos, 1);
  await server.close();
  const refused = await new Promise<string | undefined>((resolve) => {
    connect(server.port, '127.0.0.1').on('error', (error: NodeJS.ErrnoException) => resolve(error.code)).on('connect', () => resolve(undefined));
  });
  assert.equal(refused, 'ECONNREFUSED');
});

test('options that are wrong are told before anything listens', async () => {
  await assert.rejects(serveExplorer({ port: -1 }), { code: 'ERR_ALPC_INVALID_ARGUMENT' });
  await assert.rejects(serveExplorer({ interval: 1 }), { code: 'ERR_ALPC_INVALID_ARGUMENT' });
  await assert.rejects(serveExplorer({ signal: AbortSignal.abort() }), { name: 'AbortError' });
});
