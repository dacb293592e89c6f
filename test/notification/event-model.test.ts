/**
 * Synchronization events against their definition: a set releases one who waits, or else is kept, once; through several
 * handles, and in bursts that nobody has the time to follow.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { createEvent, type Event, openEvent } from '../../src/index.js';
import { until } from '../process/expect.js';
import { times } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';
import { counter, turns } from './support.js';

withLedger();

interface Model {
  waiting: number;
  released: number;
  set: boolean;
}

interface Real {
  readonly handles: readonly Event[];
  readonly ended: ReturnType<typeof counter>;
  readonly controllers: AbortController[];
}

type Step = { readonly do: 'set' | 'wait'; readonly times: number; readonly at: number } | { readonly do: 'reset' | 'try'; readonly at: number } | { readonly do: 'give up' };

const steps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constantFrom('set' as const, 'wait' as const), times: fc.integer({ min: 1, max: 5 }), at: fc.nat(2) }),
    fc.record({ do: fc.constantFrom('reset' as const, 'try' as const), at: fc.nat(2) }),
    fc.record({ do: fc.constant('give up' as const) }),
  ),
  { maxLength: 25 },
);

function perform(step: Exclude<Step, { readonly do: 'give up' }>, model: Model, { handles, ended, controllers }: Real): void {
  const handle = handles[step.at]!;
  switch (step.do) {
    case 'set':
      for (let i = 0; i < step.times; i++) {
        assert.equal(handles[(step.at + i) % handles.length]!.set(), model.set, 'it says what was');
        if (model.waiting > 0) {
          model.waiting--;
          model.released++;
        } else model.set = true;
      }
      break;
    case 'wait':
      for (let i = 0; i < step.times; i++) {
        const controller = new AbortController();
        ended.add(handle.wait({ signal: controller.signal }));
        if (model.set) {
          model.set = false;
          model.released++;
        } else {
          controllers.push(controller);
          model.waiting++;
        }
      }
      break;
    case 'reset':
      assert.equal(handle.reset(), model.set);
      model.set = false;
      break;
    case 'try':
      assert.equal(handle.tryWait(), model.set);
      model.set = false;
      break;
  }
}

test('a synchronization event releases whom its definition says, and no other', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (script) => {
      using first = createEvent(undefined, { kind: 'synchronization' });
      using second = openEvent(first.share());
      using third = openEvent(first.share());
      const real: Real = { handles: [first, second, third], ended: counter(), controllers: [] };
      const model: Model = { waiting: 0, released: 0, set: false };
      try {
        for (const step of script) {
          if (step.do === 'give up') {
            // Whether the one who gives up had been released already is known afterwards.
            const { length } = real.ended.failed;
            real.controllers.pop()?.abort();
            await turns(2);
            model.waiting -= real.ended.failed.length - length;
          } else perform(step, model, real);
          await until('all are released', () => real.ended.done === model.released);
          await turns(2);
          assert.deepEqual([real.ended.done, first.state, second.state, third.state], [model.released, model.set, model.set, model.set]);
        }
      } finally {
        for (const controller of real.controllers) controller.abort();
        await turns(2);
      }
    }),
    { numRuns: times(40, 1000) },
  );
});
