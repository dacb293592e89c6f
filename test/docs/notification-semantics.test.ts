/** The page on notification semantics names tests; each is there. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const PROJECT = new URL('../../../', import.meta.url);

test('each test that the page on notification semantics names is in the file that it names', () => {
  const page = readFileSync(new URL('docs/notification-semantics.md', PROJECT), 'utf8');
  const named = Array.from(page.matchAll(/\*([^*|]+)\* \(([\w/-]+)\)/g), ([, name, file]) => ({ name: name!, file: file! }));
  assert.ok(named.length > 30, `${named.length} are named`);
  for (const { name, file } of named) {
    const source = readFileSync(new URL(`test/${file}.test.ts`, PROJECT), 'utf8');
    assert.ok(hasTest(source, name), `test/${file}.test.ts has no test '${name}'`);
  }
});

/** Whether a test is called so, or partly so; what a comment or some other text says is none. */
function hasTest(source: string, name: string): boolean {
  return Array.from(source.matchAll(/^\s*test\(\s*(['"`])(.*)\1,/gm), ([, , title]) => title!.replaceAll('\\', '')).some((title) => title.includes(name));
}

test('a name that stands in a comment or another text is no test', () => {
  assert.ok(hasTest("test('a port is closed once', () => {", 'a port is closed once'));
  assert.ok(hasTest('  test(`a thread in ${what} sleeps`, async (t) => {', 'sleeps'));
  for (const source of ['// a port is closed once', "assert.ok(x, 'a port is closed once');", "test('another', () => 'a port is closed once');"]) assert.ok(!hasTest(source, 'a port is closed once'));
});

test('each sentence is true by a test, or another way for a reason', () => {
  const page = readFileSync(new URL('docs/notification-semantics.md', PROJECT), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| on Windows'));
  assert.ok(rows.length > 40);
  for (const row of rows) assert.match(row, /\*\*Otherwise|\* \([\w/-]+\)|The same test/);
});
