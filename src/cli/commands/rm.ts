/** `alpc rm`: names that nobody needs any more. */
import type { Command } from 'commander';
import { AlpcError } from '../../base/errors.js';
import { inspectTree, type ObjectType } from '../../explorer/index.js';
import { parseObjectName, removeObject } from '../../objects/index.js';
import { acts, type Context, subcommand } from '../context.js';
import { exitCodeOf, Exit } from '../exit-codes.js';
import { printable } from '../output.js';
import { resolveDirectory } from './ls.js';

interface RmOptions {
  readonly force?: boolean;
  readonly stale?: boolean;
}

export function rmCommand(): Command {
  const command = subcommand('rm', 'remove names: of ports whose server is gone, events that nobody holds, links, empty directories')
    .argument('[names...]', 'full names')
    .option('-f, --force', 'remove the name of a living port or event too; whoever is connected stays connected')
    .option('--stale', 'remove every port and event below these directories (or in the whole namespace) that nobody holds any more');
  return acts(command, (context: Context, { force = false, stale = false }: RmOptions, given: string[]) => {
    if (given.length === 0 && !stale) throw new AlpcError('ERR_ALPC_INVALID_ARGUMENT', 'a name is missing, or --stale');
    const removed: string[] = [];
    const failed: { name: string; code: string; message: string }[] = [];
    let exit = Exit.done;
    const tryIt = (name: string, action: () => void): void => {
      try {
        action();
      } catch (error) {
        if (!AlpcError.is(error)) throw error;
        failed.push({ name, code: error.code, message: error.message });
        exit = exitCodeOf(error);
      }
    };
    const remove = (name: string): void => {
      removeObject(name, { ...context.where, force: force && !stale });
      removed.push(parseObjectName(name).text);
    };
    if (!stale) for (const name of given) tryIt(name, () => remove(name));
    else {
      const directories: string[] = [];
      for (const name of given.length === 0 ? ['\\'] : given) tryIt(name, () => void directories.push(resolveDirectory(name, context.where)));
      for (const name of candidates(directories, context)) tryIt(name, () => unlessItLives(() => remove(name)));
    }
    if (context.out.json) context.out.value({ removed, failed });
    else for (const name of removed) context.out.line(`removed ${printable(name)}`);
    for (const { message } of failed) process.stderr.write(`alpc: ${printable(message)}\n`);
    return exit;
  });
}

/** Reasons not to remove something that was only looked for. */
const LIVES: readonly string[] = ['ERR_ALPC_NAME_IN_USE', 'ERR_ALPC_NAME_NOT_FOUND', 'ERR_ALPC_ACCESS_DENIED'];

function unlessItLives(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!AlpcError.is(error) || !LIVES.includes(error.code)) throw error;
  }
}

function candidates(directories: readonly string[], { where }: Context): string[] {
  if (directories.length === 0) return [];
  const prefixes = directories.map((name) => (name === '\\' ? name : `${name}\\`));
  const types: readonly ObjectType[] = ['ALPC Port', 'Event'];
  return inspectTree(where).objects.filter(({ name, type }) => types.includes(type) && prefixes.some((prefix) => name.startsWith(prefix))).map(({ name }) => name);
}
