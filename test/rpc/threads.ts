/** An interface whose handlers are in the threads of a pool: what pooled.test.ts calls. */
import { call, type ContextHandle, defineInterface, oneWay, stream, type } from '../../src/rpc/index.js';

export const Threads = defineInterface(
  { name: 'threads', version: '1.0' },
  {
    where: call<void, number>(),
    who: call<void, { uid: number; groups: number[] }>(),
    echo: call<unknown, unknown>(),
    fail: call({ input: type<'fault' | 'error' | 'handle'>(), errors: { broken: type<number>() } }),
    note: oneWay<string>(),
    /** Blocks its thread. */
    spin: call<number>(),
    /** Waits until the caller gives up, and tells it to the journal. */
    wait: call<string>(),
    crash: call<ContextHandle | undefined>(),
    count: stream<{ to: number; failAt?: number; journal?: string }, number>(),
    blobs: stream<{ count: number; length: number }, Uint8Array>(),
    upper: stream({ input: type<string>(), items: type<string>(), output: type<string>() }),
    echoes: stream({ items: type<unknown>(), output: type<unknown>() }),
    /** Never reads its items. */
    deaf: stream({ items: type<unknown>(), output: type<number>() }),
    open: call<string, { handle: ContextHandle; thread: number }>(),
    add: call<{ handle: ContextHandle; other?: ContextHandle; text: string }, { text: string; thread: number }>(),
    shut: call<ContextHandle, string>(),
    back: call(),
  },
);
export const Other = defineInterface({ name: 'other threads', version: '1.0' }, { use: call<ContextHandle>() });
