/**
 * A process that gives a view back while Node's pool of threads still reads through it, and then lets so many other views come and go
 * that whatever kept the first one's addresses for a count of them has forgotten it. It tells when the native work has come to its end.
 */
import { promisify } from 'node:util';
import { deflate } from 'node:zlib';
import { createUnconnectedPort } from '../../../src/index.js';
import { actorArguments, obey, tell } from '../../support/actor.js';
import { numbers } from '../expect.js';

export type Order = { type: 'work' };
export type News = { type: 'ready' } | { type: 'worked'; bytes: number };

/** Long to compress, and with room for all that comes of it: so Node does not come back for more of the bytes, which it would take amiss. */
const LENGTH = 32 * 2 ** 20;
const OTHERS = 40;
const whose = actorArguments()[0] as 'sender' | 'receiver';
const port = createUnconnectedPort({ accepts: ['secure-view'], limits: { views: 64, sections: 64, sectionBytes: 4 * LENGTH } });
const section = port.createSection(2 * LENGTH, { secure: true });

/** A secure view of its own file: sent, received, and released by both. */
async function passOn(length: number, look: (bytes: Buffer) => void): Promise<void> {
  const view = section.createView(length);
  for (let i = 0; i < length; i += 4096) view.bytes.writeUInt32LE((i * 2654435761) >>> 0, i);
  if (whose === 'sender') look(view.bytes);
  port.tryPost('', { view, autoRelease: true });
  using message = await port.receive();
  if (whose === 'receiver') look(message.view!.bytes);
}

obey<Order>({
  work: async () => {
    const working: Promise<Buffer>[] = [];
    await passOn(LENGTH, (bytes) => void working.push(promisify(deflate)(bytes, { level: 9, chunkSize: 2 * LENGTH })));
    for (const _ of numbers(OTHERS)) await passOn(4096, () => {});
    const { length } = (await Promise.all(working))[0]!;
    tell<News>({ type: 'worked', bytes: length });
  },
});
tell<News>({ type: 'ready' });
