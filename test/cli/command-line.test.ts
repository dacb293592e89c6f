/** The command line itself: help, mistakes, colours, terminals, the man page. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connectPort, createDirectory, createPort } from '../../src/index.js';
import type { Tree } from '../../src/explorer/index.js';
import { completionScript, SHELLS, visibleCommands } from '../../src/cli/completion.js';
import { EXIT_CODES } from '../../src/cli/exit-codes.js';
import { manPage } from '../../src/cli/man-page.js';
import { printable } from '../../src/cli/output.js';
import { makeProgram } from '../../src/cli/program.js';
import { startClient } from '../explorer/scene.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { skipWithout } from '../support/tools.js';
import { noOtherUsers, sharedRoot, USERS } from '../support/users.js';
import { alpcAlone, inTerminal, MAIN, type Ran, withResident } from './run.js';

const { alpc } = withResident();
withLedger();

const COMMANDS = visibleCommands(makeProgram());

test('the version is that of the package', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string };
  assert.equal((await alpcAlone(['--version'])).out, `${version}\n`);
});

test('help names every subcommand and every exit code', async () => {
  const { out, code } = await alpc(['help']);
  assert.equal(code, 0);
  for (const command of COMMANDS) assert.match(out, new RegExp(`^  ${command.name()} `, 'm'));
  for (const { code: exit } of EXIT_CODES) assert.match(out, new RegExp(`^  ${exit} +\\S`, 'm'));
});

test('every subcommand has --json and --root', () => {
  for (const command of COMMANDS) {
    const flags = command.options.map(({ long }) => long);
    assert.ok(flags.includes('--json') && flags.includes('--root'), command.name());
  }
});

test('a command line that is not understood ends with 2, a name that is not there with 3, and both say why', async (t) => {
  temporaryRoot(t);
  for (const args of [['bogus'], ['ls', '--bogus'], ['show'], ['ping', 'x', '-c', 'many'], ['trace', '--format', 'xml'], ['bench', '-s', '0.05'], ['bench', '-s', '1e1'], ['ls', 'no root before it'], ['completion', 'tcsh']]) {
    const { code, errors, out } = await alpc(args);
    assert.deepEqual([code, out], [2, ''], args.join(' '));
    assert.ok(errors.length > 0);
  }
  for (const args of [['show', '\\none'], ['ls', '\\none'], ['tree', '\\none'], ['trace', '\\none'], ['rm', '\\none']]) {
    const { code, errors } = await alpc(args);
    assert.equal(code, 3, args.join(' '));
    assert.match(errors, /^alpc: '\\none'.*STATUS_OBJECT_NAME_NOT_FOUND/);
  }
});

test('what this user may not ends with 4, and the rest of the namespace is told all the same', { skip: process.geteuid!() === 0 && noOtherUsers }, async (t) => {
  const isRoot = process.geteuid!() === 0;
  const root = isRoot ? sharedRoot(t) : temporaryRoot(t);
  createDirectory('\\closed');
  chmodSync(join(root, 'closed'), 0);
  atEnd(t, () => chmodSync(join(root, 'closed'), 0o700));
  const ask = (...args: string[]): Promise<Ran> => alpcAlone(args, isRoot ? { user: USERS[0] } : {});
  const { code, out, errors } = await ask('ls', '\\closed');
  assert.deepEqual([code, out], [4, '']);
  assert.match(errors, /^alpc: .*STATUS_ACCESS_DENIED/);
  const whole = await ask('tree', '--json');
  assert.equal(whole.code, 0);
  assert.equal((JSON.parse(whole.out) as Tree).objects.find(({ name }) => name === '\\closed')?.unreadable, 'ERR_ALPC_ACCESS_DENIED');
});

test('the exit codes in docs/command.md are those there are', () => {
  const page = readFileSync(new URL('../../../docs/command.md', import.meta.url), 'utf8');
  const [, table] = /<!-- exit-codes -->\n([^]*?)<!-- \/exit-codes -->/.exec(page)!;
  assert.deepEqual(table!.trimEnd().split('\n'), ['| code | |', '|---:|---|', ...EXIT_CODES.map(({ code, meaning }) => `| ${code} | ${meaning} |`)]);
});

test('with --json also the man page and the completion scripts are one value', async () => {
  const value = async (...args: string[]): Promise<unknown> => {
    const { code, out } = await alpc([...args, '--json']);
    assert.equal(code, 0);
    return JSON.parse(out);
  };
  assert.deepEqual(await value('man'), { page: manPage(makeProgram()) });
  for (const shell of SHELLS) assert.deepEqual(await value('completion', shell), { shell, script: completionScript(makeProgram(), shell) });
});

test('with --json what goes wrong is said on standard error, as without it; of one of several it is told in the value, with its code', async (t) => {
  temporaryRoot(t);
  for (const name of ['ls', 'tree', 'show', 'trace']) {
    const plain = await alpc([name, '\\none']);
    assert.deepEqual(await alpc([name, '\\none', '--json']), { code: 3, out: '', errors: plain.errors }, name);
  }
  const mistake = await alpc(['ls', '--json', '--bogus']);
  assert.deepEqual([mistake.code, mistake.out], [2, '']);
  const [ping, rm] = [await alpc(['ping', '\\none', '-c', '1', '--json']), await alpc(['rm', '\\none', '--json'])];
  assert.deepEqual([ping.code, (JSON.parse(ping.out) as { error: { code: string } }).error.code], [3, 'ERR_ALPC_NAME_NOT_FOUND']);
  const { removed, failed } = JSON.parse(rm.out) as { removed: string[]; failed: { name: string; code: string }[] };
  assert.deepEqual([rm.code, removed, failed.map(({ name, code }) => [name, code])], [3, [], [['\\none', 'ERR_ALPC_NAME_NOT_FOUND']]]);
});

test('--root says which namespace', async (t) => {
  const root = temporaryRoot(t);
  createDirectory('\\here');
  assert.match((await alpc(['ls', '--root', root], { ALPC_ROOT: '/nowhere' })).out, /^here +Directory$/m);
});

test('colours and indented JSON come on a terminal only, and not where NO_COLOR is set', async (t) => {
  temporaryRoot(t);
  createDirectory('\\here');
  const escape = '\u001B[';
  assert.ok(!(await alpc(['ls'])).out.includes(escape));
  assert.ok((await inTerminal(['ls'])).out.includes(escape));
  process.env['NO_COLOR'] = '1';
  atEnd(t, () => delete process.env['NO_COLOR']);
  assert.ok(!(await inTerminal(['ls'])).out.includes(escape));
  assert.match((await inTerminal(['ls', '--json'])).out, /^\[\r\n {2}\{/);
});

test('on a terminal top redraws, sorts by the key that is pressed, and gives the terminal back', async (t) => {
  temporaryRoot(t, { leftovers: true });
  const port = await createPort('\\RPC Control\\top');
  atEnd(t, () => port.close());
  const { out, code } = await inTerminal(['top', '-i', '100'], [[/RPC Control\\top/, 'c'], [/sorted by connections/, 'n'], [/sorted by name/, 'q']]);
  assert.equal(code, 0);
  assert.match(out, /sorted by messages[^]*sorted by connections[^]*sorted by name/);
  assert.ok(out.includes('\u001B[?1049h') && out.trimEnd().endsWith('\u001B[?1049l'), JSON.stringify(out.slice(-40)));
});

/** A port with few large messages, and one with many small ones: each is first in half of the orders. */
test('top sorts by messages, bytes, connections, pending requests, waiting threads and name, as it is told and as keys say', async (t) => {
  temporaryRoot(t, { leftovers: true });
  const [few, many] = ['\\RPC Control\\few', '\\RPC Control\\many'] as const;
  for (const name of [few, many]) {
    const port = await createPort(name);
    atEnd(t, () => port.close());
    port.on('message', () => undefined); // nothing is answered
  }
  const clients = await Promise.all([few, few, few, many].map((name) => connectPort(name)));
  const waiting = await startClient(t, many);
  await waiting.ask({ type: 'block', data: 'hang' }, 'done');
  for (let i = 0; i < 3; i++) void clients[0]!.request('a question').catch(() => undefined);
  const timers = [setInterval(() => clients[1]!.tryPost('x'.repeat(8000)), 50), setInterval(() => Array.from({ length: 10 }, () => clients[3]!.tryPost('x')), 5)];
  atEnd(t, async () => {
    for (const timer of timers) clearInterval(timer);
    await waiting.kill();
    for (const client of clients) client.close();
  });
  const orders = { messages: [many, few], bytes: [few, many], connections: [few, many], pending: [few, many], waiting: [many, few], name: [few, many] };

  for (const [sort, order] of Object.entries(orders)) {
    const { out } = await alpc(['top', '--json', '-c', '1', '-i', '500', '-s', sort]);
    assert.deepEqual((JSON.parse(out) as { ports: { port: string }[] }).ports.map(({ port }) => port), order, sort);
  }

  const keys = ['b', 'c', 'p', 'w', 'n', 'm', 'q'];
  const shown = ['messages', 'bytes', 'connections', 'pending', 'waiting', 'name', 'messages'];
  const { out, code } = await inTerminal(['top', '-i', '500'], shown.map((sort, i) => [new RegExp(`Control[^]*sorted by ${sort}`), keys[i]!] as const));
  assert.equal(code, 0);
  const screens = out.split('\u001B[H').filter((screen) => screen.includes(few) && screen.includes(many));
  for (const [sort, order] of Object.entries(orders)) {
    const seen = screens.filter((screen) => screen.includes(`sorted by ${sort}`)).map((screen) => (screen.indexOf(few) < screen.indexOf(many) ? [few, many] : [many, few]));
    assert.ok(seen.length > 0, sort);
    assert.deepEqual(seen.at(-1), order, `by the key of ${sort}`);
  }
});

