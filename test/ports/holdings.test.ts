/** What waits for the clients of a port: its sums for each user and for all, against plain ones. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HoldingShare, PortHoldings } from '../../src/ports/holdings.js';
import { checkLimits } from '../../src/ports/limits.js';
import { randomFrom } from '../memory/support.js';

const OWNER = 1000;
const LIMITS = { pendingBytesPerPort: 100_000, pendingBytesPerUser: 30_000 };
const charge = (length: number): number => Math.max(4096, 256 + length);

test('each user has its share, the port\'s own and root the whole; connections of a user add up, and what has left is nobody\'s', () => {
  const random = randomFrom(1);
  const all = new PortHoldings(OWNER, LIMITS);
  const parts = [0, OWNER, 1, 1, 1, 2, 2, 3].map((uid) => ({ uid, holding: new HoldingShare(all, uid), lengths: [] as number[] }));
  const sumOf = (uid?: number): number => parts.filter((part) => uid === undefined || part.uid === uid).flatMap(({ lengths }) => lengths).reduce((sum, length) => sum + charge(length), 0);
  const seen = { admitted: 0, shareFull: 0, allFull: 0 };
  for (let i = 0; i < 20_000; i++) {
    const part = parts[random(parts.length)]!;
    const { uid, holding, lengths } = part;
    const length = random(10) === 0 ? random(20_000) : random(5000);
    const hasAll = uid === 0 || uid === OWNER;
    const [isShareFull, isAllFull] = [!hasAll && sumOf(uid) + charge(length) > LIMITS.pendingBytesPerUser, sumOf() + charge(length) > LIMITS.pendingBytesPerPort];
    assert.equal(holding.hasRoomFor(length), !isShareFull && !isAllFull);
    assert.equal(all.isFull(uid), hasAll ? sumOf() + 4096 > LIMITS.pendingBytesPerPort : sumOf(uid) + 4096 > LIMITS.pendingBytesPerUser);
    if (isShareFull) seen.shareFull++;
    else if (isAllFull) seen.allFull++;
    if (random(200) === 0) {
      holding.clear();
      lengths.length = 0;
    } else if (random(5) < 2 && lengths.length > 0) holding.remove(lengths.splice(random(lengths.length), 1)[0]!);
    else if (holding.hasRoomFor(length) || random(50) === 0) { // some are kept in any case
      holding.add(length);
      lengths.push(length);
      seen.admitted++;
    }
  }
  for (const { holding } of parts) holding.clear();
  assert.equal(all.hasRoomFor(1, LIMITS.pendingBytesPerUser), true);
  assert.equal(all.hasRoomFor(OWNER, LIMITS.pendingBytesPerPort), true);
  assert.equal(all.hasRoomFor(OWNER, LIMITS.pendingBytesPerPort + 1), false);
  assert.ok(Object.values(seen).every((times) => times > 100), JSON.stringify(seen));
});

test('a connection that is its port\'s only one has no sum', () => {
  const holding = new HoldingShare();
  for (let i = 0; i < 1000; i++) holding.add(2 ** 40);
  assert.equal(holding.hasRoomFor(2 ** 40), true);
});

test('without a word a port may hold what 256 connections may, or half of the memory, and a user a quarter of that', () => {
  const { pendingBytesPerPort, pendingBytesPerUser } = checkLimits({ pendingBytes: 1_000_000, pendingMessages: 10 });
  assert.deepEqual([pendingBytesPerPort, pendingBytesPerUser], [256_000_000, 64_000_000]);
  assert.equal(checkLimits({ pendingBytes: 1, pendingMessages: 2 }).pendingBytesPerPort, 256 * 2 * 4096);
  assert.ok(checkLimits({ pendingBytes: 2 ** 31 - 1 }).pendingBytesPerPort < 2 ** 31 * 256, 'as much as there is memory');
  assert.deepEqual(checkLimits({ pendingBytesPerPort: 5000 }).pendingBytesPerUser, 1250);
  assert.equal(checkLimits({ pendingBytesPerUser: 4096 }).pendingBytesPerUser, 4096);
});
