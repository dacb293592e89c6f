/**
 * One user with many connections. By order it connects as often as it is let in, and does with all of its connections to one server
 * what its mode says: nothing; sending as fast as it can; connecting and leaving as fast as it can. Or it posts once on each.
 */
import { type ClientPort, connectPort, connectPortSync } from '../../src/ports/index.js';
import { obey, tell } from '../support/actor.js';
import { nameOf } from '../process/expect.js';

export type Mode = 'idle' | 'flood' | 'come and go';
export type Order = { type: 'connect'; name: string; times: number } | { type: 'mode'; name: string; mode: Mode } | { type: 'post'; name: string; text: string } | { type: 'leave' };
export type News = { type: 'connected'; count: number; refusals: Record<string, number> } | { type: 'in mode'; done: number } | { type: 'posted' } | { type: 'left' };

const ports = new Map<string, ClientPort[]>();
const state: { mode: Mode; name: string; done: number } = { mode: 'idle', name: '', done: 0 };

obey<Order>({
  connect: async ({ name, times }) => {
    const refusals: Record<string, number> = {};
    const mine = ports.get(name) ?? [];
    ports.set(name, mine);
    for (let i = 0; i < times; i++) {
      try {
        mine.push(await connectPort(name, { limits: { ringLength: 16_384 } }));
      } catch (error) {
        refusals[nameOf(error)] = (refusals[nameOf(error)] ?? 0) + 1;
      }
    }
    tell<News>({ type: 'connected', count: mine.length, refusals });
  },
  mode: ({ name, mode }) => {
    const { done } = state;
    Object.assign(state, { mode, name });
    tell<News>({ type: 'in mode', done });
  },
  post: ({ name, text }) => {
    for (const port of ports.get(name)!) port.postSync(text);
    tell<News>({ type: 'posted' });
  },
  leave: () => {
    for (const mine of ports.values()) for (const port of mine.splice(0)) port.close();
    tell<News>({ type: 'left' });
  },
});

function turn(): void {
  const end = performance.now() + 5;
  while (state.mode !== 'idle' && performance.now() < end) {
    const { name, mode } = state;
    if (mode === 'flood') for (const port of ports.get(name)!) if (port.tryPost('nothing') === 'sent') state.done++;
    if (mode === 'come and go') {
      connectPortSync(name, { limits: { ringLength: 4096 } }).close();
      state.done++;
    }
  }
  if (state.mode === 'idle') setTimeout(turn, 5);
  else setImmediate(turn);
}
turn();
