/**
 * Awaited calls, several at once: as many loops as are in flight, each making its next call when the last is answered. It tells
 * what a transport makes of company: one that sends what has gathered in one turn together gains, one that pays for each does not.
 */
import { payload, warmUp } from '../core/timing.js';
import type { Measured, Session } from '../peer.js';
import type { Column, Scenario } from './scenario.js';

const CASES = [1, 8, 64] as const;

/** So many loops for `ms`, each with one call at a time. */
export async function callsPerSecond(session: Session, inFlight: number, data: Buffer, ms: number): Promise<number> {
  const start = performance.now();
  const end = start + ms;
  let calls = 0;
  const loop = async (): Promise<void> => {
    do {
      await session.echo!(data);
      calls++;
    } while (performance.now() < end);
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  return calls / ((performance.now() - start) / 1000);
}

const column = (n: (typeof CASES)[number]): Column => ({ heading: `${n} in flight`, case: `${n}`, metric: 'thousands per second' });

export const inFlight: Scenario = {
  name: 'in flight',
  title: 'Awaited calls of 64 B, 1, 8 and 64 in flight; thousands of calls a second',
  columns: [column(64), column(8), column(1)],
  ratioTo: 'net framed', // the echo has no case of 64
  async measure(peer, pace) {
    const session = await peer.start('in flight');
    const data = payload(64);
    await warmUp(() => session.echo!(data), pace.warmUpMs / 2);
    const figures: Measured[] = [];
    for (const n of session.oneAtATime ? [1] : CASES) {
      await callsPerSecond(session, n, data, pace.warmUpMs / 2);
      const rate = await callsPerSecond(session, n, data, pace.measureMs);
      figures.push({ case: `${n}`, metric: 'thousands per second', value: rate / 1000 });
    }
    await session.close();
    return figures;
  },
};
