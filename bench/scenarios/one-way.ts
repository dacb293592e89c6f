/**
 * Messages one way, to a receiver that counts: from the first send until the receiver has said that it has them all. The burst
 * is made as long as the peer is fast, so that each measures for the same time.
 */
import { payload } from '../core/timing.js';
import type { Scenario } from './scenario.js';

const FIRST = 20_000;
const LONGEST = 20_000_000;

export const oneWay: Scenario = {
  name: 'one way',
  title: 'One-way messages of 64 B to a counting receiver; thousands a second',
  columns: [{ heading: '1000/s', case: '64 B', metric: 'thousands per second', digits: 0 }],
  ratioTo: 'net framed',
  async measure(peer, pace) {
    const session = await peer.start('one way');
    const data = payload(64);
    let count = FIRST;
    const seconds = async (): Promise<number> => {
      const before = performance.now();
      await session.burst!(count, data);
      return (performance.now() - before) / 1000;
    };
    for (let spent = 0; spent < pace.warmUpMs; ) {
      const took = await seconds();
      spent += took * 1000;
      count = Math.min(LONGEST, Math.ceil((count / took) * (pace.measureMs / 1000)));
    }
    const rate = count / (await seconds());
    await session.close();
    return [{ case: '64 B', metric: 'thousands per second', value: rate / 1000 }];
  },
};
