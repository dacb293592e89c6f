/** What others chose to be called, made such that it can be shown and told apart. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { printable } from '../../src/base/printable.js';

test('what moves a cursor, turns the writing round or is not seen is spelt out, and everything else stays', () => {
  assert.equal(printable('\u202Eevil'), '\\u{202e}evil');
  assert.equal(printable('x\ny\u001B[2J\u0085\u2028'), 'x\\u{a}y\\u{1b}[2J\\u{85}\\u{2028}');
  assert.equal(printable('a\u00A0b\u3000c\u200Bd\u2060e\uFEFF'), 'a\\u{a0}b\\u{3000}c\\u{200b}d\\u{2060}e\\u{feff}');
  assert.equal(printable('\u3164\u115F\u034F\uFE0F'), '\\u{3164}\\u{115f}\\u{34f}\\u{fe0f}', 'letters without ink');
  assert.equal(printable('\uD83D alone'), '\\u{d83d} alone');
  for (const text of ['spooler', 'two words', 'Größe 漢字 عربى עברית 🙂', '\\RPC Control\\a']) assert.equal(printable(text), text);
});

test('parts of names that differ are shown differently', () => {
  const part = fc.string({ unit: fc.constantFrom('a', ' ', '\n', '\u202E', '\u200B', '\u3164', 'u', '{', '}', '2') }); // a part holds no backslash
  fc.assert(fc.property(part, part, (a, b) => (printable(a) === printable(b)) === (a === b)));
});
