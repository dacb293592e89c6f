import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseList } from '../../bench/core/placement.js';

test("the kernel's lists of cores are read: single ones, ranges, both", () => {
  assert.deepEqual(parseList('3'), [3]);
  assert.deepEqual(parseList('0-1'), [0, 1]);
  assert.deepEqual(parseList('0-2,5,8-9'), [0, 1, 2, 5, 8, 9]);
});
