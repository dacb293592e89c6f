/** An actor that shows how one is written; support.test.ts starts it. */
import { actorArguments, obey, tell } from './actor.js';

export type Order = { type: 'count'; to: number } | { type: 'crash' };
export type News = { type: 'ready'; root: string | undefined; given: string[]; example: string | undefined } | { type: 'counted'; last: number };

obey<Order>({
  count: ({ to }) => tell<News>({ type: 'counted', last: to }),
  crash: () => {
    throw new Error('as ordered');
  },
});

tell<News>({ type: 'ready', root: process.env['ALPC_ROOT'], given: actorArguments(), example: process.env['EXAMPLE'] });
