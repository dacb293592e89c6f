/**
 * Deadlines on the monotonic clock, so that a jump of the wall clock moves nothing.
 * A deadline is a number of milliseconds on `performance.now()`; `Infinity` never comes.
 */
import { performance } from 'node:perf_hooks';
export type Deadline = number;

export function deadlineAfter(timeout: number): Deadline {
  return timeout === Infinity ? Infinity : performance.now() + timeout;
}

/** Milliseconds left, never below 0. */
export function timeLeft(deadline: Deadline): number {
  return deadline === Infinity ? Infinity : Math.max(0, deadline - performance.now());
}

export function isOver(deadline: Deadline): boolean {
  return deadline !== Infinity && performance.now() >= deadline;
}
