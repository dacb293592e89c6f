/**
 * Every C function that alpc calls, declared once. This is the only file of the project that loads koffi (loop-watch.ts knows a
 * type of it), and the seam where another foreign-function interface (`node:ffi`) could take over: numbers, strings and typed
 * arrays go in, numbers come out, and `errno()` tells the errno of the call just made.
 *
 * Rules of the ground: pointers into memory that outlives the call are plain numbers (user addresses are below 2^47);
 * errno is read in the statement after the call; no call here is made asynchronously, so every buffer outlives its call.
 */
import { createRequire } from 'node:module';
import { constants as osConstants } from 'node:os';
import type * as KoffiModule from 'koffi';
import { AlpcError } from '../base/errors.js';

type Koffi = typeof KoffiModule;

/** A typed array (or Buffer) that a call reads or fills. */
export type Memory = NodeJS.TypedArray;

export interface Libc {
  memfd_create(name: string, flags: number): number;
  ftruncate(fd: number, size: number): number;
  fallocate(fd: number, mode: number, offset: number, length: number): number;
  fcntl(fd: number, command: number, argument: number): number;
  /** fcntl of a `struct flock`. */
  fcntl_lock(fd: number, command: number, lock: Memory): number;
  ioctl(fd: number, request: number, value: Memory): number;
  read(fd: number, data: Memory, length: number): number;
  pread(fd: number, data: Memory, length: number, offset: number): number;
  write(fd: number, data: Memory, length: number): number;
  pipe2(pair: Int32Array, flags: number): number;
  mkfifoat(directory: number, name: string, mode: number): number;
  mmap(address: number, length: number, protection: number, flags: number, fd: number, offset: number): number;
  munmap(address: number, length: number): number;
  socket(domain: number, type: number, protocol: number): number;
  socketpair(domain: number, type: number, protocol: number, pair: Int32Array): number;
  bind(fd: number, address: Memory, length: number): number;
  listen(fd: number, backlog: number): number;
  connect(fd: number, address: Memory, length: number): number;
  accept4(fd: number, address: null, length: null, flags: number): number;
  send(fd: number, data: Memory, length: number, flags: number): number;
  recv(fd: number, data: Memory, length: number, flags: number): number;
  sendmsg(fd: number, header: Memory, flags: number): number;
  recvmsg(fd: number, header: Memory, flags: number): number;
  shutdown(fd: number, how: number): number;
  getsockopt(fd: number, level: number, option: number, value: Memory, length: Int32Array): number;
  setsockopt(fd: number, level: number, option: number, value: Memory, length: number): number;
  poll(fds: Memory, count: number, timeout: number): number;
  epoll_create1(flags: number): number;
  epoll_ctl(epoll: number, operation: number, fd: number, event: Memory | null): number;
  epoll_wait(epoll: number, events: Memory, max: number, timeout: number): number;
  close(fd: number): number;
  dup3(from: number, to: number, flags: number): number;
  getpagesize(): number;
  sched_yield(): number;
  flock(fd: number, operation: number): number;
  open(path: string, flags: number, mode: number): number;
  unlinkat(directory: number, name: string, flags: number): number;
  renameat(from: number, fromName: string, to: number, toName: string): number;
  /** renameat2 by number: exchange or no-replace. */
  syscall_renameat2(number: number, from: number, fromName: string, to: number, toName: string, flags: number): number;
  mkdirat(directory: number, name: string, mode: number): number;
  symlinkat(target: string, directory: number, name: string): number;
  readlinkat(directory: number, name: string, buffer: Memory, size: number): number;
  syscall_openat2(number: number, directory: number, path: string, how: Memory, size: number): number;
  syscall_statx(number: number, directory: number, path: string, flags: number, mask: number, facts: Memory): number;
  syscall_gettid(number: number): number;
  /** setfsuid and setfsgid by number: of this thread alone. What it was before. */
  syscall_setfsid(number: number, id: number): number;
  /** getgroups and setgroups by number: of this thread alone. */
  syscall_groups(number: number, count: number, groups: Memory): number;
  /** futex by number; `timeout` is a struct timespec, or null. */
  syscall_futex(number: number, address: number, operation: number, value: number, timeout: Memory | null): number;
  getuid(): number;
  geteuid(): number;
  umask(mode: number): number;
}

/** What mmap's `protection` and `flags` are made of. */
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const MAP_SHARED = 0x01;
export const MAP_PRIVATE = 0x02;
export const MAP_FIXED = 0x10;
export const MAP_ANONYMOUS = 0x20;
export const MAP_NORESERVE = 0x4000;

