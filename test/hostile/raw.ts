/**
 * The system calls of a peer that is written by hand: sockets that carry any bytes and any descriptors, memory files with
 * any seals or none. Nothing here checks anything: what a hostile process may ask of the kernel, this may. Outcomes are
 * words: 'ok', 'end', or the errno's name.
 */
import { addressOf, check, lastErrno, libc, viewOfMemory } from '../../src/platform/system.js';

const AF_UNIX = 1;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_SEQPACKET = 5;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
export const MSG_CTRUNC = 0x8;
const CMSG_HEADER = 16;
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;
const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const MAP_PRIVATE = 2;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;

export const SEAL = { seal: 1, shrink: 2, grow: 4, write: 8, futureWrite: 16, exec: 32 } as const;
/** What the protocol asks for. */
export const PROTOCOL_SEALS = SEAL.seal | SEAL.shrink | SEAL.grow | SEAL.futureWrite;

/** 'ok' or what else became of it. */
export type Outcome = string;

function outcome(result: number): Outcome {
  return result < 0 ? lastErrno() : 'ok';
}

// ---- sockets -------------------------------------------------------------------------------------------------------

export function makeSocket(type = SOCK_SEQPACKET): number {
  return check('socket', libc().socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
}

export function makePair(type = SOCK_SEQPACKET): [number, number] {
  const pair = new Int32Array(2);
  check('socketpair', libc().socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair));
  return [pair[0]!, pair[1]!];
}

/** Waits while the backlog is full, as a blocking connect does, unless the socket was made not to. */
export function connectTo(socket: number, path: string): Outcome {
  const address = addressFor(path);
  return outcome(libc().connect(socket, address, address.length));
}

export function bindTo(socket: number, path: string): Outcome {
  const address = addressFor(path);
  return outcome(libc().bind(socket, address, address.length));
}

export function listenAt(socket: number, backlog: number): Outcome {
  return outcome(libc().listen(socket, backlog));
}

/** A connection's descriptor, or undefined. `listener` must not block. */
export function acceptFrom(listener: number): number | undefined {
  const socket = libc().accept4(listener, null, null, SOCK_CLOEXEC);
  return socket < 0 ? undefined : socket;
}

export function shutDown(socket: number): Outcome {
  return outcome(libc().shutdown(socket, 2));
}

/** Sends one packet of any bytes with any descriptors; never waits. */
export function sendRaw(socket: number, data: Uint8Array, descriptors: readonly number[] = []): Outcome {
  const control = new Int32Array((CMSG_HEADER + Math.ceil(descriptors.length / 2) * 8) / 4);
  control.set([CMSG_HEADER + descriptors.length * 4, 0, SOL_SOCKET, SCM_RIGHTS, ...descriptors]);
  return sendControl(socket, data, descriptors.length === 0 ? undefined : control);
}

/** Sends one packet with a control message of any form. */
export function sendControl(socket: number, data: Uint8Array, control: Int32Array | undefined): Outcome {
  return outcome(libc().sendmsg(socket, messageHeader(data, control), MSG_DONTWAIT | MSG_NOSIGNAL));
}

export interface Received {
  readonly data: Buffer;
  readonly descriptors: number[];
  readonly flags: number;
}

/** The next packet with all that came with it; whoever gets it owns the descriptors. Never waits: 'EAGAIN'. */
export function receiveRaw(socket: number, longest = 70_000): Received | Outcome {
  const data = Buffer.alloc(longest);
  const control = new Int32Array(300);
  const header = messageHeader(data, control);
  const length = libc().recvmsg(socket, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (length < 0) return lastErrno();
  const descriptors: number[] = [];
  for (let at = 0; at + CMSG_HEADER <= Number(header[5]); at += Math.ceil(control[at / 4]! / 8) * 8) {
    if (control[at / 4 + 2] !== SOL_SOCKET || control[at / 4 + 3] !== SCM_RIGHTS) break;
    descriptors.push(...control.subarray((at + CMSG_HEADER) / 4, (at + control[at / 4]!) / 4));
  }
  return length === 0 && descriptors.length === 0 ? 'end' : { data: data.subarray(0, length), descriptors, flags: Number(header[6]! & 0xffffffffn) };
}

function addressFor(path: string): Uint8Array {
  const bytes = Buffer.from(`\0\0${path}\0`);
  bytes.writeUInt16LE(AF_UNIX, 0);
  return bytes;
}

/** struct msghdr with one iovec behind it. */
function messageHeader(data: Uint8Array, control: Int32Array | undefined): BigUint64Array {
  const header = new BigUint64Array(9);
  header.set([0n, 0n, BigInt(addressOf(header)) + 56n, 1n, BigInt(control === undefined ? 0 : addressOf(control)), BigInt(control?.byteLength ?? 0), 0n]);
  header[7] = BigInt(addressOf(data));
  header[8] = BigInt(data.length);
  return header;
}

// ---- memory --------------------------------------------------------------------------------------------------------

export interface FileOptions {
  name?: string;
  /** Set after the file is mapped, so that its maker can go on writing. */
  seals?: number;
  /** False: the descriptor alone, for files that are sent by the thousand. */
  mapped?: boolean;
  /** More flags of memfd_create: 4 asks for huge pages. */
  flags?: number;
}

/** A memory file and this side's mapping of it. After `close` its words are zeros of nobody. */
export class HandFile {
  readonly fd: number;
  readonly size: number;
  words = new Int32Array(0);
  bytes = Buffer.alloc(0);
  /** Where it is mapped; another thread of this process may look there too. 0: it is not. */
  address = 0;
  #open = true;

  constructor(fd: number, size: number) {
    this.fd = fd;
    this.size = size;
  }

  static make(size: number, { name = 'alpc:hand', seals = PROTOCOL_SEALS, mapped = true, flags = 0 }: FileOptions = {}): HandFile {
    const file = new HandFile(check('memfd_create', libc().memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | flags)), size);
    try {
      check('ftruncate', libc().ftruncate(file.fd, size));
      if (mapped) file.map(true);
      if (seals !== 0) file.seal(seals);
      return file;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** A file of the other side, from the descriptor that it sent; takes it over. */
  static open(fd: number, size: number): HandFile {
    const file = new HandFile(fd, size);
    file.map(false);
    return file;
  }

  map(writable: boolean): void {
    this.address = check('mmap', libc().mmap(0, this.size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, this.fd, 0));
    const memory = viewOfMemory(this.address, this.size);
    this.words = new Int32Array(memory);
    this.bytes = Buffer.from(memory);
  }

  seal(seals: number): void {
    check('fcntl', libc().fcntl(this.fd, F_ADD_SEALS, seals));
  }

  get seals(): number {
    return check('fcntl', libc().fcntl(this.fd, F_GET_SEALS, 0));
  }

  truncate(size: number): Outcome {
    return outcome(libc().ftruncate(this.fd, size));
  }

  /** Lets go of the descriptor; the mapping stays. */
  closeDescriptor(): void {
    if (this.#open) libc().close(this.fd);
    this.#open = false;
  }

  close(): void {
    this.closeDescriptor();
    if (this.address === 0) return;
    // Covered and not unmapped: whoever still holds a view of it must not crash.
    libc().mmap(this.address, this.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    this.address = 0;
    this.words = new Int32Array(this.size / 4);
    this.bytes = Buffer.from(this.words.buffer);
  }
}
