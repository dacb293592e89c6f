/**
 * Sends a file many times, as a handle: with messages that go into the ring, until that is full, and with some whose descriptors go ahead while their
 * records wait for room. Then it waits to be killed.
 */
import { openSync } from 'node:fs';
import { connectPort } from '../../../src/index.js';
import { actorArguments, obey, tell } from '../../support/actor.js';
import { blockFor, numbers } from '../expect.js';

export type Order = { type: 'give'; arriving: number; waiting: number };
export type News = { type: 'ready' } | { type: 'gave' };

const [name, file] = actorArguments() as [string, string];
const port = await connectPort(name);
const fd = openSync(file, 'r');
obey<Order>({
  give: ({ arriving, waiting }) => {
    for (const i of numbers(arriving)) if (port.tryPost(`arrives ${i}`, { handles: [fd, fd] }) !== 'sent') throw new Error('there was no room');
    while (port.tryPost('x'.repeat(1000)) === 'sent');
    while (port.tryPost('') === 'sent');
    for (const i of numbers(waiting)) void port.post(`waits ${i}`, { handles: [fd, fd] });
    if (port.info().handlesOut !== 2 * (arriving + waiting)) throw new Error('they are not on their way');
    process.send!({ type: 'gave' } satisfies News, () => blockFor(Infinity)); // nothing more goes into the ring, whatever room there is
  },
});
tell<News>({ type: 'ready' });
