/**
 * Programs that some tests need, and a machine may not have: a browser, shells, spin. Where one is missing its tests are skipped and say why;
 * but where `ALPC_NEEDS` names it (names with blanks between them), it ought to be there, and they run and fail. `.ci/run` names what it has
 * installed or could have: so a check that finds no browser does not pass by skipping.
 *
 *     test('...', { skip: skipWithout('fish', isInstalled('fish')) }, () => { ... });
 */
import { spawnSync } from 'node:child_process';

/** The reason to skip, or false. */
export function skipWithout(tool: string, isThere: boolean, env: NodeJS.ProcessEnv = process.env): string | false {
  return isThere || (env['ALPC_NEEDS'] ?? '').split(' ').includes(tool) ? false : `needs ${tool}, which is not installed`;
}

export function isInstalled(tool: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$0"', tool], { stdio: 'ignore' }).status === 0;
}
