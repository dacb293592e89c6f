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

/**
 * What a thread tells its pool: that it may be terminated; that it serves, and where it sits at the completion port; that it has no work; that
 * it was asked to leave and stays, for it has taken a request since, or that it takes nothing more; that it has left.
 */
export type ToldByThread = { readonly alpcPool: 'bound' | 'idle' | 'stays' | 'leaves' | 'left' } | { readonly alpcPool: 'ready'; readonly seat: number };

/** What it is told: that it may leave, and then that it leaves, which others in the thread hear as well. What it holds it answers first. */
export const MAY_LEAVE = 'may leave';
export const LEAVE = 'leave';
