/** The flags of `npm run bench`, parsed and explained. */
import { parseArgs } from 'node:util';
import type { PACES } from './peer.js';

export const USAGE = `npm run bench -- [flags]
  --quick          a look in five minutes: two rounds, shorter
  --rounds <n>     rounds of each scenario (5; with --quick 2)
  --only <regex>   only jobs whose 'scenario: peer' matches
  --check          exit with 1 where a budget does not hold or could not be measured, or a job failed; not with --quick
  --json <file>    where to write the figures (bench-results/latest.json)`;

export interface Flags {
  readonly pace: keyof typeof PACES;
  readonly rounds: number;
  readonly only: RegExp;
  readonly check: boolean;
  readonly json: string;
}

const OPTIONS = {
  quick: { type: 'boolean', default: false },
  rounds: { type: 'string' },
  only: { type: 'string', default: '' },
  check: { type: 'boolean', default: false },
  json: { type: 'string', default: 'bench-results/latest.json' },
  help: { type: 'boolean', default: false },
} as const;

/** @throws Error that names the wrong flag */
export function parseFlags(args: readonly string[]): Flags | 'help' {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  if (values.help) return 'help';
  const rounds = Number(values.rounds ?? (values.quick ? 2 : 5));
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds must be a whole number from 1; received '${values.rounds}'`);
  if (values.quick && values.check) throw new Error('--check needs full figures: those of --quick are too short to hold against budgets');
  return { pace: values.quick ? 'quick' : 'full', rounds, only: new RegExp(values.only), check: values.check, json: values.json };
}
