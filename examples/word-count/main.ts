/**
 * The word count: what alpc is for, in one run. Start it with `npm start`.
 *
 * A server counts words for whoever asks, under the name `\RPC Control\wordcount` (server.ts). Four clients, each a process of
 * its own, have it count the words of every .ts, .js and .md file below node_modules (client.ts): two of them block in each
 * call until the answer is there, two await it. They get their files from a second port, `\RPC Control\worklist`, which this
 * process serves (work-list.ts). Half way one client is killed and replaced; the totals are right all the same.
 *
 * Then four clients do the same work over a Unix socket (socket.ts), and a table shows both side by side.
 *
 *     npm start                     on a terminal it waits for a key before it ends
 *     npm start -- --once           it does not
 */
import { once as next } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { endServer, figuresOf, Interruption, interruption, Processes, temporaryDirectory } from './processes.js';
import { callsText, isSame, totalsText, treeText } from './report.js';
import { type Client, Round } from './round.js';
import { Screen } from './screen.js';
import { countDirectly, findTexts, pieceLength, type ServerFigures } from './words.js';
import { WorkList } from './work-list.js';

interface Flags {
  readonly once: boolean;
  readonly dir: string;
}

const NODE_MODULES = fileURLToPath(new URL('../../../node_modules', import.meta.url));

const screen = new Screen();
const interrupted = interruption();

async function main(): Promise<void> {
  const { values: flags } = parseArgs({ options: { once: { type: 'boolean', default: false }, dir: { type: 'string', default: NODE_MODULES } } });

  // The names of this run live in a directory of their own. All processes started from here inherit this, and so see the same
  // names. What is made with `await using` is undone at the end of this function, however it ends.
  await using directory = await temporaryDirectory();
  process.env['ALPC_ROOT'] = join(directory.path, 'root');
  await using list = await WorkList.open<Client>();
  await using processes = new Processes((speaker, line) => screen.say(`  ${speaker}: ${line}`));

  try {
    await Promise.race([interrupted, job(flags, list, processes, join(directory.path, 'socket'))]);
  } finally {
    screen.end();
  }
}

async function job({ dir: directory, once }: Flags, list: WorkList<Client>, processes: Processes, socket: string): Promise<void> {
  const files = findTexts(directory);
  if (files.length === 0) throw new Error(`there is no .ts, .js or .md file below ${directory}`);
  screen.say('', `Words in ${directory}`, '');

  // First without any server, to know what it must come to.
  const directly = await countDirectly(files, (done) => screen.progress('directly', done, files.length, 100));
  const work = { directory, files, pieceLength: pieceLength(directly.bytes) };

  // With alpc. The second client, one of those that block, is killed half way.
  const server = await processes.startServer('server', 'server.js');
  const kinds = ['blocking', 'blocking', 'awaited', 'awaited'] as const;
  const alpc = await new Round(list, processes, screen, { ...work, title: 'over alpc', kinds, kill: 2 }).run();
  const alpcFigures = await figuresOf<ServerFigures>(server, 'server');

  // The same over a Unix socket. The first server has no clients now: it sleeps, and takes no time from this one.
  const socketServer = await processes.startServer('socket server', 'socket.js', socket);
  const four = ['socket', 'socket', 'socket', 'socket'] as const;
  const sockets = await new Round(list, processes, screen, { ...work, title: 'over a socket', kinds: four, socket }).run();
  const socketFigures = await figuresOf<ServerFigures>(socketServer, 'socket server');
  await endServer(socketServer);

  screen.say('', ...treeText(), '');
  screen.say(...totalsText([
    { by: 'directly', totals: directly },
    { by: 'over alpc', totals: alpc.totals },
    { by: 'over a socket', totals: sockets.totals },
  ]), '');
  screen.say(...callsText(alpc, alpcFigures, sockets, socketFigures), '');
  if (!isSame(alpc.totals, directly) || !isSame(sockets.totals, directly)) throw new Error('the totals differ');

  if (!once && process.stdin.isTTY && process.stdout.isTTY) await anyKey();
  await endServer(server);
}

/** The ports are still there, for whoever wants to have a look from another terminal. */
async function anyKey(): Promise<void> {
  screen.say(`The ports are still there; see for yourself:  ls -lR ${process.env['ALPC_ROOT']}`, 'Press any key to end.');
  process.stdin.setRawMode(true);
  try {
    const [key] = (await Promise.race([interrupted, next(process.stdin, 'data')])) as [Buffer];
    if (key[0] === 3) throw new Interruption('SIGINT'); // in raw mode Ctrl+C is a key
  } finally {
    process.stdin.setRawMode(false);
    process.stdin.pause();
  }
}

try {
  await main();
} catch (error) {
  console.error(`word count: ${(error as Error).message}`);
  process.exitCode = error instanceof Interruption ? error.exitCode : 1;
}
