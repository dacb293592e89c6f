/**
 * A process that does by order what processes do with objects, for tests of several at once. An order may name a moment
 * (`at`, on the wall clock) that all wait for, so that they begin together.
 */
import { AlpcError } from '../../src/base/errors.js';
import { bindPortName, bindPortNameSync, type BoundPortName, checkAccess, createDirectory, createSecurityDescriptor, listDirectory, namespaceRoot, openPort, type TreeEntry, walkNamespace } from '../../src/objects/index.js';
import { statOf } from '../../src/platform/directory.js';
import { closeDescriptor } from '../../src/platform/system.js';
import { obey, tell } from '../support/actor.js';

export type Order =
  | { type: 'ready' | 'remove' | 'close' | 'default-access' }
  | { type: 'list'; name: string; root: string; at: number }
  | { type: 'walk'; root: string }
  | { type: 'mkdir'; name: string; root: string; at: number; recursive: boolean }
  | { type: 'bind'; name: string; root: string; at?: number; how: 'blocking' | 'awaited'; mode?: number }
  | { type: 'churn'; name: string; root: string };

export type Answer = { done: true; listed?: string[]; entries?: TreeEntry[]; removed?: boolean; letsMe?: boolean } | { done: false; code: string; message: string };
export type News = { type: 'answer'; answer: Answer };

const held: { port?: BoundPortName } = {};

/** Tells what the action comes to; an error that is no AlpcError ends the process. */
async function answer(at: number, action: () => Omit<Answer & { done: true }, 'done'> | Promise<Omit<Answer & { done: true }, 'done'>>): Promise<void> {
  while (Date.now() < at);
  try {
    tell<News>({ type: 'answer', answer: { done: true, ...(await action()) } });
  } catch (error) {
    if (!AlpcError.is(error)) throw error;
    tell<News>({ type: 'answer', answer: { done: false, code: error.code, message: error.message } });
  }
}

obey<Order>({
  ready: () => answer(0, () => ({})),
  list: ({ name, root, at }) => answer(at, () => ({ listed: listDirectory(name, { root: namespaceRoot({ root }) }).map((entry) => entry.name) })),
  walk: ({ root }) => answer(0, () => ({ entries: [...walkNamespace({ root })] })),
  mkdir: ({ name, root, at, recursive }) =>
    answer(at, () => {
      createDirectory(name, { root, recursive });
      return {};
    }),
  bind: ({ name, root, at = 0, how, mode = 0o600 }) =>
    answer(at, async () => {
      const options = { root, mode, timeout: 60_000 };
      held.port = how === 'blocking' ? bindPortNameSync(name, options) : await bindPortName(name, options);
      return {};
    }),
  remove: () =>
    answer(0, () => {
      const removed = held.port!.removeSync();
      closeDescriptor(held.port!.fd);
      return { removed };
    }),
  close: () =>
    answer(0, () => {
      closeDescriptor(held.port!.fd);
      return {};
    }),
  'default-access': () => answer(0, () => ({ letsMe: checkAccess(createSecurityDescriptor(), { uid: process.geteuid!(), gid: 4321 }, 'connect') })),
  churn: async ({ name, root }) => {
    for (let blocking = true; ; blocking = !blocking) await ownForAMoment(name, root, blocking);
  },
});

/** Makes the name, looks whether it leads to this process, and gives it back; content when another has it. */
async function ownForAMoment(name: string, root: string, blocking: boolean): Promise<void> {
  try {
    const port = blocking ? bindPortNameSync(name, { root, timeout: 60_000 }) : await bindPortName(name, { root, timeout: 60_000 });
    const found = openPort(name, { root });
    if (statOf(found.fd).ino !== port.ino) throw new Error('the name of a living server leads to another');
    closeDescriptor(found.fd);
    if (!port.removeSync({ timeout: 60_000 })) throw new Error('a living server lost its name');
    closeDescriptor(port.fd);
  } catch (error) {
    if (!AlpcError.is(error) || error.code !== 'ERR_ALPC_NAME_IN_USE') throw error;
  }
}
