/**
 * A server that tells what it has, and for how long its event loop was held up since it was asked last: in milliseconds between
 * two turns in which a timer was due (p99), of processor time and by the clock. On a busy machine others take the processor away for
 * much longer, which is no fault of who came to the door: the clock's figure is told, the other judged.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createPort } from '../../src/ports/index.js';
import { obey, tell } from '../support/actor.js';
import { collectGarbage } from '../support/garbage.js';
import { NAME } from '../process/serving.js';

export type Order = { type: 'report' };
export type News = { type: 'ready' } | { type: 'report'; lag: number; lagByClock: number; descriptors: number; mappings: number; heap: number; connections: number };

const held = { used: [] as number[], clock: [] as number[] };
const last = { used: 0, clock: performance.now() };
setInterval(() => {
  const { user, system } = process.cpuUsage();
  const now = performance.now();
  held.used.push((user + system - last.used) / 1000);
  held.clock.push(now - last.clock);
  Object.assign(last, { used: user + system, clock: now });
}, 1);

/** Of the times since it was asked last. */
function p99(times: number[]): number {
  const sorted = times.splice(0).toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length * 0.99)] ?? 0;
}

const port = await createPort(NAME);
port.on('message', (message) => message.type === 'request' && message.reply(message.data));
obey<Order>({
  report: () => {
    const lags = { lag: p99(held.used), lagByClock: p99(held.clock) };
    collectGarbage();
    tell<News>({
      type: 'report',
      ...lags,
      descriptors: readdirSync('/proc/self/fd').length,
      mappings: readFileSync('/proc/self/maps', 'utf8').split('\n').filter((line) => line.includes('/memfd:alpc')).length,
      heap: process.memoryUsage().heapUsed,
      connections: port.connections.length,
    });
  },
});
tell<News>({ type: 'ready' });
