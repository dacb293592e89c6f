/**
 * The floor in C, against which a figure means something on any machine: compiled when the benchmark starts, into the directory of
 * the run, by whatever `cc` is there. Without a compiler there is no floor, and the budget that asks for it is skipped with a notice.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { TwoCores } from '../core/placement.js';
import type { Measured } from '../peer.js';
import type { BASELINE_PEERS } from '../peers/index.js';

const run = promisify(execFile);
/** From dist/bench/baseline/ to the source, which the compiler of TypeScript leaves where it is. */
const SOURCE = fileURLToPath(new URL('../../../bench/baseline/baseline.c', import.meta.url));

type Times = { median: number; p99: number };

export interface Baseline {
  /** With both sides where the peers' are. */
  measure(ms: number, cores: TwoCores | undefined): Promise<Record<(typeof BASELINE_PEERS)[number], Measured[]>>;
}

/** The baseline, or the reason why there is none. */
export async function buildBaseline(directory: string): Promise<Baseline | string> {
  const program = join(directory, 'baseline');
  try {
    await run('cc', ['-O2', '-std=gnu11', '-o', program, SOURCE]);
  } catch (error) {
    const { code, stderr } = error as { code?: string; stderr?: string };
    return code === 'ENOENT' ? 'there is no C compiler (cc)' : `cc failed: ${stderr ?? String(error)}`;
  }
  return {
    async measure(ms, cores) {
      const { stdout } = await run(program, cores === undefined ? [`${ms}`] : [`${ms}`, `${cores.caller}`, `${cores.server}`]);
      const { spin, futex } = JSON.parse(stdout) as { spin: Times; futex: Times };
      return { 'C spin': figures(spin), 'C futex': figures(futex) };
    },
  };
}

function figures({ median, p99 }: Times): Measured[] {
  return [
    { case: '64 B', metric: 'median', value: median / 1000 },
    { case: '64 B', metric: 'p99', value: p99 / 1000 },
  ];
}
