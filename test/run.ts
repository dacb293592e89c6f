/**
 * The runner of `npm test`, after build and lint: every compiled test file of dist/test, each in a process of its own.
 *
 *     node dist/test/run.js                                         all
 *     node dist/test/run.js memory/ ring                            files whose path holds one of these
 *     node dist/test/run.js ring --test-name-pattern='wraps'        what begins with - goes to node
 *     node dist/test/run.js process/ --in-worker                    each file, and each actor of it, in a worker thread
 *
 * One file at a time: tests of several processes measure who wakes whom, and a second file beside them would take the
 * core that one of them spins on. Each file has a limit of time, so that a hang is a failure and not a wait. A compiled
 * test whose source is gone is not run.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const compiled = dirname(fileURLToPath(import.meta.url));
const sources = join(compiled, '..', '..', 'test');
const given = process.argv.slice(2);
const filters = given.filter((argument) => !argument.startsWith('-'));
const inWorker = given.includes('--in-worker');
const flags = given.filter((argument) => argument.startsWith('-') && argument !== '--in-worker');

const files = readdirSync(compiled, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.test.js') && existsSync(join(sources, path.replace(/\.js$/, '.ts'))))
  .filter((path) => filters.length === 0 || filters.some((filter) => path.includes(filter)))
  .toSorted()
  .map((path) => relative(process.cwd(), join(compiled, path)));

if (files.length === 0) {
  console.error(`no test file matches ${filters.join(', ')}`);
  process.exitCode = 1;
} else {
  const preload = pathToFileURL(join(compiled, 'support', 'in-worker.js')).href;
  const threads = inWorker ? [`--import=${preload}`] : [];
  const env = inWorker ? { ...process.env, ALPC_TEST_PRELOAD: preload } : process.env;
  const runner = spawn(process.execPath, [...threads, '--test', '--test-concurrency=1', '--test-timeout=120000', '--test-reporter=spec', ...flags, ...files], { stdio: 'inherit', env });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => runner.kill(signal));
  runner.on('exit', (code, signal) => {
    process.exitCode = signal === null ? code! : 1;
  });
}
