/**
 * Every code block of the README and of docs/ works as it stands. A block marked `js` is a module of its own; blocks that begin
 * with a comment that names a file (`// server.mjs`) belong together on their page: those whose name contains "server" are
 * started first, and the others are run while they serve. Each must end with 0; a server is ended when its page is done.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';

withLedger();

const PROJECT = fileURLToPath(new URL('../../..', import.meta.url));
const PAGES = ['README.md', ...readdirSync(join(PROJECT, 'docs')).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)];

interface Block {
  readonly file: string;
  readonly code: string;
}

function blocksOf(page: string): Block[] {
  const text = readFileSync(join(PROJECT, page), 'utf8');
  return Array.from(text.matchAll(/^```js\n([\s\S]*?)^```/gm), (match, index) => {
    const code = match[1]!;
    return { file: /^\/\/ (\S+\.mjs)/.exec(code)?.[1] ?? `block-${index + 1}.mjs`, code };
  });
}

function run(folder: string, file: string): { child: ChildProcess; output: () => string } {
  let text = '';
  const child = spawn(process.execPath, [file], { cwd: folder, env: { ...process.env, ALPC_ROOT: join(folder, 'root') }, stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => void (text += part.toString()));
  return { child, output: () => text };
}

async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode;
}

for (const page of PAGES) {
  const blocks = blocksOf(page);
  if (blocks.length === 0) continue;
  test(`the code of ${page} works as it stands`, { timeout: 120_000 }, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), `alpc-docs-${basename(page, '.md')}-`));
    const servers: ReturnType<typeof run>[] = [];
    atEnd(t, async () => {
      for (const { child } of servers) child.kill('SIGKILL');
      await Promise.all(servers.map(({ child }) => ended(child)));
      rmSync(folder, { recursive: true, force: true });
    });
    mkdirSync(join(folder, 'node_modules'));
    mkdirSync(join(folder, 'root'), { mode: 0o700 });
    symlinkSync(PROJECT, join(folder, 'node_modules', 'alpc'));
    for (const { file, code } of blocks) writeFileSync(join(folder, file), code);
    for (const { file } of blocks.filter((block) => block.file.includes('server'))) {
      const server = run(folder, file);
      servers.push(server);
      const port = join(folder, 'root', 'RPC Control');
      const before = namesIn(port);
      for (let i = 0; i < 500 && namesIn(port) === before; i++) {
        assert.equal(server.child.exitCode, null, `${file} ended: ${server.output()}`);
        await sleep(20);
      }
    }
    for (const { file } of blocks.filter((block) => !block.file.includes('server'))) {
      const { child, output } = run(folder, file);
      assert.equal(await ended(child), 0, `${page}, ${file}: ${output()}`);
    }
  });
}

function namesIn(folder: string): string {
  try {
    return readdirSync(folder).filter((name) => !name.startsWith('.')).join();
  } catch {
    return '';
  }
}
