/** A client of another user, which calls about once a millisecond for a while, and tells how long its calls took, in microseconds. */
import { connectPortSync } from '../../src/ports/index.js';
import { obey, tell } from '../support/actor.js';
import { blockFor } from '../process/expect.js';
import { NAME } from '../process/serving.js';

export type Order = { type: 'measure'; milliseconds: number };
export type News = { type: 'connected' } | { type: 'measured'; times: number[] };

const port = connectPortSync(NAME);
obey<Order>({
  measure: ({ milliseconds }) => {
    const times: number[] = [];
    for (const end = performance.now() + milliseconds; performance.now() < end; ) {
      blockFor(1);
      const begun = performance.now();
      port.requestSync('nothing');
      times.push(Math.round((performance.now() - begun) * 1000));
    }
    tell<News>({ type: 'measured', times });
  },
});
tell<News>({ type: 'connected' });
