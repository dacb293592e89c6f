/** A stream of small items from the server, each taken by the client's `for await` (or what the peer has): from the opening to the last one. */
import { rateOfBursts } from '../core/bursts.js';
import { payload } from '../core/timing.js';
import type { Scenario } from './scenario.js';

export const download: Scenario = {
  name: 'download',
  title: 'A stream of items of 64 B from the server; thousands of items a second',
  columns: [{ heading: '1000/s', case: '64 B', metric: 'thousands per second', digits: 0 }],
  ratioTo: 'grpc-js',
  async measure(peer, pace) {
    const session = await peer.start('download');
    const data = payload(64);
    const all = async (count: number): Promise<void> => {
      const seen = await session.download!(count, data);
      if (seen !== count) throw new Error(`${seen} of ${count} items came`);
    };
    const rate = await rateOfBursts(all, pace, { first: 2000, longest: 5_000_000 });
    await session.close();
    return [{ case: '64 B', metric: 'thousands per second', value: rate / 1000 }];
  },
};
