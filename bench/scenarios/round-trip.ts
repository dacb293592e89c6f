/**
 * The round trip: one call outstanding, hot, in four sizes up to what fits a message. Awaited calls and blocking calls stand in
 * one table, as both answer the same wish. Hot means that each side has been answering all along; 'asleep' is the other case.
 * With each side on a core of its own the figures are steady and the budgets are held against them; 'unpinned' is the same for
 * the small message with the scheduler free to choose, where figures of one peer may lie far apart.
 *
 * Even so a machine may be of two minds: for a while all that goes from core to core takes two or three times as long, in C as in
 * JavaScript. So what a budget compares is measured several times in each round, one after the other and then all again.
 */
import { checkAnswer, payload, timeAwaited, timeBlocking, warmUp, type CallTimes } from '../core/timing.js';
import type { Measured, Pace, Peer, Session } from '../peer.js';
import type { Column, Scenario } from './scenario.js';

/** Up to what fits a message. */
export const SIZES = [
  ['64 B', 64],
  ['1 KiB', 1024],
  ['16 KiB', 16 * 1024],
  ['60 KiB', 60 * 1024],
] as const;

/** The small message is what the budgets are about: it gets all of the time, the others a third. */
function share(size: number): number {
  return size === 64 ? 1 : 1 / 3;
}

async function timeSize(session: Session, size: number, pace: Pace): Promise<CallTimes> {
  const data = payload(size);
  const { echo, echoSync } = { echo: session.echo?.bind(session), echoSync: session.echoSync?.bind(session) };
  const warmUpMs = pace.warmUpMs * share(size);
  const measureMs = pace.measureMs * share(size);
  if (echoSync !== undefined) {
    await checkAnswer(() => echoSync(data), data);
    timeBlocking(() => echoSync(data), warmUpMs);
    return timeBlocking(() => echoSync(data), measureMs);
  }
  if (echo === undefined) throw new Error('a peer that makes no calls is not for this scenario');
  await checkAnswer(() => echo(data), data);
  await warmUp(() => echo(data), warmUpMs);
  return timeAwaited(() => echo(data), measureMs);
}

async function timeSizes(peer: Peer, sizes: readonly (readonly [name: string, bytes: number])[], pace: Pace): Promise<Measured[]> {
  const session = await peer.start('round trip');
  const figures: Measured[] = [];
  for (const [name, size] of sizes) {
    const { median, p99 } = await timeSize(session, size, pace);
    figures.push({ case: name, metric: 'median', value: median }, { case: name, metric: 'p99', value: p99 });
  }
  await session.close();
  return figures;
}

/** Microseconds at the middle, and beside it at the 99th percentile. */
export const column = (size: (typeof SIZES)[number][0]): Column => ({ heading: size, case: size, metric: 'median', beside: 'p99' });

export const roundTrip: Scenario = {
  name: 'round trip',
  title: 'Round trip, one call at a time, both sides awake, a core each; us, median (99th percentile)',
  columns: [column('64 B'), column('1 KiB'), column('16 KiB'), column('60 KiB')],
  ratioTo: 'net echo',
  pinned: true,
  turns: 3,
  measure: (peer, pace, turn) => timeSizes(peer, turn === 0 ? SIZES : SIZES.slice(0, 1), pace),
};

export const unpinned: Scenario = {
  name: 'unpinned',
  title: 'The same for 64 B, on whichever cores the scheduler puts the two; us',
  columns: [
    { heading: 'median', case: '64 B', metric: 'median' },
    { heading: '99th percentile', case: '64 B', metric: 'p99' },
  ],
  ratioTo: 'net echo',
  measure: (peer, pace) => timeSizes(peer, SIZES.slice(0, 1), pace),
};
