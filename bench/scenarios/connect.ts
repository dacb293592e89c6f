/**
 * A connection made, accepted and closed, one after the other. Both sides take part in full: the time ends when the server has
 * accepted it and the client has let go of it. The warm-up counts connections and not time, or the slower of two would be measured
 * with colder code.
 */
import { timeAwaited } from '../core/timing.js';
import type { Scenario } from './scenario.js';

/** Until both sides run compiled code: a connection runs a hundred functions once each. */
const WARM_UP = 5000;

export const connect: Scenario = {
  name: 'connect',
  title: 'Connect, accept and close, one after the other; us',
  columns: [
    { heading: 'median', case: 'connection', metric: 'median', digits: 0 },
    { heading: '99th percentile', case: 'connection', metric: 'p99', digits: 0 },
  ],
  ratioTo: 'net echo',
  async measure(peer, pace) {
    const session = await peer.start('connect');
    const once = (): Promise<void> => session.connectOnce!();
    for (let i = 0; i < WARM_UP; i++) await once();
    const { median, p99 } = await timeAwaited(once, pace.measureMs * 2);
    await session.close();
    return [
      { case: 'connection', metric: 'median', value: median },
      { case: 'connection', metric: 'p99', value: p99 },
    ];
  },
};
