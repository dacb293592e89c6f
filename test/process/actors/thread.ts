/**
 * A worker thread that has a port: it serves by the verbs, calls a server many times, or blocks for good in one of the calls
 * that block. It tells its parent when it has begun ('begun') and what came of it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { connectPort, connectPortSync, createPort } from '../../../src/ports/index.js';
import { cross, numbers, outcomeOf, tally } from '../expect.js';
import { type Blocking, type Form, takeMessages } from '../taking.js';
import { Verbs } from '../verbs.js';
import { block } from './blocking-calls.js';

export type ThreadTask =
  | { do: 'serve'; name: string; form: Form }
  | { do: 'call'; name: string; how: 'blocking' | 'awaited'; text: string; count: number }
  /** A server of its own, and a blocking call to another that does the same. */
  | { do: 'block-each-other'; own: string; other: string; go: Int32Array }
  | { do: 'block'; name: string; in: Blocking }
  /** Connects and ends, in one way or another. */
  | { do: 'end'; name: string; by: 'close' | 'exit' | 'return' | 'throw' };

const task = workerData as ThreadTask;
const tell = (news: unknown): void => parentPort!.postMessage(news, []);

switch (task.do) {
  case 'serve': {
    const port = await createPort(task.name);
    parentPort!.once('message', () => void port.close());
    tell('begun');
    await takeMessages(port, task.form, new Verbs().handle);
    break;
  }
  case 'call': {
    await using port = await connectPort(task.name);
    if (task.how === 'blocking') tell(cross(port, task.text, task.count));
    else tell(tally(await Promise.all(numbers(task.count).map(() => outcomeOf(port.request(task.text))))));
    break;
  }
  case 'block-each-other': {
    await using own = await createPort(task.own);
    own.on('message', new Verbs().handle);
    tell('begun');
    Atomics.wait(task.go, 0, 0);
    const port = await connectPort(task.other);
    tell(await both(() => cross(port, 'echo x', 200), task.go));
    port.close();
    break;
  }
  case 'block':
    block(task.name, task.in, () => tell('begun'));
    break;
  case 'end': {
    const port = connectPortSync(task.name);
    tell('begun');
    port.postSync('before the end');
    if (task.by === 'close') port.close();
    else if (task.by === 'exit') process.exit(0);
    else if (task.by === 'return') port.unref();
    else throw new Error('as it was told');
  }
}

/** Runs, and serves the other until it has finished too. */
async function both<T>(run: () => T, go: Int32Array): Promise<T> {
  const result = run();
  Atomics.add(go, 1, 1);
  while (Atomics.load(go, 1) < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  return result;
}