test('Ctrl+C ends top as q does', async (t) => {
  temporaryRoot(t);
  const { code, out } = await inTerminal(['top', '-i', '100'], [[/sorted by/, '\u0003']]);
  assert.equal(code, 0);
  assert.ok(out.includes('\u001B[?1049l'));
});

test('what others chose to be called can not move the cursor of a terminal', async (t) => {
  const root = temporaryRoot(t, { leftovers: true });
  writeFileSync(join(root, 'evil\u001B[2J\nname'), '');
  const { out } = await inTerminal(['tree']);
  assert.ok(out.includes('evil\\u{1b}[2J\\u{a}name'), out);
  assert.equal(printable('a\u202Eb\u0085c d'), 'a\\u{202e}b\\u{85}c d');
});

test('a reader that has had enough ends it without a word', async (t) => {
  temporaryRoot(t);
  const child = spawn('sh', ['-c', `"${process.execPath}" "${MAIN}" help | head -1; "${process.execPath}" "${MAIN}" tree | head -1`], { stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (data: Buffer) => (errors += String(data)));
  child.stdout.resume();
  await new Promise((resolve) => child.on('close', resolve));
  assert.equal(errors, '');
});

test('output that can not be written is told in one line, with exit code 1, whether it is standard output or a file', async (t) => {
  const root = temporaryRoot(t, { leftovers: true });
  const port = await createPort('\\RPC Control\\traced');
  const client = await connectPort(port.name);
  atEnd(t, async () => {
    client.close();
    await port.close();
  });
  const intoFull = (args: string): Ran => {
    const { status, stdout, stderr } = spawnSync('sh', ['-c', `"${process.execPath}" "${MAIN}" ${args} > /dev/full`], { encoding: 'utf8' });
    return { code: status, out: stdout, errors: stderr };
  };
  for (const args of ['tree', 'ls --json', 'help', 'trace -d 5000']) assert.deepEqual(intoFull(args), { code: 1, out: '', errors: 'alpc: standard output: ENOSPC: no space left on device, write\n' }, args);
  for (const [file, error] of [['/nonexistent/x.json', "ENOENT: no such file or directory, open '/nonexistent/x.json'"], [root, `EISDIR: illegal operation on a directory, open '${root}'`], ['/dev/full', 'ENOSPC: no space left on device, write']] as const) {
    for (const format of ['text', 'perfetto']) assert.deepEqual(await alpc(['trace', '-d', '5000', '-o', file, '--format', format]), { code: 1, out: '', errors: `alpc: ${error}\n` }, file);
  }
  assert.deepEqual(await alpc(['trace', '-d', '100', '-o', '/dev/full', '--format', 'perfetto', '/RPC Control/traced']), { code: 1, out: '', errors: 'alpc: ENOSPC: no space left on device, write\n' });
});

test('who reads a trace from a FIFO and has had enough ends it without a word', async (t) => {
  const fifo = join(temporaryRoot(t, { leftovers: true }), 'fifo');
  const port = await createPort('\\RPC Control\\traced');
  const client = await connectPort(port.name);
  const timer = setInterval(() => client.tryPost('x'), 5);
  port.on('message', () => undefined);
  atEnd(t, async () => {
    clearInterval(timer);
    client.close();
    await port.close();
  });
  assert.equal(spawnSync('mkfifo', [fifo]).status, 0);
  const reader = spawn('head', ['-1', fifo], { stdio: 'ignore' });
  atEnd(t, () => reader.kill());
  assert.deepEqual(await alpcAlone(['trace', '-o', fifo]), { code: 0, out: '', errors: '' });
});

test('the man page is the one that is kept, and has every subcommand, option and exit code', async () => {
  const page = manPage(makeProgram());
  assert.equal(readFileSync(fileURLToPath(new URL('../../../docs/alpc.1', import.meta.url)), 'utf8'), page, 'run `npm run build && node dist/src/cli/main.js man > docs/alpc.1`');
  assert.equal((await alpc(['man'])).out, page);
  for (const command of COMMANDS) {
    assert.ok(page.includes(`.SS alpc ${command.name()}`), command.name());
    for (const { long } of command.options) assert.ok(page.includes(String(long).replaceAll('-', '\\-')), long);
  }
  for (const { code } of EXIT_CODES) assert.match(page, new RegExp(`^\\.B ${code}$`, 'm'));
  assert.doesNotMatch(page, /^[.'](?!TH|SH|SS|TP|B|I)/m);
});

test('man and mandoc have nothing to complain of in the man page', (t) => {
  const page = fileURLToPath(new URL('../../../docs/alpc.1', import.meta.url));
  const complaints = (...command: string[]): string => {
    const { error, stdout, stderr } = spawnSync(command[0]!, command.slice(1), { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C.UTF-8' } });
    if (error !== undefined) {
      assert.notEqual(skipWithout(command[0]!, false), false, `${command[0]} is not installed, and ought to be`);
      t.diagnostic(`${command[0]} is not installed`);
    }
    return (stdout ?? '') + (stderr ?? '');
  };
  const lint = complaints('mandoc', '-T', 'lint', '-W', 'warning', page).split('\n');
  assert.deepEqual(lint.filter((line) => line !== '' && !line.includes('missing date')), [], 'but for the date, which a page that is made from the source does not have');
  assert.equal(complaints('sh', '-c', 'command -v man > /dev/null && man --warnings -E UTF-8 -l -Tutf8 -Z "$0" 2>&1 > /dev/null', page), '');
});
