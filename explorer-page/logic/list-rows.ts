/**
 * The list on the right as lines: what is in a directory, or what a search has found, sorted by a column, and where that is wanted
 * under a heading for each type. And where the keys lead in it: from object to object, past the headings.
 */
import type { ObjectType, TreeObject } from '../../src/explorer/model.js';
import { compareNames, leafOf, parentOf } from './names.js';

export type Column = 'name' | 'type' | 'target' | 'directory';

export interface Sorting {
  by: Column;
  descending: boolean;
}

export interface ListOptions extends Sorting {
  grouped: boolean;
}

export type ListRow = { kind: 'group'; type: ObjectType; count: number } | { kind: 'object'; object: TreeObject; name: string };

/** In this order their groups stand. */
export const TYPES: readonly ObjectType[] = ['Directory', 'SymbolicLink', 'ALPC Port', 'Event', 'Section', 'Unknown'];

export function listRows(objects: Iterable<TreeObject>, { by, descending, grouped }: ListOptions): ListRow[] {
  const keyed = Array.from(objects, (object) => ({ object, name: leafOf(object.name), key: keyOf(object, by) }));
  const direction = descending ? -1 : 1;
  keyed.sort((a, b) => {
    if (grouped && a.object.type !== b.object.type) return (rank(a.object.type) - rank(b.object.type)) * (by === 'type' ? direction : 1);
    return compareNames(a.key, b.key) * direction || compareNames(a.name, b.name) || compareNames(a.object.name, b.object.name);
  });
  const rows: ListRow[] = [];
  let group: Extract<ListRow, { kind: 'group' }> | undefined;
  for (const { object, name } of keyed) {
    if (grouped && group?.type !== object.type) rows.push((group = { kind: 'group', type: object.type, count: 0 }));
    if (group !== undefined) group.count++;
    rows.push({ kind: 'object', object, name });
  }
  return rows;
}

/** The index of the object's line, or -1. */
export function rowOf(rows: readonly ListRow[], name: string | undefined): number {
  return name === undefined ? -1 : rows.findIndex((row) => row.kind === 'object' && row.object.name === name);
}

/** The object to which a key leads from the line `at` (-1: none is chosen). */
export function moveInList(rows: readonly ListRow[], at: number, key: string, page: number): string | undefined {
  const last = rows.length - 1;
  switch (key) {
    case 'ArrowDown': return nearest(rows, at + 1, 1);
    case 'ArrowUp': return at < 0 ? nearest(rows, last, -1) : nearest(rows, at - 1, -1);
    case 'PageDown': return nearest(rows, Math.min(last, Math.max(0, at) + page), 1) ?? nearest(rows, last, -1);
    case 'PageUp': return nearest(rows, Math.max(0, at - page), -1) ?? nearest(rows, 0, 1);
    case 'Home': return nearest(rows, 0, 1);
    case 'End': return nearest(rows, last, -1);
    default: return undefined;
  }
}

/** Typing letters leads to the next object whose name begins with them; one letter again and again goes through all of them. */
export function typeAhead(rows: readonly ListRow[], at: number, typed: string): string | undefined {
  const again = typed.length > 1 && [...typed].every((letter) => letter === typed[0]);
  const wanted = (again ? typed[0]! : typed).toLowerCase();
  const from = Math.max(0, wanted.length === 1 ? at + 1 : at);
  for (let step = 0; step < rows.length; step++) {
    const row = rows[(from + step) % rows.length]!;
    if (row.kind === 'object' && row.name.toLowerCase().startsWith(wanted)) return row.object.name;
  }
  return undefined;
}

function nearest(rows: readonly ListRow[], from: number, step: 1 | -1): string | undefined {
  for (let at = from; at >= 0 && at < rows.length; at += step) {
    const row = rows[at]!;
    if (row.kind === 'object') return row.object.name;
  }
  return undefined;
}

function keyOf(object: TreeObject, by: Column): string {
  switch (by) {
    case 'name': return leafOf(object.name);
    case 'type': return object.type;
    case 'target': return object.target ?? '';
    case 'directory': return parentOf(object.name) ?? '';
  }
}

function rank(type: ObjectType): number {
  return TYPES.indexOf(type);
}
