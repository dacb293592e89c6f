/**
 * A lively scene, to be looked at with the explorer: `npm start`. Servers in `\RPC Control` and in a session's directory, clients that talk with
 * them, one that is always slow and so always waited for, events, links, a section; all in a namespace of their own.
 *
 *     npm start                     prints the explorer's link, and goes on until Ctrl+C
 *     npm start -- --once           does the word count (examples/word-count), shows that the page can be had, and ends
 */
import { spawn } from 'node:child_process';
import { once as next } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type ExplorerServer, type Graph, serveExplorer, type Tree } from '../../src/explorer/index.js';
import { createEvent, createNamedSection, createSessionDirectories, createSymbolicLink } from '../../src/index.js';
import { Interruption, interruption, Processes, temporaryDirectory } from '../word-count/processes.js';

/** Names of ports, and how long each takes to answer, in milliseconds. */
const SERVERS = [
  ['\\RPC Control\\greeter', 0],
  ['\\RPC Control\\index', 0],
  ['\\RPC Control\\search', 2],
  ['\\RPC Control\\thumbnails', 8],
  ['\\RPC Control\\archive', 1500],
  ['\\Sessions\\1\\Windows\\ApiPort', 1],
  ['\\Sessions\\1\\Windows\\SbApiPort', 0],
] as const;

/** How each client asks, and whom. */
const CLIENTS = [
  ['blocking', 5, '\\RPC Control\\greeter', '\\RPC Control\\index'],
  ['awaited', 2, '\\RPC Control\\greeter', '\\RPC Control\\search', '\\Sessions\\1\\Windows\\ApiPort'],
  ['awaited', 20, '\\RPC Control\\thumbnails', '\\Sessions\\1\\Windows\\ApiPort'],
  ['blocking', 100, '\\RPC Control\\archive', '\\Sessions\\1\\Windows\\SbApiPort'],
  ['blocking', 50, '\\RPC Control\\search'],
] as const;

const interrupted = interruption();

async function main(): Promise<void> {
  const { values: flags } = parseArgs({ options: { once: { type: 'boolean', default: false }, dir: { type: 'string' } } });
  if (flags.once) await countWords(flags.dir);

  await using directory = await temporaryDirectory();
  process.env['ALPC_ROOT'] = join(directory.path, 'root');
  await using processes = new Processes((speaker, line) => console.log(`  ${speaker}: ${line}`));
  const objects = makeObjects();
  await using _ = { [Symbol.asyncDispose]: async () => objects.forEach((object) => object.close()) };
  await Promise.race([interrupted, populate(processes)]);
  await using explorer = await serveExplorer();
  if (flags.once) {
    await Promise.race([interrupted, checkPage(explorer)]);
    return;
  }
  console.log(`\nSeven servers, five clients and an explorer are running. Look at them:\n\n  ${explorer.link}\n\nor from another terminal:  ALPC_ROOT=${process.env['ALPC_ROOT']} npx alpc tree\nCtrl+C ends it.`);
  await interrupted;
}

/** The word count, as a process of its own: it ends badly when the count does. */
async function countWords(dir: string | undefined): Promise<void> {
  const script = fileURLToPath(new URL('../word-count/main.js', import.meta.url));
  const child = spawn(process.execPath, [script, '--once', ...(dir === undefined ? [] : ['--dir', dir])], { stdio: 'inherit' });
  const [code] = (await Promise.race([interrupted, next(child, 'exit')])) as [number | null];
  if (code !== 0) throw new Error(`the word count ended with ${code}`);
}

/** What this process holds itself. */
function makeObjects(): { close(): void }[] {
  createSessionDirectories(1);
  createSymbolicLink('\\RPC Control\\hello', 'greeter');
  createSymbolicLink('\\Sessions\\0', '\\Sessions\\1');
  const events = ['Ready', 'Idle'].map((name) => createEvent(`\\BaseNamedObjects\\${name}`, { initialState: name === 'Ready' }));
  return [...events, createNamedSection('\\Sessions\\1\\BaseNamedObjects\\Frames', 4 << 20)];
}

async function populate(processes: Processes): Promise<void> {
  await Promise.all(SERVERS.map(([name, delay]) => processes.startServer(name, '../lively/server.js', name, String(delay))));
  for (const [kind, pause, ...names] of CLIENTS) processes.start('client', '../lively/client.js', kind, String(pause), ...names);
}

/** What a browser would do first, by hand: the page, all that it asks for, and the interface behind it. */
async function checkPage(explorer: ExplorerServer): Promise<void> {
  const get = (path: string, token = explorer.token): Promise<Answer> => ask(explorer.port, path, token);
  const page = await get('/');
  const parts = Array.from(page.body.matchAll(/(?:src|href)="(\.?\/[^"]+)"/g), (match) => match[1]!.replace(/^\.\//, '/'));
  const answers = await Promise.all(parts.map(async (part) => (await get(part)).status));
  const { objects } = JSON.parse((await get('/api/tree')).body) as Tree;
  const graph = await wholeGraph(get);
  const stranger = (await get('/api/tree', 'no token')).status;
  const good = page.status === 200 && answers.every((status) => status === 200) && SERVERS.every(([name]) => objects.some((object) => object.name === name)) && stranger === 401;
  console.log(`\nThe explorer's page: ${page.status}, its ${parts.length} parts: ${answers.join(' ') || '-'}; ${objects.length} objects, ${graph.processes.length} processes, ${graph.connections.length} connections; without the token: ${stranger}`);
  if (!good) throw new Error("the explorer's page is not as it should be");
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

async function ask(port: number, path: string, token: string): Promise<Answer> {
  const [response] = (await next(request({ host: '127.0.0.1', port, path, agent: false, headers: { Authorization: `Bearer ${token}` } }).end(), 'response')) as [IncomingMessage];
  return { status: response.statusCode!, body: await text(response) };
}

/** The clients connect in their own time. */
async function wholeGraph(get: (path: string) => Promise<Answer>): Promise<Graph> {
  const expected = CLIENTS.reduce((sum, [, , ...names]) => sum + names.length, 0);
  for (let patience = 100; ; patience--) {
    const graph = JSON.parse((await get('/api/graph')).body) as Graph;
    if (graph.connections.length === expected && graph.processes.length === SERVERS.length + CLIENTS.length) return graph;
    if (patience === 0) throw new Error(`the explorer shows ${graph.connections.length} connections of ${graph.processes.length} processes; ${expected} of ${SERVERS.length + CLIENTS.length} are there`);
    await sleep(200);
  }
}

try {
  await main();
} catch (error) {
  if (!(error instanceof Interruption)) console.error(`npm start: ${(error as Error).message}`);
  process.exitCode = error instanceof Interruption ? error.exitCode : 1;
}
