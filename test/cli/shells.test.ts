/** Completion, asked of the shells themselves: each runs the script that `alpc completion` gives. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createDirectory } from '../../src/index.js';
import { visibleCommands } from '../../src/cli/completion.js';
import { makeProgram } from '../../src/cli/program.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { isInstalled, skipWithout } from '../support/tools.js';
import { MAIN, terminal, withResident } from './run.js';

const { alpc } = withResident();
withLedger();

const COMMANDS = visibleCommands(makeProgram());

interface Shell {
  /** With `alpc` in its path, and a home of its own that is empty. */
  readonly env: NodeJS.ProcessEnv;
  readonly home: string;
}

/** An object is called `with blank`. */
function prepare(t: TestContext): Shell {
  const root = temporaryRoot(t);
  const home = mkdtempSync(join(tmpdir(), 'alpc-completion-'));
  atEnd(t, () => rmSync(home, { recursive: true }));
  symlinkSync(MAIN, join(home, 'alpc'));
  chmodSync(MAIN, 0o755);
  createDirectory('\\BaseNamedObjects\\with blank');
  return { home, env: { ...process.env, ALPC_ROOT: root, HOME: home, XDG_CONFIG_HOME: home, XDG_DATA_HOME: home, XDG_CACHE_HOME: home, ZDOTDIR: home, PATH: `${home}:${process.env['PATH']}` } };
}

test('bash completes subcommands, options, choices and names', (t) => {
  const { env } = prepare(t);
  const ask = (...words: string[]): string => `COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _alpc; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const lines = [['alpc', 'de'], ['alpc', 'trace', '--fo'], ['alpc', 'trace', '--format', 'p'], ['alpc', 'completion', 'z'], ['alpc', 'show', '/BaseNamedObjects/w']].map((words) => ask(...words));
  const answers = execFileSync('bash', ['-c', ['source <(alpc completion bash)', ...lines].join('; ')], { encoding: 'utf8', env });
  assert.deepEqual(answers.trimEnd().split('\n'), ['deadlocks', '--format', 'perfetto', 'zsh', '/BaseNamedObjects/with\\ blank']);
});

test('fish completes subcommands, options, choices and names', { skip: skipWithout('fish', isInstalled('fish')) }, (t) => {
  const { env } = prepare(t);
  const lines = ['alpc de', 'alpc trace --fo', 'alpc trace --format p', 'alpc completion z', 'alpc show /BaseNamedObjects/w'];
  const answers = execFileSync('fish', ['--no-config', '-c', 'alpc completion fish | source; for line in $argv; complete -C $line; end', ...lines], { encoding: 'utf8', env });
  assert.deepEqual(answers.trimEnd().split('\n').map((line) => line.split('\t')[0]), ['deadlocks', '--format', 'perfetto', 'zsh', '/BaseNamedObjects/with blank']);
});

test('zsh completes subcommands, options, choices and names, as they are typed in a terminal', { skip: skipWithout('zsh', isInstalled('zsh')) }, async (t) => {
  const { env, home } = prepare(t);
  const lines = join(home, 'lines');
  const setup = join(home, 'setup');
  // Ctrl+T writes down what stands on the line.
  writeFileSync(setup, `autoload -Uz compinit && compinit -u -D; source <(alpc completion zsh); keep() { print -r -- "$BUFFER" >> ${lines} }; zle -N keep; bindkey '^T' keep; print LOADED; PS1='NOW> '`);
  const typed = ['alpc de', 'alpc trace --fo', 'alpc trace --format p', 'alpc completion z', 'alpc show /BaseNamedObjects/w'];
  const keys = typed.map((line) => `\u0015${line}\t\u0014`).join('');
  await terminal(['timeout', '--foreground', '60', 'zsh', '-f', '-i'], [[/[%#>] /, `source ${setup}\r`], [/LOADED[^]*NOW> /, `${keys}\u0015exit\r`]], env);
  assert.deepEqual(readFileSync(lines, 'utf8').split('\n').map((line) => line.trimEnd()), [
    'alpc deadlocks', 'alpc trace --format', 'alpc trace --format perfetto', 'alpc completion zsh', 'alpc show /BaseNamedObjects/with\\ blank', '',
  ]);
});

test('zsh and fish have scripts with every subcommand and option', async () => {
  for (const shell of ['zsh', 'fish']) {
    const { out, code } = await alpc(['completion', shell]);
    assert.equal(code, 0);
    for (const command of COMMANDS) {
      assert.match(out, new RegExp(`\\b${command.name()}\\b`), `${shell} ${command.name()}`);
      for (const { long } of command.options) assert.ok(out.includes(shell === 'zsh' ? `'${long}[` : `-l ${String(long).slice(2)}`), `${shell} ${long}`);
    }
  }
});
