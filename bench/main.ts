/**
 * The benchmark: alpc and what people use today, in turn, in one run on one machine. For each scenario there are several rounds;
 * in each round every peer gets a job in fresh processes (A B C, A B C, ...), so that what changes on the machine meanwhile
 * changes for all. What is reported is the median of the rounds, and what is promised (budgets.ts) is a ratio of two such medians.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildBaseline, type Baseline } from './baseline/baseline.js';
import { comparedIn, isSuccess, judge } from './budgets.js';
import { describeEnvironment, foreignLoad } from './core/environment.js';
import { Figures } from './core/figures.js';
import { endJobs, runJob } from './core/job.js';
import { findTwoCores, type TwoCores } from './core/placement.js';
import { parseFlags, USAGE, type Flags } from './flags.js';
import { PACES } from './peer.js';
import { ALL_PEERS } from './peers/index.js';
import { budgetText, environmentText, loadText, scenarioText, writeJson } from './report.js';
import { SCENARIOS } from './scenarios/index.js';
import type { Scenario } from './scenarios/scenario.js';

/** Servers and jobs find their sockets, and alpc its namespace, in a directory that lives as long as the run. */
function makeDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'alpc-bench-'));
  process.env['ALPC_BENCH_DIRECTORY'] = directory;
  process.env['ALPC_ROOT'] = join(directory, 'root');
  mkdirSync(process.env['ALPC_ROOT'], { mode: 0o700 });
  return directory;
}

interface Run {
  readonly flags: Flags;
  readonly baseline: Baseline | string;
  readonly cores: TwoCores | undefined;
  readonly figures: Figures;
  readonly foreignLoad: Record<string, number>;
  readonly failures: string[];
}

async function runScenario(run: Run, scenario: Scenario): Promise<void> {
  const { flags, baseline, cores, figures } = run;
  const wanted = (peer: string): boolean => flags.only.test(`${scenario.name}: ${peer}`);
  const peers = ALL_PEERS.filter((peer) => peer.scenarios.includes(scenario.name) && wanted(peer.name));
  if (peers.length > 0) run.foreignLoad[scenario.name] = await foreignLoad();
  const compared = comparedIn(scenario.name);
  const turns = flags.pace === 'full' ? (scenario.turns ?? 1) : 1; // a quick look judges nothing
  const rounds = Math.min(flags.rounds, scenario.maxRounds ?? Infinity);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < turns; turn++) {
      if (scenario.name === 'round trip' && typeof baseline !== 'string' && wanted('C')) {
        const floor = await baseline.measure(PACES[flags.pace].measureMs, cores);
        figures.add(scenario.name, 'C spin', floor['C spin']);
        figures.add(scenario.name, 'C futex', floor['C futex']);
      }
      for (const { name } of peers.filter(({ name }) => turn === 0 || compared.has(name))) {
        progress(`${scenario.name}, round ${round + 1} of ${rounds}: ${name}`);
        try {
          figures.add(scenario.name, name, await runJob({ scenario, peer: name, pace: flags.pace, turn, cores: scenario.pinned ? cores : undefined }));
        } catch (error) {
          run.failures.push((error as Error).message);
        }
      }
    }
  }
  progress('');
}

/** One line that is written over, for who watches; nothing where the output goes to a file. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

async function main(flags: Flags, directory: string): Promise<boolean> {
  const environment = describeEnvironment();
  console.log(`${environmentText(environment)}\n`);
  const baseline = await buildBaseline(directory);
  if (typeof baseline === 'string') console.log(`NOTICE: no baseline in C, ${baseline}\n`);
  const cores = findTwoCores();
  if (typeof cores === 'string') console.log(`NOTICE: the round trip is left to the scheduler too, ${cores}\n`);
  const run: Run = { flags, baseline, cores: typeof cores === 'string' ? undefined : cores, figures: new Figures(), foreignLoad: {}, failures: [] };
  for (const scenario of SCENARIOS) {
    await runScenario(run, scenario);
    const texts = [loadText(run.foreignLoad[scenario.name] ?? 0), scenarioText(scenario, run.figures)];
    for (const text of texts.filter((text) => text !== '')) console.log(`${text}\n`);
  }
  const verdicts = judge(run.figures, typeof baseline === 'string' ? baseline : undefined);
  console.log(`${budgetText(verdicts)}\n`);
  for (const failure of run.failures) console.log(`FAILED ${failure}\n`);
  const { figures, failures } = run;
  writeJson(flags.json, { environment, pace: flags.pace, rounds: flags.rounds, foreignLoad: run.foreignLoad, verdicts, failures, figures });
  console.log(`Figures of every round: ${flags.json}`);
  return isSuccess(verdicts, failures);
}

/** The flags, or what is wrong with them in a line, and how they are used. */
function flagsOrUsage(): Flags | 'help' {
  try {
    return parseFlags(process.argv.slice(2));
  } catch (error) {
    console.error(String(error instanceof Error ? error.message : error));
    process.exitCode = 2;
    return 'help';
  }
}

const flags = flagsOrUsage();
if (flags === 'help') {
  console.log(USAGE);
} else {
  const directory = makeDirectory();
  const tidy = (): void => {
    endJobs();
    rmSync(directory, { recursive: true, force: true });
  };
  process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(143)).once('exit', tidy);
  const succeeded = await main(flags, directory);
  process.exitCode = flags.check && !succeeded ? 1 : 0;
}
