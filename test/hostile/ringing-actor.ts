/** A client written by hand that is let in and then does nothing but ring, as fast as its socket takes it. */
import { obey, tell } from '../support/actor.js';
import { HandPeer } from './peer.js';

export type RingingOrder = { type: 'ring'; path: string; milliseconds: number };
export type RingingNews = { type: 'ringing' } | { type: 'rang'; bells: number };

obey<RingingOrder>({
  ring: async ({ path, milliseconds }) => {
    const peer = HandPeer.client();
    await peer.greet(path);
    tell<RingingNews>({ type: 'ringing' });
    let bells = 0;
    for (const end = performance.now() + milliseconds; performance.now() < end; ) if (peer.ring() === 'ok') bells++;
    peer.close();
    tell<RingingNews>({ type: 'rang', bells });
  },
});
