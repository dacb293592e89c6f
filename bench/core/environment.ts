/**
 * Where the figures come from: without the machine and the versions beside it a figure says little. And whether anybody else
 * keeps the machine busy, looked at before each scenario: such figures are shown all the same, with a notice.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem, version } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';

const PACKAGES = ['zeromq', '@grpc/grpc-js', 'synckit', 'piscina', 'koffi'];

export interface Environment {
  readonly date: string;
  readonly node: string;
  readonly v8: string;
  readonly kernel: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly packages: Record<string, string>;
}

export function describeEnvironment(): Environment {
  return {
    date: new Date().toISOString(),
    node: process.version,
    v8: process.versions.v8,
    kernel: `${release()} ${version()}`,
    cpu: cpus()[0]?.model ?? process.arch,
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    packages: Object.fromEntries(['alpc', ...PACKAGES].map((name) => [name, packageVersion(name)])),
  };
}

function packageVersion(name: string): string {
  const root = new URL('../../../', import.meta.url);
  const file = new URL(name === 'alpc' ? 'package.json' : `node_modules/${name}/package.json`, root);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** How much of the CPU is in use while we do nothing, 0 to 1. */
export async function foreignLoad(ms = 400): Promise<number> {
  const before = cpuTicks();
  await pause(ms);
  const after = cpuTicks();
  return 1 - (after.idle - before.idle) / (after.all - before.all);
}

/** user, nice, system, idle, iowait, irq, softirq, steal: since boot, of all cores. */
function cpuTicks(): { idle: number; all: number } {
  const ticks = readFileSync('/proc/stat', 'utf8').split('\n')[0]!.split(/\s+/).slice(1, 9).map(Number);
  return { idle: ticks[3]! + ticks[4]!, all: ticks.reduce((sum, n) => sum + n, 0) };
}
