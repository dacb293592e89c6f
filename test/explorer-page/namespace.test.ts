/** The page's tree: what is asked for once, and kept true by events, whatever their order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ancestorsOf, compareNames, isWithin, leafOf, parentOf } from '../../explorer-page/logic/names.js';
import { Namespace } from '../../explorer-page/logic/namespace.js';
import { moveInTree, openTo, treeRows } from '../../explorer-page/logic/tree-rows.js';
import type { ObjectEvent, TreeObject } from '../../src/explorer/model.js';

const OBJECTS: TreeObject[] = [
  { name: '\\A', type: 'Directory' }, { name: '\\A\\B', type: 'Directory' }, { name: '\\A\\B\\p', type: 'ALPC Port' }, { name: '\\A10', type: 'Directory' }, { name: '\\A2', type: 'Directory' }, { name: '\\x', type: 'Event' },
];

function names(namespace: Namespace): string[] {
  return Array.from(namespace.all(), ({ name }) => name).toSorted();
}

test('a full name is taken apart', () => {
  assert.deepEqual(['\\', '\\A', '\\A\\B'].map(parentOf), [undefined, '\\', '\\A']);
  assert.deepEqual(['\\', '\\A', '\\A\\B c'].map(leafOf), ['\\', 'A', 'B c']);
  assert.deepEqual(ancestorsOf('\\A\\B\\c'), ['\\', '\\A', '\\A\\B']);
  assert.ok(isWithin('\\A\\B', '\\A') && isWithin('\\A', '\\A') && isWithin('\\A', '\\') && !isWithin('\\A2', '\\A'));
});

test('names are sorted as a person sorts them, and names that differ are never equal', () => {
  assert.deepEqual(['w10', 'W2', 'a', 'w2'].toSorted(compareNames), ['a', 'W2', 'w2', 'w10']);
  fc.assert(fc.property(fc.string(), fc.string(), (a, b) => compareNames(a, b) === 0 === (a === b) && Math.sign(compareNames(a, b)) === -Math.sign(compareNames(b, a))));
});

test('a directory that is removed takes along what stands below it, and comes back empty', () => {
  const namespace = new Namespace({ objects: OBJECTS });
  namespace.apply([{ event: 'removed', name: '\\A', type: 'Directory' }]);
  assert.deepEqual(names(namespace), ['\\A10', '\\A2', '\\x']);
  namespace.apply([{ event: 'created', name: '\\A', type: 'Directory' }]);
  assert.deepEqual(namespace.childrenOf('\\A'), []);
  assert.deepEqual(namespace.directoriesIn('\\').map(({ name }) => name), ['\\A', '\\A2', '\\A10']);
});

test('an object that takes a name with another type is only the new one', () => {
  const namespace = new Namespace({ objects: OBJECTS });
  assert.deepEqual(namespace.directoriesIn('\\A').map(({ name }) => name), ['\\A\\B']);
  namespace.apply([{ event: 'created', name: '\\A\\B', type: 'Event' }]);
  assert.equal(namespace.get('\\A\\B')?.type, 'Event');
  assert.equal(namespace.get('\\A\\B\\p'), undefined);
  assert.deepEqual(namespace.directoriesIn('\\A'), []);
});

test('the root is always there, and nothing removes it from itself', () => {
  const namespace = new Namespace();
  namespace.apply([{ event: 'created', name: '\\', type: 'Directory' }, { event: 'removed', name: '\\', type: 'Directory' }]);
  assert.equal(namespace.get('\\')?.type, 'Directory');
  assert.equal(namespace.size, 0);
});

test('the nearest directory of a name that is gone is on the way to it', () => {
  const namespace = new Namespace({ objects: OBJECTS });
  assert.equal(namespace.nearest('\\A\\B\\gone\\too'), '\\A\\B');
  assert.equal(namespace.nearest('\\A\\B\\p'), '\\A\\B');
  assert.equal(namespace.nearest('\\nothing'), '\\');
});

test('after any events the children of each directory are just the objects whose parent it is', () => {
  const name = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }).map((parts) => `\\${parts.join('\\')}`);
  const event: fc.Arbitrary<ObjectEvent> = fc.record({ event: fc.constantFrom('created' as const, 'removed' as const, 'changed' as const), name, type: fc.constantFrom('Directory' as const, 'Event' as const) });
  fc.assert(fc.property(fc.array(event, { maxLength: 40 }), (events) => {
    const namespace = new Namespace();
    for (const each of events) {
      namespace.apply([each]);
      namespace.directoriesIn('\\');
      namespace.directoriesIn('\\a');
    }
    const all = [...namespace.all()];
    for (const directory of ['\\', '\\a', '\\b', '\\a\\b']) {
      const expected = all.filter(({ name }) => parentOf(name) === directory).map(({ name }) => name).toSorted();
      assert.deepEqual(namespace.childrenOf(directory).map(({ name }) => name).toSorted(), expected);
      assert.deepEqual(namespace.directoriesIn(directory).map(({ name }) => name).toSorted(), expected.filter((each) => namespace.get(each)?.type === 'Directory'));
    }
  }));
});

test('the tree shows what is open, with the places among siblings', () => {
  const namespace = new Namespace({ objects: OBJECTS });
  const rows = treeRows(namespace, openTo('\\A\\B', new Set()));
  assert.deepEqual(rows.map(({ name, level, position, siblings, isOpen }) => [name, level, position, siblings, isOpen]), [['\\', 1, 1, 1, true], ['\\A', 2, 1, 3, true], ['\\A\\B', 3, 1, 1, false], ['\\A2', 2, 2, 3, false], ['\\A10', 2, 3, 3, false]]);
});

test('keys lead through the tree', () => {
  const namespace = new Namespace({ objects: OBJECTS });
  const rows = treeRows(namespace, new Set(['\\']));
  const key = (current: string, name: string): unknown => moveInTree(rows, current, name, 2);
  assert.deepEqual(key('\\A', 'ArrowRight'), { open: '\\A' });
  assert.deepEqual(key('\\', 'ArrowRight'), { go: '\\A' });
  assert.deepEqual(key('\\', 'ArrowLeft'), { close: '\\' });
  assert.deepEqual(key('\\A', 'ArrowLeft'), { go: '\\' });
  assert.equal(key('\\A2', 'ArrowRight'), undefined);
  assert.deepEqual(key('\\A10', 'ArrowDown'), { go: '\\A10' });
  assert.deepEqual(key('\\', 'PageDown'), { go: '\\A2' });
  assert.deepEqual(key('\\A', 'End'), { go: '\\A10' });
  assert.deepEqual(key('\\gone', 'ArrowDown'), { go: '\\' });
  assert.equal(key('\\A', 'q'), undefined);
});
