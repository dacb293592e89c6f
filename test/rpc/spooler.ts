/** An interface that tests and their actors share, and handlers for it that keep a journal of what became of each call. */
import { setTimeout as sleep } from 'node:timers/promises';
import { call, type ContextHandle, defineInterface, Fault, type Handlers, oneWay, stream, type } from '../../src/rpc/index.js';

export const Progress = defineInterface({ name: 'progress', version: '1.0' }, { report: call<number, string>(), later: call<number, string>(), note: oneWay<string>() });

export const Spooler = defineInterface(
  { name: 'spooler', version: '1.2', uuid: '12345678-1234-abcd-ef00-0123456789ab' },
  {
    echo: call<unknown, unknown>(),
    add: call<[number, number], number>(),
    fail: call({ input: type<string>(), errors: { outOfPaper: type<{ tray: number }>() } }),
    wait: call<number | undefined, string>(),
    whoami: call<void, { uid: number; pid: number; timeLeft: number }>(),
    openJob: call<string, ContextHandle>(),
    readJob: call<ContextHandle, string>(),
    closeJob: call<ContextHandle, string>(),
    idempotent: call({ input: type<number>(), output: type<number>(), idempotent: true }),
    exit: call<number>(),
    withProgress: call<{ count: number; how: 'awaited' | 'blocking' | 'later' | 'noted' | 'noted blocking' }, string[]>(),
    log: oneWay<string>(),
    journal: call<void, string[]>(),
    count: stream<{ to: number; pause?: number; failAt?: number }, number>(),
    upper: stream({ input: type<string>(), items: type<string>(), output: type<string>() }),
    ignore: stream({ input: type<number>(), items: type<number>(), output: type<number>() }),
    blobs: stream<{ count: number; length: number }, Uint8Array>(),
  },
);

export type SpoolerHandlers = Handlers<(typeof Spooler)['methods']>;

export function spooler(journal: string[] = []): SpoolerHandlers {
  return {
    echo: (value) => value,
    add: ([a, b]) => a + b,
    fail(kind) {
      if (kind === 'declared') throw new Fault('outOfPaper', { tray: 2 }, 'the tray is empty');
      if (kind === 'undeclared') throw new Fault('onFire', { where: 'everywhere' });
      if (kind === 'plain') throw Object.assign(new RangeError('too far', { cause: new Error('a reason') }), { code: 'E_FAR' });
      if (kind === 'text') throw 'just text'; // oxlint-disable-line typescript/only-throw-error
      if (kind === 'rejects') return Promise.reject(new Error('later'));
      return undefined;
    },
    wait: (milliseconds, { signal }) =>
      new Promise((resolve) => {
        const timer = milliseconds === undefined ? undefined : setTimeout(() => resolve('waited'), milliseconds);
        signal.addEventListener('abort', () => {
          clearTimeout(timer);
          journal.push(`gave up: ${(signal.reason as Error).name}`);
          setTimeout(() => resolve('given up'), 50).unref(); // an answer that is there when the caller's time is over would count
        });
        journal.push('waits');
      }),
    whoami: (_, { caller, timeLeft }) => ({ uid: caller.uid, pid: caller.pid, timeLeft }),
    openJob: (name, context) => context.openHandle({ name }, (state) => journal.push(`run down: ${state.name}`)),
    readJob: (handle, context) => context.handle<{ name: string }>(handle).name,
    closeJob: (handle, context) => context.closeHandle<{ name: string }>(handle).name,
    idempotent: (number) => {
      if (number === process.pid) process.kill(number, 'SIGKILL');
      return number;
    },
    exit: (code) => process.exit(code),
    async withProgress({ count, how }, context) {
      const answers: string[] = [];
      const progress = how === 'blocking' ? context.callbackSync(Progress) : await context.callback(Progress);
      for (let i = 0; i < count; i++) {
        if (how === 'noted') await progress.note(`note ${i}`);
        if (how === 'noted blocking') progress.note.sync(`note ${i}`);
        if (how.startsWith('noted')) answers.push(`sent ${i}`);
        else answers.push(how === 'blocking' ? progress.report.sync(i) : how === 'later' ? await progress.later(i) : await progress.report(i));
      }
      return answers;
    },
    log: (line) => void journal.push(line),
    journal: () => journal,
    async *count({ to, pause, failAt }, { signal }) {
      try {
        for (let i = 0; i < to; i++) {
          if (i === failAt) throw new Error(`no ${i}`);
          if (pause !== undefined) await sleep(pause, undefined, { signal });
          yield i;
        }
      } finally {
        journal.push('count is over');
      }
    },
    async *upper(prefix, _, items) {
      for await (const item of items) yield prefix + item.toUpperCase();
    },
    async *ignore(number) {
      for (let i = 0; i < number; i++) yield i;
    },
    *blobs({ count, length }) {
      for (let i = 0; i < count; i++) yield new Uint8Array(length).fill(i);
    },
  };
}
