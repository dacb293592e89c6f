/** A process that looks at views: as a server to whom they are sent, or as one of several readers of a server's. */
import { connectPort, createPort, type Message, type View } from '../../../src/index.js';
import { obey, tell } from '../../support/actor.js';

export type Order =
  | { type: 'serve'; name: string; releases: boolean }
  | { type: 'read'; name: string; releases: boolean }
  | { type: 'wait'; index: number; value: number; timeout: number }
  | { type: 'add'; index: number; times: number }
  | { type: 'look' };
export type News =
  | { type: 'ready' }
  | { type: 'done' }
  | { type: 'waited'; outcome: string }
  | { type: 'seen'; count: number; wrong: number; numbers: number[]; memory: { rss: number; external: number } };

process.on('SIGUSR2', () => {}); // for a test that sends it
const state = { count: 0, wrong: 0, numbers: [] as number[], view: undefined as View | undefined };

/** Each message's payload is the number that fills its view. */
function look(message: Message, releases: boolean): void {
  if (message.type === 'request' && message.view === undefined) return void message.reply('');
  if ((message.type !== 'datagram' && message.type !== 'request') || message.view === undefined) return;
  const number = Number(message.data.toString());
  const { bytes } = message.view;
  state.count++;
  if (bytes[0] !== (number & 0xff) || bytes.indexOf((number + 1) & 0xff) >= 0) state.wrong++;
  if (state.numbers.length < 10_000) state.numbers.push(number);
  state.view = message.view;
  if (message.type === 'request') message.reply(message.data, { unmapExisting: releases });
  else if (releases) message.release();
}

obey<Order>({
  async serve({ name, releases }) {
    const port = await createPort(name, { accepts: ['writable-view'], limits: { views: 512 } });
    port.on('message', (message) => look(message, releases));
    tell<News>({ type: 'done' });
  },
  async read({ name, releases }) {
    const client = await connectPort(name, { accepts: ['view'] });
    client.on('message', (message) => look(message, releases));
    tell<News>({ type: 'done' });
  },
  wait({ index, value, timeout }) {
    tell<News>({ type: 'waited', outcome: state.view!.waitSync(index, value, timeout) });
  },
  add({ index, times }) {
    const words = new Int32Array(state.view!.buffer);
    for (let i = 0; i < times; i++) Atomics.add(words, index, 1);
    tell<News>({ type: 'done' });
  },
  look() {
    const { rss, external } = process.memoryUsage();
    tell<News>({ type: 'seen', count: state.count, wrong: state.wrong, numbers: state.numbers, memory: { rss, external } });
  },
});
tell<News>({ type: 'ready' });
