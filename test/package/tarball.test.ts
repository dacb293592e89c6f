/**
 * The package as it would be published: packed, unpacked into an empty project beside its one dependency, and used from there by
 * `import`, by `require`, and by a TypeScript program in strict mode.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { withLedger } from '../support/ledger.js';

withLedger();

const PROJECT = fileURLToPath(new URL('../../..', import.meta.url));
const USE = `
  const port = await createPort('\\\\RPC Control\\\\packed', { root });
  port.on('message', (message) => message.type === 'request' && message.reply(message.data));
  const client = await connectPort('\\\\RPC Control\\\\packed', { root });
  console.log(String((await client.request('it works')).data));
  client.close();
  await port.close();`;

interface Manifest {
  readonly scripts?: Record<string, string>;
  readonly dependencies?: Record<string, string>;
  readonly exports: Record<string, string | { types: string; default: string }>;
}

let folder: string;
let unpacked: string;
let manifest: Manifest;

const node = (...args: string[]): string => execFileSync(process.execPath, args, { cwd: folder, encoding: 'utf8', env: { ...process.env, ALPC_ROOT: join(folder, 'root') } });

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'alpc-packed-'));
  const tarball = execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: PROJECT, encoding: 'utf8' }).trim().split('\n').at(-1)!;
  unpacked = join(folder, 'node_modules', 'alpc');
  mkdirSync(unpacked, { recursive: true });
  execFileSync('tar', ['-xzf', join(folder, tarball), '-C', unpacked, '--strip-components=1']);
  for (const name of ['koffi', '@koromix', '@types', 'undici-types']) symlinkSync(join(PROJECT, 'node_modules', name), join(folder, 'node_modules', name));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'empty', private: true }));
  manifest = JSON.parse(readFileSync(join(unpacked, 'package.json'), 'utf8')) as Manifest;
});

after(() => rmSync(folder, { recursive: true, force: true }));

test('every export resolves from an empty project, with its types', () => {
  for (const [subpath, target] of Object.entries(manifest.exports)) {
    const specifier = subpath.replace('.', 'alpc');
    for (const file of typeof target === 'string' ? [target] : [target.types, target.default]) assert.ok(readFileSync(join(unpacked, file)).length > 0, file);
    node('--input-type=module', '-e', `import.meta.resolve(${JSON.stringify(specifier)})`);
  }
});

test('a module imports it, and a message travels', () => {
  const root = JSON.stringify(join(folder, 'root'));
  const output = node('--input-type=module', '-e', `import { connectPort, createPort } from 'alpc'; const root = ${root};${USE}`);
  assert.match(output, /it works/);
});

test('a module imports alpc/rpc, and a call is answered', () => {
  const root = JSON.stringify(join(folder, 'root'));
  const output = node('--input-type=module', '-e', `import { bind, call, defineInterface, serve } from 'alpc/rpc'; const root = ${root};
    const Echo = defineInterface({ name: 'echo', version: '1.0' }, { echo: call() });
    const server = await serve(Echo, { echo: (value) => value }, { endpoint: 'packed', root });
    const client = await bind(Echo, 'packed', { root });
    console.log(await client.echo('a call works'));
    client.close();
    await server.close();`);
  assert.match(output, /a call works/);
});

test('a CommonJS program requires it', () => {
  const output = node('--no-warnings', '-e', "const { STATUS } = require('alpc'); console.log(Object.keys(STATUS).length > 10)");
  assert.match(output, /true/);
});

test('a TypeScript program in strict mode compiles against its types', () => {
  writeFileSync(join(folder, 'use.mts'), `import { AlpcError, connectPort, createPort, type Message } from 'alpc';\nimport { call, type Client, defineInterface } from 'alpc/rpc';\nexport const Echo = defineInterface({ name: 'echo', version: '1.0' }, { echo: call<string, number>() });\nexport const use = async (client: Client<(typeof Echo)['methods']>): Promise<number> => client.echo('x');\nconst root: string = '/nowhere';\nexport const see = (message: Message): string => message.type;\nexport const code = (error: unknown): string => (AlpcError.is(error) ? error.code : '');${USE}`);
  const tsc = join(PROJECT, 'node_modules', 'typescript', 'bin', 'tsc');
  execFileSync(process.execPath, [tsc, '--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node', '--skipLibCheck', 'false', 'use.mts'], { cwd: folder, stdio: 'pipe' });
});

test('the library loads koffi alone; the command, and the explorer, work with three packages more', () => {
  const others = ['commander', 'hono', '@hono'];
  const use = `import { createPort } from 'alpc'; import 'alpc/rpc'; const port = await createPort('\\\\alone'); await port.close(); console.log('alone');`;
  assert.match(node('--input-type=module', '-e', use), /alone/); // they are not there yet
  for (const name of others) symlinkSync(join(PROJECT, 'node_modules', name), join(folder, 'node_modules', name));
  assert.match(node('--input-type=module', '-e', "import { inspectTree } from 'alpc/explorer'; console.log(inspectTree().objects.length)"), /^\d+$/m);
  assert.match(node(join(unpacked, 'dist', 'src', 'cli', 'main.js'), 'tree'), /RPC Control/);
});

test('it has four dependencies and no install script, and carries neither tests nor benchmarks', () => {
  assert.deepEqual(Object.keys(manifest.dependencies ?? {}).toSorted(), ['@hono/node-server', 'commander', 'hono', 'koffi']);
  for (const script of ['preinstall', 'install', 'postinstall', 'prepare']) assert.equal(manifest.scripts?.[script], undefined, script);
  assert.deepEqual(readdirSync(join(unpacked, 'dist')).filter((name) => name !== 'explorer-page'), ['src']);
  for (const file of ['README.md', 'LICENSE', 'CHANGELOG.md', 'ARCHITECTURE.md']) assert.ok(readFileSync(join(unpacked, file)).length > 0, file);
});
