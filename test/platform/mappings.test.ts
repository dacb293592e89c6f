/** The quota of mappings: how many a process has, the kernel says; the last quarter of those that it may have is not for peers. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Arena } from '../../src/platform/arena.js';
import { pageSize } from '../../src/platform/descriptors.js';
import { MappingQuota, mappingQuota } from '../../src/platform/mappings.js';
import { createMemoryFile } from '../../src/platform/memory-file.js';
import { closeDescriptor, SystemError } from '../../src/platform/system.js';
import { Window } from '../../src/platform/window.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';

withLedger();

const isOver = (error: unknown): boolean => error instanceof SystemError && error.errno === 'ENOMEM' && error.message.includes('are kept for others');

/** How many can be made one by one before the quota says no. */
function takeAll(quota: MappingQuota, count = 1, onTaken = (): void => {}): number {
  for (let taken = 0; ; taken += count) {
    try {
      quota.take(count);
      onTaken();
    } catch (error) {
      assert.ok(isOver(error), String(error));
      return taken;
    }
  }
}

test('it knows what the kernel allows, and how many there are', () => {
  assert.equal(mappingQuota.most, Number(readFileSync('/proc/sys/vm/max_map_count', 'utf8')));
  assert.ok(mappingQuota.limit < mappingQuota.most && mappingQuota.limit >= mappingQuota.most * 0.75 - 1);
  assert.ok(Math.abs(mappingQuota.inUse() - readFileSync('/proc/self/maps', 'utf8').trim().split('\n').length) < 10);
});

test('it counts again after a thousand mappings at most, and refuses what would take from the reserve', (t) => {
  const quota = new MappingQuota();
  let there = 40_000;
  t.mock.getter(quota, 'limit', () => 49_000);
  const counts = t.mock.method(quota, 'inUse', () => there);
  assert.equal(takeAll(quota, 1, () => void there++), 9000, 'and then there are 49,000');
  assert.ok(counts.mock.callCount() >= 8, `${counts.mock.callCount()} counts`);
});

test('what is given back can be made again, and no more of it without a count than a thousand', (t) => {
  const quota = new MappingQuota();
  t.mock.getter(quota, 'limit', () => 1000);
  t.mock.method(quota, 'inUse', () => 1000);
  takeAll(quota);
  quota.giveBack(5);
  assert.equal(takeAll(quota), 5);
  quota.giveBack(20_000);
  assert.equal(takeAll(quota, 4), 1024);
});

test('where nothing is left it is not counted for each who asks', (t) => {
  const quota = new MappingQuota();
  const counts = t.mock.method(quota, 'inUse', () => {
    for (const end = performance.now() + 20; performance.now() < end; );
    return Infinity;
  });
  takeAll(quota);
  for (let i = 0; i < 100; i++) assert.equal(takeAll(quota), 0);
  assert.equal(counts.mock.callCount(), 1);
});

test('slots and windows are counted by the mappings that they are made of, and refused ones keep nothing', (t) => {
  const fd = createMemoryFile('alpc:counted', 3 * pageSize());
  atEnd(t, () => closeDescriptor(fd));
  const quota = new MappingQuota();
  t.mock.method(quota, 'inUse', () => Infinity);
  const arena = new Arena(quota);
  const parts = [{ offset: 0, length: 3 * pageSize() }, { offset: pageSize(), length: 2 * pageSize() }];
  const slot = arena.map(fd, parts, false);
  takeAll(quota);
  assert.throws(() => arena.map(fd, parts, false), isOver);
  assert.equal(arena.inUse, 1);
  arena.unmap(slot);
  arena.unmap(arena.map(fd, parts, false));
  assert.equal(takeAll(quota), 2);

  const taken = t.mock.method(mappingQuota, 'take');
  const given = t.mock.method(mappingQuota, 'giveBack');
  new Window(fd, pageSize(), 'private').close();
  assert.equal(taken.mock.callCount(), 2, 'once more, shared, to wait on');
  assert.equal(given.mock.callCount(), 1, 'the other one rests');
  taken.mock.mockImplementation(() => { throw new SystemError('mmap', 'ENOMEM'); });
  assert.throws(() => new Window(fd, pageSize(), 'private'), SystemError);
});
