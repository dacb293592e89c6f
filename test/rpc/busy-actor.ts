/** A client that does everything at once until it is killed. */
import { bind } from '../../src/rpc/index.js';
import { tell } from '../support/actor.js';
import { Spooler } from './spooler.js';

const client = await bind(Spooler, 'spooler');
await client.openJob('busy');
const forever = async (work: () => Promise<unknown>): Promise<never> => {
  for (;;) await work();
};
void forever(() => client.add([1, 2]));
void forever(() => client.echo(new Uint8Array(500_000)));
void forever(async () => {
  for await (const _ of client.count({ to: 2000 }));
});
void forever(async () => {
  for await (const _ of client.upper('', { items: Array.from({ length: 2000 }, String) }));
});
tell({ type: 'busy' });
