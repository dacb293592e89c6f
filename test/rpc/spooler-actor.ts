/** A server of the spooler in a process of its own: `spooler-actor.js [endpoint [annotation [valueLength]]]`. One that is `mortal` dies of an idempotent call. */
import { serve } from '../../src/rpc/index.js';
import { actorArguments, obey, tell } from '../support/actor.js';
import { Spooler, spooler } from './spooler.js';

export type Order = { type: 'journal' } | { type: 'close' };
export type News = { type: 'ready'; endpoints: string[] } | { type: 'journal'; lines: string[] } | { type: 'closed' };

const [endpoint = 'spooler', annotation = 'a spooler', valueLength = '1000000000'] = actorArguments();
const journal: string[] = [];
const handlers = spooler(journal);
const die = (): never => process.kill(process.pid, 'SIGKILL') as never;
const server = await serve(Spooler, annotation === 'mortal' ? { ...handlers, idempotent: die } : handlers, { endpoint, annotation, limits: { valueLength: Number(valueLength) } });

obey<Order>({
  journal: () => tell<News>({ type: 'journal', lines: journal }),
  close: async () => {
    await server.close();
    tell<News>({ type: 'closed' });
  },
});

tell<News>({ type: 'ready', endpoints: server.endpoints });
