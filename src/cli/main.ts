#!/usr/bin/env node
/** The `alpc` command as a program. */
import { Exit } from './exit-codes.js';
import { run } from './run.js';

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(Exit.done); // `alpc ls | head`
  process.stderr.write(`alpc: standard output: ${error.message}\n`, () => process.exit(Exit.failed));
});
process.stderr.on('error', () => undefined); // there is nobody left to tell

process.exitCode = await run(process.argv.slice(2));
