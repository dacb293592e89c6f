/** A server that tries for a name when it is told, together with others, and says to whoever asks which process it is. */
import { AlpcError } from '../../src/base/errors.js';
import { type ConnectionPort, createPort, createPortSync } from '../../src/index.js';
import { libc } from '../../src/platform/system.js';
import { obey, tell } from '../support/actor.js';

export type RacingOrder = { type: 'create'; name: string; at: number; blocking: boolean } | { type: 'close' } | { type: 'become'; uid: number };
export type RacingNews = { type: 'done' } | { type: 'created'; code?: string; message?: string };

const held: { port?: ConnectionPort } = {};

obey<RacingOrder>({
  create: async ({ name, at, blocking }) => {
    while (Date.now() < at);
    try {
      held.port = blocking ? createPortSync(name, { timeout: 60_000 }) : await createPort(name, { timeout: 60_000 });
    } catch (error) {
      if (!AlpcError.is(error)) throw error;
      return tell<RacingNews>({ type: 'created', code: error.code, message: error.message });
    }
    held.port.on('message', (message) => message.type === 'request' && message.reply(String(process.pid)));
    return tell<RacingNews>({ type: 'created' });
  },
  close: async () => {
    await held.port?.close();
    tell<RacingNews>({ type: 'done' });
  },
  become: ({ uid }) => {
    process.setgid!(uid);
    process.setuid!(uid);
    libc().umask(0o022);
    tell<RacingNews>({ type: 'done' });
  },
});
tell<RacingNews>({ type: 'done' });
