/**
 * Completion scripts for shells, made from the declarations that the command line is read by. They complete subcommands, options, the
 * choices of options, and names of objects, which they ask the command itself for.
 */
import type { Command } from 'commander';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

interface Described {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly { readonly flags: readonly string[]; readonly summary: string; readonly takesValue: boolean; readonly choices: readonly string[] }[];
  readonly choices: readonly string[];
  /** Whether its argument is the name of an object. */
  readonly takesName: boolean;
}

export function completionScript(program: Command, shell: Shell): string {
  const commands = visibleCommands(program).map(describe);
  return { bash, zsh, fish }[shell](program.name(), commands);
}

export function visibleCommands(program: Command): Command[] {
  return program.createHelp().visibleCommands(program).filter((command) => command.name() !== 'help');
}

function describe(command: Command): Described {
  const [argument] = command.registeredArguments;
  return {
    name: command.name(),
    summary: command.description(),
    options: command.options.map(({ short, long, description, required, optional, argChoices }) => ({
      flags: [short, long].filter((flag) => flag !== undefined && flag !== null),
      summary: description,
      takesValue: required || optional,
      choices: argChoices ?? [],
    })),
    choices: argument?.argChoices ?? [],
    takesName: argument !== undefined && argument.argChoices === undefined,
  };
}

const words = (command: Described): string => [...command.options.flatMap(({ flags }) => flags), ...command.choices].join(' ');

function bash(program: string, commands: readonly Described[]): string {
  const choices = commands.flatMap(({ name, options }) => options.filter((option) => option.choices.length > 0).map((option) => `    ${option.flags.map((flag) => `${name}:${flag}`).join('|')}) COMPREPLY=($(compgen -W '${option.choices.join(' ')}' -- "$word")); return ;;`));
  return `# ${program} completion for bash: source <(${program} completion bash)
_${program}() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" command="\${COMP_WORDS[1]}" name
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W '${commands.map(({ name }) => name).join(' ')} help' -- "$word"))
    return
  fi
  case "$command:$before" in
${choices.join('\n')}
    *:--root) COMPREPLY=($(compgen -d -- "$word")); return ;;
    *:--output|*:-o) COMPREPLY=($(compgen -f -- "$word")); return ;;
  esac
  case "$command" in
${commands.map((command) => `    ${command.name}) COMPREPLY=($(compgen -W '${words(command)}' -- "$word")) ;;`).join('\n')}
  esac
  case "$command" in ${commands.filter(({ takesName }) => takesName).map(({ name }) => name).join('|')}) ;; *) return ;; esac
  [[ $word == -* ]] && return
  word="\${word#[\\"\\']}"
  word="\${word//\\\\ / }"
  while IFS= read -r name; do
    [[ $name == "$word"* ]] && COMPREPLY+=("$(printf '%q' "$name")")
  done < <(${program} names 2>/dev/null)
}
complete -F _${program} ${program}
`;
}

function zsh(program: string, commands: readonly Described[]): string {
  const quote = (text: string): string => text.replaceAll("'", "'\\''").replaceAll(/[[\]:]/g, (character) => `\\${character}`);
  const optionSpec = ({ flags, summary, takesValue, choices }: Described['options'][number]): string[] =>
    flags.map((flag) => `'${flag}[${quote(summary)}]${takesValue ? `:value:${choices.length > 0 ? `(${choices.join(' ')})` : '_files'}` : ''}'`);
  const argumentSpec = ({ choices, takesName }: Described): string[] => (choices.length > 0 ? [`'1:which:(${choices.join(' ')})'`] : takesName ? [`'*:object:_${program}_names'`] : []);
  return `#compdef ${program}
# ${program} completion for zsh: ${program} completion zsh > a directory of $fpath/_${program}
_${program}_names() {
  local -a names
  names=("\${(@f)$(${program} names 2>/dev/null)}")
  compadd -a names
}
_${program}() {
  local -a commands
  commands=(
${commands.map(({ name, summary }) => `    '${name}:${quote(summary)}'`).join('\n')}
  )
  if ((CURRENT == 2)); then
    _describe 'command' commands
    return
  fi
  local command=\${words[2]}
  shift words
  ((CURRENT--))
  case $command in
${commands.map((command) => `    ${command.name}) _arguments ${[...command.options.flatMap(optionSpec), ...argumentSpec(command)].join(' ')} ;;`).join('\n')}
  esac
}
if [[ \${funcstack[1]} == _${program} ]]; then _${program} "$@"; else compdef _${program} ${program}; fi
`;
}

function fish(program: string, commands: readonly Described[]): string {
  const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines = commands.flatMap((command) => {
    const when = `-n ${quote(`__fish_seen_subcommand_from ${command.name}`)}`;
    const options = command.options.map(({ flags, summary, takesValue, choices }) => {
      const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`)).join(' ');
      return `complete -c ${program} ${when} ${names}${takesValue ? ` -r${choices.length > 0 ? ` -f -a ${quote(choices.join(' '))}` : ''}` : ''} -d ${quote(summary)}`;
    });
    const argument = command.choices.length > 0 ? [`complete -c ${program} ${when} -f -a ${quote(command.choices.join(' '))}`] : command.takesName ? [`complete -c ${program} ${when} -f -a '(${program} names 2>/dev/null)'`] : [];
    return [`complete -c ${program} -n __fish_use_subcommand -f -a ${command.name} -d ${quote(command.summary)}`, ...options, ...argument];
  });
  return `# ${program} completion for fish: ${program} completion fish > ~/.config/fish/completions/${program}.fish\ncomplete -c ${program} -f\n${lines.join('\n')}\n`;
}
