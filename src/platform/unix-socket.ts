/**
 * SOCK_SEQPACKET Unix sockets: packets that arrive whole, descriptors beside them, and an end of file that is the peer's
 * death. Every call here is non-blocking by flag of the call (MSG_DONTWAIT), which a peer cannot take away, and none
 * raises SIGPIPE. Outcomes that are expected come back as values.
 */
import { discardDescriptor } from './foreign-descriptors.js';
import { addressOf, check, lastErrno, libc, SystemError } from './system.js';

const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SO_PASSCRED = 16;
const SO_PASSRIGHTS = 83;
const SHUT_RD = 0;
const SCM_RIGHTS = 1;
const MSG_CTRUNC = 0x8;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const CMSG_HEADER = 16;
const CREDENTIALS = 32;

/** As many descriptors as the kernel passes in one packet: so none is cut off for want of room here. */
const MAX_DESCRIPTORS = 253;
const CONTROL_WORDS = (CREDENTIALS + CMSG_HEADER + (MAX_DESCRIPTORS + 1) * 4) / 4;

export function createSeqpacketSocket(): number {
  return check('socket', libc().socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

/** Two connected sockets, for a port that talks with itself. */
export function createSocketPair(): [number, number] {
  const pair = new Int32Array(2);
  check('socketpair', libc().socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair));
  return [pair[0]!, pair[1]!];
}

/** 'busy': the server's backlog is full, try again. 'dead': nobody listens there any more. */
export function connectSocket(fd: number, address: Uint8Array): 'connected' | 'busy' | 'dead' {
  if (libc().connect(fd, address, address.length) === 0) return 'connected';
  const errno = lastErrno();
  if (errno === 'EAGAIN' || errno === 'EINTR') return 'busy';
  if (errno === 'ECONNREFUSED') return 'dead';
  throw new SystemError('connect', errno);
}

/** The next connection's descriptor, or 'none' waits, or 'full': this process has no descriptor left for it. */
export function acceptConnection(listener: number): number | 'none' | 'full' {
  const fd = libc().accept4(listener, null, null, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0) return fd;
  const errno = lastErrno();
  if (errno === 'EMFILE' || errno === 'ENFILE' || errno === 'ENOMEM' || errno === 'ENOBUFS') return 'full';
  if (errno === 'EAGAIN' || errno === 'ECONNABORTED' || errno === 'EINTR') return 'none';
  throw new SystemError('accept4', errno);
}

/** 'full' means that packets wait unread (a bell has been rung then already), or more descriptors than may be on their way. 'failed': the kernel had no memory for it, try again. 'gone': the peer closed or died. */
export type SendOutcome = 'sent' | 'full' | 'failed' | 'gone';

const BELL = new Uint8Array([0]);

/** Rings the peer's bell: one packet of one byte. */
export function ringBell(fd: number): SendOutcome {
  return libc().send(fd, BELL, 1, MSG_DONTWAIT | MSG_NOSIGNAL) === 1 ? 'sent' : outcomeOf(lastErrno());
}

/** Sends one packet, with descriptors beside it. The caller keeps its own descriptors. */
export function sendPacket(fd: number, data: Uint8Array, descriptors: readonly number[] = []): SendOutcome {
  return new PreparedPacket(data, descriptors).send(fd);
}

/** A packet that can be sent in one system call, at the moment that matters. */
export class PreparedPacket {
  readonly #header: BigUint64Array;
  /** What the header points to must outlive it. */
  readonly #parts: readonly NodeJS.TypedArray[];

  constructor(data: Uint8Array, descriptors: readonly number[]) {
    const control = new Int32Array((CMSG_HEADER + Math.ceil(descriptors.length / 2) * 8) / 4);
    control.set([CMSG_HEADER + descriptors.length * 4, 0, SOL_SOCKET, SCM_RIGHTS, ...descriptors]);
    this.#header = messageHeader(data, data.length, control, descriptors.length === 0 ? 0 : control.byteLength);
    this.#parts = [data, control];
  }

  get length(): number {
    return this.#parts[0]!.length;
  }

  send(fd: number): SendOutcome {
    const sent = libc().sendmsg(fd, this.#header, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent >= 0 ? 'sent' : outcomeOf(lastErrno());
  }
}

/** A packet that came. Whoever gets it owns `descriptors` and must close them. */
export interface Packet {
  readonly length: number;
  readonly descriptors: number[];
  /** What was cut off, if anything: `bytes` of a packet that is too long, or `descriptors` that this process had no number left for. Nothing in such a packet is to be believed. */
  readonly cut: 'bytes' | 'descriptors' | undefined;
}

/** Reads one packet into `buffer`. A packet of no bytes is what the end of file looks like too: both are the end. */
export function receivePacket(fd: number, buffer: Uint8Array): Packet | 'none' | 'end' {
  const control = new Int32Array(CONTROL_WORDS);
  const header = messageHeader(buffer, buffer.length, control, control.byteLength);
  const length = receive(() => libc().recvmsg(fd, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
  if (typeof length === 'string') return length;
  const descriptors = descriptorsIn(control, Number(header[5]));
  const flags = Number(header[6]! & 0xffffffffn);
  if (length === 0) {
    descriptors.forEach(discardDescriptor);
    return 'end';
  }
  return { length, descriptors, cut: (flags & MSG_TRUNC) !== 0 ? 'bytes' : (flags & MSG_CTRUNC) !== 0 ? 'descriptors' : undefined };
}

/** Reads one packet where no descriptor is expected: one that came all the same is discarded. */
export function receiveBytes(fd: number, buffer: Uint8Array): number | 'none' | 'end' {
  if (kernel.refusesDescriptors === false) {
    const packet = receivePacket(fd, buffer);
    if (typeof packet === 'string') return packet;
    packet.descriptors.forEach(discardDescriptor);
    return packet.length;
  }
  const length = receive(() => libc().recv(fd, buffer, buffer.length, MSG_DONTWAIT));
  return length === 0 ? 'end' : length;
}

/** Whether the kernel knows how to refuse descriptors (Linux 6.16): a constant, once it has been asked. */
const kernel: { refusesDescriptors?: boolean } = {};

/**
 * From now on no descriptor can be sent to this socket, where the kernel can see to that; what waits in it already stays. To be
 * called before `receiveBytes`: where the kernel can not, that looks for descriptors itself.
 */
export function refuseDescriptors(fd: number): void {
  if (kernel.refusesDescriptors === false) return;
  kernel.refusesDescriptors = libc().setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, Int32Array.of(0), 4) === 0;
}

/**
 * To be called before a socket is closed through which a stranger may have sent descriptors that nobody has read: the kernel would close
 * them with it, here and now, however long that takes. Nothing can be read from the socket afterwards.
 */
export function emptySocket(fd: number): void {
  libc().shutdown(fd, SHUT_RD); // nothing more comes in
  // Tells a packet of no bytes, which has credentials beside it then, from the end, which has nothing.
  libc().setsockopt(fd, SOL_SOCKET, SO_PASSCRED, Int32Array.of(1), 4);
  const control = new Int32Array(CONTROL_WORDS);
  const byte = new Uint8Array(1);
  for (;;) {
    const header = messageHeader(byte, 1, control, control.byteLength);
    const length = libc().recvmsg(fd, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (length < 0) {
      if (lastErrno() === 'ECONNRESET') continue; // told once, before what is still there
      return;
    }
    if (length === 0 && header[5] === 0n) return;
    descriptorsIn(control, Number(header[5])).forEach(discardDescriptor);
  }
}

/** The same for a socket that `refuseDescriptors` was called for: mostly there is nothing to do. */
export function emptyBells(fd: number): void {
  if (kernel.refusesDescriptors !== true) emptySocket(fd);
}

/** struct msghdr with one iovec behind it; 64-bit Linux, glibc and musl alike. */
function messageHeader(data: Uint8Array, length: number, control: Int32Array, controlLength: number): BigUint64Array {
  const header = new BigUint64Array(9);
  header[7] = BigInt(addressOf(data));
  header[8] = BigInt(length);
  header[2] = BigInt(addressOf(header)) + 56n;
  header[3] = 1n;
  header[4] = controlLength === 0 ? 0n : BigInt(addressOf(control));
  header[5] = BigInt(controlLength);
  return header;
}

function descriptorsIn(control: Int32Array, controlLength: number): number[] {
  const descriptors: number[] = [];
  let at = 0;
  while (at + CMSG_HEADER <= controlLength) {
    const length = control[at / 4]!;
    if (length < CMSG_HEADER || at + length > controlLength) break;
    if (control[at / 4 + 2] === SOL_SOCKET && control[at / 4 + 3] === SCM_RIGHTS) {
      for (let i = at + CMSG_HEADER; i + 4 <= at + length; i += 4) descriptors.push(control[i / 4]!);
    }
    at += Math.ceil(length / 8) * 8;
  }
  return descriptors;
}

function outcomeOf(errno: string): SendOutcome {
  if (errno === 'EAGAIN' || errno === 'ETOOMANYREFS') return 'full';
  if (errno === 'ENOBUFS' || errno === 'ENOMEM' || errno === 'EINTR') return 'failed';
  if (errno === 'EPIPE' || errno === 'ECONNRESET' || errno === 'ENOTCONN' || errno === 'ECONNREFUSED') return 'gone';
  throw new SystemError('send', errno);
}

/**
 * A peer that ended before it had read everything is told by ECONNRESET: once, and before what it sent while it lived, which is still
 * there to be read. So that is no end, it is asked again; the end comes behind the last packet.
 */
function receive(once: () => number): number | 'none' | 'end' {
  let length = once();
  if (length >= 0) return length;
  let errno = lastErrno();
  if (errno === 'ECONNRESET') {
    length = once();
    if (length >= 0) return length;
    errno = lastErrno();
  }
  if (errno === 'EAGAIN' || errno === 'EINTR') return 'none';
  if (errno === 'ECONNRESET' || errno === 'ENOTCONN') return 'end';
  throw new SystemError('recv', errno);
}
