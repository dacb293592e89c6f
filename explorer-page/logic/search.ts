/**
 * The search over the whole tree: a part of the name, in whatever case, and a type, or either alone. What holds a `\` is looked for in the
 * full name, everything else in the last part only: who looks for `session` does not want all that is in `\Sessions`.
 */
import type { ObjectType, TreeObject } from '../../src/explorer/model.js';
import { leafOf } from './names.js';

export interface Search {
  text: string;
  /** Left out: every type. */
  type?: ObjectType | undefined;
}

export function isEmpty({ text, type }: Search): boolean {
  return text.trim() === '' && type === undefined;
}

export function find(objects: Iterable<TreeObject>, { text, type }: Search): TreeObject[] {
  const wanted = text.trim().toLowerCase();
  const inFullName = wanted.includes('\\');
  const found: TreeObject[] = [];
  for (const object of objects) {
    if (type !== undefined && object.type !== type) continue;
    if ((inFullName ? object.name : leafOf(object.name)).toLowerCase().includes(wanted)) found.push(object);
  }
  return found;
}

/** Where in a name to show what was found: the texts before, of, and after it. */
export function marked(name: string, text: string): [string, string, string] | undefined {
  const wanted = text.trim().toLowerCase();
  const at = wanted === '' ? -1 : name.toLowerCase().indexOf(wanted);
  return at < 0 ? undefined : [name.slice(0, at), name.slice(at, at + wanted.length), name.slice(at + wanted.length)];
}
