/** A user who stands at a port's door without a word: it connects as often as it is ordered, by hand, says nothing, and tells what it heard. */
import { closeDescriptor } from '../../src/platform/system.js';
import { actorArguments, obey, tell } from '../support/actor.js';
import { PACKET } from './peer.js';
import { connectTo, makeSocket, receiveRaw } from './raw.js';

export type Order = { type: 'come'; times: number } | { type: 'listen' } | { type: 'leave'; times: number };
/** Of each of its sockets, in the order of their coming: the reason with which it was sent away, or 'nothing' that was said. */
export type Heard = number | 'nothing';
export type News = { type: 'came' | 'left' } | { type: 'heard'; each: Heard[] };

const [path] = actorArguments() as [string];
const sockets: { fd: number; heard: Heard }[] = [];

obey<Order>({
  come: ({ times }) => {
    for (let i = 0; i < times; i++) {
      const fd = makeSocket();
      const outcome = connectTo(fd, path); // waits while the backlog is full
      if (outcome !== 'ok') throw new Error(`connect: ${outcome}`);
      sockets.push({ fd, heard: 'nothing' });
    }
    tell<News>({ type: 'came' });
  },
  listen: () => {
    for (const socket of sockets) {
      const packet = receiveRaw(socket.fd);
      if (typeof packet !== 'string') socket.heard = packet.data.readUInt32LE(PACKET.reason);
    }
    tell<News>({ type: 'heard', each: sockets.map(({ heard }) => heard) });
  },
  /** Those that came first. */
  leave: ({ times }) => {
    for (const { fd } of sockets.splice(0, times)) closeDescriptor(fd);
    tell<News>({ type: 'left' });
  },
});
