/**
 * Short and long forms of one test. `npm test` runs the short ones; `npm run test:long` says ALPC_TEST_FORM=long, and then
 * the same tests run as often as the claims about them say.
 */
export const isLong = process.env['ALPC_TEST_FORM'] === 'long';

/** How often: so often in `npm test`, so often in the long form. */
export function times(short: number, long: number): number {
  return isLong ? long : short;
}
