/** A stream of small items from the server, each taken by the client's `for await` (or what the peer has): from the opening to the last one. */
import { payload } from '../core/timing.js';
import type { Scenario } from './scenario.js';

const FIRST = 2000;
const LONGEST = 5_000_000;

export const download: Scenario = {
  name: 'download',
  title: 'A stream of items of 64 B from the server; thousands of items a second',
  columns: [{ heading: '1000/s', case: '64 B', metric: 'thousands per second', digits: 0 }],
  ratioTo: 'grpc-js',
  async measure(peer, pace) {
    const session = await peer.start('download');
    const data = payload(64);
    let count = FIRST;
    const seconds = async (): Promise<number> => {
      const before = performance.now();
      const seen = await session.download!(count, data);
      if (seen !== count) throw new Error(`${seen} of ${count} items came`);
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
