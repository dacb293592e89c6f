/** A number that a peer wrote becomes a plain number only by a check of its bounds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { isListOf, untrustedNumber, within } from '../../src/base/untrusted.js';

test('a number within its bounds, both included, is passed on unchanged', () => {
  for (const value of [-3, 0, 5]) assert.equal(within(untrustedNumber(value), -3, 5), value);
});

test('a number out of bounds, or no integer, is undefined', () => {
  for (const value of [-4, 6, 0.5, Number.NaN, Infinity, -Infinity, 2 ** 53]) assert.equal(within(untrustedNumber(value), -3, 5), undefined, String(value));
});

test('0 is a number like any other, and told apart from a refusal', () => {
  assert.equal(within(untrustedNumber(0), 0, 0), 0);
  assert.equal(within(untrustedNumber(0), 1, 2), undefined);
});

test('a list of such values has no other, and no hole', () => {
  const isEven = (value: unknown): value is number => typeof value === 'number' && value % 2 === 0;
  const holed = [2, 4];
  holed.length = 3;
  for (const list of [[], [2], [2, 4]]) assert.ok(isListOf(list, isEven));
  for (const none of [[2, 3], [undefined], holed, { length: 0 }, 'ab', null, undefined]) assert.ok(!isListOf(none, isEven), JSON.stringify(none));
});

test('for any number and bounds: what passes is an integer in the bounds, and every integer in the bounds passes', () => {
  fc.assert(
    fc.property(fc.double(), fc.integer(), fc.integer(), fc.integer(), (wild, integer, a, b) => {
      const [min, max] = a < b ? [a, b] : [b, a];
      for (const value of [wild, integer]) {
        const inside = Number.isInteger(value) && value >= min && value <= max;
        assert.equal(within(untrustedNumber(value), min, max), inside ? value : undefined);
      }
    }),
    { numRuns: 5000 },
  );
});
