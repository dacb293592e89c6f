/**
 * One of those who storm a port's door: connects and leaves as fast as it can, until it is told to stop. In its ways: as a client
 * should, without a word, with a hello that is none, and without waiting for the answer.
 */
import { connectPortSync } from '../../src/ports/index.js';
import { unixAddress } from '../../src/platform/listener.js';
import { closeDescriptor } from '../../src/platform/system.js';
import { connectSocket, createSeqpacketSocket, sendPacket } from '../../src/platform/unix-socket.js';
import { actorArguments, obey, tell } from '../support/actor.js';

export type Way = 'properly' | 'silently' | 'with nonsense';
export type Order = { type: 'storm'; way: Way } | { type: 'stop' };
export type News = { type: 'storming' } | { type: 'stopped'; times: number };

const [name, path] = actorArguments() as [string, string];
const state = { storming: false, way: 'silently' as Way, times: 0 };

obey<Order>({
  storm: ({ way }) => {
    Object.assign(state, { storming: true, way, times: 0 });
    turn();
    tell<News>({ type: 'storming' });
  },
  stop: () => {
    state.storming = false;
    tell<News>({ type: 'stopped', times: state.times });
  },
});

function turn(): void {
  for (const end = performance.now() + 5; performance.now() < end; ) {
    if (state.way === 'properly') connectPortSync(name, { limits: { ringLength: 4096 } }).close();
    else knock(state.way === 'with nonsense');
    state.times++;
  }
  if (state.storming) setImmediate(turn);
}

function knock(speaks: boolean): void {
  const socket = createSeqpacketSocket();
  if (connectSocket(socket, unixAddress(path)) === 'connected' && speaks) sendPacket(socket, Buffer.from('let me in'));
  closeDescriptor(socket);
}
