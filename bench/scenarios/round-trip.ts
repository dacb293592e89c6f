/**
 * The round trip: one call outstanding, hot, in four sizes up to what fits a message. Awaited calls and blocking calls stand in
 * one table, as both answer the same wish. Hot means that each side has been answering all along; 'asleep' is the other case.
 */
import { checkAnswer, payload, timeAwaited, timeBlocking, warmUp, type CallTimes } from '../core/timing.js';
import type { Measured, Pace, Session } from '../peer.js';
import type { Scenario } from './scenario.js';

const SIZES = [
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

export const roundTrip: Scenario = {
  name: 'round trip',
  title: 'Round trip, one call at a time, both sides awake; us, median (99th percentile)',
  columns: SIZES.map(([name]) => ({ heading: name, case: name, metric: 'median', beside: 'p99' })),
  ratioTo: 'net echo',
  async measure(peer, pace) {
    const session = await peer.start('round trip');
    const figures: Measured[] = [];
    for (const [name, size] of SIZES) {
      const { median, p99 } = await timeSize(session, size, pace);
      figures.push({ case: name, metric: 'median', value: median }, { case: name, metric: 'p99', value: p99 });
    }
    await session.close();
    return figures;
  },
};
