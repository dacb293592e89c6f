/**
 * Somebody else: a process of another user, written by hand. It connects to a port and says hello, hands its socket to another
 * process, or sits at a name and notes what comes.
 */
import { closeDescriptor, libc } from '../../src/platform/system.js';
import { becomeMemberOf } from '../platform/raw.js';
import { obey, tell } from '../support/actor.js';
import { HandListener, HandPeer } from './peer.js';
import { connectTo, listenAt, makeSocket, sendRaw } from './raw.js';

export type StrangerOrder =
  | { type: 'connect' | 'listen' | 'handOver'; path: string }
  | { type: 'hello' | 'listenAgain' | 'heard' }
  | { type: 'become'; uid: number; groups: number[] };
export type StrangerNews = { type: 'done'; outcome: string } | { type: 'heard'; bytes: number };

const held: { peer?: HandPeer; listener?: HandListener; guest?: Promise<HandPeer> } = {};
const done = (outcome = 'ok'): void => tell<StrangerNews>({ type: 'done', outcome });

obey<StrangerOrder>({
  connect: ({ path }) => {
    held.peer = HandPeer.client();
    done(held.peer.connect(path));
  },
  hello: () => done(held.peer!.say()),
  /** Sends the socket itself to whoever listens at the path, and closes it here. */
  handOver: ({ path }) => {
    const way = makeSocket();
    if (connectTo(way, path) !== 'ok') throw new Error('nobody takes it');
    done(sendRaw(way, Buffer.from('yours'), [held.peer!.socket]));
    held.peer!.hangUp();
    closeDescriptor(way);
  },
  become: ({ uid, groups }) => {
    if (becomeMemberOf(groups) !== 'ok') throw new Error('the groups could not be set');
    process.setuid!(uid);
    done();
  },
  listen: ({ path }) => {
    libc().umask(0);
    held.listener = new HandListener(path);
    held.guest = held.listener.accept();
    done();
  },
  listenAgain: () => done(listenAt(held.listener!.socket, 16)),
  /** What the first guest said before it went. */
  heard: async () => {
    const guest = await held.guest!;
    const said = await guest.hear();
    tell<StrangerNews>({ type: 'heard', bytes: said === 'end' ? 0 : said.data.length });
    guest.close();
  },
});
tell<StrangerNews>({ type: 'done', outcome: 'ready' });
