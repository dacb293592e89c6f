/** How the command ends, for scripts. The table is the one of the help, the man page and docs/command.md. */
import { AlpcError, type AlpcErrorCode } from '../base/errors.js';

export const EXIT_CODES = [
  { name: 'done', code: 0, meaning: 'it did what was asked; live commands also when they were ended by a key or Ctrl+C' },
  { name: 'failed', code: 1, meaning: 'it could not; why is on standard error' },
  { name: 'usage', code: 2, meaning: 'the command line is not understood' },
  { name: 'notFound', code: 3, meaning: 'there is no such object, or nobody listens at the port' },
  { name: 'accessDenied', code: 4, meaning: 'this user may not' },
  { name: 'found', code: 5, meaning: '`deadlocks` found threads that wait for each other' },
  { name: 'timeout', code: 6, meaning: 'there was no answer in time' },
] as const;

type ExitName = (typeof EXIT_CODES)[number]['name'];

export const Exit = Object.fromEntries(EXIT_CODES.map(({ name, code }) => [name, code])) as Record<ExitName, number>;

const OF_ERRORS: Partial<Record<AlpcErrorCode, ExitName>> = {
  ERR_ALPC_NAME_NOT_FOUND: 'notFound',
  ERR_ALPC_ACCESS_DENIED: 'accessDenied',
  ERR_ALPC_TIMEOUT: 'timeout',
  ERR_ALPC_INVALID_ARGUMENT: 'usage',
  ERR_ALPC_NAME_INVALID: 'usage',
};

export function exitCodeOf(error: unknown): number {
  return AlpcError.is(error) ? Exit[OF_ERRORS[error.code] ?? 'failed'] : Exit.failed;
}
