/**
 * FIFOs, named in a directory and nameless (a pipe is one), by a single descriptor that reads and writes: so there is
 * always somebody at both ends, nothing blocks, and nothing raises SIGPIPE. What is in a FIFO is gone when the last
 * descriptor of it is closed.
 *
 * Invariant: every descriptor made here is an open file of its own, not shared with whoever else has the FIFO. So nobody
 * can make it blocking, and range locks (range-lock.ts) tell one holder from another.
 */
import { constants, fstatSync } from 'node:fs';
import { Descriptor, descriptorPath } from './directory.js';
import { check, lastErrno, libc, SystemError } from './system.js';

const O_CLOEXEC = 0x80000;
const FIONREAD = 0x541b;
/** What is read at once: as much as a FIFO holds, unless its size was changed. */
const CHUNK = 65_536;

const TOKEN = new Uint8Array([1]);
/** Where what is read goes: nobody looks at it. A scratch constant. */
const waste: { bytes?: Uint8Array } = {};
const count = new Int32Array(1);

/** Makes the FIFO's file `name` in the directory. */
export function makeFifo(directory: number, name: string, mode: number): void {
  check('mkfifoat', libc().mkfifoat(directory, name, mode));
}

/** A nameless FIFO. */
export function createPipe(): Descriptor {
  const pair = new Int32Array(2);
  check('pipe2', libc().pipe2(pair, O_CLOEXEC));
  using reader = new Descriptor(pair[0]!);
  using _writer = new Descriptor(pair[1]!);
  return reopenFifo(reader.fd);
}

/** An open file of one's own on the FIFO that `fd` refers to (an O_PATH descriptor will do). */
export function reopenFifo(fd: number): Descriptor {
  return new Descriptor(check('open', libc().open(descriptorPath(fd), constants.O_RDWR | constants.O_NONBLOCK | O_CLOEXEC, 0)));
}

/** How many bytes are in the FIFO at this path, whoever has it; undefined when it can't be told. Nothing is taken out, and nobody wakes. */
export function peekFifo(path: string): number | undefined {
  const opened = libc().open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW | O_CLOEXEC, 0);
  if (opened < 0) return undefined;
  using fifo = new Descriptor(opened);
  return fstatSync(fifo.fd).isFIFO() && libc().ioctl(fifo.fd, FIONREAD, count) === 0 ? count[0] : undefined;
}

/** How many bytes are in it. */
export function bytesIn(fd: number): number {
  check('ioctl', libc().ioctl(fd, FIONREAD, count));
  return count[0]!;
}

/** Puts one byte in. A full FIFO stays as it is. */
export function putByte(fd: number): void {
  if (libc().write(fd, TOKEN, 1) === 1) return;
  const errno = lastErrno();
  if (errno !== 'EAGAIN' && errno !== 'EINTR') throw new SystemError('write', errno);
}

/** Takes up to `most` bytes out; how many there were. */
export function takeBytes(fd: number, most: number): number {
  waste.bytes ??= new Uint8Array(CHUNK);
  let taken = 0;
  while (taken < most) {
    const read = libc().read(fd, waste.bytes, Math.min(CHUNK, most - taken));
    if (read <= 0) {
      const errno = read === 0 ? 'EAGAIN' : lastErrno();
      if (errno === 'EAGAIN' || errno === 'EINTR') break;
      throw new SystemError('read', errno);
    }
    taken += read;
  }
  return taken;
}
