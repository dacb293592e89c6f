/**
 * Many bytes by views. The stream goes through one section of 8 MiB, whose regions are used again as the receiver releases them. An echo
 * hands a view over and has it back with the answer, as a transferred buffer comes back. Calls block; the server has `on('message')`.
 */
import { connectPort, createPort } from '../../src/index.js';
import { checkCount, countBytes, readCount } from '../core/calls.js';
import { fill, LARGE, MiB, readAll } from '../core/large.js';
import { Server } from '../core/server-process.js';
import type { Peer } from '../peer.js';

const POOL = 8 * MiB;
const EMPTY = Buffer.alloc(0);

export async function serve(name: string): Promise<void> {
  const port = await createPort(name, { accepts: ['view'] });
  let count = 0;
  port.on('message', (message) => {
    if (message.type === 'datagram') {
      readAll(message.view!.bytes);
      message.release();
      count++;
    } else if (message.type === 'request') {
      if (message.view !== undefined) {
        const { bytes } = message.view;
        message.reply(Buffer.of(bytes[0]!, bytes[bytes.length - 1]!), { unmapExisting: true });
      } else if (message.dataLength > 0) message.reply(message.data);
      else {
        message.reply(countBytes(count));
        count = 0;
      }
    }
  });
}

let names = 0;

export const peer: Peer = {
  async start() {
    const address = `\\RPC Control\\bench-large-${process.pid}-${names++}`;
    const server = await Server.start({ module: import.meta.url, address });
    const client = await connectPort(address);
    const pool = client.createSection(POOL);
    const one = client.createSection(MiB).createView(MiB);
    fill(one.bytes, 1);
    const huge = client.createSection(LARGE).createView(LARGE);
    huge.bytes.fill(1);
    const small = Buffer.alloc(64, 1);
    return {
      server,
      large: {
        async stream(count) {
          for (let i = 0; i < count; i++) {
            const view = pool.tryCreateView(MiB) ?? (await pool.waitForView(MiB));
            fill(view.bytes, i);
            if (client.tryPost(EMPTY, { view, autoRelease: true }) !== 'sent') await client.post(EMPTY, { view, autoRelease: true });
          }
          checkCount(readCount((await client.request(EMPTY)).data), count);
        },
        echo() {
          if (client.requestSync(EMPTY, { view: one }).data[1] !== 2) throw new Error('another byte came back');
          return Promise.resolve();
        },
        pass() {
          if (client.requestSync(EMPTY, { view: huge }).data[1] !== 1) throw new Error('another byte came back');
          return Promise.resolve();
        },
        small() {
          client.requestSync(small);
          return Promise.resolve();
        },
      },
      async close() {
        client.close();
        await server.end();
      },
    };
  },
};
