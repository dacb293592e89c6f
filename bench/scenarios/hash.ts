/**
 * Requests that are work for a processor: each is answered with a hash of its 20 KiB, sixteen at once. It tells what a server gains by
 * a second thread, and what carries the requests to the threads costs.
 */
import { hash as hashOf, HASHED_BYTES } from '../core/hash.js';
import { checkAnswer, payload } from '../core/timing.js';
import type { Scenario } from './scenario.js';
import { callsPerSecond } from './in-flight.js';

const IN_FLIGHT = 16;

export const hash: Scenario = {
  name: 'hash',
  title: `Requests to hash ${HASHED_BYTES / 1024} KiB, ${IN_FLIGHT} in flight, served by threads; a second`,
  columns: [{ heading: 'requests/s', case: '20 KiB', metric: 'per second', digits: 0 }],
  ratioTo: 'alpc pool, 1 thread',
  async measure(peer, pace) {
    const session = await peer.start('hash');
    const data = payload(HASHED_BYTES);
    await checkAnswer(() => session.echo!(data), hashOf(data));
    await callsPerSecond(session, IN_FLIGHT, data, pace.warmUpMs);
    const rate = await callsPerSecond(session, IN_FLIGHT, data, pace.measureMs * 4);
    await session.close();
    return [{ case: '20 KiB', metric: 'per second', value: rate }];
  },
};
