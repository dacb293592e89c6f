/** How a port waits before it sleeps: the options, checked, with their defaults. See docs/waiting.md for what to choose. */
import { checkOptions, invalidArgument } from '../base/arguments.js';
import { defaultSpin } from '../memory/adaptive-spin.js';

export interface SpinOptions {
  /** The most looks at memory (10 to 20 ns each) that a blocking call takes before it sleeps. 0 to 1,000,000; 3,000 by default. */
  looks?: number;
  /** The longest that the event loop goes on looking after activity, in milliseconds. 0 to 1,000; 0.2 by default. */
  linger?: number;
}

export interface Spin {
  readonly looks: number;
  readonly linger: number;
}

const LINGER = 0.2;

/** `false` never looks twice; on one core, or with ALPC_SPIN=0 in the environment, that is the default. */
export function checkSpin(value: boolean | SpinOptions | undefined): Spin {
  const looks = defaultSpin();
  const defaults = { looks, linger: looks === 0 ? 0 : LINGER };
  if (value === undefined || value === true) return defaults;
  if (value === false) return { looks: 0, linger: 0 };
  const given = checkOptions(value, 'spin', ['looks', 'linger']);
  const spin = { looks: given.looks ?? defaults.looks, linger: given.linger ?? defaults.linger };
  if (!Number.isInteger(spin.looks) || spin.looks < 0 || spin.looks > 1_000_000) throw invalidArgument('spin.looks', 'an integer from 0 to 1000000', spin.looks);
  if (typeof spin.linger !== 'number' || !(spin.linger >= 0 && spin.linger <= 1000)) throw invalidArgument('spin.linger', 'a number of milliseconds from 0 to 1000', spin.linger);
  return spin;
}
