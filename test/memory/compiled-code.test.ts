/**
 * The canary's other half: not what this machine does with the stores of the protocol, but what this version of V8 makes of them. The stores on
 * which all rests are atomic in the compiled code too, and a plain load that is written twice is made twice.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { MAP_ANONYMOUS, MAP_SHARED, PROT_READ, PROT_WRITE } from '../../src/platform/libc.js';
import { libc, viewOfMemory } from '../../src/platform/system.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { differences, ENOUGH, looksUntilChanged } from './plain-loads.js';
import { PAGE } from './support.js';

withLedger();

/** A call of V8's builtin, or an instruction that is a barrier. */
const ATOMIC_STORE = /\(AtomicsStore\)|\bxchg|\block\b|\bstlr/;
/** The stores: which function makes each, and what tells it from others of the same name. */
const STORES: Record<string, { name: string; holds: string }> = {
  "the sleeper's counter": { name: 'arm', holds: 'this.#counter' },
  "the writer's tail": { name: 'write', holds: 'words[SENT_MESSAGES]' },
  "the reader's head": { name: 'publish', holds: 'words[RECEIVED_MESSAGES]' },
};
/** Each function is compiled for itself, so that there is a text of it. */
const ALONE = ['--no-turbo-inlining', '--no-use-osr'];

/** What V8 prints of the functions of this name, a text for each time that it compiled one. */
function compiled(name: string): string[] {
  const actor = fileURLToPath(new URL('./compiled-actor.js', import.meta.url));
  const { stdout, status, stderr } = spawnSync(process.execPath, [...ALONE, '--print-opt-code', `--print-opt-code-filter=${name}`, actor], { encoding: 'utf8', maxBuffer: 2 ** 28 });
  assert.equal(status, 0, stderr);
  return stdout.split('--- Raw source ---').filter((text) => new RegExp(`^name = ${name}$`, 'm').test(text));
}

for (const [what, { name, holds }] of Object.entries(STORES)) {
  test(`in compiled code ${what} is stored atomically`, () => {
    const texts = compiled(name).filter((text) => text.includes(holds));
    assert.ok(texts.length > 0, 'it was compiled');
    for (const text of texts) assert.match(text, ATOMIC_STORE);
  });
}

test('a plain load that is written twice is made twice, and one in a loop is made anew each time', { skip: availableParallelism() < 2 && 'needs two cores' }, async (t) => {
  const address = libc().mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  const words = new Int32Array(viewOfMemory(address, PAGE));
  const worker = new Worker(new URL('./plain-loads-worker.js', import.meta.url), { workerData: { address, length: PAGE } });
  const ended = once(worker, 'exit');
  atEnd(t, async () => {
    Atomics.store(words, ENOUGH, 1);
    await ended;
    libc().munmap(address, PAGE);
  });
  await once(worker, 'online');
  let different = 0;
  for (let round = 0; round < 2000 && different < 100; round++) different += differences(words, 1_000_000);
  t.diagnostic(`${different} pairs of loads were different`);
  assert.ok(different >= 100, 'with one load for both there would be none');
  assert.notEqual(looksUntilChanged(words, 2 ** 31 - 1), -1);
});
