/**
 * Checks the models of the protocol with spin: each correct variant must have no error, and each mutant must have one, for a model
 * that can't fail proves nothing. `npm run model`; needs Debian's `spin` and a C compiler.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Variant {
  readonly model: string;
  readonly flags: readonly string[];
  readonly fails: boolean;
}

const of = (model: string, fails: boolean, variants: readonly string[]): Variant[] =>
  variants.map((flags) => ({ model, fails, flags: flags === '' ? [] : flags.split(' ') }));

export const VARIANTS: readonly Variant[] = [
  ...of('doorbell', false, ['', '-DCAP=1', '-DCAP=3 -DN=8', '-DCAP=4 -DN=10', '-DKILL', '-DKILL -DCAP=1']),
  ...of('doorbell', true, ['-DPLAIN_TAIL', '-DPLAIN_SLEEP', '-DNO_SECOND_LOOK', '-DNO_ROOM_LOOK', '-DRING_ONCE', '-DNO_HALF']),
  ...of('settlement', false, ['']),
  ...of('settlement', true, ['-DNO_TAKE', '-DNO_FORGET', '-DRETRACT_ONLY', '-DEND_FORGETS']),
];

/** What keeps the models from being checked here, or undefined. */
export function missingTools(): string | undefined {
  const missing = [['spin', '-V'], ['cc', '--version']].filter(([tool, flag]) => spawnSync(tool!, [flag!]).error !== undefined).map(([tool]) => tool);
  return missing.length === 0 ? undefined : `${missing.join(' and ')} not installed`;
}

/** Errors that spin finds in a variant: 0 or 1 (it stops at the first). */
export function check(variant: Variant): number {
  const folder = mkdtempSync(join(tmpdir(), 'alpc-model-'));
  const run = (command: string, args: readonly string[]): string => execFileSync(command, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 26 });
  try {
    run('spin', ['-a', ...variant.flags, fileURLToPath(new URL(`../../model/${variant.model}.pml`, import.meta.url))]);
    run('cc', ['-O2', '-w', '-DSAFETY', '-DNOCLAIM', '-o', 'pan', 'pan.c']);
    const report = run('./pan', ['-m1000000']);
    const errors = /errors: (\d+)/.exec(report);
    if (errors === null || report.includes('search not completed')) throw new Error(`spin did not finish ${variant.model} ${variant.flags.join(' ')}:\n${report}`);
    return Number(errors[1]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const missing = missingTools();
  if (missing !== undefined) {
    console.error(`the models can't be checked: ${missing}`);
    process.exit(2);
  }
  for (const variant of VARIANTS) {
    const errors = check(variant);
    const good = errors > 0 === variant.fails;
    console.log(`${good ? 'as it must be' : 'WRONG'}  ${variant.fails ? 'mutant ' : 'correct'}  ${variant.model} ${variant.flags.join(' ')}: ${errors} errors`);
    if (!good) process.exitCode = 1;
  }
}
