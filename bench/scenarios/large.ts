/**
 * Many bytes: a stream of messages of 1 MiB whose receiver reads every byte, 1 MiB there and back, and 256 MiB handed over. Buffers are
 * made once and used again where a peer allows it, and each message is filled anew.
 */
import { timeAwaited, warmUp } from '../core/timing.js';
import type { Measured } from '../peer.js';
import type { Scenario } from './scenario.js';

const FIRST = 32;

export const large: Scenario = {
  name: 'large',
  title: 'Many bytes: a stream of 1 MiB, MiB a second; calls, us, median',
  columns: [
    { heading: 'stream of 1 MiB', case: 'stream', metric: 'MiB per second', digits: 0 },
    { heading: 'echo of 1 MiB', case: '1 MiB', metric: 'median', digits: 0 },
    { heading: '256 MiB handed over', case: '256 MiB', metric: 'median', digits: 1 },
    { heading: 'call of 64 B', case: '64 B', metric: 'median', digits: 1 },
  ],
  ratioTo: 'net, many bytes',
  pinned: true,
  async measure(peer, pace) {
    const session = await peer.start('large');
    const { stream, echo, pass, small } = session.large!;
    const figures: Measured[] = [];
    if (stream !== undefined) {
      let count = FIRST;
      const seconds = async (): Promise<number> => {
        const before = performance.now();
        await stream(count);
        return (performance.now() - before) / 1000;
      };
      for (let spent = 0; spent < pace.warmUpMs; ) {
        const took = await seconds();
        spent += took * 1000;
        count = Math.max(FIRST, Math.ceil((count / took) * (pace.measureMs / 1000) * 2));
      }
      figures.push({ case: 'stream', metric: 'MiB per second', value: count / (await seconds()) });
    }
    for (const [name, call] of [['1 MiB', echo], ['256 MiB', pass], ['64 B', small]] as const) {
      if (call === undefined) continue;
      await warmUp(call, pace.warmUpMs / 2);
      figures.push({ case: name, metric: 'median', value: (await timeAwaited(call, pace.measureMs)).median });
    }
    await session.close();
    return figures;
  },
};
