/**
 * synckit: the blocking call that Node programs have today, to a worker thread of the same process (`Atomics.wait` and
 * `receiveMessageOnPort`). The one peer that blocks, and so the one to hold alpc's blocking call against.
 */
import { createSyncFn } from 'synckit';
import type { Peer } from '../peer.js';

export const peer: Peer = {
  start() {
    const call = createSyncFn<(data: Uint8Array) => Promise<Uint8Array>>(new URL('./synckit-worker.js', import.meta.url));
    return Promise.resolve({ echoSync: (data: Buffer) => call(data), close: () => Promise.resolve() });
  },
};
