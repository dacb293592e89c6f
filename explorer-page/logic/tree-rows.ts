/**
 * The tree of directories as lines, one below the other: those whose parents are all open. And where the keys lead among them, as in
 * every tree: right opens or goes in, left closes or goes out.
 */
import type { Namespace } from './namespace.js';
import { ancestorsOf, leafOf, ROOT } from './names.js';

export interface TreeRow {
  name: string;
  label: string;
  /** 1 is the root's. */
  level: number;
  /** Whether there are directories in it. */
  hasChildren: boolean;
  isOpen: boolean;
  /** Its place among its siblings, from 1, and how many they are. */
  position: number;
  siblings: number;
  unreadable?: string;
}

export function treeRows(namespace: Namespace, open: ReadonlySet<string>): TreeRow[] {
  const rows: TreeRow[] = [];
  const add = (name: string, level: number, position: number, siblings: number): void => {
    const directories = namespace.directoriesIn(name);
    const isOpen = directories.length > 0 && open.has(name);
    const unreadable = namespace.get(name)?.unreadable;
    rows.push({ name, label: leafOf(name), level, hasChildren: directories.length > 0, isOpen, position, siblings, ...(unreadable === undefined ? {} : { unreadable }) });
    if (isOpen) for (const [index, child] of directories.entries()) add(child.name, level + 1, index + 1, directories.length);
  };
  add(ROOT, 1, 1, 1);
  return rows;
}

/** The same set with the way to a directory opened, so that it can be seen; the set itself where nothing has to change. */
export function openTo(name: string, open: ReadonlySet<string>): ReadonlySet<string> {
  const closed = ancestorsOf(name).filter((each) => !open.has(each));
  return closed.length === 0 ? open : new Set([...open, ...closed]);
}

export type TreeMove = { go: string } | { open: string } | { close: string };

/** What a key does on the line of `current`; undefined where it does nothing. */
export function moveInTree(rows: readonly TreeRow[], current: string, key: string, page: number): TreeMove | undefined {
  const at = rows.findIndex(({ name }) => name === current);
  const row = rows[at];
  if (row === undefined) return rows[0] === undefined ? undefined : { go: rows[0].name };
  const to = (index: number): TreeMove => ({ go: rows[Math.max(0, Math.min(rows.length - 1, index))]!.name });
  switch (key) {
    case 'ArrowUp': return to(at - 1);
    case 'ArrowDown': return to(at + 1);
    case 'PageUp': return to(at - page);
    case 'PageDown': return to(at + page);
    case 'Home': return to(0);
    case 'End': return to(rows.length - 1);
    case 'ArrowRight':
      if (!row.hasChildren) return undefined;
      return row.isOpen ? to(at + 1) : { open: row.name };
    case 'ArrowLeft':
      if (row.isOpen) return { close: row.name };
      return row.name === ROOT ? undefined : { go: ancestorsOf(row.name).at(-1)! };
    default: return undefined;
  }
}
