/**
 * The server that a crowd of dying clients meets (crowd.test.ts). It answers every request with its own payload, one in eight of
 * them not at once, and tells on order how much it holds.
 */
import { createPort, type RequestMessage } from '../../src/ports/index.js';
import { thisThread } from '../../src/ports/thread.js';
import { actorArguments, obey, tell } from '../support/actor.js';
import { collectGarbage } from '../support/garbage.js';

export type Order = { type: 'measure' } | { type: 'close' };
export type News =
  | { type: 'ready' }
  | { type: 'measured'; memory: number; connections: number; slots: number; connected: number; ended: number; held: number }
  | { type: 'closed' };

const port = await createPort(actorArguments()[0]!);
const held: RequestMessage[] = [];
const count = { connected: 0, ended: 0, requests: 0 };

port.on('connect', () => count.connected++);
port.on('message', (message) => {
  if (message.type === 'port-closed') count.ended++;
  else if (message.type === 'canceled') held.splice(held.indexOf(message.request), 1);
  else if (message.type === 'request') {
    if (++count.requests % 8 === 0) held.push(message);
    else message.reply(message.data);
  }
});
setInterval(() => held.splice(0).forEach((message) => message.reply(message.data)), 5);

obey<Order>({
  measure: () => {
    collectGarbage();
    const { connected, ended } = count;
    tell<News>({ type: 'measured', memory: process.memoryUsage().heapUsed, connections: port.connections.length, slots: thisThread().arena.inUse, connected, ended, held: held.length });
  },
  close: async () => {
    await port.close();
    tell<News>({ type: 'closed' });
    process.exit();
  },
});
tell<News>({ type: 'ready' });
