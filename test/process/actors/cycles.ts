/** A process that begins and ends the same thing again and again, and tells what it has after so many times. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectPort, connectPortSync, createPort } from '../../../src/ports/index.js';
import { obey, tell } from '../../support/actor.js';
import { collectGarbage } from '../../support/garbage.js';
import { NAME } from '../serving.js';

export type Thing = 'connection' | 'port';
export type Order = { type: 'repeat'; thing: Thing; times: number };
export type News = { type: 'repeated'; heap: number; descriptors: number; mappings: number };

const THINGS: Record<Thing, (number: number) => Promise<void>> = {
  connection: async (number) => {
    const client = number % 2 === 0 ? connectPortSync(NAME) : await connectPort(NAME);
    for (let call = 0; call < 5; call++) {
      await client.request('nothing');
      client.requestSync('nothing');
    }
    client.close();
  },
  port: async () => (await createPort('\\RPC Control\\again')).close(),
};

obey<Order>({
  repeat: async ({ thing, times }) => {
    for (let number = 0; number < times; number++) await THINGS[thing](number);
    await sleep(20); // what was left for a later turn is done
    collectGarbage();
    collectGarbage();
    tell<News>({
      type: 'repeated',
      heap: process.memoryUsage().heapUsed,
      descriptors: readdirSync('/proc/self/fd').length,
      mappings: readFileSync('/proc/self/maps', 'utf8').split('\n').filter((line) => line.includes('/memfd:alpc')).length,
    });
  },
});
