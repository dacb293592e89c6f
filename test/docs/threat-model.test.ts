/** The threat model says of each attack which test shows what stands against it, and these tests are there. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const PROJECT = new URL('../../../', import.meta.url);

test('every row of docs/threat-model.md names the test files that show it, and each of them exists', () => {
  const lines = readFileSync(new URL('docs/threat-model.md', PROJECT), 'utf8').split('\n');
  const rows = lines.slice(lines.findIndex((line) => line.startsWith('|---')) + 1).filter((line) => line.startsWith('|'));
  assert.ok(rows.length >= 36, `${rows.length} rows`);
  for (const row of rows) {
    const [, attack, , shown = ''] = row.split('|').map((cell) => cell.trim());
    const files = shown.split(', ');
    for (const file of files) {
      assert.match(file, /^test\/\S+\.test\.ts$/, attack);
      assert.ok(existsSync(new URL(file, PROJECT)), `${attack}: ${file}`);
    }
  }
});
