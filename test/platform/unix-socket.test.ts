/**
 * Packets and descriptors over SEQPACKET sockets: what arrives whole, what is told as cut off, what a full and a gone peer
 * look like, and that no descriptor is ever left without an owner.
 */
import assert from 'node:assert/strict';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { closeDescriptor, libc, SystemError } from '../../src/platform/system.js';
import { createSocketPair, type Packet, receiveBytes, receivePacket, ringBell, sendPacket } from '../../src/platform/unix-socket.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import type { News, Order } from './descriptor-limit-actor.js';

withLedger();

function pair(t: TestContext): [number, number] {
  const sockets = createSocketPair();
  atEnd(t, () => sockets.forEach(closeDescriptor));
  return sockets;
}

/** A pair of which the test closes `theirs` itself. */
function mineAndTheirs(t: TestContext): { mine: number; theirs: number } {
  const [theirs, mine] = createSocketPair();
  atEnd(t, () => closeDescriptor(mine));
  return { mine, theirs };
}

function packetFrom(fd: number, size = 65_600): { packet: Packet; bytes: Buffer } {
  const buffer = Buffer.alloc(size);
  const packet = receivePacket(fd, buffer);
  if (typeof packet === 'string') assert.fail(`no packet: ${packet}`);
  return { packet, bytes: buffer.subarray(0, packet.length) };
}

function opened(t: TestContext, count: number): number[] {
  const fds = Array.from({ length: count }, () => openSync('/dev/zero', 'r'));
  atEnd(t, () => fds.forEach((fd) => closeSync(fd)));
  return fds;
}

test('packets arrive whole, in order, each by itself', (t) => {
  const [a, b] = pair(t);
  const packets = ['one', 'x', 'three '.repeat(10_000), '\0'].map((text) => Buffer.from(text));
  for (const packet of packets) assert.equal(sendPacket(a, packet), 'sent');
  for (const packet of packets) assert.deepEqual(packetFrom(b), { packet: { length: packet.length, descriptors: [], cut: undefined }, bytes: packet });
  assert.equal(receivePacket(b, Buffer.alloc(8)), 'none');
  assert.equal(receiveBytes(b, Buffer.alloc(8)), 'none');
});

test('descriptors arrive beside their packet: the same files under new numbers, closed on exec', (t) => {
  const [a, b] = pair(t);
  for (const count of [1, 2, 3, 252, 253]) {
    const fds = opened(t, count);
    assert.equal(sendPacket(a, Buffer.from('take'), fds), 'sent');
    const { packet } = packetFrom(b);
    assert.equal(packet.cut, undefined);
    assert.equal(packet.descriptors.length, count);
    for (const fd of packet.descriptors) {
      assert.ok(!fds.includes(fd));
      assert.equal(fstatSync(fd).rdev, fstatSync(fds[0]!).rdev);
      assert.equal(libc().fcntl(fd, 1, 0) & 1, 1);
      closeDescriptor(fd);
    }
  }
});

test('more descriptors than a packet can carry are refused whole, at the sender', (t) => {
  const [a, b] = pair(t);
  const fds = opened(t, 1);
  assert.throws(() => sendPacket(a, Buffer.from('x'), Array.from({ length: 254 }, () => fds[0]!)), (error) => error instanceof SystemError && error.errno === 'EINVAL');
  assert.equal(receivePacket(b, Buffer.alloc(8)), 'none');
  assert.throws(() => sendPacket(a, Buffer.from('x'), [fds[0]!, 9999]), (error) => error instanceof SystemError && error.errno === 'EBADF');
  assert.equal(receivePacket(b, Buffer.alloc(8)), 'none');
});

test('a packet longer than the buffer is told as cut off, and its descriptors are handed over all the same', (t) => {
  const [a, b] = pair(t);
  sendPacket(a, Buffer.alloc(100), opened(t, 2));
  sendPacket(a, Buffer.from('next'));
  const { packet } = packetFrom(b, 99);
  packet.descriptors.forEach(closeDescriptor);
  assert.deepEqual({ length: packet.length, count: packet.descriptors.length, cut: packet.cut }, { length: 99, count: 2, cut: 'bytes' });
  assert.equal(packetFrom(b).bytes.toString(), 'next');
});

