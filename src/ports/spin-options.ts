/** How a port waits before it sleeps: the options, checked, with their defaults. See docs/waiting.md for what to choose. */
import { checkInteger, checkOptions, invalidArgument } from '../base/arguments.js';
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
  const { looks: most = defaults.looks, linger = defaults.linger } = checkOptions(value, 'spin', ['looks', 'linger']);
  checkInteger(most, 'spin.looks', 0, 1_000_000);
  if (typeof linger !== 'number' || !(linger >= 0 && linger <= 1000)) throw invalidArgument('spin.linger', 'a number of milliseconds from 0 to 1000', linger);
  return { looks: most, linger };
}