/** System call numbers, for calls that old C libraries do not wrap. */
export const SYS = { openat2: 437, futex: process.arch === 'arm64' ? 98 : 202, gettid: process.arch === 'arm64' ? 178 : 186, renameat2: process.arch === 'arm64' ? 276 : 316, setfsuid: process.arch === 'arm64' ? 151 : 122, setfsgid: process.arch === 'arm64' ? 152 : 123, getgroups: process.arch === 'arm64' ? 158 : 115, setgroups: process.arch === 'arm64' ? 159 : 116, statx: process.arch === 'arm64' ? 291 : 332 } as const;

/** libuv, which runs Node's event loop: its functions are the executable's own. Handles and the loop are addresses; results below 0 are its errors. */
export interface Libuv {
  uv_default_loop(): number;
  uv_handle_size(type: number): number;
  uv_poll_init(loop: number, handle: number, fd: number): number;
  uv_poll_start(handle: number, events: number, callback: number): number;
  uv_close(handle: number, callback: null): void;
  uv_ref(handle: number): void;
  uv_unref(handle: number): void;
}

/** The platform floor's hands: the C library, and views of mapped memory. */
export interface Native {
  readonly c: Libc;
  /** errno of the call just made. */
  errno(): number;
  /** An ArrayBuffer over `length` bytes at `address`. It does not own them: whoever unmaps must first let go of every view. */
  view(address: number, length: number): ArrayBuffer;
  /** The address of a typed array's first byte. Good for as long as the caller keeps the array. */
  address(memory: Memory): number;
  /** Bound at the first call. See loop-poll.ts, the only caller. */
  uv(): Libuv;
  /** The address of a C function of an address and a number that calls `call`, on the thread that makes it. It is never given back. */
  callback(call: (address: number, number: number) => void): number;
}

/**
 * Loads the C library. Called once per thread.
 * @throws AlpcError ERR_ALPC_UNSUPPORTED_PLATFORM on anything but Linux on x64 or arm64, or where koffi has no binary; ERR_ALPC_INSUFFICIENT_RESOURCES
 */
export function loadNative(): Native {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    throw new AlpcError('ERR_ALPC_UNSUPPORTED_PLATFORM', `alpc runs on Linux on x64 and arm64; this is ${process.platform} on ${process.arch}`);
  }
  let koffi: Koffi;
  try {
    koffi = createRequire(import.meta.url)('koffi') as Koffi;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EMFILE' || code === 'ENFILE') throw new AlpcError('ERR_ALPC_INSUFFICIENT_RESOURCES', 'koffi, which makes the system calls, could not be loaded: there is no descriptor for its files', { cause, errno: code, syscall: 'open' });
    throw new AlpcError('ERR_ALPC_UNSUPPORTED_PLATFORM', 'koffi, which makes the system calls, could not be loaded (under --permission it needs --allow-addons)', { cause });
  }
  return {
    c: bindLibc(koffi),
    errno: () => koffi.errno(),
    view: koffi.view as (address: unknown, length: number) => ArrayBuffer,
    address: (memory) => Number(koffi.address(memory)),
    uv: () => bindLibuv(koffi),
    callback: (call) => Number(koffi.register(call, koffi.pointer(koffi.proto('void', ['intptr_t', 'int'])))),
  };
}

/** @throws AlpcError ERR_ALPC_UNSUPPORTED_PLATFORM where the executable keeps its functions to itself */
function bindLibuv(koffi: Koffi): Libuv {
  const library = koffi.load(null);
  const bind = (signature: string): never => library.func(signature) as never;
  try {
    return {
      uv_default_loop: bind('intptr_t uv_default_loop()'),
      uv_handle_size: bind('size_t uv_handle_size(int type)'),
      uv_poll_init: bind('int uv_poll_init(intptr_t loop, intptr_t handle, int fd)'),
      uv_poll_start: bind('int uv_poll_start(intptr_t handle, int events, intptr_t callback)'),
      uv_close: bind('void uv_close(intptr_t handle, void *callback)'),
      uv_ref: bind('void uv_ref(intptr_t handle)'),
      uv_unref: bind('void uv_unref(intptr_t handle)'),
    };
  } catch (cause) {
    throw new AlpcError('ERR_ALPC_UNSUPPORTED_PLATFORM', 'this Node.js does not let add-ons use libuv, which runs its event loop', { cause });
  }
}

