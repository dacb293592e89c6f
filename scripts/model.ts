/**
 * Checks the models of the protocol with spin: each correct variant must have no error, and each mutant must have one, for a model
 * that can't fail proves nothing. `npm run model`; needs Debian's `spin` and a C compiler.
 */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const execute = promisify(execFile);

export interface Variant {
  readonly model: string;
  readonly flags: readonly string[];
  readonly fails: boolean;
  /** Ten million states: checked by `npm run model`, and not in `npm test`. */
  readonly isLong: boolean;
}

const of = (model: string, fails: boolean, variants: readonly string[], isLong = false): Variant[] =>
  variants.map((flags) => ({ model, fails, isLong, flags: flags === '' ? [] : flags.split(' ') }));

export const VARIANTS: readonly Variant[] = [
  ...of('doorbell', false, ['', '-DCAP=1', '-DCAP=3 -DN=8', '-DKILL', '-DKILL -DCAP=1 -DN=4', '-DKILL -DCAP=3']),
  ...of('doorbell', true, ['-DPLAIN_TAIL', '-DPLAIN_SLEEP', '-DPLAIN_HEAD -DCAP=1', '-DPLAIN_ROOM', '-DNO_SECOND_LOOK', '-DNO_ROOM_LOOK', '-DRING_ONCE', '-DNO_HALF']),
  ...of('duplex', false, ['-DKILL -DN=2', '-DKILL -DCAP=2']),
  ...of('duplex', true, ['-DNO_SECOND_LOOK', '-DNO_ROOM_LOOK', '-DTAKE_LATE', '-DSTAYS_ODD', '-DNO_ROOM_BELL', '-DKILL -DNO_END']),
  ...of('handshake', false, ['', '-DKILL']),
  ...of('handshake', true, [
    '-DCHECK_LATE', '-DCHECK_NAME', '-DNO_SECOND_READ', '-DGIVE_UP_SILENTLY', '-DGIVE_UP_KEEPS', '-DCLOSE_BEFORE_WORD',
    '-DREFUSE_WELCOMED', '-DBELIEVE_UNSENT', '-DREFUSE_KEEPS', '-DWELCOME_KEEPS', '-DRESET_IS_END', '-DFORGET_SILENT', '-DFORGET_ASKING',
  ]),
  ...of('settlement', false, ['']),
  ...of('settlement', true, ['-DNO_TAKE', '-DNO_FORGET', '-DRETRACT_ONLY', '-DEND_FORGETS', '-DEND_NO_DRAIN']),
  ...of('releases', false, ['-DKILL -DN=2', '-DREGIONS=1 -DN=2']),
  ...of('releases', false, ['', '-DKILL', '-DREGIONS=1', '-DPLACES=2 -DN=2', '-DKILL -DPLACES=2 -DN=2'], true),
  ...of('releases', true, [
    '-DPLAIN_COUNT', '-DCOUNT_FIRST', '-DNO_SECOND_LOOK', '-DARM_ONE', '-DNO_BELL', '-DRELEASE_EARLY -DN=2 -DREGIONS=1', '-DOWNER_ONLY -DN=2 -DREGIONS=1',
    '-DOWNER_NOT', '-DNO_LIMIT', '-DONE_NUMBER -DPLACES=2 -DN=2', '-DKILL -DDEATH_KEEPS', '-DKILL -DDEATH_TWICE',
  ]),
];

/** What keeps the models from being checked here, or undefined. */
export function missingTools(): string | undefined {
  const missing = [['spin', '-V'], ['cc', '--version']].filter(([tool, flag]) => spawnSync(tool!, [flag!]).error !== undefined).map(([tool]) => tool);
  return missing.length === 0 ? undefined : `${missing.join(' and ')} not installed`;
}

/** Errors that spin finds in a variant: 0 or 1 (it stops at the first). */
export async function check(variant: Variant): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'alpc-model-'));
  const run = async (command: string, args: readonly string[]): Promise<string> => (await execute(command, args, { cwd: folder, maxBuffer: 1 << 26 })).stdout;
  try {
    await run('spin', ['-a', ...variant.flags, fileURLToPath(new URL(`../../model/${variant.model}.pml`, import.meta.url))]);
    // A mutant is caught after a few thousand states: there the compiler takes longer than the search.
    await run('cc', [variant.fails ? '-O0' : '-O1', '-w', '-DSAFETY', '-DNOCLAIM', '-o', 'pan', 'pan.c']);
    const report = await run('./pan', ['-m20000', variant.fails ? '-w18' : '-w22']);
    const errors = /errors: (\d+)/.exec(report);
    if (errors === null || /max search depth too small|out of memory/.test(report) || (errors[1] === '0' && report.includes('Search not completed'))) throw new Error(`spin did not finish ${variant.model} ${variant.flags.join(' ')}:\n${report}`);
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
    const errors = await check(variant);
    const good = errors > 0 === variant.fails;
    console.log(`${good ? 'as it must be' : 'WRONG'}  ${variant.fails ? 'mutant ' : 'correct'}  ${variant.model} ${variant.flags.join(' ')}: ${errors} errors`);
    if (!good) process.exitCode = 1;
  }
}
