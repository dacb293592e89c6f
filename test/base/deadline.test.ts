/** Deadlines are moments on the monotonic clock. */
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { deadlineAfter, isOver, timeLeft } from '../../src/base/deadline.js';

test('Infinity never comes', () => {
  const deadline = deadlineAfter(Infinity);
  assert.equal(deadline, Infinity);
  assert.equal(timeLeft(deadline), Infinity);
  assert.equal(isOver(deadline), false);
});

test('a deadline of 0 is over at once', () => {
  const deadline = deadlineAfter(0);
  assert.equal(isOver(deadline), true);
  assert.equal(timeLeft(deadline), 0);
});

test('what is left shrinks to 0 and never below, and the deadline is over exactly when nothing is left', () => {
  let now = 1000;
  const clock = mock.method(performance, 'now', () => now);
  try {
    const deadline = deadlineAfter(50);
    assert.equal(timeLeft(deadline), 50);
    now = 1049.5;
    assert.equal(timeLeft(deadline), 0.5);
    assert.equal(isOver(deadline), false);
    now = 1050;
    assert.equal(timeLeft(deadline), 0);
    assert.equal(isOver(deadline), true);
    now = 9999;
    assert.equal(timeLeft(deadline), 0);
    assert.equal(isOver(deadline), true);
  } finally {
    clock.mock.restore();
  }
});

test('a jump of the wall clock moves nothing', () => {
  const deadline = deadlineAfter(60_000);
  const clock = mock.method(Date, 'now', () => Date.UTC(2100, 0));
  try {
    assert.equal(isOver(deadline), false);
    assert.ok(timeLeft(deadline) > 0 && timeLeft(deadline) <= 60_000);
  } finally {
    clock.mock.restore();
  }
});