function bindLibc(koffi: Koffi): Libc {
  const library = koffi.load(null);
  const bind = (signature: string): never => library.func(signature) as never;
  return {
    memfd_create: bind('int memfd_create(const char *name, uint flags)'),
    ftruncate: bind('int ftruncate(int fd, int64_t size)'),
    fallocate: bind('int fallocate(int fd, int mode, int64_t offset, int64_t length)'),
    fcntl: bind('int fcntl(int fd, int command, intptr_t argument)'),
    fcntl_lock: bind('int fcntl(int fd, int command, void *lock)'),
    ioctl: bind('int ioctl(int fd, ulong request, void *value)'),
    read: bind('long read(int fd, void *data, size_t length)'),
    pread: bind('long pread(int fd, void *data, size_t length, int64_t offset)'),
    write: bind('long write(int fd, void *data, size_t length)'),
    pipe2: bind('int pipe2(void *pair, int flags)'),
    mkfifoat: bind('int mkfifoat(int directory, const char *name, uint mode)'),
    mmap: bind('intptr_t mmap(intptr_t address, size_t length, int protection, int flags, int fd, int64_t offset)'),
    munmap: bind('int munmap(intptr_t address, size_t length)'),
    socket: bind('int socket(int domain, int type, int protocol)'),
    socketpair: bind('int socketpair(int domain, int type, int protocol, void *pair)'),
    bind: bind('int bind(int fd, void *address, uint length)'),
    listen: bind('int listen(int fd, int backlog)'),
    connect: bind('int connect(int fd, void *address, uint length)'),
    accept4: bind('int accept4(int fd, void *address, void *length, int flags)'),
    send: bind('long send(int fd, void *data, size_t length, int flags)'),
    recv: bind('long recv(int fd, void *data, size_t length, int flags)'),
    sendmsg: bind('long sendmsg(int fd, void *header, int flags)'),
    recvmsg: bind('long recvmsg(int fd, void *header, int flags)'),
    shutdown: bind('int shutdown(int fd, int how)'),
    getsockopt: bind('int getsockopt(int fd, int level, int option, void *value, void *length)'),
    setsockopt: bind('int setsockopt(int fd, int level, int option, void *value, uint length)'),
    poll: bind('int poll(void *fds, ulong count, int timeout)'),
    epoll_create1: bind('int epoll_create1(int flags)'),
    epoll_ctl: bind('int epoll_ctl(int epoll, int operation, int fd, void *event)'),
    epoll_wait: bind('int epoll_wait(int epoll, void *events, int max, int timeout)'),
    close: bind('int close(int fd)'),
    dup3: bind('int dup3(int from, int to, int flags)'),
    getpagesize: bind('int getpagesize()'),
    sched_yield: bind('int sched_yield()'),
    flock: bind('int flock(int fd, int operation)'),
    open: bind('int open(const char *path, int flags, int mode)'),
    unlinkat: bind('int unlinkat(int directory, const char *name, int flags)'),
    renameat: bind('int renameat(int from, const char *fromName, int to, const char *toName)'),
    syscall_renameat2: bind('long syscall(long number, long from, const char *fromName, long to, const char *toName, long flags)'),
    mkdirat: bind('int mkdirat(int directory, const char *name, uint mode)'),
    symlinkat: bind('int symlinkat(const char *target, int directory, const char *name)'),
    readlinkat: bind('long readlinkat(int directory, const char *name, void *buffer, size_t size)'),
    syscall_openat2: bind('long syscall(long number, long directory, const char *path, void *how, size_t size)'),
    syscall_statx: bind('long syscall(long number, long directory, const char *path, long flags, long mask, void *facts)'),
    syscall_gettid: bind('long syscall(long number)'),
    syscall_setfsid: bind('long syscall(long number, long id)'),
    syscall_groups: bind('long syscall(long number, long count, void *groups)'),
    syscall_futex: bind('long syscall(long number, intptr_t address, long operation, long value, void *timeout)'),
    getuid: bind('uint getuid()'),
    geteuid: bind('uint geteuid()'),
    umask: bind('uint umask(uint mode)'),
  };
}

/** Some numbers have two names; the first in the alphabet (EAGAIN, ENOTSUP) is the one used here. */
const ERRNO_NAMES = new Map(
  Object.entries({ ...osConstants.errno, ETOOMANYREFS: 109 }) // which Node does not name
    .toSorted(([a], [b]) => (a < b ? 1 : -1))
    .map(([name, value]) => [value, name]),
);

/** EAGAIN for 11, `errno 4095` for what has no name. */
export function errnoName(errno: number): string {
  return ERRNO_NAMES.get(errno) ?? `errno ${errno}`;
}
