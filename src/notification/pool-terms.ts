/**
 * What a thread pool and its threads tell each other. Apart from both, for the thread's module runs when it is imported.
 *
 * They have a channel of their own: what the pool's user and a handler's module post to each other is theirs alone, whatever it is.
 */
import { type MessagePort, workerData } from 'node:worker_threads';
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
  /** The thread's end of the channel. */
  port: MessagePort;
  /** The user's own, for the handler. */
  readonly data: unknown;
}

/**
 * What a thread tells its pool: that it may be terminated; that it serves, and where it sits at the completion port; that it has no work; that
 * it was asked to leave and stays, for it has taken a request since, or that it takes nothing more; that it has left.
 */
export type ToldByThread = { readonly alpcPool: 'bound' | 'idle' | 'stays' | 'leaves' | 'left' } | { readonly alpcPool: 'ready'; readonly seat: number };

/** What it is told: that it may leave, and then that it leaves. What it holds it answers first. */
export const MAY_LEAVE = 'may leave';
export const LEAVE = 'leave';
export type ToldByPool = typeof MAY_LEAVE | typeof LEAVE;

/** In the thread's `workerData`, where modules find it that were loaded from another copy of this one; no clone of the data has it. */
const LEAVING = Symbol.for('alpc.pool.leaving');

/** For modules that a handler brings along: aborted when this thread is told that it leaves. Undefined in a thread that is no pool's. */
export function leavingSignal(): AbortSignal | undefined {
  return (workerData as { [LEAVING]?: AbortSignal } | null)?.[LEAVING];
}

export function setLeavingSignal(signal: AbortSignal): void {
  (workerData as { [LEAVING]?: AbortSignal })[LEAVING] = signal;
}
