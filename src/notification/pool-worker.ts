/**
 * A thread of a ThreadPool: it loads the handler and gives it one packet after the other, for as long as the pool wants it. It waits
 * on its event loop, so a handler may be asynchronous; while its promise is pending the thread counts as busy.
 *
 * A handler that throws, or rejects, ends the thread: what it held is declined, and the pool starts another.
 */
import { pathToFileURL } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import { AlpcError } from '../base/errors.js';
import { CompletionPort } from './completion-port.js';
import type { Packet } from './packet.js';
import { LEAVE, type PoolWorkerData, type ToldByThread } from './pool-terms.js';

type Handler = (packet: Packet) => unknown;

async function work({ handle, worker, max, busy, index, idle }: PoolWorkerData): Promise<void> {
  const completions = CompletionPort.open(handle);
  tell('bound');
  const loaded = (await import(/^(?:file|data):/.test(worker) ? worker : pathToFileURL(worker).href)) as { default?: unknown };
  if (typeof loaded.default !== 'function') throw new AlpcError('ERR_ALPC_INVALID_ARGUMENT', `thread pool: ${worker} has no handler as its default export`);
  const handler = loaded.default as Handler;
  const leaving = new AbortController();
  parentPort!.on('message', (told) => {
    if (told === LEAVE) leaving.abort();
  });
  // Packets first: what is left then tells whether more threads are wanted, and while one starts none is started.
  let packets: Packet[] | undefined = completions.tryDequeue(max);
  tell('ready');
  while (packets !== undefined) {
    Atomics.store(busy, index, 1);
    for (const packet of packets) {
      const result = handler(packet);
      if (result instanceof Promise) await result;
    }
    Atomics.store(busy, index, 0);
    packets = await next(completions, max, idle, leaving.signal);
  }
  completions.leave();
  tell('left');
}

/** The next packets; undefined when the thread is to leave. Without work it says so now and then, and the pool decides: or all would leave at once. */
async function next(completions: CompletionPort, max: number, idle: number, signal: AbortSignal): Promise<Packet[] | undefined> {
  const waiting = completions.tryDequeue(max); // without timer and signal, which are for who has to wait
  if (waiting.length > 0) return waiting;
  for (;;) {
    try {
      return await completions.dequeue({ max, timeout: idle, signal });
    } catch (error) {
      if (signal.aborted || (AlpcError.is(error) && error.code === 'ERR_ALPC_CLOSED')) return undefined;
      if (!AlpcError.is(error) || error.code !== 'ERR_ALPC_TIMEOUT') throw error;
      tell('idle');
    }
  }
}

function tell(alpcPool: ToldByThread['alpcPool']): void {
  parentPort!.postMessage({ alpcPool } satisfies ToldByThread); // oxlint-disable-line unicorn/require-post-message-target-origin
}

await work(workerData as PoolWorkerData);
