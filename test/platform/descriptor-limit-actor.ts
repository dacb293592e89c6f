/** A process that has next to no descriptors left, and receives and accepts all the same. */
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unixAddress } from '../../src/platform/listener.js';
import { check, closeDescriptor, libc } from '../../src/platform/system.js';
import { acceptConnection, connectSocket, createSeqpacketSocket, createSocketPair, receivePacket, sendPacket } from '../../src/platform/unix-socket.js';
import { obey, tell } from '../support/actor.js';
import { limitDescriptors } from './raw.js';

export type Order = { type: 'receive'; sent: number; room: number };
export type News = { type: 'received'; got: number; cut: 'bytes' | 'descriptors' | undefined; accepted: number | 'none' | 'full' };

obey<Order>({
  receive: ({ sent, room }) => {
    const [a, b] = createSocketPair();
    const directory = mkdtempSync(join(tmpdir(), 'alpc-test-'));
    const address = unixAddress(join(directory, 'socket'));
    const listener = createSeqpacketSocket();
    check('bind', libc().bind(listener, address, address.length));
    check('listen', libc().listen(listener, 4));
    const newcomer = createSeqpacketSocket();
    connectSocket(newcomer, address);
    const fds = Array.from({ length: sent }, () => openSync('/dev/zero', 'r'));
    sendPacket(a, Buffer.from('take'), fds);
    fds.forEach((fd) => closeSync(fd));
    // Fills the table up, then makes room for so many. A number is "in the table" when it is below the limit.
    limitDescriptors(256);
    const fillers: number[] = [];
    try {
      for (;;) fillers.push(openSync('/dev/null', 'r'));
    } catch {
      // full
    }
    const accepted = acceptConnection(listener);
    for (let i = 0; i < room; i++) closeSync(fillers.pop()!);
    const packet = receivePacket(b, Buffer.alloc(64));
    if (typeof packet === 'string') throw new Error(packet);
    packet.descriptors.forEach(closeDescriptor);
    fillers.forEach((fd) => closeSync(fd));
    rmSync(directory, { recursive: true });
    tell<News>({ type: 'received', got: packet.descriptors.length, cut: packet.cut, accepted });
  },
});
