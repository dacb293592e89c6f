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
/** Functions that make the stores, and what tells them from others of the same name: the sleeper's counter, the writer's tail, the reader's head. */
const STORES = { armForData: '#forData.arm()', write: 'words[SENT_MESSAGES]', publish: 'words[RECEIVED_MESSAGES]' };

/** What V8 prints of the function of this name that holds this text, once for each time that it compiled it. */
function compiled(name: string, holds: string): string[] {
  const actor = fileURLToPath(new URL('./compiled-actor.js', import.meta.url));
  const { stdout, status, stderr } = spawnSync(process.execPath, ['--print-opt-code', `--print-opt-code-filter=${name}`, actor], { encoding: 'utf8', maxBuffer: 2 ** 28 });
  assert.equal(status, 0, stderr);
  return stdout.split('--- Raw source ---').filter((text) => text.includes(holds) && new RegExp(`^name = ${name}$`, 'm').test(text));
}

for (const [name, holds] of Object.entries(STORES)) {
  test(`the compiled code of ${name} stores atomically`, () => {
    const texts = compiled(name, holds);
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
