/**
 * One user with many connections. By order it connects as often as it is let in, and does with all of them what its mode says:
 * nothing; turning its core and nothing else; sending as fast as it can; connecting and leaving as fast as it can.
 */
import { type ClientPort, connectPort, connectPortSync } from '../../src/ports/index.js';
import { obey, tell } from '../support/actor.js';
import { nameOf } from '../process/expect.js';
import { NAME } from '../process/serving.js';

export type Mode = 'idle' | 'spin' | 'flood' | 'come and go';
export type Order = { type: 'connect'; times: number } | { type: 'mode'; mode: Mode } | { type: 'leave' };
export type News = { type: 'connected'; count: number; refusals: Record<string, number> } | { type: 'in mode'; done: number } | { type: 'left' };

const ports: ClientPort[] = [];
const state: { mode: Mode; done: number } = { mode: 'idle', done: 0 };

obey<Order>({
  connect: async ({ times }) => {
    const refusals: Record<string, number> = {};
    for (let i = 0; i < times; i++) {
      try {
        ports.push(await connectPort(NAME, { limits: { ringLength: 16_384 } }));
      } catch (error) {
        refusals[nameOf(error)] = (refusals[nameOf(error)] ?? 0) + 1;
      }
    }
    tell<News>({ type: 'connected', count: ports.length, refusals });
  },
  mode: ({ mode }) => {
    const { done } = state;
    state.mode = mode;
    state.done = 0;
    tell<News>({ type: 'in mode', done });
  },
  leave: () => {
    for (const port of ports.splice(0)) port.close();
    tell<News>({ type: 'left' });
  },
});

function turn(): void {
  const end = performance.now() + 5;
  while (state.mode !== 'idle' && performance.now() < end) {
    if (state.mode === 'flood') for (const port of ports) if (port.tryPost('x') === 'sent') state.done++;
    if (state.mode === 'come and go') {
      connectPortSync(NAME, { limits: { ringLength: 4096 } }).close();
      state.done++;
    }
  }
  if (state.mode === 'idle') setTimeout(turn, 5);
  else setImmediate(turn);
}
turn();
