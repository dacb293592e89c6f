/** A client of another user, which calls at a steady rate and tells how long its calls took, in microseconds, sorted. */
import { connectPortSync } from '../../src/ports/index.js';
import { obey, tell } from '../support/actor.js';
import { blockFor } from '../process/expect.js';
import { NAME } from '../process/serving.js';

export type Order = { type: 'measure'; calls: number; every: number };
export type News = { type: 'connected' } | { type: 'measured'; times: number[] };

const port = connectPortSync(NAME);
obey<Order>({
  measure: ({ calls, every }) => {
    const times: number[] = [];
    for (let due = performance.now(); times.length < calls; due += every) {
      blockFor(Math.max(0, due - performance.now()));
      const begun = performance.now();
      port.requestSync('nothing');
      times.push(Math.round((performance.now() - begun) * 1000));
    }
    tell<News>({ type: 'measured', times: times.toSorted((a, b) => a - b) });
  },
});
tell<News>({ type: 'connected' });
