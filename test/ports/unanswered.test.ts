/** The peer's unanswered requests against a plain map: whatever comes, is answered and is given up, each is found by its number, at its place, and counted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as check, nat, oneof, property, record, constant } from 'fast-check';
import { Control } from '../../src/memory/layout.js';
import type { Limits } from '../../src/ports/limits.js';
import type { RequestMessage } from '../../src/ports/message.js';
import { Unanswered } from '../../src/ports/unanswered.js';

const LIMITS = { pendingMessages: 100, pendingBytes: 1000 } as Limits;

/** What of a request counts here. */
interface Request {
  id: number;
  place: number;
  dataLength: number;
  givenUp: boolean;
  giveUp(): void;
}

function request(id: number, place: number, dataLength: number): Request {
  return { id, place, dataLength, givenUp: false, giveUp() { this.givenUp = true; } }; // prettier-ignore
}

const step = oneof({ weight: 3, arbitrary: record({ does: constant('add' as const), length: nat(60) }) }, { weight: 2, arbitrary: record({ does: constant('remove' as const), which: nat() }) }, { weight: 1, arbitrary: record({ does: constant('give up' as const) }) });

test('each is found by its number as long as it is unanswered, and inspectors and the quota know how many there are', () => {
  check(
    property(array(step, { maxLength: 400 }), (steps) => {
      const words = new Int32Array(1024);
      const unanswered = new Unanswered(LIMITS, { words });
      const there = new Map<number, Request>();
      let next = 1;
      for (const each of steps) {
        if (each.does === 'add') {
          const bytes = Array.from(there.values()).reduce((sum, { dataLength }) => sum + dataLength, 0);
          assert.equal(unanswered.hasRoomFor(each.length), there.size < LIMITS.pendingMessages && bytes + each.length <= LIMITS.pendingBytes);
          if (!unanswered.hasRoomFor(each.length)) continue;
          const made = request(next++, unanswered.length, each.length);
          unanswered.add(made as unknown as RequestMessage);
          there.set(made.id, made);
        } else if (each.does === 'remove') {
          const chosen = Array.from(there.values())[each.which % Math.max(1, there.size)];
          if (chosen === undefined) continue;
          unanswered.remove(chosen as unknown as RequestMessage);
          unanswered.tell();
          there.delete(chosen.id);
        } else {
          assert.deepEqual(new Set(unanswered.giveUp().map(({ id }) => id)), new Set(there.keys()));
          assert.ok(Array.from(there.values()).every(({ givenUp }) => givenUp));
          unanswered.tell();
          there.clear();
        }
        assert.deepEqual([unanswered.length, words[Control.unansweredRequests]], [there.size, there.size]);
        assert.equal(new Set(Array.from(there.values(), ({ place }) => place)).size, there.size);
        for (let id = 1; id < next; id++) assert.equal(unanswered.find(id), there.get(id), `${id}`);
      }
    }),
    { numRuns: 200 },
  );
});
