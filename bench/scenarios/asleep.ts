/**
 * The round trip of programs that have little to say: a call every 20 ms, so that both sides are asleep when it comes and each
 * wake-up costs what the kernel takes for it. The code is warm, the processes are not. A blocking caller pauses by
 * `Atomics.wait`, an awaiting one by a timer.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Samples } from '../core/statistics.js';
import { inMicroseconds, payload, timeBlocking, warmUp } from '../core/timing.js';
import type { Session } from '../peer.js';
import type { Scenario } from './scenario.js';

const PAUSE_MS = 20;
/** Calls after the warm-up in which what is adaptive finds out that nothing is going on. */
const SETTLING = 5;

function blockFor(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

async function sleepyCalls(session: Session, count: number, data: Buffer): Promise<Samples> {
  const samples = new Samples(count);
  for (let i = -SETTLING; i < count; i++) {
    if (session.echoSync === undefined) await pause(PAUSE_MS);
    else blockFor(PAUSE_MS);
    const before = performance.now();
    if (session.echoSync === undefined) await session.echo!(data);
    else session.echoSync(data);
    if (i >= 0) samples.add(performance.now() - before);
  }
  return samples;
}

export const asleep: Scenario = {
  name: 'asleep',
  title: `Round trip of 64 B with both sides asleep, a call every ${PAUSE_MS} ms; us`,
  columns: [
    { heading: 'median', case: '64 B', metric: 'median' },
    { heading: '99th percentile', case: '64 B', metric: 'p99' },
  ],
  ratioTo: 'net echo',
  async measure(peer, pace) {
    const session = await peer.start('asleep');
    const data = payload(64);
    if (session.echoSync === undefined) await warmUp(() => session.echo!(data), pace.warmUpMs);
    else timeBlocking(() => session.echoSync!(data), pace.warmUpMs);
    const { median, p99 } = inMicroseconds(await sleepyCalls(session, pace.sleepyCalls, data));
    await session.close();
    return [
      { case: '64 B', metric: 'median', value: median },
      { case: '64 B', metric: 'p99', value: p99 },
    ];
  },
};
