/** A process of some identity that connects or listens by order. */
import { unixAddress } from '../../src/platform/listener.js';
import { check, libc } from '../../src/platform/system.js';
import { connectSocket, createSeqpacketSocket } from '../../src/platform/unix-socket.js';
import { obey, tell } from '../support/actor.js';
import { becomeMemberOf } from './raw.js';

export type Order = { type: 'connect'; path: string; groups?: number[] } | { type: 'listen'; path: string } | { type: 'become'; uid: number; groups: number[] };
export type News = { type: 'connected' | 'listening' | 'became' };

obey<Order>({
  connect: ({ path, groups }) => {
    if (groups !== undefined && becomeMemberOf(groups) !== 'ok') throw new Error('the groups could not be set');
    const outcome = connectSocket(createSeqpacketSocket(), unixAddress(path));
    if (outcome !== 'connected') throw new Error(outcome);
    tell<News>({ type: 'connected' });
  },
  listen: ({ path }) => {
    const address = unixAddress(path);
    const fd = createSeqpacketSocket();
    check('bind', libc().bind(fd, address, address.length));
    check('listen', libc().listen(fd, 1));
    tell<News>({ type: 'listening' });
  },
  become: ({ uid, groups }) => {
    if (becomeMemberOf(groups) !== 'ok') throw new Error('the groups could not be set');
    process.setuid!(uid);
    tell<News>({ type: 'became' });
  },
});
