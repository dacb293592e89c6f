/**
 * Has the spooler served by one process after the other: `heirs-actor.js <count>`. So many of them die of the first idempotent call that they
 * get; the last one answers it.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { actorArguments, obey, tell } from '../support/actor.js';

export type News = { type: 'ready' };

const count = Number(actorArguments()[0]);
obey<never>({});
for (let i = 0; i <= count; i++) {
  const server = fork(fileURLToPath(new URL('./spooler-actor.js', import.meta.url)), ['spooler', i < count ? 'mortal' : 'the last']);
  await once(server, 'message');
  if (i === 0) tell<News>({ type: 'ready' });
  await once(server, 'exit');
}
