#!/usr/bin/env node
/** The `alpc` command: reads the command line, does it, and ends with an exit code that says how it went. */
import { CommanderError } from 'commander';
import { AlpcError } from '../base/errors.js';
import { Exit, exitCodeOf } from './exit-codes.js';
import { printable } from './output.js';
import { makeProgram } from './program.js';

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0); // `alpc ls | head`
  throw error;
});

const program = makeProgram();
for (const command of [program, ...program.commands]) command.exitOverride();
try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? Exit.done : Exit.usage;
  else {
    process.stderr.write(`alpc: ${printable(error instanceof Error ? error.message : String(error))}\n`);
    if (!AlpcError.is(error) && process.env['ALPC_DEBUG'] !== undefined) console.error(error);
    process.exitCode = exitCodeOf(error);
  }
}
