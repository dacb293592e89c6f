/** What a thread pool and its threads tell each other. Apart from both, for the thread's module runs when it is imported. */
import type { CompletionPortHandle } from './completion-port.js';

export interface PoolWorkerData {
  readonly handle: CompletionPortHandle;
  readonly worker: string;
  readonly max: number;
  /** For each thread a word: 1 while it handles packets. */
  readonly busy: Int32Array;
  readonly index: number;
  /** Milliseconds without work after which it asks whether it is still needed. */
  readonly idle: number;
  /** The user's own, for the handler. */
  readonly data: unknown;
}

/** What a thread tells its pool: that it may be terminated, that it serves, that it has no work, that it has left. It is told only to leave. */
export type ToldByThread = { readonly alpcPool: 'bound' | 'ready' | 'idle' | 'left' };
export const LEAVE = 'leave';
