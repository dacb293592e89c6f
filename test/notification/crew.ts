/** Worker threads that serve one completion port, and a port whose messages they get. */
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { type ClientPort, CompletionPort, connectPort, type ConnectionPort, createPort } from '../../src/index.js';
import { until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { temporaryRoot } from '../support/root.js';
import type { Task, Told } from './completion-worker.js';

/** The port that `serve` makes. */
export const NAME = '\\RPC Control\\completions';

export interface Crew {
  readonly completions: CompletionPort;
  readonly words: Int32Array;
  /** Resolves when the thread waits for packets; `busy` where it may find some and never wait. */
  readonly start: (options?: Partial<Task>, busy?: 'busy') => Promise<Worker>;
  /** What all threads took, in the order in which it was told. */
  readonly taken: string[];
  readonly takenBy: Map<Worker, string[]>;
  /** How many came at once, each time. */
  readonly batches: number[];
  /** Resolves when the thread has ended, also if it had before this was asked. */
  readonly gone: (thread: Worker) => Promise<void>;
}

/** A completion port for at most `concurrency` threads at once, and a way to start them; all end with the test. */
export function crew(t: TestContext, concurrency: number): Crew {
  const completions = new CompletionPort({ concurrency });
  const board = new SharedArrayBuffer(64);
  const taken: string[] = [];
  const takenBy = new Map<Worker, string[]>();
  const batches: number[] = [];
  const ends = new Map<Worker, Promise<void>>();
  atEnd(t, () => completions[Symbol.dispose]());
  return {
    completions,
    words: new Int32Array(board),
    taken,
    takenBy,
    batches,
    gone: (thread) => ends.get(thread)!,
    start: async (options = {}, busy) => {
      const task: Task = { handle: completions.handle, how: 'dequeueSync', max: 1, board, leaveAfter: 0, ...options };
      const worker = new Worker(new URL('./completion-worker.js', import.meta.url), { workerData: task });
      atEnd(t, () => worker.terminate());
      const mine: string[] = [];
      takenBy.set(worker, mine);
      ends.set(worker, new Promise((resolve) => void worker.once('exit', () => resolve())));
      worker.on('message', (told: Told) => {
        if (told.type !== 'took') return;
        batches.push(told.texts.length);
        taken.push(...told.texts);
        mine.push(...told.texts);
      });
      worker.on('error', () => {}); // told by `exit`
      const { waiting } = completions.info();
      await once(worker, 'message');
      if (busy === undefined) await until('it waits', () => completions.info().waiting > waiting);
      return worker;
    },
  };
}

/** A port whose messages come to the completion port with this key, and clients of it. In a namespace of the test's own. */
export async function serve(t: TestContext, completions: CompletionPort, key = 7): Promise<{ port: ConnectionPort; connect: () => Promise<ClientPort> }> {
  temporaryRoot(t);
  const port = await createPort(NAME);
  atEnd(t, () => port.close());
  port.associate(completions, key);
  return {
    port,
    connect: async () => {
      const client = await connectPort(NAME);
      atEnd(t, () => client.close());
      return client;
    },
  };
}
