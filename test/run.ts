/**
 * The runner of `npm test`, after build and lint: every compiled test file of dist/test, each in a process of its own.
 *
 *     node dist/test/run.js                                         all
 *     node dist/test/run.js memory/ ring                            files whose path holds one of these
 *     node dist/test/run.js ring --test-name-pattern='wraps'        what begins with - goes to node
 *     node dist/test/run.js process/ --in-worker                    each file, and each actor of it, in a worker thread
 *     node dist/test/run.js hostile/ --limit=3600                   seconds that each file may take, in place of 300
 *
 * Most files run side by side, one more than there are cores, for much of a test is waiting; those that take longest begin first.
 * A few need the machine for themselves: they compare times, or two of their processes must really run at once. They come after
 * the others, one by one. A file is run as a program, not by `node --test`, which would start one more process for each. What a file says is shown when it has ended, and what failed is said once more at the end. Each file
 * has a limit of time, so that a hang is a failure and not a wait. A compiled test whose source is gone is not run.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** Each has the machine for itself. */
const ALONE = [
  'death/client-life', 'death/server-life', 'death/crowd', 'death/waiting-for-the-dead', 'hostile/bells', 'hostile/crowd', 'hostile/flipper',
  'hostile/sleeping-bells', 'hostile/storm', 'memory/exchange', 'process/fairness', 'process/liveness', 'soak/soak',
];
/** Of the others, those that take longest. */
const LONGEST = [
  'model/models', 'objects/port-race', 'process/injected', 'death/exits', 'notification/completion-port', 'objects/watch', 'process/client-end',
  'explorer-page/everyone', 'explorer-page/properties', 'explorer-page/page', 'docs/code-blocks', 'memory/ring-hostile', 'hostile/fuzz', 'hostile/name-races', 'hostile/identity', 'hostile/memory', 'hostile/ends', 'process/word-count',
];
/** What node counts at the end of each file. */
const COUNTS = ['tests', 'pass', 'fail', 'cancelled', 'skipped', 'todo'] as const;
const COUNT = /^ℹ (?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+\n/gm;
const FAILURES = '✖ failing tests:';

const compiled = dirname(fileURLToPath(import.meta.url));
const sources = join(compiled, '..', '..', 'test');
const given = process.argv.slice(2);
const filters = given.filter((argument) => !argument.startsWith('-'));
const inWorker = given.includes('--in-worker');
const limit = Number(given.find((argument) => argument.startsWith('--limit='))?.slice('--limit='.length) ?? 300);
const flags = given.filter((argument) => argument.startsWith('-') && argument !== '--in-worker' && !argument.startsWith('--limit='));
const preload = pathToFileURL(join(compiled, 'support', 'in-worker.js')).href;

const counts = Object.fromEntries(COUNTS.map((name) => [name, 0])) as Record<(typeof COUNTS)[number], number>;
const failures: string[] = [];
const running = new Set<ChildProcess>();
const stopped = { by: undefined as NodeJS.Signals | undefined };

const files = readdirSync(compiled, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.test.js') && existsSync(join(sources, path.replace(/\.js$/, '.ts'))))
  .filter((path) => filters.length === 0 || filters.some((filter) => path.includes(filter)))
  .map((path) => path.replace(/\.test\.js$/, ''))
  .toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));

if (files.length === 0) {
  console.error(`no test file matches ${filters.join(', ')}`);
  process.exitCode = 1;
} else {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop(signal));
  await runAll();
}

/** The longest first, the others by their names. */
function rank(file: string): number {
  const at = LONGEST.indexOf(file);
  return at < 0 ? LONGEST.length : at;
}

async function runAll(): Promise<void> {
  const begun = performance.now();
  const together = files.filter((file) => !ALONE.includes(file));
  await Promise.all(Array.from({ length: availableParallelism() + 1 }, async () => {
    for (let file = together.shift(); file !== undefined; file = together.shift()) await runFile(file);
  }));
  for (const file of files) if (ALONE.includes(file)) await runFile(file);
  for (const name of COUNTS) console.log(`ℹ ${name} ${counts[name]}`);
  console.log(`ℹ duration_ms ${Math.round(performance.now() - begun)}`);
  if (failures.length > 0) console.log(`\n${FAILURES}\n${failures.join('\n')}`);
}

/** Runs one file; it says what it has to say when it has ended. */
async function runFile(file: string): Promise<void> {
  if (stopped.by !== undefined) return;
  const begun = performance.now();
  const path = relative(process.cwd(), join(compiled, `${file}.test.js`));
  const threads = inWorker ? [`--import=${preload}`] : [];
  const env = inWorker ? { ...process.env, ALPC_TEST_PRELOAD: preload } : process.env;
  const child = spawn(process.execPath, [...threads, '--test-reporter=spec', ...flags, path], { stdio: ['ignore', 'pipe', 'pipe'], env });
  running.add(child);
  let output = '';
  const watchdog = setTimeout(() => {
    output += `\n${FAILURES}\n\nit was still running after ${limit} s, and was killed\n`;
    child.kill('SIGKILL');
  }, limit * 1000);
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const bad = code !== 0 || !/^ℹ tests \d+$/m.test(output); // a file may have ended its process itself, before its tests were done
  clearTimeout(watchdog);
  running.delete(child);
  for (const name of COUNTS) counts[name] += Number(new RegExp(`^ℹ ${name} (\\d+)$`, 'm').exec(output)?.[1] ?? 0);
  const [told, failed] = output.replace(COUNT, '').split(`\n${FAILURES}`);
  console.log(`${file} (${((performance.now() - begun) / 1000).toFixed(1)} s)\n${told!.trimEnd()}\n`);
  if (!bad) return;
  failures.push(`\n${file}${failed ?? ': it ended badly'}`);
  process.exitCode = 1;
}

function stop(signal: NodeJS.Signals): void {
  stopped.by = signal;
  process.exitCode = 1;
  for (const child of running) child.kill(signal);
}
