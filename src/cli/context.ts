/** What every subcommand gets, and how one is written: with `--json` and `--root`, which all of them have. */
import { Command } from 'commander';
import type { RootOptions } from '../objects/index.js';
import { Output } from './output.js';

export interface Context {
  readonly out: Output;
  readonly where: RootOptions;
  /** Aborted by Ctrl+C, or when it is ended otherwise. */
  readonly signal: AbortSignal;
  /** Ends a live command from inside. */
  readonly end: () => void;
}

/** Does it; what it gives is the exit code, 0 when nothing. */
export type Action<Arguments extends unknown[], Options> = (context: Context, options: Options, ...args: Arguments) => Promise<number | void> | number | void;

interface Common {
  readonly json?: true;
  readonly root?: string;
}

/** A subcommand; `action` gets its arguments as they were declared. */
export function subcommand(name: string, summary: string): Command {
  return new Command(name).description(summary).option('--json', 'say it in JSON').option('--root <directory>', "the namespace's root directory (else $ALPC_ROOT, and then the usual places)");
}

export function acts<Arguments extends unknown[], Options>(command: Command, action: Action<Arguments, Options>): Command {
  return command.action(async (...given: unknown[]) => {
    const options = given[command.registeredArguments.length] as Options & Common;
    const args = given.slice(0, command.registeredArguments.length) as Arguments;
    const ending = new AbortController();
    const end = (): void => ending.abort();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, end);
    const where = options.root === undefined ? {} : { root: options.root };
    try {
      process.exitCode = (await action({ out: new Output(options.json === true), where, signal: ending.signal, end }, options, ...args)) ?? 0;
    } finally {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, end);
    }
  });
}
