/** The regions of a section: none overlaps another, none is lost, what is freed is joined. Held against a list of bytes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as check, constant, integer, nat, oneof, property, record } from 'fast-check';
import { REGION_ALIGNMENT, Regions } from '../../src/memory/regions.js';

const SIZE = 64 * REGION_ALIGNMENT;
const whole = (length: number): number => Math.ceil(length / REGION_ALIGNMENT) * REGION_ALIGNMENT;

test('whatever is allotted and freed in whatever order, regions never overlap, and the room is what is left', () => {
  const step = oneof(
    record({ kind: constant('allocate' as const), length: integer({ min: 1, max: SIZE }) }),
    record({ kind: constant('at' as const), place: integer({ min: 0, max: 70 }), length: integer({ min: 1, max: SIZE / 4 }) }),
    record({ kind: constant('free' as const), which: nat(100) }),
  );
  check(
    property(array(step, { maxLength: 200 }), (steps) => {
      const regions = new Regions(SIZE);
      const used = new Uint8Array(SIZE / REGION_ALIGNMENT);
      const live: { offset: number; length: number }[] = [];
      const isFree = (offset: number, length: number): boolean => offset + whole(length) <= SIZE && used.subarray(offset / REGION_ALIGNMENT, (offset + whole(length)) / REGION_ALIGNMENT).every((unit) => unit === 0);
      const mark = (offset: number, length: number, value: number): void => void used.fill(value, offset / REGION_ALIGNMENT, (offset + whole(length)) / REGION_ALIGNMENT);
      for (const given of steps) {
        if (given.kind === 'free') {
          const region = live.splice(given.which % Math.max(1, live.length), 1)[0];
          if (region === undefined) continue;
          regions.free(region.offset, region.length);
          mark(region.offset, region.length, 0);
        } else if (given.kind === 'at') {
          const offset = given.place * REGION_ALIGNMENT;
          const could = isFree(offset, given.length);
          assert.equal(regions.allocateAt(offset, given.length), could);
          if (could) live.push({ offset, length: given.length });
          if (could) mark(offset, given.length, 1);
        } else {
          const offset = regions.allocate(given.length);
          const fits = Array.from({ length: SIZE / REGION_ALIGNMENT }, (_, at) => at * REGION_ALIGNMENT).find((at) => isFree(at, given.length));
          assert.equal(offset, fits, 'the first place where it fits');
          if (offset === undefined) continue;
          live.push({ offset, length: given.length });
          mark(offset, given.length, 1);
        }
        const free = used.filter((unit) => unit === 0).length * REGION_ALIGNMENT;
        const longest = Math.max(0, ...Buffer.from(used).toString('latin1').split('\x01').map((run) => run.length)) * REGION_ALIGNMENT;
        assert.deepEqual(regions.room, { free, longest });
      }
    }),
  );
});
