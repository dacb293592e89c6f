/**
 * Messages one way, to a receiver that counts: from the first send until the receiver has said that it has
 * them all.
 */
import { rateOfBursts } from '../core/bursts.js';
import { payload } from '../core/timing.js';
import type { Scenario } from './scenario.js';

export const oneWay: Scenario = {
  name: 'one way',
  title: 'One-way messages of 64 B to a counting receiver; thousands a second',
  columns: [{ heading: '1000/s', case: '64 B', metric: 'thousands per second', digits: 0 }],
  ratioTo: 'net framed',
  // The machine's mood: one pair of processes that fills a ring carries ten million a second, or for some forty seconds 3.6, and then ten again.
  turns: 5,
  async measure(peer, pace) {
    const session = await peer.start('one way');
    const data = payload(64);
    const rate = await rateOfBursts((count) => session.burst!(count, data), pace, { first: 20_000, longest: 20_000_000 });
    await session.close();
    return [{ case: '64 B', metric: 'thousands per second', value: rate / 1000 }];
  },
};
