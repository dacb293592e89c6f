/**
 * Unix sockets that listen at a name on disk: making one in an open directory, and asking whether somebody listens at one.
 *
 * A socket address holds 107 bytes of path. So addresses here go through /proc/self/fd, which is short however deep the
 * directory lies, and which cannot be led astray by a rename. A socket that is bound keeps its file's inode alive, so the
 * inode's number is not given to another file while the descriptor is open.
 */
import { Descriptor, descriptorPath, hasErrno } from './directory.js';
import { check, libc, SystemError } from './system.js';
import { connectSocket, createSeqpacketSocket } from './unix-socket.js';

const AF_UNIX = 1;
const SHUT_RD = 0;

/** Bytes of path in a socket address, its closing NUL not counted. */
export const MAX_SOCKET_PATH = 107;

/** A `struct sockaddr_un` for a path of at most 107 bytes. */
export function unixAddress(path: string): Uint8Array {
  const bytes = Buffer.from(path);
  if (bytes.length === 0 || bytes.includes(0)) throw new SystemError('sockaddr_un', 'EINVAL');
  if (bytes.length > MAX_SOCKET_PATH) throw new SystemError('sockaddr_un', 'ENAMETOOLONG');
  const address = new Uint8Array(2 + bytes.length + 1);
  new Uint16Array(address.buffer, 0, 1)[0] = AF_UNIX;
  address.set(bytes, 2);
  return address;
}

/** The address of the socket file that `file` is a descriptor of (an O_PATH one will do). */
export function addressOfSocketFile(file: number): Uint8Array {
  return unixAddress(descriptorPath(file));
}

/** Makes the socket's file `name` in the directory. Nobody can connect until `listenOn`. */
export function bindIn(socket: number, directory: number, name: string): void {
  const address = unixAddress(descriptorPath(directory, name));
  check('bind', libc().bind(socket, address, address.length));
}

export function listenOn(socket: number, backlog: number): void {
  check('listen', libc().listen(socket, backlog));
}

/** From now on nobody can connect; who waits in the backlog already can still be accepted. */
export function stopListening(socket: number): void {
  libc().shutdown(socket, SHUT_RD);
}

/**
 * Whether somebody listens at the socket file that `file` is a descriptor of, by connecting to it for a moment: its server
 * sees a connection that ends at once. `dead`: the server closed it or died. `denied`: the file's permissions keep us from
 * asking. A server whose backlog is full is `alive`.
 */
export function probeSocket(file: number): 'alive' | 'dead' | 'denied' {
  using socket = new Descriptor(createSeqpacketSocket());
  try {
    return connectSocket(socket.fd, addressOfSocketFile(file)) === 'dead' ? 'dead' : 'alive';
  } catch (error) {
    if (hasErrno(error, 'EPROTOTYPE')) return 'alive'; // somebody listens with another kind of socket
    if (hasErrno(error, 'EACCES', 'EPERM')) return 'denied';
    throw error;
  }
}
