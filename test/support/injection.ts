/**
 * System calls that fail when a test says so, in this thread: alpc's tables of C functions and of libuv's, and the functions of Node's
 * `fs` that it uses, are wrapped for as long as an `Injection` is armed. So it can be tried what becomes of an operation when its first
 * call fails, its second, and so on to its last:
 *
 *     using injection = new Injection();
 *     injection.failAt(3, 'EMFILE');               // the fourth call that could fail with it
 *     await connectPort('\\x');                    // throws, or not
 *     injection.journal                            // ['openat2', 'fstatSync', 'socket', ...]
 *
 * A failing call has no effect: that is what the kernel does, too, but for `close`, which is never made to fail.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { constants } from 'node:os';
import koffi from 'koffi';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_NORESERVE, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../../src/platform/libc.js';
import { libc, libuv } from '../../src/platform/system.js';

/** What can fail, and with what it may. */
const FAILURES: Readonly<Record<string, readonly string[]>> = {
  memfd_create: ['EMFILE', 'ENFILE', 'ENOMEM'],
  ftruncate: ['ENOMEM', 'EINTR'],
  fallocate: ['ENOSPC', 'EINTR'],
  fcntl: ['EMFILE'],
  mmap: ['ENOMEM', 'ENFILE'],
  socket: ['EMFILE', 'ENFILE', 'ENOMEM'],
  socketpair: ['EMFILE', 'ENFILE', 'ENOMEM'],
  bind: ['ENOSPC', 'ENOMEM'],
  listen: ['ENOBUFS'],
  connect: ['ENOMEM', 'EINTR'],
  accept4: ['EMFILE', 'ENFILE', 'ENOMEM', 'EINTR'],
  send: ['ENOMEM', 'ENOBUFS', 'EINTR'],
  recv: ['EINTR'],
  sendmsg: ['ENOMEM', 'ENOBUFS', 'EINTR'],
  recvmsg: ['EINTR'],
  getsockopt: ['ENOBUFS'],
  poll: ['ENOMEM', 'EINTR'],
  epoll_create1: ['EMFILE', 'ENFILE', 'ENOMEM'],
  epoll_ctl: ['ENOSPC', 'ENOMEM'],
  epoll_wait: ['EINTR'],
  flock: ['EINTR', 'ENOMEM'],
  open: ['EMFILE', 'ENFILE', 'ENOMEM', 'EINTR'],
  syscall_openat2: ['EMFILE', 'ENFILE', 'ENOMEM', 'EINTR', 'EAGAIN'],
  syscall_statx: ['ENOMEM'],
  unlinkat: ['ENOMEM', 'EROFS'],
  renameat: ['ENOSPC', 'ENOMEM'],
  syscall_renameat2: ['ENOSPC', 'ENOMEM'],
  mkdirat: ['ENOSPC', 'ENOMEM'],
  symlinkat: ['ENOSPC', 'ENOMEM'],
  readlinkat: ['ENOMEM'],
  openSync: ['EMFILE', 'ENFILE'],
  fstatSync: ['ENOMEM'],
  lstatSync: ['ENOMEM'],
  chmodSync: ['EROFS', 'ENOSPC'],
  mkdirSync: ['ENOSPC'],
  uv_poll_init: ['ENOMEM', 'ENOSPC', 'EEXIST'],
  uv_poll_start: ['EEXIST'],
};

type Anything = (...args: unknown[]) => unknown;

/** Of the things that fcntl does only a second descriptor can fail. That a closed window can't be covered leaves its file mapped for a while, which the ledger would take amiss. */
function concerns(call: string, args: readonly unknown[]): boolean {
  if (call === 'mmap') return args[2] !== (PROT_READ | PROT_WRITE) || args[3] !== COVERING;
  return call !== 'fcntl' || args[1] === F_DUPFD_CLOEXEC;
}

const F_DUPFD_CLOEXEC = 1030;
const COVERING = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;

export class Injection implements Disposable {
  /** The calls made since it was armed, or since `failAt`; the one that failed is marked by its errno. */
  journal: string[] = [];
  readonly #restore: (() => void)[] = [];
  readonly #of: (call: string) => boolean;
  #at = -1;
  #errno = '';
  #seen = 0;

  /** `of` chooses among the calls, if not all are meant. */
  constructor(of: (call: string) => boolean = () => true) {
    this.#of = of;
    for (const call of Object.keys(FAILURES)) {
      const holder = holderOf(call) as Record<string, Anything>;
      const original = holder[call]!;
      holder[call] = (...args) => (concerns(call, args) && this.#fails(call) ? this.#fail(call) : original(...args));
      this.#restore.push(() => (holder[call] = original));
    }
    syncBuiltinESMExports();
  }

  /** The errnos with which one of the calls in a journal may fail. */
  static errnosOf(call: string): readonly string[] {
    return FAILURES[call]!;
  }

  /** The `index`th call from now on fails, once. */
  failAt(index: number, errno: string): void {
    this.journal = [];
    this.#seen = 0;
    this.#at = index;
    this.#errno = errno;
  }

  [Symbol.dispose](): void {
    for (const restore of this.#restore.splice(0)) restore();
    syncBuiltinESMExports();
  }

  #fails(call: string): boolean {
    if (!this.#of(call)) return false;
    const fails = this.#seen++ === this.#at && FAILURES[call]!.includes(this.#errno);
    this.journal.push(fails ? `${call}: ${this.#errno}` : call);
    return fails;
  }

  #fail(call: string): number {
    if (call.endsWith('Sync')) throw Object.assign(new Error(`${this.#errno}: injected, ${call.slice(0, -4)}`), { code: this.#errno, errno: -constants.errno[this.#errno as 'EMFILE'], syscall: call.slice(0, -4) });
    if (call.startsWith('uv_')) return -constants.errno[this.#errno as 'EMFILE']; // libuv returns the error
    koffi.errno(constants.errno[this.#errno as 'EMFILE']);
    return -1;
  }
}

/** The table that a call is in. */
function holderOf(call: string): unknown {
  if (call.endsWith('Sync')) return fs;
  return call.startsWith('uv_') ? libuv() : libc();
}
