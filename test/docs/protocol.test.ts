/** The protocol's page says what the code does: its tables are those of the layout. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readPage, withTables } from '../../scripts/protocol-tables.js';

test('the tables of docs/protocol.md are those of the layout', () => {
  const page = readPage();
  assert.equal(page, withTables(page), 'run `npm run build && node dist/scripts/protocol-tables.js`');
});
