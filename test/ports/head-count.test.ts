/** The head count of a port: nobody is forgotten or counted twice, and no user but the port's own and root has more than its share. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { HeadCount } from '../../src/ports/head-count.js';

const OWNER = 1000;
const users = fc.constantFrom(0, OWNER, 1, 2, 3, 65_534, 4_294_967_294);
const limits = fc.record({ connections: fc.integer({ min: 1, max: 40 }), connectionsPerUser: fc.integer({ min: 1, max: 20 }) });

test('whoever comes and goes in whatever order, the limits hold, and when all have gone there is room as at first', () => {
  fc.assert(
    fc.property(limits, fc.array(fc.record({ uid: users, comes: fc.boolean() }), { maxLength: 300 }), (limits, steps) => {
      const count = new HeadCount(OWNER);
      const here: number[] = [];
      const of = (uid: number): number => here.filter((other) => other === uid).length;
      for (const { uid, comes } of steps) {
        const isPrivileged = uid === 0 || uid === OWNER;
        const full = here.length >= limits.connections || (!isPrivileged && of(uid) >= limits.connectionsPerUser);
        assert.equal(count.isFull(uid, limits), full);
        if (comes && !full) {
          count.come(uid);
          here.push(uid);
        } else if (!comes && of(uid) > 0) {
          count.go(uid);
          here.splice(here.indexOf(uid), 1);
        }
        assert.ok(here.length <= limits.connections);
        if (!isPrivileged) assert.ok(of(uid) <= limits.connectionsPerUser);
      }
      for (const uid of here.splice(0)) count.go(uid);
      for (let i = 0; i < limits.connections; i++) {
        assert.equal(count.isFull(0, limits), false);
        count.come(0);
      }
      assert.equal(count.isFull(0, limits), true);
    }),
    { numRuns: 2000 },
  );
});
