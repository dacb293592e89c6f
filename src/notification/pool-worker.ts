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
import { type MessagePort, workerData } from 'node:worker_threads';
import { AlpcError } from '../base/errors.js';
import { CompletionPort, IN_A_ROW } from './completion-port.js';
import type { Packet } from './packet.js';
import { LEAVE, type PoolWorkerData, setLeavingSignal, type ToldByPool, type ToldByThread } from './pool-terms.js';

type Handler = (packet: Packet) => unknown;

/** Milliseconds between two looks whether the last answer has been given. */
const HELD_LOOK = 5;

async function work({ handle, worker, max, busy, index, idle, port }: PoolWorkerData): Promise<void> {
  const pool = new Pool(port);
  const completions = CompletionPort.open(handle);
  pool.tell({ alpcPool: 'bound' });
  const loaded = (await import(/^(?:file|data):/.test(worker) ? worker : pathToFileURL(worker).href)) as { default?: unknown };
  if (typeof loaded.default !== 'function') throw new AlpcError('ERR_ALPC_INVALID_ARGUMENT', `thread pool: ${worker} has no handler as its default export`);
  const handler = loaded.default as Handler;
  pool.keepAlive();
  // Packets first: what is left then tells whether more threads are wanted, and while one starts none is started.
  let packets: Packet[] | undefined = completions.tryDequeue(max);
  pool.tell({ alpcPool: 'ready', seat: completions.seat });
  for (let inARow = 0; packets !== undefined; ) {
    inARow += packets.length;
    Atomics.store(busy, index, 1);
    for (const packet of packets) {
      const result = handler(packet);
      if (isThenable(result)) await result;
    }
    Atomics.store(busy, index, 0);
    if (inARow >= IN_A_ROW) {
      await turn(); // for what handlers answer later, and what the pool says
      inARow = 0;
    }
    packets = await next(completions, max, idle, pool);
  }
  if (!pool.leaves) pool.tell({ alpcPool: 'leaves' });
  await pool.final;
  while (completions.holdsAny) await sleep(HELD_LOOK);
  completions.leave();
  pool.tell({ alpcPool: 'left' });
}

/** A promise, or what another library has for one. */
function isThenable(result: unknown): boolean {
  return typeof (result as { then?: unknown } | null | undefined)?.then === 'function';
}

/** The next packets; undefined when the thread is to leave. Without work it says so now and then, and the pool decides: or all would leave at once. */
async function next(completions: CompletionPort, max: number, idle: number, pool: Pool): Promise<Packet[] | undefined> {
  const waiting = completions.tryDequeue(max); // without timer and signal, which are for who has to wait
  if (waiting.length > 0) return waiting;
  for (;;) {
    try {
      return await completions.dequeue({ max, timeout: idle, signal: pool.mayLeave });
    } catch (error) {
      if (pool.mayLeave.aborted) {
        if (pool.leaves || !completions.holdsAny) return undefined;
        pool.stay();
      } else if (AlpcError.is(error) && error.code === 'ERR_ALPC_CLOSED') return undefined;
      else if (!AlpcError.is(error) || error.code !== 'ERR_ALPC_TIMEOUT') throw error;
      else if (!completions.holdsAny) pool.tell({ alpcPool: 'idle' });
    }
  }
}

/** The pool, as its thread hears it: from the first moment on, for a handler's module may take long to load. */
class Pool {
  /** Resolves when the thread is told that it leaves: it is not asked. */
  readonly final: Promise<void>;
  readonly #port: MessagePort;
  readonly #leaving = new AbortController();
  #mayLeave = new AbortController();

  constructor(port: MessagePort) {
    this.#port = port;
    delete (workerData as Partial<PoolWorkerData>).port; // a handler may hand its workerData on, and no port can be cloned
    setLeavingSignal(this.#leaving.signal);
    this.final = new Promise((resolve) => {
      port.on('message', (told: ToldByPool) => {
        if (told === LEAVE) {
          resolve();
          this.#leaving.abort();
        }
        this.#mayLeave.abort();
      });
    });
    port.unref(); // a module that awaits what can't come ends the thread, as it would without a pool
  }

  keepAlive(): void {
    this.#port.ref();
  }

  /** Aborted when the thread may leave. */
  get mayLeave(): AbortSignal {
    return this.#mayLeave.signal;
  }

  get leaves(): boolean {
    return this.#leaving.signal.aborted;
  }

  stay(): void {
    this.#mayLeave = new AbortController();
    this.tell({ alpcPool: 'stays' });
  }

  tell(told: ToldByThread): void {
    this.#port.postMessage(told); // oxlint-disable-line unicorn/require-post-message-target-origin
  }
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
