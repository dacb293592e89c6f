/**
 * Garbage of a call, in the caller: how far the heap grows over some thousands of warm calls while nothing is collected.
 * The young generation is made so large that they fit, and a collection in between makes the job fail rather than lie. The loop's
 * own promise and frame are in the figure, alike for all that are awaited. Bytes outside the heap (buffers that a transport allocates) stand beside.
 */
import { PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { payload, timeBlocking, warmUp } from '../core/timing.js';
import type { Session } from '../peer.js';
import type { Scenario } from './scenario.js';

const CALLS = 5000;
const ATTEMPTS = 3;

interface Garbage {
  readonly heap: number;
  readonly outside: number;
  readonly collections: number;
}

async function garbageOf(session: Session, data: Buffer): Promise<Garbage> {
  let collections = 0;
  const observer = new PerformanceObserver((list) => (collections += list.getEntries().length));
  globalThis.gc!();
  await pause(50);
  observer.observe({ entryTypes: ['gc'] });
  const before = process.memoryUsage();
  if (session.echoSync === undefined) for (let i = 0; i < CALLS; i++) await session.echo!(data);
  else for (let i = 0; i < CALLS; i++) session.echoSync(data);
  const after = process.memoryUsage();
  await pause(20);
  observer.disconnect();
  const perCall = (key: 'heapUsed' | 'arrayBuffers'): number => (after[key] - before[key]) / CALLS;
  return { heap: perCall('heapUsed'), outside: perCall('arrayBuffers'), collections };
}

export const garbage: Scenario = {
  name: 'garbage',
  title: 'Garbage of a call of 64 B, in the caller; bytes',
  columns: [
    { heading: 'heap', case: 'a call', metric: 'heap bytes', digits: 0 },
    { heading: 'outside the heap', case: 'a call', metric: 'outside bytes', digits: 0 },
  ],
  ratioTo: 'net echo',
  nodeFlags: ['--expose-gc', '--min-semi-space-size=256', '--max-semi-space-size=256'],
  maxRounds: 3,
  async measure(peer, pace) {
    const session = await peer.start('garbage');
    const data = payload(64);
    if (session.echoSync === undefined) await warmUp(() => session.echo!(data), pace.warmUpMs * 2);
    else timeBlocking(() => session.echoSync!(data), pace.warmUpMs * 2);
    let measured = await garbageOf(session, data);
    for (let i = 1; i < ATTEMPTS && measured.collections > 0; i++) measured = await garbageOf(session, data);
    await session.close();
    if (measured.collections > 0) throw new Error(`${measured.collections} collections while measuring`);
    return [
      { case: 'a call', metric: 'heap bytes', value: measured.heap },
      { case: 'a call', metric: 'outside bytes', value: measured.outside },
    ];
  },
};
