/**
 * Ten thousand connections that do nothing, on one server: what they cost it in memory and descriptors, and in CPU time while
 * nothing happens. Several processes hold the clients' ends, as a process may open only so many descriptors. Memory and descriptors
 * are read from /proc, CPU time is the server's own word (/proc counts in ticks of 10 ms).
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Scenario } from './scenario.js';

const HOLDERS = 4;

function residentKiB(pid: number): number {
  return Number(/^VmRSS:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);
}

function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** A process that connects `count` times and keeps the connections until it is ended. */
async function startHolder(address: string, count: number): Promise<ChildProcess> {
  const holder = fork(new URL('../core/hold-main.js', import.meta.url), [process.env['ALPC_BENCH_PEER']!, address, `${count}`]);
  await Promise.race([
    once(holder, 'message'),
    once(holder, 'exit').then(() => {
      throw new Error('a process that holds connections ended before it had them all');
    }),
  ]);
  return holder;
}

export const idle: Scenario = {
  name: 'idle',
  title: 'Idle connections on one server',
  columns: [
    { heading: 'connections', case: 'idle', metric: 'connections', digits: 0 },
    { heading: 'KiB resident each', case: 'idle', metric: 'KiB each' },
    { heading: 'descriptors each', case: 'idle', metric: 'descriptors each', digits: 2 },
    { heading: 'CPU, ms a second', case: 'idle', metric: 'CPU ms per second', digits: 2 },
    { heading: 'same with none', case: 'none', metric: 'CPU ms per second', digits: 2 },
  ],
  maxRounds: 1,
  async measure(peer, pace) {
    const session = await peer.start('idle');
    const server = session.server!;
    const cpuPerSecond = async (): Promise<number> => {
      const before = await server.cpuMicroseconds();
      await pause(pace.idleMs);
      return ((await server.cpuMicroseconds()) - before) / pace.idleMs;
    };
    await pause(pace.settleMs);
    const none = await cpuPerSecond();
    const [memory, files] = [residentKiB(server.pid), descriptors(server.pid)];
    const holders = await Promise.all(Array.from({ length: HOLDERS }, () => startHolder(session.address!, pace.idleConnections / HOLDERS)));
    await pause(pace.settleMs);
    const figures = [
      { case: 'idle', metric: 'connections', value: pace.idleConnections },
      { case: 'idle', metric: 'KiB each', value: (residentKiB(server.pid) - memory) / pace.idleConnections },
      { case: 'idle', metric: 'descriptors each', value: (descriptors(server.pid) - files) / pace.idleConnections },
      { case: 'idle', metric: 'CPU ms per second', value: await cpuPerSecond() },
      { case: 'none', metric: 'CPU ms per second', value: none },
    ];
    for (const holder of holders) holder.kill('SIGKILL');
    await session.close();
    return figures;
  },
};
