/** `npm start`: the lively scene, with `--once` and as it stands, and that nothing of it is left. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Graph } from '../../src/explorer/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { ask } from '../explorer/ask.js';

withLedger();

const MAIN = fileURLToPath(new URL('../../examples/lively/main.js', import.meta.url));

function temporary(t: TestContext): { top: string; env: NodeJS.ProcessEnv } {
  const top = mkdtempSync(join(tmpdir(), 'alpc-lively-test-'));
  atEnd(t, () => rmSync(top, { recursive: true, force: true }));
  mkdirSync(join(top, 'temporary'));
  return { top, env: { ...process.env, TMPDIR: join(top, 'temporary') } };
}

test('with --once it counts the words, finds the page with all its parts, and ends', async (t) => {
  const { top, env } = temporary(t);
  for (let i = 0; i < 6; i++) writeFileSync(join(top, `${i}.md`), 'some words\n'.repeat(100));
  const child = spawn(process.execPath, [MAIN, '--once', '--dir', top], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const exit = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const [code, out, errors] = await Promise.all([exit, text(child.stdout), text(child.stderr)]);
  assert.equal(code, 0, errors);
  assert.match(out, /^over alpc +6 .* +1,200 +the same$/m);
  assert.match(out, /^The explorer's page: 200, its \d+ parts: [-200 ]+; \d+ objects, 12 processes, 10 connections; without the token: 401$/m);
  assert.deepEqual(readdirSync(join(top, 'temporary')), []);
});

test('without it, it prints a link where the scene can be seen, and goes on until Ctrl+C', async (t) => {
  const { top, env } = temporary(t);
  const child = spawn(process.execPath, [MAIN], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = new Promise<number | null>((resolve) => child.on('exit', resolve));
  let out = '';
  const link = await new Promise<RegExpExecArray>((resolve, reject) => {
    child.stdout.on('data', (data: Buffer) => {
      out += String(data);
      const found = /http:\S+:(\d+)\/#token=(\S+)/.exec(out);
      if (found !== null) resolve(found);
    });
    child.on('exit', () => reject(new Error(out)));
  });
  const graph = JSON.parse((await ask(Number(link[1]), '/api/graph', { token: link[2]! })).body) as Graph;
  assert.ok(graph.processes.some(({ ports }) => ports.includes('\\RPC Control\\archive')));
  child.kill('SIGINT');
  assert.equal(await exit, 130);
  assert.deepEqual(readdirSync(join(top, 'temporary')), []);
});
