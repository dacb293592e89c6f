/**
 * A user whose descriptors are all under way: as many as the kernel lets one user have lie unread in sockets. Then it serves and
 * connects to itself, before and after they are read.
 */
import { AlpcError, connectPort, createPort } from '../../src/index.js';
import { closeDescriptor } from '../../src/platform/system.js';
import { limitDescriptors } from '../platform/raw.js';
import { obey, tell } from '../support/actor.js';
import { makePair, sendRaw } from './raw.js';

export type Order = { type: 'begin' };
export type News = { type: 'done'; limit: string; before: string; during: string[]; after: string };

const NAME = '\\RPC Control\\in flight';

async function tryToConnect(): Promise<string> {
  try {
    (await connectPort(NAME, { timeout: 2000 })).close();
    return 'connected';
  } catch (error) {
    return AlpcError.is(error) ? error.code : String(error);
  }
}

obey<Order>({
  begin: async () => {
    await using port = await createPort(NAME);
    port.on('message', () => {});
    limitDescriptors(60);
    const before = await tryToConnect();
    const pairs = [makePair(), makePair()];
    let limit = 'ok';
    for (const [socket] of pairs) for (let i = 0; i < 8 && limit === 'ok'; i++) limit = sendRaw(socket, Uint8Array.of(0), Array.from({ length: 20 }, () => socket));
    const during = [await tryToConnect(), await tryToConnect()];
    for (const fd of pairs.flat()) closeDescriptor(fd);
    tell<News>({ type: 'done', limit, before, during, after: await tryToConnect() });
  },
});
