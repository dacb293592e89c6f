/** Locks on numbers of a file, a pipe's included: whose they are, who sees them, and when they go. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import * as fc from 'fast-check';
import type { Descriptor } from '../../src/platform/directory.js';
import { createPipe, reopenFifo } from '../../src/platform/fifo.js';
import { countLocked, findLock, tryLockRange, unlockRange } from '../../src/platform/range-lock.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';

withLedger();

function openThrice(t: TestContext): [Descriptor, Descriptor, Descriptor] {
  const first = createPipe();
  const all: [Descriptor, Descriptor, Descriptor] = [first, reopenFifo(first.fd), reopenFifo(first.fd)];
  for (const one of all) atEnd(t, () => one[Symbol.dispose]());
  return all;
}

test('an exclusive lock keeps out every other open file, and its own holder never', (t) => {
  const [one, two] = openThrice(t);
  const range = { start: 2 ** 40, end: 2 ** 40 + 5 };
  assert.ok(tryLockRange(one.fd, range, 'exclusive') && tryLockRange(one.fd, range, 'exclusive'));
  assert.equal(tryLockRange(two.fd, { start: range.end - 1, end: range.end + 1 }, 'exclusive'), false);
  assert.equal(tryLockRange(two.fd, { start: range.end - 1, end: range.end }, 'shared'), false);
  assert.equal(tryLockRange(two.fd, { start: range.end, end: range.end + 1 }, 'exclusive'), true);
  unlockRange(one.fd, range);
  assert.equal(tryLockRange(two.fd, range, 'exclusive'), true);
});

test('a shared lock is made exclusive only by who holds it alone', (t) => {
  const [one, two] = openThrice(t);
  const range = { start: 1, end: 2 };
  assert.ok(tryLockRange(one.fd, range, 'shared') && tryLockRange(two.fd, range, 'shared'));
  assert.equal(tryLockRange(one.fd, range, 'exclusive'), false);
  unlockRange(two.fd, range);
  assert.equal(tryLockRange(one.fd, range, 'exclusive'), true);
});

test('a lock goes with its open file', (t) => {
  const [one, two] = openThrice(t);
  assert.ok(tryLockRange(one.fd, { start: 7, end: 8 }, 'exclusive'));
  assert.deepEqual(findLock(two.fd, { start: 0, end: 100 }), { start: 7, end: 8 });
  one[Symbol.dispose]();
  assert.equal(findLock(two.fd, { start: 0, end: 100 }), undefined);
});

test('what others hold of a range is counted, one by one, up to enough; what is without end too', (t) => {
  const [one, two, three] = openThrice(t);
  fc.assert(
    fc.property(fc.uniqueArray(fc.record({ number: fc.nat(60), by: fc.boolean() }), { selector: ({ number }) => number }), fc.nat(60), fc.nat(60), fc.integer({ min: 1, max: 70 }), (held, start, length, enough) => {
      for (const { number, by } of held) assert.ok(tryLockRange((by ? one : two).fd, { start: number, end: number + 1 }, 'exclusive'));
      const range = { start, end: start + length + 1 };
      const inside = held.filter(({ number }) => number >= range.start && number < range.end).length;
      const counted = countLocked(three.fd, range, enough);
      if (inside <= enough) assert.equal(counted, inside);
      else assert.ok(counted >= enough && counted <= inside);
      assert.equal(countLocked(one.fd, { start: 0, end: 100 }, 100), held.filter(({ by }) => !by).length, 'its own do not count');
      for (const { fd } of [one, two]) unlockRange(fd, { start: 0, end: 100 });
    }),
    { numRuns: 200 },
  );
  assert.ok(tryLockRange(one.fd, { start: 10, end: 2 ** 53 }, 'exclusive'));
  assert.equal(countLocked(two.fd, { start: 0, end: 20 }, 5), 10);
});
