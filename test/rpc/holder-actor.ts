/** A client that holds a context handle until it is killed. */
import { bind } from '../../src/rpc/index.js';
import { tell } from '../support/actor.js';
import { Spooler } from './spooler.js';

const client = await bind(Spooler, 'spooler');
await client.openJob('held');
tell({ type: 'holds' });
