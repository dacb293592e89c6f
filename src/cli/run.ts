/** One run of the command, from its arguments to its exit code: whatever goes wrong is said on standard error, and has a code of its own. */
import { CommanderError } from 'commander';
import { AlpcError } from '../base/errors.js';
import { Exit, exitCodeOf } from './exit-codes.js';
import { printable } from './output.js';
import { makeProgram } from './program.js';

/** @returns the exit code; writes to this process's standard output and standard error */
export async function run(args: readonly string[]): Promise<number> {
  const program = makeProgram();
  for (const command of [program, ...program.commands]) command.exitOverride();
  process.exitCode = Exit.done;
  try {
    await program.parseAsync(args, { from: 'user' });
    return process.exitCode; // as the subcommand left it
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? Exit.done : Exit.usage;
    process.stderr.write(`alpc: ${printable(error instanceof Error ? error.message : String(error))}\n`);
    if (!AlpcError.is(error) && process.env['ALPC_DEBUG'] !== undefined) console.error(error);
    return exitCodeOf(error);
  }
}
