/**
 * A thread of a ThreadPool: it loads the handler and gives it one packet after the other, for as long as the pool wants it. It waits
 * on its event loop, so a handler may be asynchronous; while its promise is pending the thread counts as busy.
 *
 * A handler may return and answer later. As long as the thread holds such a request it does not leave: its end would decline it.
 *
 * A handler that throws, or rejects, ends the thread: what it held is declined, and the pool starts another.
 */
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import { AlpcError } from '../base/errors.js';
import { CompletionPort, IN_A_ROW } from './completion-port.js';
import type { Packet } from './packet.js';
import { LEAVE, MAY_LEAVE, type PoolWorkerData, type ToldByThread } from './pool-terms.js';

type Handler = (packet: Packet) => unknown;

/** What the pool has said. */
interface Orders {
  /** Aborted when the thread may leave. */
  leave: AbortController;
  /** It leaves: it is not asked. */
  isFinal: boolean;
}

/** Milliseconds between two looks whether the last answer has been given. */
const HELD_LOOK = 5;

async function work({ handle, worker, max, busy, index, idle }: PoolWorkerData): Promise<void> {
  const completions = CompletionPort.open(handle);
  tell({ alpcPool: 'bound' });
  const loaded = (await import(/^(?:file|data):/.test(worker) ? worker : pathToFileURL(worker).href)) as { default?: unknown };
  if (typeof loaded.default !== 'function') throw new AlpcError('ERR_ALPC_INVALID_ARGUMENT', `thread pool: ${worker} has no handler as its default export`);
  const handler = loaded.default as Handler;
  const orders: Orders = { leave: new AbortController(), isFinal: false };
  const final = new Promise<void>((resolve) => {
    parentPort!.on('message', (told) => {
      if (told !== LEAVE && told !== MAY_LEAVE) return;
      if (told === LEAVE) resolve();
      orders.isFinal ||= told === LEAVE;
      orders.leave.abort();
    });
  });
  // Packets first: what is left then tells whether more threads are wanted, and while one starts none is started.
  let packets: Packet[] | undefined = completions.tryDequeue(max);
  tell({ alpcPool: 'ready', seat: completions.seat });
  for (let inARow = 0; packets !== undefined; ) {
    inARow += packets.length;
    Atomics.store(busy, index, 1);
    for (const packet of packets) {
      const result = handler(packet);
      if (result instanceof Promise) await result;
    }
    Atomics.store(busy, index, 0);
    if (inARow >= IN_A_ROW) {
      await turn(); // for what handlers answer later, and what the pool says
      inARow = 0;
    }
    packets = await next(completions, max, idle, orders);
  }
  if (!orders.isFinal) tell({ alpcPool: 'leaves' });
  await final;
  while (completions.holdsAny) await sleep(HELD_LOOK);
  completions.leave();
  tell({ alpcPool: 'left' });
}

/** The next packets; undefined when the thread is to leave. Without work it says so now and then, and the pool decides: or all would leave at once. */
async function next(completions: CompletionPort, max: number, idle: number, orders: Orders): Promise<Packet[] | undefined> {
  const waiting = completions.tryDequeue(max); // without timer and signal, which are for who has to wait
  if (waiting.length > 0) return waiting;
  for (;;) {
    try {
      return await completions.dequeue({ max, timeout: idle, signal: orders.leave.signal });
    } catch (error) {
      if (orders.leave.signal.aborted) {
        if (orders.isFinal || !completions.holdsAny) return undefined;
        orders.leave = new AbortController();
        tell({ alpcPool: 'stays' });
      } else if (AlpcError.is(error) && error.code === 'ERR_ALPC_CLOSED') return undefined;
      else if (!AlpcError.is(error) || error.code !== 'ERR_ALPC_TIMEOUT') throw error;
      else if (!completions.holdsAny) tell({ alpcPool: 'idle' });
    }
  }
}

function tell(told: ToldByThread): void {
  parentPort!.postMessage(told); // oxlint-disable-line unicorn/require-post-message-target-origin
}

/**
 * The thread ends, and its pool is told the error by the thread's 'error', also when somebody here listens to uncaughtException (a logger, say): those hear it
 * first, and what the last of them throws is uncaught for good.
 */
function crash(error: unknown): void {
  process.on('uncaughtException', (thrown) => {
    throw thrown;
  });
  process.nextTick(() => {
    throw error;
  });
  setImmediate(() => process.exit(1)); // a capture callback has kept the error for itself
}

try {
  await work(workerData as PoolWorkerData);
} catch (error) {
  crash(error);
}
