/** A process that waits for another one, or for which another one waits: for a lock, for a name, for an answer. */
import { join } from 'node:path';
import { namespaceRoot } from '../../src/objects/index.js';
import { OPEN, openAbsolute } from '../../src/platform/directory.js';
import { lockDirectory, runBlocking } from '../../src/platform/file-lock.js';
import { connectPort, connectPortSync, createPort, createPortSync } from '../../src/ports/index.js';
import { nameOf } from '../process/expect.js';
import { actorArguments, obey, tell } from '../support/actor.js';
import { clock } from './dialogue.js';

export type Order =
  | { type: 'hold-lock'; directory: string }
  | { type: 'create'; name: string }
  | { type: 'connect'; name: string };

export type News =
  | { type: 'ready' }
  | { type: 'waiting' }
  /** `at` in ms on the clock of all processes. */
  | { type: 'settled'; outcome: string; at: number };

const blocking = actorArguments()[0] === 'blocking';

obey<Order>({
  'hold-lock': ({ directory }) => {
    const { fd } = openAbsolute(join(namespaceRoot(), directory.replaceAll('\\', '/')), OPEN.read);
    if (!runBlocking(lockDirectory(fd, 0))) throw new Error('another holds the lock');
    tell<News>({ type: 'waiting' });
  },
  create: ({ name }) => wait(() => (blocking ? createPortSync(name, { timeout: 60_000 }) : createPort(name, { timeout: 60_000 }))),
  connect: ({ name }) => wait(() => (blocking ? connectPortSync(name) : connectPort(name))),
});
tell<News>({ type: 'ready' });

async function wait(call: () => unknown): Promise<void> {
  tell<News>({ type: 'waiting' });
  await new Promise((resolve) => setTimeout(resolve, 5)); // the news is on its way
  const outcome = await Promise.resolve().then(call).then(() => 'done', nameOf);
  tell<News>({ type: 'settled', outcome, at: clock() });
}
