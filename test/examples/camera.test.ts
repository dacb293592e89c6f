/** The example of a camera and its readers: no frame is lost or copied, and who dies is not missed. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BOARD, Word, wordsOf } from '../../examples/camera/frame.js';
import { openNamedSection } from '../../src/index.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';

withLedger();

const MAIN = fileURLToPath(new URL('../../examples/camera/main.js', import.meta.url));

/** Runs it; `onReaders` is told the readers' processes by their names. What it printed, and how it ended. */
async function run(frames: number, onReaders: (pids: ReadonlyMap<string, number>) => void = () => {}): Promise<{ code: number; out: string; errors: string }> {
  const child = spawn(process.execPath, [MAIN, String(frames)], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'exit') as Promise<[number]>;
  const pids = new Map<string, number>();
  createInterface(child.stdout).on('line', (line) => {
    const [, name, pid] = /^(\w+): process (\d+)$/.exec(line) ?? [];
    if (pid !== undefined && pids.set(name!, Number(pid)).size === 3) onReaders(pids);
  });
  const [[code], out, errors] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  return { code, out, errors };
}

/** Waits until so many frames were looked at. */
async function seen(count: number): Promise<void> {
  using section = openNamedSection(BOARD);
  using board = section.createView();
  const words = wordsOf(board);
  for (let now = 0; now < count; now = Atomics.load(words, Word.seen)) await board.wait(Word.seen, now);
}

test('three readers look at every frame where the camera wrote it, and count together', { timeout: 120_000 }, async (t) => {
  temporaryRoot(t);
  const { code, out, errors } = await run(100);
  assert.deepEqual([code, errors], [0, '']);
  for (const reader of ['meter', 'tracker', 'motion']) assert.match(out, new RegExp(`^${reader}: 100 frames of 307200 bytes, 0 missed;`, 'm'));
  assert.match(out, /^camera: 100 frames of 307200 bytes from 4 regions$/m);
  assert.match(out, /something moved in 99 of them$/m);
  assert.match(out, /the ball came back from the wall 1 times$/m);
  const [, exposure] = /^board: 300 frames were looked at, the exposure is (\d+) %$/m.exec(out)!;
  assert.ok(Math.abs(Number(exposure) - 285) <= 15, `the meter has opened the aperture: ${exposure} %`);
});

test('when a reader is killed in the midst of it, what it held comes back and the others miss nothing', { timeout: 120_000 }, async (t) => {
  temporaryRoot(t);
  let killing = Promise.resolve();
  const { code, out, errors } = await run(300, (pids) => {
    killing = seen(60).then(() => void process.kill(pids.get('motion')!, 'SIGKILL')); // which always holds a frame
  });
  await killing;
  assert.deepEqual([code, errors], [0, '']);
  assert.match(out, /^motion: ended by SIGKILL$/m);
  for (const reader of ['meter', 'tracker']) assert.match(out, new RegExp(`^${reader}: 300 frames of 307200 bytes, 0 missed;`, 'm'));
  assert.match(out, /^camera: 300 frames of 307200 bytes from 4 regions$/m);
});
