/**
 * What a way to receive takes by itself: messages that wait in memory already, and a receiver that does nothing but take them. In the
 * scenario "one way" sender and receiver work at the same time, and the slower one of the two is seen; with a completion list that is the sender.
 */
import { payload } from '../core/timing.js';
import type { Scenario } from './scenario.js';

/** With their headers they fill most of a ring of 128 KiB, the default. */
const MESSAGES = 1300;
/** Batches of a measured round: of their times the median counts. */
const BATCHES = 200;

export const taking: Scenario = {
  name: 'taking',
  title: `Messages of 64 B that wait, ${MESSAGES} at once, to a receiver that counts them; thousands a second`,
  columns: [{ heading: '1000/s', case: '64 B', metric: 'thousands per second', digits: 0 }],
  ratioTo: 'alpc awaited, on',
  turns: 3,
  async measure(peer, pace) {
    const session = await peer.start('taking');
    const data = payload(64);
    const end = performance.now() + pace.warmUpMs;
    while (performance.now() < end) await session.waiting!(MESSAGES, data);
    const times: number[] = [];
    while (times.length < BATCHES) times.push(await session.waiting!(MESSAGES, data));
    await session.close();
    const median = times.toSorted((a, b) => a - b)[BATCHES >> 1]!;
    return [{ case: '64 B', metric: 'thousands per second', value: MESSAGES / median }];
  },
};
