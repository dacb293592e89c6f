/** The page's list and its search: order, headings, keys, what is found. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listRows, moveInList, rowOf, typeAhead } from '../../explorer-page/logic/list-rows.js';
import { find, isEmpty, marked } from '../../explorer-page/logic/search.js';
import type { TreeObject } from '../../src/explorer/model.js';

const OBJECTS: TreeObject[] = [
  { name: '\\d\\b', type: 'ALPC Port' }, { name: '\\d\\z', type: 'Directory' }, { name: '\\d\\a', type: 'Event' }, { name: '\\d\\l', type: 'SymbolicLink', target: 'b' },
  { name: '\\d\\w10', type: 'ALPC Port' }, { name: '\\d\\w9', type: 'ALPC Port' }, { name: '\\d\\k', type: 'SymbolicLink', target: 'a' },
];

function shown(options: Partial<Parameters<typeof listRows>[1]>): string[] {
  return listRows(OBJECTS, { by: 'name', descending: false, grouped: false, ...options }).map((row) => (row.kind === 'group' ? `[${row.type} ${row.count}]` : row.name));
}

test('grouped, each type has a heading that counts it, ports are together, and each group is sorted', () => {
  assert.deepEqual(shown({ grouped: true }), ['[Directory 1]', 'z', '[SymbolicLink 2]', 'k', 'l', '[ALPC Port 3]', 'b', 'w9', 'w10', '[Event 1]', 'a']);
  assert.deepEqual(shown({ grouped: true, descending: true }).slice(4, 8), ['k', '[ALPC Port 3]', 'w10', 'w9']);
  assert.equal(shown({ grouped: true, by: 'type', descending: true })[0], '[Event 1]');
});

test('each column sorts, both ways, and names decide between equals', () => {
  assert.deepEqual(shown({}), ['a', 'b', 'k', 'l', 'w9', 'w10', 'z']);
  assert.deepEqual(shown({ descending: true }), ['z', 'w10', 'w9', 'l', 'k', 'b', 'a']);
  assert.deepEqual(shown({ by: 'type' }), ['b', 'w9', 'w10', 'z', 'a', 'k', 'l']);
  assert.deepEqual(shown({ by: 'target', descending: true }).slice(0, 2), ['l', 'k']);
});

test('arrows pass over headings and stop at the ends', () => {
  const rows = listRows(OBJECTS, { by: 'name', descending: false, grouped: true });
  const from = (name: string | undefined, key: string): string | undefined => moveInList(rows, rowOf(rows, name), key, 3);
  assert.equal(from(undefined, 'ArrowDown'), '\\d\\z');
  assert.equal(from('\\d\\z', 'ArrowDown'), '\\d\\k');
  assert.equal(from('\\d\\k', 'ArrowUp'), '\\d\\z');
  assert.equal(from('\\d\\z', 'ArrowUp'), undefined);
  assert.equal(from('\\d\\a', 'ArrowDown'), undefined);
  assert.equal(from('\\d\\b', 'PageUp'), '\\d\\k');
  assert.equal(from('\\d\\w10', 'PageDown'), '\\d\\a');
  assert.equal(from('\\d\\b', 'Home'), '\\d\\z');
  assert.equal(from('\\d\\b', 'End'), '\\d\\a');
  assert.equal(moveInList([], -1, 'ArrowDown', 3), undefined);
});

test('letters lead to the next name that begins with them, and round to the first', () => {
  const rows = listRows(OBJECTS, { by: 'name', descending: false, grouped: false });
  assert.equal(typeAhead(rows, -1, 'w'), '\\d\\w9');
  assert.equal(typeAhead(rows, rowOf(rows, '\\d\\w9'), 'w'), '\\d\\w10');
  assert.equal(typeAhead(rows, rowOf(rows, '\\d\\w10'), 'ww'), '\\d\\w9');
  assert.equal(typeAhead(rows, rowOf(rows, '\\d\\w9'), 'W1'), '\\d\\w10');
  assert.equal(typeAhead(rows, 0, 'q'), undefined);
});

test('the search finds a part of the last name in any case, a part of the full name when it holds a \\, and by type alone', () => {
  const objects: TreeObject[] = [{ name: '\\Sessions', type: 'Directory' }, { name: '\\Sessions\\1', type: 'Directory' }, { name: '\\Sessions\\1\\ApiPort', type: 'ALPC Port' }];
  const names = (text: string, type?: TreeObject['type']): string[] => find(objects, { text, type }).map(({ name }) => name);
  assert.deepEqual(names('SESS'), ['\\Sessions']);
  assert.deepEqual(names('ions\\1\\'), ['\\Sessions\\1\\ApiPort']);
  assert.deepEqual(names('', 'ALPC Port'), ['\\Sessions\\1\\ApiPort']);
  assert.deepEqual(names('port', 'Directory'), []);
  assert.ok(isEmpty({ text: '  ' }) && !isEmpty({ text: '', type: 'Event' }));
});

test('what was found is shown in its place', () => {
  assert.deepEqual(marked('ApiPort', 'port'), ['Api', 'Port', '']);
  assert.equal(marked('ApiPort', 'x'), undefined);
});
