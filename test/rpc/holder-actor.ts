/** A client that holds a context handle until it is killed, or exits by itself when it is told to, without a word to its server. */
import { bind } from '../../src/rpc/index.js';
import { obey, tell } from '../support/actor.js';
import { Spooler } from './spooler.js';

export type Order = { type: 'exit' };
export type News = { type: 'holds' };

const client = await bind(Spooler, 'spooler');
await client.openJob('held');
obey<Order>({ exit: () => process.exit(0) });
tell<News>({ type: 'holds' });
