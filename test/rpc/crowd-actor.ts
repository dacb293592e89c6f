/** Many clients in one process: `crowd-actor.js <first> <count>`. Each holds a handle of its own, by its number. */
import { bind } from '../../src/rpc/index.js';
import { actorArguments, obey, tell } from '../support/actor.js';
import type { SpoolerClient } from './expect.js';
import { Spooler } from './spooler.js';

export type Order = { type: 'read' } | { type: 'close' };
export type News = { type: 'ready' } | { type: 'read'; names: string[] } | { type: 'closed' };

const [first, count] = actorArguments().map(Number) as [number, number];
const clients: SpoolerClient[] = [];
for (let i = 0; i < count; i++) clients.push(await bind(Spooler, 'spooler', { portLimits: { ringLength: 4096 } }));
const handles = await Promise.all(clients.map((client, i) => client.openJob(String(first + i))));

obey<Order>({
  read: async () => tell<News>({ type: 'read', names: await Promise.all(clients.map((client, i) => client.readJob(handles[i]!))) }),
  close: () => {
    for (const client of clients) client.close();
    tell<News>({ type: 'closed' });
  },
});
tell<News>({ type: 'ready' });
