/**
 * The project's main job, examples/word-count, as a user runs it: `node main.js --once`, on small trees made here. What it
 * says is compared with a count of our own, made in another way. Each run has a temporary directory to itself, which must be
 * empty afterwards, and none of the processes that it started may be left.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { withLedger } from '../support/ledger.js';

withLedger();

const MAIN = fileURLToPath(new URL('../../examples/word-count/main.js', import.meta.url));

/** Where a tree is, what is in it, and the runs' temporary directory. */
interface Tree {
  readonly directory: string;
  readonly temporary: string;
  files: number;
  bytes: number;
  words: number;
}

function withTree(name: string, body: (tree: Tree) => Promise<void>): void {
  test(name, async () => {
    const top = mkdtempSync(join(tmpdir(), 'word-count-test-'));
    const tree: Tree = { directory: join(top, 'tree'), temporary: join(top, 'temporary'), files: 0, bytes: 0, words: 0 };
    mkdirSync(tree.directory);
    mkdirSync(tree.temporary);
    try {
      await body(tree);
      assert.deepEqual(readdirSync(tree.temporary), [], 'nothing is left in the temporary directory');
      assert.deepEqual(await processesOf(tree), [], 'no process is left');
    } finally {
      rmSync(top, { recursive: true });
    }
  });
}

/** Adds a file that is to be counted; as latin1, where a byte is a character, an expression can tell the words. */
function add(tree: Tree, path: string, content: string): void {
  const file = join(tree.directory, path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, content);
  tree.files++;
  tree.bytes += Buffer.byteLength(content);
  tree.words += Buffer.from(content).toString('latin1').match(/[^ \t\n\v\f\r]+/g)?.length ?? 0;
}

/** Words of all lengths, so that cuts fall anywhere; the numbers are not random, so that a failure can be had again. */
function prose(words: number, seed: number): string {
  const spaces = [' ', '\n', '\t', '\r\n', '  ', '\v\f '];
  return Array.from({ length: words }, (_, i) => 'wörd'.repeat(1 + ((i * 7 + seed) % 11)).slice((i + seed) % 4) + spaces[(i * 5 + seed) % spaces.length]).join('');
}

function addManyKinds(tree: Tree): void {
  for (let i = 0; i < 60; i++) add(tree, `package ${i % 7}/lib/file-${i}.${['ts', 'js', 'md'][i % 3]}`, prose(i * 9, i));
  add(tree, 'empty.ts', '');
  add(tree, 'white.md', ' \n\t\r\n \f'.repeat(200));
  add(tree, 'one word.js', 'x'.repeat(70_000));
  add(tree, 'no line end – näme.d.ts', 'a b c');
  add(tree, 'large.md', prose(20_000, 3));
  writeFileSync(join(tree.directory, 'other.json'), 'not to be counted');
  symlinkSync('large.md', join(tree.directory, 'link.md'));
  symlinkSync('..', join(tree.directory, 'circle'));
}

/** So much that whoever hears of the first tenth of it is heard before the last. */
function addMuch(tree: Tree): void {
  for (let i = 0; i < 50; i++) add(tree, `${i}.ts`, prose(15_000, i));
}

interface Run {
  readonly code: number | null;
  readonly out: string;
  readonly errors: string;
}

async function run(tree: Tree, onLine: (line: string, child: ChildProcess) => void = () => undefined, ...args: string[]): Promise<Run> {
  const child = spawn(process.execPath, [MAIN, '--once', '--dir', tree.directory, ...args], { env: { ...process.env, TMPDIR: tree.temporary }, stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  const reader = createInterface(child.stdout).on('line', (line) => {
    lines.push(line);
    onLine(line, child);
  });
  const closed = new Promise((resolve) => reader.on('close', resolve));
  const exit = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const [code, errors] = await Promise.all([exit, text(child.stderr), closed]);
  return { code, out: lines.join('\n'), errors };
}

/** The command lines of the processes that have this tree's temporary directory in their environment, but for those that just end. */
async function processesOf(tree: Tree, wait = 1000): Promise<string[]> {
  const found = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && read(`/proc/${pid}/environ`).includes(`TMPDIR=${tree.temporary}\0`));
  if (found.length === 0 || wait <= 0) return found.map((pid) => `${pid} ${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')}`);
  await pause(50);
  return processesOf(tree, wait - 50);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // it has just ended, or is none of ours
  }
}

function figure(value: number): string {
  return value.toLocaleString('en-US');
}

