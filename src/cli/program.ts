/** The whole command line, declared: it is read, explained, completed and described in the man page from here. */
import { Command } from 'commander';
import { version } from '../explorer/index.js';
import { benchCommand } from './commands/bench.js';
import { explorerCommand } from './commands/explorer.js';
import { lsCommand, namesCommand, treeCommand } from './commands/ls.js';
import { pingCommand } from './commands/ping.js';
import { deadlocksCommand, psCommand, waitsCommand } from './commands/ps.js';
import { rmCommand } from './commands/rm.js';
import { completionCommand, manCommand } from './commands/shell.js';
import { showCommand } from './commands/show.js';
import { topCommand } from './commands/top.js';
import { traceCommand } from './commands/trace.js';
import { EXIT_CODES } from './exit-codes.js';
import { ENVIRONMENT, EXAMPLES } from './man-page.js';

export function makeProgram(): Command {
  const program = new Command('alpc')
    .summary('look at ALPC ports and the object namespace')
    .description('Looks at the object namespace, its ports and who is connected, from outside: it works on processes that are stopped or hang, and does not disturb them.\nNames are full names, \\RPC Control\\spooler, or with slashes, /RPC Control/spooler.')
    .version(version())
    .showHelpAfterError('(alpc help, or alpc help <command>)');
  for (const make of [lsCommand, treeCommand, showCommand, topCommand, psCommand, traceCommand, pingCommand, waitsCommand, deadlocksCommand, rmCommand, benchCommand, explorerCommand]) program.addCommand(make());
  program.addCommand(completionCommand(program));
  program.addCommand(manCommand(program));
  program.addCommand(namesCommand(), { hidden: true });
  const list = (title: string, pairs: readonly (readonly [string, string])[]): string => `\n${title}:\n${pairs.map(([left, right]) => `  ${left.padEnd(12)} ${right}`).join('\n')}`;
  program.addHelpText('after', `${list('Exit codes', EXIT_CODES.map(({ code, meaning }) => [String(code), meaning]))}\n${list('Environment', ENVIRONMENT.map(({ name, meaning }) => [name, meaning]))}\n\nExamples:\n${EXAMPLES.map(({ line, meaning }) => `  ${line}\n      ${meaning}`).join('\n')}`);
  return program;
}
