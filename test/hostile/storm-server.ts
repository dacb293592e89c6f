/**
 * A server that tells what it has, and for how long its event loop was held up since it was asked last: in milliseconds of processor
 * time between two turns in which a timer was due (p99). On a busy machine others take the processor away for much longer, which is
 * no fault of who came to the door.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createPort } from '../../src/ports/index.js';
import { obey, tell } from '../support/actor.js';
import { collectGarbage } from '../support/garbage.js';
import { NAME } from '../process/serving.js';

export type Order = { type: 'report' };
export type News = { type: 'ready' } | { type: 'report'; lag: number; descriptors: number; mappings: number; heap: number; connections: number };

const held: number[] = [];
const state = { used: 0 };
setInterval(() => {
  const { user, system } = process.cpuUsage();
  held.push((user + system - state.used) / 1000);
  state.used = user + system;
}, 1);

const port = await createPort(NAME);
port.on('message', (message) => message.type === 'request' && message.reply(message.data));
obey<Order>({
  report: () => {
    const times = held.splice(0).toSorted((a, b) => a - b);
    collectGarbage();
    tell<News>({
      type: 'report',
      lag: times[Math.floor(times.length * 0.99)] ?? 0,
      descriptors: readdirSync('/proc/self/fd').length,
      mappings: readFileSync('/proc/self/maps', 'utf8').split('\n').filter((line) => line.includes('/memfd:alpc')).length,
      heap: process.memoryUsage().heapUsed,
      connections: port.connections.length,
    });
  },
});
tell<News>({ type: 'ready' });
