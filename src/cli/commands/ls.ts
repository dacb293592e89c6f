/** `alpc ls` and `alpc tree`: what is in the namespace. */
import type { Command } from 'commander';
import { inspectTree, type ObjectType, type TreeObject } from '../../explorer/index.js';
import { listDirectory, parseObjectName, resolveName, type RootOptions } from '../../objects/index.js';
import { acts, type Context, subcommand } from '../context.js';
import { printable } from '../output.js';
import type { Colour } from '../table.js';

const ICONS: Record<ObjectType, string> = { Directory: '▸', 'ALPC Port': '⚙', Section: '▤', Event: '◈', SymbolicLink: '↪', Unknown: '?' };
const COLOURS: Partial<Record<ObjectType, Colour>> = { Directory: 'blue', 'ALPC Port': 'green', SymbolicLink: 'cyan', Event: 'yellow', Section: 'magenta' };

export function lsCommand(): Command {
  const command = subcommand('ls', 'list a directory of the namespace').argument('[directory]', 'its full name', '\\');
  return acts(command, ({ out, where }: Context, _options: object, name: string) => {
    const entries = listDirectory(name, where);
    if (out.json) return out.value(entries);
    const lines = out.table(entries, [
      { title: 'Name', of: (entry) => entry.name, colour: (entry) => COLOURS[entry.type] },
      { title: 'Type', of: (entry) => entry.type },
      { title: 'Link target', of: (entry) => entry.target ?? '' },
    ]);
    for (const line of lines) out.line(line);
  });
}

export function treeCommand(): Command {
  const command = subcommand('tree', 'show the whole namespace, or what is below a directory').argument('[directory]', 'its full name', '\\');
  return acts(command, ({ out, where }: Context, _options: object, from: string) => {
    const top = resolveDirectory(from, where);
    const whole = inspectTree(where);
    const prefix = top === '\\' ? '\\' : `${top}\\`;
    const objects = whole.objects.filter(({ name }) => name.startsWith(prefix));
    if (out.json) return out.value({ ...whole, objects });
    const { text } = parseObjectName(from);
    out.line(printable(text === top ? top : `${text} -> ${top}`));
    for (const line of treeLines(objects, prefix)) out.line(`${line.lead}${out.colour(COLOURS[line.object.type], `${ICONS[line.object.type]} ${line.text}`)}${line.more}`);
  });
}

/** The directory that a name leads to, links followed; throws when it is none, or can't be read. */
export function resolveDirectory(name: string, where: RootOptions): string {
  const { text } = parseObjectName(name);
  const top = text === '\\' ? text : resolveName(text, where);
  listDirectory(top, where);
  return top;
}

interface TreeLine {
  readonly lead: string;
  readonly text: string;
  readonly more: string;
  readonly object: TreeObject;
}

/** Each directory stands before what it holds, so whether an object is the last of its directory is seen by looking on. */
function treeLines(objects: readonly TreeObject[], prefix: string): TreeLine[] {
  const partsOf = ({ name }: TreeObject): string[] => name.slice(prefix.length).split('\\');
  const lastIn = new Map<string, string>();
  for (const object of objects) lastIn.set(partsOf(object).slice(0, -1).join('\\'), object.name);
  return objects.map((object) => {
    const parts = partsOf(object);
    const isLast = (depth: number): boolean => lastIn.get(parts.slice(0, depth).join('\\')) === prefix + parts.slice(0, depth + 1).join('\\');
    const lead = parts.slice(0, -1).map((_, depth) => (isLast(depth) ? '   ' : '│  ')).join('') + (isLast(parts.length - 1) ? '└─ ' : '├─ ');
    const more = object.target === undefined ? (object.unreadable === undefined ? '' : ` (${object.unreadable})`) : ` -> ${printable(object.target)}`;
    return { lead, text: printable(parts.at(-1)!), more, object };
  });
}

/** For completion in shells: names, one a line, with slashes, which shells do not touch. */
export function namesCommand(): Command {
  const command = subcommand('names', 'names of objects, for completion').argument('[type]', 'of this type only');
  return acts(command, ({ out, where }: Context, _options: object, type: string | undefined) => {
    const names = inspectTree(where).objects.filter((object) => type === undefined || object.type === type || object.type === 'Directory');
    if (out.json) return out.value(names.map(({ name }) => name));
    for (const { name } of names) if (printable(name) === name) out.line(name.replaceAll('\\', '/'));
  });
}
