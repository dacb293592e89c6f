/**
 * `child_process.fork` and its channel, in both serializations: 'advanced' (V8's own format, buffers as they are) and 'json'
 * (bytes as base64 in a string, as they would otherwise become an array of numbers). One call at a time; one-way messages heed
 * what `send` says about its backlog, by waiting for the callback of the message that was one too many.
 */
import type { SerializationType } from 'node:child_process';
import { once } from 'node:events';
import { checkCount } from '../core/calls.js';
import { freshAddress, Server } from '../core/server-process.js';
import type { Peer } from '../peer.js';

/** In mode 'count' messages are counted, and null asks for the count; else they are echoed. */
export function serve(_address: string, mode: string): Promise<void> {
  let count = 0;
  process.on('message', (message) => {
    if (mode !== 'count') process.send!(message);
    else if (message !== null) count++;
    else {
      process.send!(count);
      count = 0;
    }
  });
  return Promise.resolve();
}

type Coded = Uint8Array | string;

function channelPeer(serialization: SerializationType): Peer {
  const encode = (data: Buffer): Coded => (serialization === 'json' ? data.toString('base64') : data);
  const decode = (coded: Coded): Uint8Array => (typeof coded === 'string' ? Buffer.from(coded, 'base64') : coded);
  return {
    async start(scenario) {
      const mode = scenario === 'one way' ? 'count' : 'echo';
      const server = await Server.start({ module: import.meta.url, address: freshAddress(), mode, serialization });
      const { child } = server;
      let settle: (answer: Coded) => void = () => undefined;
      if (mode === 'echo') child.on('message', (answer) => settle(answer as Coded));
      return {
        server,
        echo: (data) =>
          new Promise((resolve) => {
            settle = (answer) => resolve(decode(answer));
            child.send(encode(data));
          }),
        async burst(count, data) {
          for (let sent = 0; sent < count; sent++) {
            const room = child.send(encode(data));
            if (!room) await new Promise((resolve) => child.send(encode(data), resolve)).then(() => sent++);
          }
          const answer = once(child, 'message') as Promise<[number]>;
          child.send(null as never);
          checkCount((await answer)[0], count);
        },
        close: () => server.end(),
      };
    },
  };
}

export const advanced = channelPeer('advanced');
export const json = channelPeer('json');
