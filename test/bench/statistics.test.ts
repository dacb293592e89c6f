import assert from 'node:assert/strict';
import { test } from 'node:test';
import { median, quantileOfSorted, relativeSpread, Samples } from '../../bench/core/statistics.js';

test('the median of an odd number of values is one of them, of an even number the mean of the middle two', () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([7]), 7);
  assert.ok(Number.isNaN(median([])));
});

test('one outlier moves the median not at all', () => {
  assert.equal(median([1, 2, 3, 4, 1e9]), 3);
});

test('a quantile is a value that was measured, by the nearest rank', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
  assert.equal(quantileOfSorted(hundred, 0.5), 50);
  assert.equal(quantileOfSorted(hundred, 0.99), 99);
  assert.equal(quantileOfSorted(hundred, 1), 100);
  assert.equal(quantileOfSorted(hundred, 0), 1);
  assert.equal(quantileOfSorted([3], 0.99), 3);
});

test('the spread is the median distance from the median, as a part of it', () => {
  assert.equal(relativeSpread([90, 100, 110]), 0.1);
  assert.equal(relativeSpread([5]), 0);
});

test('samples beyond the capacity are refused and change nothing', () => {
  const samples = new Samples(3);
  assert.ok(samples.add(3) && samples.add(1) && samples.add(2));
  assert.equal(samples.add(100), false);
  assert.equal(samples.length, 3);
  assert.deepEqual(samples.quantiles(0.5, 1), [2, 3]);
});
