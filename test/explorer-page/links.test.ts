/** Where links lead, told from the page's tree alone: what the kernel says of the same links on disk. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { type Lead, leadOf } from '../../explorer-page/logic/links.js';
import { Namespace } from '../../explorer-page/logic/namespace.js';
import { inspectTree } from '../../src/explorer/index.js';
import type { TreeObject } from '../../src/explorer/model.js';

const OBJECTS: TreeObject[] = [
  { name: '\\A', type: 'Directory' }, { name: '\\A\\p', type: 'ALPC Port' }, { name: '\\A\\here', type: 'SymbolicLink', target: 'p' }, { name: '\\A\\later', type: 'SymbolicLink', target: 'q' },
  { name: '\\over', type: 'SymbolicLink', target: 'A\\here' }, { name: '\\top', type: 'SymbolicLink', target: '\\' }, { name: '\\long', type: 'SymbolicLink', target: '\\top\\top\\A\\p' },
  { name: '\\one', type: 'SymbolicLink', target: 'two' }, { name: '\\two', type: 'SymbolicLink', target: 'one' }, { name: '\\into', type: 'SymbolicLink', target: 'one\\x' },
  { name: '\\closed', type: 'Directory', unreadable: 'ERR_ALPC_ACCESS_DENIED' }, { name: '\\told', type: 'SymbolicLink', target: 'closed\\x', resolved: '\\closed\\x' }, { name: '\\untold', type: 'SymbolicLink', target: 'closed\\y' },
  { name: '\\past', type: 'SymbolicLink', target: 'A\\p\\x' },
];

function leadIn(namespace: Namespace): (name: string) => Lead {
  return (name) => leadOf(namespace, namespace.get(name)!);
}

test('a link leads to its object, over other links, or nowhere, or in a circle', () => {
  const lead = leadIn(new Namespace({ objects: OBJECTS }));
  assert.deepEqual(['\\A\\here', '\\over', '\\top', '\\long'].map(lead), [{ to: '\\A\\p' }, { to: '\\A\\p' }, { to: '\\' }, { to: '\\A\\p' }]);
  assert.deepEqual(['\\A\\later', '\\past'].map(lead), [{ problem: 'nowhere' }, { problem: 'nowhere' }]);
  assert.deepEqual(['\\one', '\\two', '\\into'].map(lead), Array.from({ length: 3 }, () => ({ problem: 'in a circle' })));
});

test('a link leads somewhere as soon as its target comes, and nowhere when it goes, without a word about the link', () => {
  const namespace = new Namespace({ objects: OBJECTS });
  const lead = leadIn(namespace);
  namespace.apply([{ event: 'created', name: '\\A\\q', type: 'Event' }]);
  assert.deepEqual(lead('\\A\\later'), { to: '\\A\\q' });
  namespace.apply([{ event: 'removed', name: '\\A', type: 'Directory' }]);
  assert.deepEqual(['\\over', '\\long'].map(lead), [{ problem: 'nowhere' }, { problem: 'nowhere' }]);
});

test('through a directory that can not be listed, a link leads where the server said', () => {
  const lead = leadIn(new Namespace({ objects: OBJECTS }));
  assert.deepEqual(['\\told', '\\untold'].map(lead), [{ to: '\\closed\\x' }, { problem: 'nowhere' }]);
});

test('of any links on disk the page says what the kernel says', () => {
  const part = fc.constantFrom('a', 'b', 'c');
  const target = fc.tuple(fc.boolean(), fc.array(fc.oneof({ weight: 3, arbitrary: part }, { weight: 1, arbitrary: fc.constantFrom('.', '..') }), { minLength: 1, maxLength: 3 })).map(([isAbsolute, parts]) => `${isAbsolute ? '/' : ''}${parts.join('/')}`);
  const made = fc.record({ path: fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/')), kind: fc.constantFrom('directory', 'file', 'link', 'link'), target });
  fc.assert(fc.property(fc.array(made, { maxLength: 12 }), (all) => {
    const root = mkdtempSync(join(tmpdir(), 'alpc-test-links-'));
    try {
      for (const { path, kind, target } of all) {
        const at = join(root, path);
        if (existsSync(at) || !existsSync(dirname(at))) continue;
        try {
          if (kind === 'directory') mkdirSync(at);
          else if (kind === 'file') writeFileSync(at, '');
          else symlinkSync(target, at);
        } catch {
          // the way to it is no directory, or a link that leads out of the root
        }
      }
      const tree = inspectTree({ root });
      const namespace = new Namespace(tree);
      for (const object of tree.objects.filter(({ type }) => type === 'SymbolicLink')) {
        const lead = leadOf(namespace, { name: object.name, target: object.target! });
        assert.equal('to' in lead ? lead.to : undefined, object.resolved, `${object.name} -> ${object.target}`);
      }
    } finally {
      rmSync(root, { recursive: true });
    }
  }), { numRuns: 300 });
});
