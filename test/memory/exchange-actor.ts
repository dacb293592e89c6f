/** The other party of an exchange or a litmus, as a process. */
import { obey, tell } from '../support/actor.js';
import { drain, echo, join } from './exchange.js';
import { litmus, type Stores } from './litmus.js';

/** Where to meet, and over how large a ring. */
export interface Meeting {
  path: string;
  ringLength: number;
  seed: number;
}
export type Part = 'echo' | 'drain';
export type Order = { type: 'exchange'; meeting: Meeting; part: Part } | { type: 'litmus'; meeting: Meeting; stores: Stores; trials: number };
export type News = { type: 'ready' } | { type: 'done'; sleeps: number; count: number } | { type: 'loaded'; stale: Uint8Array };

obey<Order>({
  exchange: ({ meeting, part }) => {
    const party = join(meeting);
    const count = part === 'drain' ? drain(party) : echo(party);
    tell<News>({ type: 'done', sleeps: party.sleeps, count });
    party.close();
  },
  litmus: ({ meeting, stores, trials }) => {
    const party = join(meeting);
    tell<News>({ type: 'loaded', stale: litmus(party, stores, trials) });
    party.close();
  },
});
tell<News>({ type: 'ready' });
