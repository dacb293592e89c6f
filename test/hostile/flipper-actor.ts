/** The process in which a storm rages: it connects, storms until all is read or it is dropped, and connects again, as it is told. */
import { obey, tell } from '../support/actor.js';
import { loadStorm, type Orders, type Report, storm } from './flipper.js';
import { HandPeer, STATE } from './peer.js';

/** What it says that it takes: any view, any kind of descriptor, security and work. */
const EVERYTHING = 0xffff;

export interface Rage extends Orders {
  readonly type: 'rage';
  readonly path: string;
  /** The compiled storm; the one in JavaScript if it is not given. */
  readonly file?: string;
}
export type Order = Rage;
export type News = { type: 'over'; report: Report; state: number };

async function rage({ path, file, ...orders }: Rage): Promise<void> {
  const peer = HandPeer.client({ ringLength: 16_384 });
  peer.set('accepts', EVERYTHING);
  for (const word of ['maxViews', 'maxSections', 'maxHandles'] as const) peer.set(word, 64);
  peer.set('maxSectionKiB', 1024);
  await peer.greet(path, String(orders.flips));
  const report = (file === undefined ? storm : loadStorm(file))(peer, orders);
  const state = peer.theirs('state');
  peer.set('state', STATE.closed);
  peer.close();
  tell<News>({ type: 'over', report, state });
}

obey<Order>({ rage });
