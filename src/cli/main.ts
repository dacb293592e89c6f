#!/usr/bin/env node
/** The `alpc` command as a program. */
import { run } from './run.js';

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0); // `alpc ls | head`
  throw error;
});

process.exitCode = await run(process.argv.slice(2));
