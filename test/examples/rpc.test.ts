/** The examples of RPC do what they say: a command line and its daemon, a host and its plug-in, a pipeline. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { listDirectory } from '../../src/index.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';

withLedger();

const pathOf = (file: string): string => fileURLToPath(new URL(`../../examples/${file}`, import.meta.url));
const run = promisify(execFile);

test('a command line starts its daemon, and several use it at once', { timeout: 60_000 }, async (t) => {
  temporaryRoot(t);
  const notes = async (...args: string[]): Promise<string> => (await run(process.execPath, [pathOf('cli-and-daemon/cli.js'), ...args])).stdout;
  const uid = process.getuid!();
  assert.equal(await notes('add', 'buy milk'), `1. buy milk (user ${uid})\n`);
  const follower = spawn(process.execPath, [pathOf('cli-and-daemon/cli.js'), 'follow', '1'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let seen = '';
  follower.stdout.on('data', (text: Buffer) => (seen += text.toString()));
  await once(follower.stdout, 'data');
  // It says that it follows before the daemon knows: so notes are added until it has seen one.
  const ended = once(follower, 'exit');
  while (follower.exitCode === null && !seen.includes('(user')) await notes('add', 'water the plants');
  await ended;
  assert.match(seen, /^following\n\d+\. water the plants/);
  assert.match(await notes('list'), /^1\. buy milk .*\n2\. water the plants/);
  assert.equal(await notes('remove', '1'), `removed: 1. buy milk (user ${uid})\n`);
  await assert.rejects(notes('remove', '1'), /there is no note 1/);
  await notes('stop');
  for (let i = 0; i < 200 && listDirectory('\\RPC Control').length > 0; i++) await new Promise((resolve) => void setTimeout(resolve, 10));
  assert.deepEqual(listDirectory('\\RPC Control'), []);
});

test('a host renders with a plug-in of another process, as if it were a function', { timeout: 60_000 }, async (t) => {
  temporaryRoot(t, { leftovers: true });
  const { stdout } = await run(process.execPath, [pathOf('plugin-host/main.js')]);
  assert.equal(stdout.split('\n').slice(0, 3).join('|'), '*** A page ***|The text.|-- the end');
  assert.match(stdout, /refused: .*\/etc\/passwd is not for plug-ins/);
});

test('a pipeline of processes sums up what was streamed through it', { timeout: 60_000 }, async (t) => {
  temporaryRoot(t, { leftovers: true });
  const { stdout } = await run(process.execPath, [pathOf('pipeline/main.js')]);
  assert.equal(stdout, ['0: 6667', '1: 6667', '2: 6666', 'and: 20000', 'every: 20000', 'has: 20000', 'line: 20000', 'number: 20000', 'words: 20000', ''].join('\n'));
});
