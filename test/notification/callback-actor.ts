/** A process whose callbacks throw. What comes to it as an uncaught exception or rejection is kept, and told when asked. */
import { createCallback } from '../../src/index.js';
import { obey, tell } from '../support/actor.js';

export type CallbackOrder = { type: 'notify' } | { type: 'report' };
export type CallbackNews = { type: 'ready' } | { type: 'notified'; calls: string[]; thrown: string } | { type: 'errors'; errors: string[] };

const errors: string[] = [];
process.on('uncaughtException', (error) => errors.push(error.message));

const object = createCallback('\\Callback\\Thrown');
const calls: string[] = [];
for (const name of ['before', 'throws one', 'between', 'throws two', 'after']) {
  object.register(() => {
    calls.push(name);
    if (name.startsWith('throws')) throw new Error(name.slice(7));
  });
}

obey<CallbackOrder>({
  notify: () => {
    let thrown = 'nothing';
    const rejecting = object.register(async () => Promise.reject(new Error('a promise')));
    try {
      object.notify(undefined, undefined);
    } catch (error) {
      thrown = String(error);
    }
    rejecting.unregister();
    tell<CallbackNews>({ type: 'notified', calls, thrown });
  },
  report: () => tell<CallbackNews>({ type: 'errors', errors }),
});
tell<CallbackNews>({ type: 'ready' });
