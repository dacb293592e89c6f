/** The handlers of pooled.test.ts, in a thread of a pool. What they have to tell goes to the file that `workerData.data` names. */
import { appendFileSync } from 'node:fs';
import { threadId, workerData } from 'node:worker_threads';
import { call, defineInterface, Fault, implement, poolHandler } from '../../src/rpc/index.js';
import { Other, Threads } from './threads.js';

const Back = defineInterface({ name: 'back', version: '1.0' }, { ask: call<void, number>() });
const { data: file } = workerData as { data: string };
const journal = (line: string): void => appendFileSync(file, `${line}\n`);

export default poolHandler([
  implement(Threads, {
    where: () => threadId,
    who: (_, { caller }) => ({ uid: caller.uid, groups: [...caller.groups] }),
    echo: (value) => value,
    fail(how, context) {
      if (how === 'fault') throw new Fault('broken', 7);
      if (how === 'handle') context.handle({} as never);
      throw new RangeError('out of it');
    },
    note: journal,
    spin(milliseconds) {
      for (const end = performance.now() + milliseconds; performance.now() < end; );
    },
    wait: (name, context) =>
      new Promise((resolve) => {
        journal(`${name} waits`);
        context.signal.addEventListener('abort', () => {
          journal(`${name} was given up`);
          resolve();
        });
      }),
    crash: () => new Promise(() => void setImmediate(() => { throw new Error('this thread ends'); })), // prettier-ignore
    async *count({ to, failAt, journal: name }, context) {
      try {
        for (let i = 0; i < to; i++) {
          if (i === failAt) throw new RangeError(`no ${i}`);
          if (to === Infinity && i % 100 === 0) await new Promise((resolve) => void setImmediate(resolve));
          yield i;
        }
      } finally {
        if (name !== undefined) journal(`${name} is over${context.signal.aborted ? ', given up' : ''}`);
      }
    },
    *blobs({ count, length }) {
      for (let i = 0; i < count; i++) yield new Uint8Array(length).fill(i);
    },
    async *upper(prefix, _, items) {
      for await (const item of items) yield prefix + item.toUpperCase();
    },
    async *echoes(_, __, items) {
      yield* items;
    },
    async *deaf() {
      yield 1;
      await new Promise(() => {});
    },
    open: (name, context) => ({ handle: context.openHandle({ name, texts: [] as string[] }, (state) => journal(`run down: ${state.name} of ${state.texts.length} in ${threadId}`)), thread: threadId }),
    add({ handle, other, text }, context) {
      const state = context.handle<{ name: string; texts: string[] }>(handle);
      if (other !== undefined) context.handle(other);
      state.texts.push(text);
      return { text: state.texts.join(' '), thread: threadId };
    },
    shut: (handle, context) => context.closeHandle<{ name: string }>(handle).name,
    back: async (_, context) => void (await context.callback(Back)),
  }),
  implement(Other, { use: (handle, context) => void context.handle(handle) }),
]);
