/**
 * Node's own handle of a pipe, put to two uses in worker threads, where libuv's poll is not safe (see loop-watch.ts): to own a
 * descriptor, and to tell when one becomes readable. The class has no public name; it is taken from a socket that has one.
 */
import { Socket } from 'node:net';
import { errnoName } from './libc.js';
import { check, closeDescriptor, lastErrno, libc, SystemError } from './system.js';

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const F_DUPFD_CLOEXEC = 1030;

/** What is used of the handle. */
export interface NodePipe {
  /** Called when a read ends, well or badly. */
  onread: () => void;
  open(fd: number): number | undefined;
  readStart(): number;
  ref(): void;
  unref(): void;
  close(): void;
}
type NodePipeConstructor = new (type: 0) => NodePipe;

/** A handle that owns `fd`, and closes it however the thread ends. On failure `fd` stays the caller's. */
export function nodePipeOver(fd: number): NodePipe {
  const pipe = new (nodePipeConstructor())(0);
  const failure = pipe.open(fd) ?? 0;
  if (failure < 0) {
    pipe.close();
    throw new SystemError('uv_pipe_open', errnoName(-failure));
  }
  return pipe;
}

/**
 * A handle that owns a second descriptor for what `fd` is. The descriptor is its handle's before this thread can be terminated,
 * which happens where a function of JavaScript begins or a loop goes round: so there is neither between the two calls.
 */
export function nodePipeOverDuplicate(fd: number): NodePipe {
  const c = libc();
  const pipe = new (nodePipeConstructor())(0);
  const duplicate = c.fcntl(fd, F_DUPFD_CLOEXEC, 0);
  const failure = duplicate < 0 ? duplicate : (pipe.open(duplicate) ?? 0);
  if (failure === 0) return pipe;
  const error = duplicate < 0 ? new SystemError('fcntl', lastErrno()) : new SystemError('uv_pipe_open', errnoName(-failure));
  if (duplicate >= 0) closeDescriptor(duplicate);
  pipe.close();
  throw error;
}

/** A class once found: a constant of the thread. */
const found: { constructor?: NodePipeConstructor } = Object.create(null);

function nodePipeConstructor(): NodePipeConstructor {
  if (found.constructor !== undefined) return found.constructor;
  const pair = new Int32Array(2);
  check('socketpair', libc().socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
  const socket = new Socket({ fd: pair[0]!, readable: false, writable: false });
  found.constructor = (socket as unknown as { _handle: { constructor: NodePipeConstructor } })._handle.constructor;
  socket.destroy();
  closeDescriptor(pair[1]!);
  return found.constructor;
}
