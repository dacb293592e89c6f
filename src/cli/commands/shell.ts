/** `alpc completion` and `alpc man`: what shells and people want to know of the command itself. */
import { Argument, type Command } from 'commander';
import { completionScript, type Shell, SHELLS } from '../completion.js';
import { acts, type Context, subcommand } from '../context.js';
import { manPage } from '../man-page.js';

export function completionCommand(program: Command): Command {
  const command = subcommand('completion', 'print the completion script for a shell').addArgument(new Argument('<shell>', 'which').choices(SHELLS));
  return acts(command, ({ out }: Context, _options: object, shell: Shell) => {
    const script = completionScript(program, shell);
    if (out.json) out.value({ shell, script });
    else out.write(script);
  });
}

export function manCommand(program: Command): Command {
  return acts(subcommand('man', 'print the man page, for man -l -'), ({ out }: Context) => {
    const page = manPage(program);
    if (out.json) out.value({ page });
    else out.write(page);
  });
}
