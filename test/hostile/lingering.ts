/**
 * A descriptor that takes long to close: a TCP socket that lingers for so many seconds over data that nobody reads. Whoever closes
 * the last descriptor of it waits, in the kernel, and can be woken by nothing.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { duplicateDescriptor } from '../../src/platform/descriptors.js';
import { check, closeDescriptor, libc } from '../../src/platform/system.js';
import { atEnd } from '../support/at-end.js';

const SO_LINGER = 13;

export interface Lingering {
  /** So many of them. Whoever takes them closes them, while somebody else has them too: `closeDescriptor` of the last one is the trap. */
  take(count: number): number[];
  /** Whoever waits for one after all is let go; nothing of them is left. The end of the test does it too. */
  close(): Promise<void>;
}

export async function makeLingering(t: TestContext, count: number, seconds: number): Promise<Lingering> {
  const sinks: Socket[] = [];
  const server = createServer((socket) => sinks.push(socket.pause().on('error', () => {}))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const descriptors = await Promise.all(Array.from({ length: count }, async () => {
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    await once(socket, 'connect');
    while (socket.write(Buffer.alloc(1 << 20)) || socket.writableLength < 8 << 20);
    const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
    check('setsockopt', libc().setsockopt(fd, 1, SO_LINGER, Int32Array.of(1, seconds), 8));
    const kept = duplicateDescriptor(fd);
    socket.destroy();
    await once(socket, 'close');
    return kept;
  }));
  const lingering: Lingering = {
    take: (count) => descriptors.splice(0, count),
    close: async () => {
      descriptors.splice(0).forEach(disarm);
      if (!server.listening) return;
      for (const sink of sinks) sink.resetAndDestroy();
      server.close();
      await once(server, 'close');
    },
  };
  atEnd(t, () => lingering.close());
  return lingering;
}

/** Closes one that nobody took, without the wait. */
export function disarm(fd: number): void {
  check('setsockopt', libc().setsockopt(fd, 1, SO_LINGER, Int32Array.of(1, 0), 8));
  closeDescriptor(fd);
}

/** How long this thread stands while it closes one: that the trap is one, here. */
export function timeToClose(fd: number): number {
  const before = performance.now();
  closeDescriptor(fd);
  return performance.now() - before;
}
