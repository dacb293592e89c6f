/**
 * Blocking waits: `waitReadable` for one descriptor, `waitAnyReadable` for a few, `Poller` (epoll) for many. All return after at most
 * the time given, early on a signal, and none allocates. Descriptors are watched level-triggered: what is not read is told again.
 */
import { adoptDescriptor, releaseDescriptor } from './descriptors.js';
import { check, closeDescriptor, lastErrno, libc } from './system.js';

const POLLIN = 1;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CLOEXEC = 0o2000000;
const EPOLLIN = 1;
/** On x64 struct epoll_event is packed (12 bytes), elsewhere it is aligned (16). */
const EVENT_WORDS = process.arch === 'x64' ? 3 : 4;
const DATA_WORD = process.arch === 'x64' ? 1 : 2;

/** struct pollfd: a scratch constant, for a wait must not allocate. */
const pollfd = new Int32Array(2);

/** Waits until `fd` can be read or its peer is gone. False when the time is over or a signal came. */
export function waitReadable(fd: number, milliseconds: number): boolean {
  pollfd[0] = fd;
  pollfd[1] = POLLIN;
  return libc().poll(pollfd, 1, milliseconds) > 0;
}

/** Waits until one of several can be read. `pollfds` is made by `pollfdsOf`. False when the time is over or a signal came. */
export function waitAnyReadable(pollfds: Int32Array, milliseconds: number): boolean {
  return libc().poll(pollfds, pollfds.length / 2, milliseconds) > 0;
}

export function pollfdsOf(fds: readonly number[]): Int32Array {
  return Int32Array.from(fds.flatMap((fd) => [fd, POLLIN]));
}

/** Sleeps without any descriptor. */
export function pause(milliseconds: number): void {
  libc().poll(pollfd, 0, milliseconds);
}

/** Whoever looks at memory in a loop yields after so many looks (a mask): some five microseconds. */
export const YIELD_EVERY = 255;

/** Lets another thread of this core run, if one wants to: whoever is awaited may be it. */
export function yieldProcessor(): void {
  libc().sched_yield();
}

export class Poller {
  readonly fd: number;
  readonly #events: Int32Array;
  readonly #capacity: number;

  constructor(capacity = 256) {
    const fd = check('epoll_create1', libc().epoll_create1(EPOLL_CLOEXEC));
    try {
      this.fd = adoptDescriptor(fd);
    } catch (error) {
      closeDescriptor(fd);
      throw error;
    }
    this.#capacity = capacity;
    this.#events = new Int32Array(capacity * EVENT_WORDS);
  }

  /** @throws SystemError ENOSPC or ENOMEM where the kernel refuses another watch */
  add(fd: number): void {
    const event = new Int32Array(EVENT_WORDS);
    event[0] = EPOLLIN;
    event[DATA_WORD] = fd;
    check('epoll_ctl', libc().epoll_ctl(this.fd, EPOLL_CTL_ADD, fd, event));
  }

  /** Before the descriptor is closed. */
  remove(fd: number): void {
    libc().epoll_ctl(this.fd, EPOLL_CTL_DEL, fd, null);
  }

  /** How many descriptors are ready, after at most `milliseconds` (0: look, -1: for as long as it takes); they are read by `at`. */
  wait(milliseconds: number): number {
    const count = libc().epoll_wait(this.fd, this.#events, this.#capacity, milliseconds);
    if (count >= 0) return count;
    if (lastErrno() === 'EINTR') return 0;
    return check('epoll_wait', count);
  }

  /** The `index`th descriptor of the last `wait`. */
  at(index: number): number {
    return this.#events[index * EVENT_WORDS + DATA_WORD]!;
  }

  close(): void {
    releaseDescriptor(this.fd);
  }
}
