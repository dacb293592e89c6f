/**
 * `npm run bench:explorer`: how long it takes to look at 200 processes with 1,000 connections, each with its memory. Half of the processes
 * serve a port each; the others are connected to ten of them, and have called each once. What is promised: a look of a process that has
 * looked before takes less than 300 ms. What the first look takes, before its code is compiled, is told too.
 *
 *     npm run bench:explorer -- --check
 *     npm run bench:explorer -- --servers=10 --clients=10 --each=5 --rounds=3
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { median } from '../bench/core/statistics.js';
import { number, table } from '../bench/core/table.js';
import { inspectGraph, inspectObject, inspectWaits } from '../src/explorer/index.js';

export interface Crowd {
  readonly servers: number;
  readonly clients: number;
  /** Connections of each client. */
  readonly each: number;
}

export interface Look {
  readonly what: string;
  /** Milliseconds of the first, and of each one after it. */
  readonly first: number;
  readonly warm: readonly number[];
}

const PROMISED_MS = 300;
/** So many start at the same time. */
const AT_ONCE = 8;

/** Starts them, looks, ends them. The namespace is one of its own. @throws Error when not all of them is seen */
export async function lookAtCrowd(crowd: Crowd, rounds: number): Promise<Look[]> {
  const directory = mkdtempSync(join(tmpdir(), 'alpc-figures-'));
  const root = join(directory, 'root');
  mkdirSync(root, { mode: 0o700 });
  const processes: ChildProcess[] = [];
  try {
    const names = Array.from({ length: crowd.servers }, (_, i) => `\\RPC Control\\server ${i}`);
    const tasks = [
      ...names.map((name) => ['serve', name]),
      ...Array.from({ length: crowd.clients }, (_, i) => ['connect', ...Array.from({ length: crowd.each }, (_each, j) => names[(i * crowd.each + j) % names.length]!)]),
    ];
    for (let at = 0; at < tasks.length; ) {
      // Servers first: nobody connects before all of them listen.
      const together = tasks.slice(at, Math.min(at + AT_ONCE, at < crowd.servers ? crowd.servers : tasks.length));
      await Promise.all(together.map((task) => start(task, root, processes)));
      at += together.length;
    }
    return [
      time('everything (inspectGraph)', rounds, () => check(crowd, inspectGraph({ root }))),
      time('who waits (inspectWaits)', rounds, () => void inspectWaits({ root })),
      time('one port of them (inspectObject)', rounds, () => void inspectObject(names[0]!, { root })),
    ];
  } finally {
    await Promise.all(processes.map(end));
    rmSync(directory, { recursive: true });
  }
}

async function start(task: readonly string[], root: string, processes: ChildProcess[]): Promise<void> {
  const child = fork(new URL('./explorer-figures-process.js', import.meta.url), task, { env: { ...process.env, ALPC_ROOT: root }, execArgv: ['--v8-pool-size=1'] });
  processes.push(child);
  const failed = once(child, 'exit').then(() => {
    throw new Error(`the process of ${task.join(' ')} ended before it was ready`);
  });
  failed.catch(() => undefined);
  await Promise.race([once(child, 'message'), failed]);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

/** A look that has not seen all is no figure. */
function check({ servers, clients, each }: Crowd, { processes, connections }: ReturnType<typeof inspectGraph>): void {
  const whole = connections.filter((connection) => connection.clientToServer?.messages === 1 && connection.serverToClient?.messages === 1);
  if (processes.length !== servers + clients || whole.length !== clients * each) {
    throw new Error(`seen were ${processes.length} processes and ${whole.length} connections with their memory, expected ${servers + clients} and ${clients * each}`);
  }
}

function time(what: string, rounds: number, look: () => void): Look {
  const times = Array.from({ length: rounds + 1 }, () => {
    const begun = performance.now();
    look();
    return performance.now() - begun;
  });
  return { what, first: times[0]!, warm: times.slice(1) };
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { servers: { type: 'string', default: '100' }, clients: { type: 'string', default: '100' }, each: { type: 'string', default: '10' }, rounds: { type: 'string', default: '15' }, check: { type: 'boolean', default: false } } });
  const crowd = { servers: Number(values.servers), clients: Number(values.clients), each: Number(values.each) };
  const looks = await lookAtCrowd(crowd, Number(values.rounds));
  console.log(`${crowd.servers + crowd.clients} processes, ${crowd.clients * crowd.each} connections; milliseconds, warm: median of ${values.rounds}\n`);
  console.log(table(['a look at', 'first', 'warm', 'best', 'worst'], looks.map(({ what, first, warm }) => [what, ...[first, median(warm), Math.min(...warm), Math.max(...warm)].map((ms) => number(ms))])));
  const measured = median(looks[0]!.warm);
  const holds = measured < PROMISED_MS;
  console.log(`\npromised: less than ${PROMISED_MS} ms for everything, warm; measured ${number(measured)} ms: ${holds ? 'holds' : 'DOES NOT HOLD'}`);
  if (values.check && !holds) process.exitCode = 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
