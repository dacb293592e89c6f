/**
 * A job: one scenario, one peer, one round. Its process leads a process group of its own, and the group is ended with it, so
 * that a job that hangs or fails leaves no server behind.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { Measured, PACES } from '../peer.js';
import type { Scenario } from '../scenarios/scenario.js';
import type { TwoCores } from './placement.js';

const LONGEST_MS = 300_000;
const running = new Set<number>();

export interface Job {
  readonly scenario: Scenario;
  readonly peer: string;
  readonly pace: keyof typeof PACES;
  /** How many jobs of the same there were in this round. */
  readonly turn?: number;
  /** Where the two sides run, if that is not left to the scheduler. */
  readonly cores?: TwoCores | undefined;
}

/** @throws Error when the job failed, with what it wrote to standard error. */
export async function runJob({ scenario, peer, pace, turn = 0, cores }: Job): Promise<Measured[]> {
  const script = fileURLToPath(new URL('./job-main.js', import.meta.url));
  const placement = cores === undefined ? [] : [`${cores.caller}`, `${cores.server}`];
  const job = spawn(process.execPath, [...(scenario.nodeFlags ?? []), script, scenario.name, peer, pace, `${turn}`, ...placement], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  running.add(job.pid!);
  const tooLong = setTimeout(() => endGroup(job.pid!), LONGEST_MS);
  const exit = once(job, 'exit') as Promise<[number | null, string | null]>;
  void exit.then(() => endGroup(job.pid!));
  const [[code, signal], output, errors] = await Promise.all([exit, text(job.stdout), text(job.stderr)]);
  clearTimeout(tooLong);
  if (code === 0) return JSON.parse(output.trimEnd().split('\n').at(-1)!) as Measured[];
  const reason = signal === 'SIGKILL' ? `not done after ${LONGEST_MS / 1000} s` : `ended with ${code ?? signal}`;
  throw new Error(`${scenario.name}, ${peer}: ${reason}\n${errors.trimEnd()}`);
}

function endGroup(pid: number): void {
  running.delete(pid);
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Ends the jobs that run now: for when the whole run is interrupted. */
export function endJobs(): void {
  for (const pid of running) endGroup(pid);
}
