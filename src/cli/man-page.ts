/** The man page, made from the declarations that the command line is read by: so it says what there is. */
import type { Command } from 'commander';
import { visibleCommands } from './completion.js';
import { EXIT_CODES } from './exit-codes.js';

export const ENVIRONMENT = [
  { name: 'ALPC_ROOT', meaning: "the namespace's root directory" },
  { name: 'NO_COLOR', meaning: 'anything but nothing: no colours' },
] as const;

export const EXAMPLES = [
  { line: 'alpc tree', meaning: 'the whole namespace' },
  { line: "alpc show '\\RPC Control\\spooler'", meaning: 'a port, with everybody who is connected' },
  { line: 'alpc show "/RPC Control/spooler" --json', meaning: 'the same for a program; names may be written with slashes' },
  { line: 'alpc deadlocks || alpc waits', meaning: 'who waits for whom, when somebody waits in a circle' },
  { line: 'alpc trace --format perfetto -d 5000 -o trace.json', meaning: 'five seconds, to be opened in ui.perfetto.dev' },
] as const;

export function manPage(program: Command): string {
  const help = program.createHelp();
  const commands = visibleCommands(program);
  const lines = [
    `.TH ${program.name().toUpperCase()} 1 "" "${program.name()} ${program.version() ?? ''}" "User Commands"`,
    '.SH NAME', `${program.name()} \\- ${escape(program.summary())}`,
    '.SH SYNOPSIS', `.B ${program.name()}`, '.I command', '[options] [arguments]',
    '.SH DESCRIPTION', ...program.description().split('\n').map(escape),
    '.SH COMMANDS',
    ...commands.flatMap((command) => [
      `.SS ${escape(`${program.name()} ${command.name()} ${help.commandUsage(command).replace(/^\S+ ?/, '').replace(`${command.name()} `, '')}`.trimEnd())}`,
      sentence(command.description()),
      ...command.registeredArguments.flatMap((argument) => ['.TP', `.I ${escape(argument.name())}`, sentence(help.argumentDescription(argument))]),
      ...command.options.flatMap((option) => ['.TP', `.B ${escape(option.flags)}`, sentence(help.optionDescription(option))]),
    ]),
    '.SH EXIT STATUS', ...EXIT_CODES.flatMap(({ code, meaning }) => ['.TP', `.B ${code}`, sentence(meaning)]),
    '.SH ENVIRONMENT', ...ENVIRONMENT.flatMap(({ name, meaning }) => ['.TP', `.B ${escape(name)}`, sentence(meaning)]),
    '.SH EXAMPLES', ...EXAMPLES.flatMap(({ line, meaning }) => ['.TP', `.B ${escape(line)}`, sentence(meaning)]),
  ];
  return `${lines.join('\n')}\n`;
}

function sentence(text: string): string {
  return escape(`${text.charAt(0).toUpperCase()}${text.slice(1)}.`);
}

/** What roff would take for a command of its own, or for another character. */
function escape(text: string): string {
  return text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replace(/^([.'])/, '\\&$1');
}