function checkTotals(tree: Tree, { code, out, errors }: Run): void {
  assert.equal(code, 0, `${out}\n${errors}`);
  const totals = `${figure(tree.files)} +${figure(tree.bytes)} +${figure(tree.words)}`;
  assert.match(out, new RegExp(`^directly +${totals} +-$`, 'm'));
  assert.match(out, new RegExp(`^over alpc +${totals} +the same$`, 'm'));
  assert.match(out, new RegExp(`^over a socket +${totals} +the same$`, 'm'));
}

withTree('the job counts every word, shows its ports, replaces the client that it kills, and compares', async (tree) => {
  addManyKinds(tree);
  const result = await run(tree);
  checkTotals(tree, result);
  const { out, errors } = result;
  assert.equal(errors, '');
  assert.match(out, /^ +RPC Control\\\n +⚙ wordcount\n +⚙ worklist$/m);
  const [, killed] = /main: client 2 \(blocking, pid (\d+)\) is killed with SIGKILL/.exec(out)!;
  const [, replacement] = /main: client 2 is replaced by pid (\d+)/.exec(out)!;
  assert.notEqual(killed, replacement);
  assert.match(out, new RegExp(`server: a client died \\(pid ${killed}\\) after \\d+ calls`));
  assert.match(out, /work list: client 2 died; \S.* goes back on the list|work list: client 2 died; it had nothing in hand/);
  assert.match(out, /over alpc +100% +65 of 65 files/);
  assert.match(out, /over a socket +100% +65 of 65 files/);
  const calls = ['alpc, blocking', 'alpc, awaited', 'Unix socket \\(node:net\\), awaited'].map((kind) => new RegExp(`^${kind} +([\\d,]+) +[\\d,]+ +[\\d.,]+ +[\\d.,]+ +[\\d.]+x$`, 'm').exec(out));
  const [blocking, awaited, socket] = calls.map((row) => Number(row![1]!.replaceAll(',', '')));
  assert.equal(blocking! + awaited!, socket, 'both ways took the same number of calls');
});

withTree('totals stay right when clients are killed again and again', async (tree) => {
  for (let i = 0; i < 120; i++) add(tree, `${i}.md`, prose(1000, i));
  let killed = 0;
  const result = await run(tree, (line) => {
    if (!/over .* [2-7]0%/.test(line)) return;
    const clients = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && read(`/proc/${pid}/cmdline`).includes('word-count/client.js') && read(`/proc/${pid}/environ`).includes(`TMPDIR=${tree.temporary}\0`));
    process.kill(Number(clients[killed++ % clients.length]), 'SIGKILL');
  });
  assert.ok(killed >= 6, `${killed} were killed`);
  checkTotals(tree, result);
});

withTree('fewer files than clients are enough', async (tree) => {
  add(tree, 'only.md', prose(400, 1));
  const result = await run(tree);
  checkTotals(tree, result);
  assert.match(result.out, /^alpc, \w+ +0 +- +- +- +-$/m);
});

withTree('totals that differ end with an error', async (tree) => {
  add(tree, 'a.md', prose(10, 1));
  add(tree, 'b.md', prose(10, 1));
  const { code, out, errors } = await run(tree, (line) => {
    if (/directly +100%/.test(line)) appendFileSync(join(tree.directory, 'b.md'), 'more');
  });
  assert.equal(code, 1);
  assert.match(out, /^over alpc .* DIFFERENT$/m);
  assert.match(errors, /word count: the totals differ/);
});

withTree('a tree without files, and one that is not there, end with an error', async (tree) => {
  const nothing = await run(tree);
  assert.deepEqual([nothing.code, /there is no \.ts, \.js or \.md file below/.test(nothing.errors)], [1, true]);
  rmSync(tree.directory, { recursive: true });
  const nowhere = await run(tree);
  assert.deepEqual([nowhere.code, /ENOENT/.test(nowhere.errors)], [1, true]);
});

for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]] as const) {
  withTree(`${signal} in the middle ends it, and all its processes`, async (tree) => {
    addMuch(tree);
    const result = await run(tree, (line, child) => {
      if (/over alpc +[12]0%/.test(line)) child.kill(signal);
    });
    assert.equal(result.code, code, result.out + result.errors);
    assert.equal(result.errors, `word count: interrupted by ${signal}\n`);
    assert.doesNotMatch(result.out, /The object namespace/);
  });
}

withTree('its processes end also when it is killed itself', async (tree) => {
  addMuch(tree);
  const { code, out, errors } = await run(tree, (line, child) => {
    if (/over alpc +[12]0%/.test(line)) child.kill('SIGKILL');
  });
  assert.equal(code, null, out + errors);
  assert.deepEqual(await processesOf(tree, 5000), []);
  for (const left of readdirSync(tree.temporary)) rmSync(join(tree.temporary, left), { recursive: true }); // nobody was left to do it
});
