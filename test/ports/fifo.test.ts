/** The queue of the ports against a plain array, in whatever order it is used. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { Fifo } from '../../src/ports/fifo.js';
import { collectGarbage } from '../support/garbage.js';
import { turn } from '../support/turns.js';

type Step = 'push' | 'unshift' | 'shift' | 'peek' | 'clear' | { remove: number } | { burst: number } | { drain: number } | { each: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: fc.constantFrom('push' as const, 'unshift' as const, 'shift' as const, 'peek' as const), weight: 10 },
  { arbitrary: fc.record({ remove: fc.nat(80) }), weight: 3 },
  { arbitrary: fc.record({ burst: fc.nat(100) }), weight: 1 },
  { arbitrary: fc.record({ drain: fc.nat(100) }), weight: 1 },
  { arbitrary: fc.constant('clear' as const), weight: 1 },
  { arbitrary: fc.record({ each: fc.integer({ min: 2, max: 5 }) }), weight: 1 },
);

test('it does what an array does with push, unshift, shift, splice, filter and length', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
      const fifo = new Fifo<{ n: number }>();
      let model: { n: number }[] = [];
      let n = 0;
      const push = (): void => {
        const item = { n: n++ };
        fifo.push(item);
        model.push(item);
      };
      for (const step of steps) {
        if (step === 'push') push();
        else if (step === 'unshift') {
          const item = { n: n++ };
          fifo.unshift(item);
          model.unshift(item);
        } else if (step === 'shift') assert.equal(fifo.shift(), model.shift());
        else if (step === 'peek') assert.equal(fifo.peek(), model[0]);
        else if (step === 'clear') {
          assert.deepEqual(fifo.clear(), model);
          model = [];
        } else if ('burst' in step) for (let i = 0; i < step.burst; i++) push();
        else if ('each' in step) {
          const isMeant = (item: { n: number }): boolean => item.n % step.each === 0;
          assert.deepEqual(fifo.removeAll(isMeant), model.filter(isMeant));
          model = model.filter((item) => !isMeant(item));
        } else if ('drain' in step) for (let i = 0; i < step.drain; i++) assert.equal(fifo.shift(), model.shift());
        else {
          const item = model[step.remove];
          assert.equal(fifo.remove(item ?? { n: -1 }), item !== undefined);
          if (item !== undefined) model.splice(step.remove, 1);
        }
        assert.equal(fifo.length, model.length);
        assert.equal(fifo.peek(), model[0]);
      }
      while (model.length > 0) assert.equal(fifo.shift(), model.shift());
      assert.equal(fifo.shift(), undefined);
    }),
    { numRuns: 500 },
  );
});

test('what was taken or removed is not found again, and removing it twice says so', () => {
  const fifo = new Fifo<object>();
  const [a, b] = [{}, {}];
  fifo.push(a);
  fifo.push(b);
  assert.equal(fifo.shift(), a);
  assert.equal(fifo.remove(a), false);
  assert.equal(fifo.remove(b), true);
  assert.equal(fifo.remove(b), false);
  assert.equal(fifo.length, 0);
  assert.deepEqual(fifo.clear(), []);
});

test('an item that was taken is let go of, though the queue lives on', async () => {
  const fifo = new Fifo<object>();
  const refs: WeakRef<object>[] = [];
  (() => {
    for (let i = 0; i < 40; i++) {
      const item = { i };
      refs.push(new WeakRef(item));
      fifo.push(item);
    }
    for (let i = 0; i < 10; i++) fifo.shift();
  })();
  await turn(); // a WeakRef keeps its target until the end of the job
  collectGarbage();
  assert.deepEqual(refs.map((ref) => ref.deref() === undefined), refs.map((_, i) => i < 10));
  assert.equal(fifo.length, 30);
});
