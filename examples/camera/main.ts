/**
 * A camera and three readers: four processes, and not one copy of a picture.
 *
 *     node dist/examples/camera/main.js [frames, 200]
 *
 * The camera (camera.ts) draws each frame into shared memory and sends a view of it to every reader (reader.ts), which looks at it where it
 * lies. Four regions are enough for any number of frames: one is used again when all readers have released it. Beside that they share a
 * board (frame.ts) of words that several processes count on. A reader may be killed at any moment: the others go on.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createNamedSection, removeObject } from '../../src/index.js';
import { BOARD, Word, wordsOf } from './frame.js';

const READERS = ['meter', 'tracker', 'motion'];

function start(module: string, ...args: string[]): ChildProcess {
  return fork(fileURLToPath(new URL(module, import.meta.url)), args);
}

async function end(name: string, child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  if (child.signalCode !== null) console.log(`${name}: ended by ${child.signalCode}`);
  else if (child.exitCode !== 0) process.exitCode = 1;
}

using board = createNamedSection(BOARD, 4096);
try {
  using view = board.createView();
  const words = wordsOf(view);
  words[Word.exposure] = 100;

  const camera = start('./camera.js', process.argv[2] ?? '200', String(READERS.length));
  await Promise.race([once(camera, 'message'), once(camera, 'exit')]); // 'listening', or it came to nothing and has said why
  const readers = READERS.map((name) => [name, start('./reader.js', name)] as const);
  for (const [name, { pid }] of readers) console.log(`${name}: process ${pid}`);
  await Promise.all([...readers, ['camera', camera] as const].map(([name, child]) => end(name, child)));

  console.log(`board: ${Atomics.load(words, Word.seen)} frames were looked at, the exposure is ${Atomics.load(words, Word.exposure)} %`);
} finally {
  removeObject(BOARD);
}