test('a receiver that has no descriptors left gets some of those sent, told as cut off, and its server says that it is full', async (t) => {
  const actor = startActor<Order, News>(t, new URL('./descriptor-limit-actor.js', import.meta.url));
  const { got, cut, accepted } = await actor.ask({ type: 'receive', sent: 8, room: 3 }, 'received');
  assert.deepEqual({ got, cut, accepted }, { got: 3, cut: 'descriptors', accepted: 'full' });
});

test('descriptors that come where none is expected are closed by the kernel', (t) => {
  const [a, b] = pair(t);
  sendPacket(a, Buffer.from('here'), opened(t, 5));
  assert.equal(receiveBytes(b, Buffer.alloc(8)), 4);
});

test('a socket takes bells until it is full, and takes more when they are read', (t) => {
  const [a, b] = pair(t);
  let rung = 0;
  while (ringBell(a) === 'sent') assert.ok(++rung < 100_000);
  assert.ok(rung >= 1);
  assert.equal(sendPacket(a, Buffer.from('more')), 'full');
  for (let i = 0; i < rung; i++) assert.equal(receiveBytes(b, Buffer.alloc(8)), 1);
  assert.equal(receiveBytes(b, Buffer.alloc(8)), 'none');
  assert.equal(ringBell(a), 'sent');
});

test('a peer that is gone is told as gone; what it sent before is read, then its end', (t) => {
  const { mine, theirs } = mineAndTheirs(t);
  sendPacket(theirs, Buffer.from('last'), opened(t, 1));
  closeDescriptor(theirs);
  assert.equal(ringBell(mine), 'gone');
  assert.equal(sendPacket(mine, Buffer.from('late')), 'gone');
  const { packet, bytes } = packetFrom(mine);
  packet.descriptors.forEach(closeDescriptor);
  assert.equal(bytes.toString(), 'last');
  for (let i = 0; i < 2; i++) {
    assert.equal(receivePacket(mine, Buffer.alloc(8)), 'end');
    assert.equal(receiveBytes(mine, Buffer.alloc(8)), 'end');
  }
});

test('a peer that goes with bells unread is an end like any other', (t) => {
  const { mine, theirs } = mineAndTheirs(t);
  ringBell(mine);
  closeDescriptor(theirs);
  assert.equal(receiveBytes(mine, Buffer.alloc(8)), 'end');
  assert.equal(receivePacket(mine, Buffer.alloc(8)), 'end');
});

test('what a peer sent before it went is read before its end, bells unread or not', (t) => {
  const receivers = [(fd: number): unknown => receiveBytes(fd, Buffer.alloc(8)), (fd: number): unknown => {
    const packet = receivePacket(fd, Buffer.alloc(8));
    return typeof packet === 'string' ? packet : packet.length;
  }];
  for (const receive of receivers) {
    const { mine, theirs } = mineAndTheirs(t);
    for (let i = 0; i < 3; i++) ringBell(mine);
    sendPacket(theirs, Buffer.from('last'));
    sendPacket(theirs, Buffer.from('words'));
    closeDescriptor(theirs);
    assert.deepEqual([receive(mine), receive(mine), receive(mine), receive(mine)], [4, 5, 'end', 'end']);
  }
});

test('an empty packet is the end too, and leaves none of its descriptors open', (t) => {
  const [a, b] = pair(t);
  assert.equal(sendPacket(a, new Uint8Array(0), opened(t, 3)), 'sent');
  assert.equal(receivePacket(b, Buffer.alloc(8)), 'end');
});

test('descriptors that were sent and never read are closed with the socket', (t) => {
  const [a, b] = createSocketPair();
  const [inner, peer] = createSocketPair();
  atEnd(t, () => closeDescriptor(peer));
  sendPacket(a, Buffer.from('never read'), [inner]);
  closeDescriptor(inner);
  assert.equal(receiveBytes(peer, Buffer.alloc(8)), 'none', 'it lives on in the queue');
  closeDescriptor(a);
  closeDescriptor(b);
  assert.equal(receiveBytes(peer, Buffer.alloc(8)), 'end');
});

test('a number that is no socket fails with its reason', () => {
  assert.throws(() => ringBell(-1), (error) => error instanceof SystemError && error.syscall === 'send' && error.errno === 'EBADF');
  assert.throws(() => receiveBytes(-1, Buffer.alloc(1)), (error) => error instanceof SystemError && error.syscall === 'recv' && error.errno === 'EBADF');
  assert.throws(() => receivePacket(0x7fffffff, Buffer.alloc(1)), (error) => error instanceof SystemError && error.errno === 'EBADF');
});
