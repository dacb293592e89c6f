/**
 * The round trip of programs that have little to say: a call every 20 ms, so that both sides are asleep when it comes and each
 * wake-up costs what the kernel takes for it. The code is warm, the processes are not: the warm-up makes the same calls with
 * shorter pauses, for calls that find the other side awake would warm other code. All pause by a timer: what wakes the caller is the
 * same for each, as in a program whose event loop runs and that makes a call now and then.
 *
 * What a wake-up costs hangs on which core the kernel has put either process on, and it leaves them there: of one program one pair takes 80 us
 * and the next 150, all along. So those that a budget compares are measured in several pairs in each round.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Samples } from '../core/statistics.js';
import { inMicroseconds, payload } from '../core/timing.js';
import type { Measured, Session } from '../peer.js';
import { column, SIZES } from './round-trip.js';
import type { Scenario } from './scenario.js';

const PAUSE_MS = 20;
/** Long enough for both sides to fall asleep. */
const WARM_UP_PAUSE_MS = 1;
const WARM_UP_CALLS = 4000;
/** For the longer messages, whose way is the same but for the copies. */
const MORE_WARM_UP_CALLS = 200;
/** Calls after the warm-up in which what is adaptive finds out that nothing is going on. */
const SETTLING = 5;

async function sleepyCalls(session: Session, count: number, pauseMs: number, data: Buffer): Promise<Samples> {
  const samples = new Samples(count);
  for (let i = -SETTLING; i < count; i++) {
    await pause(pauseMs);
    const before = performance.now();
    if (session.echoSync === undefined) await session.echo!(data);
    else session.echoSync(data);
    if (i >= 0) samples.add(performance.now() - before);
  }
  return samples;
}

export const asleep: Scenario = {
  name: 'asleep',
  title: `Round trip with both sides asleep, a call every ${PAUSE_MS} ms; us, median (99th percentile)`,
  columns: [column('64 B'), column('1 KiB'), column('16 KiB'), column('60 KiB')],
  ratioTo: 'net echo',
  maxRounds: 3, // a tenth of a minute and more for each job
  turns: 5,
  async measure(peer, pace, turn) {
    const session = await peer.start('asleep');
    const figures: Measured[] = [];
    for (const [name, size] of turn === 0 ? SIZES : SIZES.slice(0, 1)) {
      const data = payload(size);
      const isFirst = figures.length === 0;
      await sleepyCalls(session, isFirst ? WARM_UP_CALLS : MORE_WARM_UP_CALLS, WARM_UP_PAUSE_MS, data);
      const { median, p99 } = inMicroseconds(await sleepyCalls(session, isFirst ? pace.sleepyCalls : pace.sleepyCalls / 2, PAUSE_MS, data));
      figures.push({ case: name, metric: 'median', value: median }, { case: name, metric: 'p99', value: p99 });
    }
    await session.close();
    return figures;
  },
};
