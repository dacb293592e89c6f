/** Who is heard when many ring at once: as many as may be, and no user twice as long as another has not been heard once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { chooseInTurn } from '../../src/ports/hearing.js';

/** Sockets that are ready, each named by its place, with the user whose it is. */
function choose(users: readonly number[], most: number): number[] {
  const asked: number[] = [];
  const userOf = (socket: number): number => {
    asked.push(socket);
    return users[socket - 100]!;
  };
  const chosen = chooseInTurn({ at: (index) => 100 + index }, users.length, most, userOf);
  assert.deepEqual(asked, Array.from(users, (_, index) => 100 + index), 'it is asked once whose each is');
  return chosen.map((socket) => socket - 100);
}

test('one who rings alone is heard beside one who rings a thousand times', () => {
  const users = [...Array.from({ length: 1000 }, () => 7), 8];
  assert.deepEqual(choose(users, 4), [0, 1000, 1, 2]);
});

test('users are heard in the order in which the kernel tells of them, and so are the sockets of each', () => {
  assert.deepEqual(choose([3, 3, 1, 3, 2, 1], 6), [0, 2, 4, 1, 5, 3]);
  assert.deepEqual(choose([3, 3, 1, 3, 2, 1], 4), [0, 2, 4, 1]);
});

test('when all may be heard, all are; when nobody rings, nobody is', () => {
  assert.deepEqual(choose([1, 1, 1], 32), [0, 1, 2]);
  assert.deepEqual(choose([], 32), []);
});

const users = fc.array(fc.oneof({ arbitrary: fc.constant(1), weight: 5 }, fc.integer({ min: -1, max: 40 })), { maxLength: 512, size: 'max' });

test('whoever rings: as many are heard as may be, none twice, and no user gets ahead of another who waits by more than one', () => {
  fc.assert(
    fc.property(users, fc.integer({ min: 1, max: 64 }), (users, most) => {
      const chosen = choose(users, most);
      assert.equal(chosen.length, Math.min(users.length, most));
      assert.equal(new Set(chosen).size, chosen.length);
      const waiting = new Map<number, number>();
      for (const uid of users) waiting.set(uid, (waiting.get(uid) ?? 0) + 1);
      const heard = new Map<number, number>();
      for (const place of chosen) {
        const uid = users[place]!;
        heard.set(uid, (heard.get(uid) ?? 0) + 1);
        for (const [other, count] of waiting) {
          const times = heard.get(other) ?? 0;
          if (times < count) assert.ok(times >= heard.get(uid)! - 1, `user ${uid} is heard ${heard.get(uid)} times, ${other} ${times} times of ${count}`);
        }
      }
    }),
    { numRuns: 500 },
  );
});
