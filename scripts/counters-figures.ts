/**
 * `npm run bench:counters`: what the figures for inspectors cost a call: the counters and the clock, with and without (counters-build.ts), in turn, in
 * one run. Each round starts fresh processes for each build, in another order each time; calls are of 64 bytes, one at a time, both sides
 * awake, a core each. The build with figures takes part twice: what it differs from itself says how far the price can be trusted.
 * What is promised: less than 3% of a call. Counted by medians of many rounds; on a machine that does nothing else.
 *
 *     npm run bench:counters -- --check
 *     npm run bench:counters -- --rounds=3 --quick
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import type { endJobs, Job, runJob } from '../bench/core/job.js';
import { findTwoCores } from '../bench/core/placement.js';
import { median } from '../bench/core/statistics.js';
import { number, table } from '../bench/core/table.js';
import { unpinned } from '../bench/scenarios/round-trip.js';
import { copyBuild } from './counters-build.js';

const CALLS = [['blocking call, server in receiveSync', 'alpc blocking, receiveSync'], ['awaited call, server with on(message)', 'alpc awaited, on']] as const;
const PROMISED = 0.03;

interface Build {
  readonly runJob: typeof runJob;
  readonly endJobs: typeof endJobs;
  /** Microseconds of each round, by peer. */
  readonly times: Map<string, number[]>;
}

const { values: flags } = parseArgs({ options: { rounds: { type: 'string', default: '15' }, quick: { type: 'boolean', default: false }, check: { type: 'boolean', default: false } } });
const rounds = Number(flags.rounds);
const pace: Job['pace'] = flags.quick ? 'quick' : 'full';
const cores = findTwoCores();

const directory = mkdtempSync(join(tmpdir(), 'alpc-figures-'));
const copies = { with: copyBuild('with'), without: copyBuild('without') };
try {
  process.env['ALPC_BENCH_DIRECTORY'] = directory;
  process.env['ALPC_ROOT'] = join(directory, 'root');
  mkdirSync(process.env['ALPC_ROOT'], { mode: 0o700 });
  const builds = [await load(copies.with), await load(copies.without), await load(copies.with)] as const;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stop(builds));
  for (let round = 0; round < rounds; round++) {
    for (const [, peer] of CALLS) for (let i = 0; i < builds.length; i++) await measure(builds[(round + i) % builds.length]!, peer);
  }
  report(builds);
} finally {
  cleanUp();
}

async function load(copy: string): Promise<Build> {
  const job = (await import(pathToFileURL(join(copy, 'bench/core/job.js')).href)) as Pick<Build, 'runJob' | 'endJobs'>;
  return { runJob: job.runJob, endJobs: job.endJobs, times: new Map(CALLS.map(([, peer]) => [peer, []])) };
}

async function measure({ runJob: run, times }: Build, peer: string): Promise<void> {
  const measured = await run({ scenario: unpinned, peer, pace, ...(typeof cores === 'string' ? {} : { cores }) });
  times.get(peer)!.push(measured.find(({ metric }) => metric === 'median')!.value);
}

function report([counted, uncounted, again]: readonly [Build, Build, Build]): void {
  const lines = CALLS.map(([call, peer]) => {
    const both = [...counted.times.get(peer)!, ...again.times.get(peer)!];
    const without = median(uncounted.times.get(peer)!);
    const noise = Math.abs(median(counted.times.get(peer)!) / median(again.times.get(peer)!) - 1);
    return { call, without, with: median(both), price: median(both) / without - 1, noise };
  });
  const percent = (part: number): string => `${(100 * part).toFixed(1)}%`;
  console.log(`median of ${rounds} rounds, microseconds${typeof cores === 'string' ? `; not on a core each: ${cores}` : ''}\n`);
  console.log(table(['64 bytes', 'without figures', 'with', 'price', 'with, against itself'], lines.map((line) => [line.call, number(line.without, 3), number(line.with, 3), percent(line.price), percent(line.noise)])));
  const holds = lines.every(({ price }) => price < PROMISED);
  console.log(`\npromised: less than ${percent(PROMISED)} of a call: ${holds ? 'holds' : 'DOES NOT HOLD'}`);
  if (flags.check && !holds) process.exitCode = 1;
}

function stop(builds: readonly Build[]): void {
  for (const { endJobs: end } of builds) end();
  cleanUp();
  process.exit(130);
}

function cleanUp(): void {
  for (const each of [directory, ...Object.values(copies)]) rmSync(each, { recursive: true, force: true });
}
