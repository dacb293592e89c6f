/**
 * System calls with errors that say what failed: `SystemError` carries the call's name and the errno's, and floors above
 * translate it into an `AlpcError` that names the object. An expected outcome (EAGAIN) is told by `lastErrno()`.
 *
 * The C library is bound once per thread, at the first call and not at import: so importing alpc works everywhere, and
 * the first call on a foreign platform fails with a clear error.
 */
import { AlpcError } from '../base/errors.js';
import { errnoName, type Libc, type Libuv, loadNative, type Memory, type Native } from './libc.js';

export const AT_FDCWD = -100;

/** A system call that failed. Never leaves the library: the floors above turn it into an AlpcError. */
export class SystemError extends Error {
  override readonly name = 'SystemError';
  constructor(readonly syscall: string, readonly errno: string, detail = '') {
    super(`${syscall}: ${errno}${detail}`);
  }
}

/** Bindings kept for this thread: constants once made, which is why they may stand here. */
const bound: { native?: Native; uv?: Libuv } = {};

function native(): Native {
  return (bound.native ??= loadNative());
}

/** The C functions. For hot loops: take the table once and call through it. */
export function libc(): Libc {
  return native().c;
}

/** The name of the errno of the call just made, to be asked in the very next statement. */
export function lastErrno(): string {
  return errnoName(native().errno());
}

/** `result`, or a SystemError when it is negative. Must wrap the call directly: errno is read here. */
export function check(syscall: string, result: number): number {
  if (result < 0) throw new SystemError(syscall, lastErrno());
  return result;
}

/** Closes a descriptor that is ours. EINTR and the like leave it closed on Linux, so the result says nothing. */
export function closeDescriptor(fd: number): void {
  libc().close(fd);
}

export function viewOfMemory(address: number, length: number): ArrayBuffer {
  return native().view(address, length);
}

export function addressOf(memory: Memory): number {
  return native().address(memory);
}

/** libuv's functions. They tell no errno: a result below 0 is the error. */
export function libuv(): Libuv {
  return (bound.uv ??= native().uv());
}

/** The address of a C function of an address and a number that calls `call`. */
export function addressOfCallback(call: (address: number, number: number) => void): number {
  return native().callback(call);
}

/** Turns a SystemError into the AlpcError that the object's user can act on; anything else is passed on unchanged. */
export function translate(error: unknown, what: string): unknown {
  if (!(error instanceof SystemError)) return error;
  const details = { cause: error, errno: error.errno, syscall: error.syscall };
  switch (error.errno) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new AlpcError('ERR_ALPC_ACCESS_DENIED', `${what}: access denied (${error.message})`, details);
    case 'ENOENT':
      return new AlpcError('ERR_ALPC_NAME_NOT_FOUND', `${what}: there is no such object (${error.message})`, details);
    case 'EEXIST':
      return new AlpcError('ERR_ALPC_NAME_IN_USE', `${what}: the name is taken (${error.message})`, details);
    case 'ENOTDIR':
      return new AlpcError('ERR_ALPC_OBJECT_TYPE_MISMATCH', `${what}: not a directory (${error.message})`, details);
    case 'ELOOP':
      return new AlpcError('ERR_ALPC_NAME_INVALID', `${what}: its symbolic links lead in a circle (${error.message})`, details);
    case 'ENAMETOOLONG':
      return new AlpcError('ERR_ALPC_NAME_INVALID', `${what}: the name is too long (${error.message})`, details);
    case 'ENOSYS':
      return new AlpcError('ERR_ALPC_UNSUPPORTED_PLATFORM', `${what}: this kernel is too old, Linux 5.6 is needed (${error.message})`, details);
    default:
      return new AlpcError('ERR_ALPC_INSUFFICIENT_RESOURCES', `${what}: ${error.message}`, details);
  }
}
