/**
 * Requests that are work for a processor: each is answered with a hash of its 20 KiB, sixteen at once. Long ones tell what a server gains
 * by a second thread, short ones what carrying the requests costs. One length cannot tell both where the client and the loop that carries
 * need the same two cores: see decision 0016.
 */
import { hash as hashOf, HASHED_BYTES } from '../core/hash.js';
import { checkAnswer, payload } from '../core/timing.js';
import type { Measured } from '../peer.js';
import type { Column, Scenario } from './scenario.js';
import { callsPerSecond } from './in-flight.js';

const IN_FLIGHT = 16;
const CASES = { short: 3, long: 12 } as const;
/** Of the pace's, with short requests: some ten thousand of them. With a thousand, engines still compile while it is measured, each on the two cores that are to be shared. */
const WARM_UP_TIMES = 6;

const column = (name: keyof typeof CASES): Column => ({ heading: `${name}, requests/s`, case: name, metric: 'per second', digits: 0 });

export const hash: Scenario = {
  name: 'hash',
  title: `Requests to hash ${HASHED_BYTES / 1024} KiB, ${IN_FLIGHT} in flight, served by threads; a second`,
  columns: [column('long'), column('short')],
  ratioTo: 'alpc pool, 1 thread',
  // Three processes' worth of threads on two cores: how the kernel deals these out differs from one start to the next by a tenth.
  turns: 3,
  async measure(peer, pace) {
    const session = await peer.start('hash');
    const figures: Measured[] = [];
    const warmUp = payload(HASHED_BYTES);
    warmUp[0] = CASES.short;
    await callsPerSecond(session, IN_FLIGHT, warmUp, WARM_UP_TIMES * pace.warmUpMs);
    for (const [name, passes] of Object.entries(CASES)) {
      const data = payload(HASHED_BYTES);
      data[0] = passes;
      await checkAnswer(() => session.echo!(data), hashOf(data));
      await callsPerSecond(session, IN_FLIGHT, data, pace.warmUpMs);
      figures.push({ case: name, metric: 'per second', value: await callsPerSecond(session, IN_FLIGHT, data, pace.measureMs * 4) });
    }
    await session.close();
    return figures;
  },
};
