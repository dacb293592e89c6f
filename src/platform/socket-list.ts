/**
 * All Unix sockets of this machine (of this network namespace, precisely), as the kernel lists them: which file each is bound to, and
 * which socket is at its other end. That is how a connection's two ends are found without asking either, and no process can
 * forge it. By `NETLINK_SOCK_DIAG`, which needs no privilege; a kernel that was built without it has no list.
 *
 * The kernel hands its list out in pieces and finds its place again by counting: where a socket is closed between two pieces, the one
 * that moves up into its place is left out. Beside processes that come and go that happens to one list in a hundred. So the list is
 * asked for until it brings nothing new.
 */
import { check, closeDescriptor, lastErrno, libc } from './system.js';

const AF_NETLINK = 16;
const AF_UNIX = 1;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const REQUEST_DUMP = 0x301;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const ALL_STATES = 0xffff_ffff;
const SOCK_SEQPACKET = 5;
const TCP_LISTEN = 10;
/** What is asked for. */
const SHOW = { file: 0x2, peer: 0x4, queues: 0x10, user: 0x40 } as const;
/** How the answers are marked. */
const Attribute = { file: 1, peer: 2, queues: 4, user: 7 } as const;
const REQUEST_LENGTH = 40;
const BUFFER_LENGTH = 1 << 17;
/** Where sockets come faster than they can be listed, what is there after so many lists is told. */
const MAX_LISTS = 5;

export interface SocketFacts {
  /** The socket's number: `socket:[<inode>]` in /proc/<pid>/fd. */
  readonly inode: number;
  readonly isListening: boolean;
  /** The socket at the other end. */
  readonly peer?: number;
  /** The file that it is bound to, or, of an accepted one, that its listener is. The number's lower 32 bits, and its device as `stat` gives it. */
  readonly file?: { readonly inode: number; readonly device: number };
  readonly uid?: number;
  /** Of a listening one: connections that wait to be accepted, and how many may. */
  readonly backlog?: { readonly waiting: number; readonly limit: number };
}

/** All sockets of the type that ports use; undefined where the kernel has no such list. */
export function listSockets(): SocketFacts[] | undefined {
  const fd = libc().socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  if (fd < 0) return undefined;
  try {
    const sockets = new Map<number, SocketFacts>();
    for (let lists = 0, known = -1; lists < MAX_LISTS && sockets.size > known; lists++) {
      known = sockets.size;
      check('send', libc().send(fd, makeRequest(), REQUEST_LENGTH, 0));
      for (const socket of readAnswers(fd)) sockets.set(socket.inode, socket);
    }
    return [...sockets.values()];
  } catch {
    return undefined;
  } finally {
    closeDescriptor(fd);
  }
}

function makeRequest(): Buffer {
  const request = Buffer.alloc(REQUEST_LENGTH);
  request.writeUInt32LE(REQUEST_LENGTH, 0);
  request.writeUInt16LE(SOCK_DIAG_BY_FAMILY, 4);
  request.writeUInt16LE(REQUEST_DUMP, 6);
  request.writeUInt8(AF_UNIX, 16);
  request.writeUInt32LE(ALL_STATES, 20);
  request.writeUInt32LE(SHOW.file | SHOW.peer | SHOW.queues | SHOW.user, 28);
  return request;
}

/** One list. @throws when the kernel refuses */
function readAnswers(fd: number): SocketFacts[] {
  const sockets: SocketFacts[] = [];
  const buffer = Buffer.alloc(BUFFER_LENGTH);
  for (;;) {
    const length = libc().recv(fd, buffer, buffer.length, 0);
    if (length < 0 && lastErrno() === 'EINTR') continue;
    if (length <= 0) throw new Error('the kernel ended its list of sockets early');
    for (let at = 0; at + 16 <= length; ) {
      const size = buffer.readUInt32LE(at);
      const type = buffer.readUInt16LE(at + 4);
      if (type === NLMSG_DONE) return sockets;
      if (type === NLMSG_ERROR || size < 16 || at + size > length) throw new Error('the kernel refuses its list of sockets');
      if (type === SOCK_DIAG_BY_FAMILY && buffer[at + 17] === SOCK_SEQPACKET) sockets.push(readSocket(buffer.subarray(at, at + size)));
      at += (size + 3) & ~3;
    }
  }
}

function readSocket(message: Buffer): SocketFacts {
  const socket: { -readonly [K in keyof SocketFacts]: SocketFacts[K] } = { inode: message.readUInt32LE(20), isListening: message[18] === TCP_LISTEN };
  for (let at = 32; at + 4 <= message.length; ) {
    const size = message.readUInt16LE(at);
    const word = (index: number): number => message.readUInt32LE(at + 4 + index * 4);
    switch (message.readUInt16LE(at + 2)) {
      case Attribute.file:
        socket.file = { inode: word(0), device: deviceOf(word(1)) };
        break;
      case Attribute.peer:
        socket.peer = word(0);
        break;
      case Attribute.queues:
        if (socket.isListening) socket.backlog = { waiting: word(0), limit: word(1) };
        break;
      case Attribute.user:
        socket.uid = word(0);
        break;
      default:
    }
    if (size < 4) break;
    at += (size + 3) & ~3;
  }
  return socket;
}

/** The kernel's own form of a device number has 20 bits for the minor; `stat` gives it in another order. */
function deviceOf(number: number): number {
  const [major, minor] = [number >>> 20, number & 0xfffff];
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

