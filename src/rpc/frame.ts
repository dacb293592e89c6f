/**
 * What stands in front of each RPC message, in the payload of a message of the ports: twelve bytes, little-endian.
 *
 *     0  kind    what it is
 *     1  flags
 *     2  procedure, 16 bits: the number that a bind gave to a method
 *     4  number, 32 bits: a stream's or transfer's number, or what the kind makes of it
 *     8  extra, 32 bits: milliseconds that the caller waits, a length, or what the kind makes of it
 *
 * Both sides may ask: a client calls the server, and a server calls the client back by the same frames.
 */
export const HEADER = 12;

export const Kind = {
  // requests
  bind: 1, //     which procedure numbers an interface's methods have
  call: 2,
  stream: 3, //   opens stream `number`; its answer ends it, and `number` of that is how many bytes of items were sent
  push: 4, //     a part of a long value, transfer `number`, whole length `extra`
  pull: 5, //     asks for the part of transfer `number` that begins at `extra`
  // answers
  response: 16,
  fault: 17,
  // datagrams
  oneWay: 32,
  items: 33, //   items of stream `number`
  end: 34, //     no more items of stream `number`; with a fault if flag `faulty`
  credit: 35, //  `extra` more bytes of items may be sent on stream `number`
  stop: 36, //    who gets the items of stream `number` wants no more
  drop: 37, //    transfer `number` is not wanted any more
} as const;

export const Flag = {
  /** The value was sent before as transfer `number` (in a call), or is to be pulled as such, `extra` bytes (in a response); a long value. */
  long: 1,
  /** Of a fault: the error is one that the method declares. */
  declared: 2,
  /** Of a fault: the error is of this library. */
  system: 4,
  /** Of a datagram about a stream or transfer: its sender began it. */
  opener: 8,
  faulty: 16,
  /** Of a bind: its sender serves callbacks. */
  offers: 32,
  /** The value stands in the view that came with the message, as a long value (large-values.ts). */
  viewed: 64,
} as const;

/** Of `extra` as a time: without end. */
export const FOREVER = 0xffff_ffff;
/** Bytes of items that may be sent on a stream before there was any `credit`, each way. An item that fits into no message may go beyond it. */
export const WINDOW = 65_536;
/** Bytes of items that can be on their way at most: a window and a long item. More than that behind is ahead, where a number has 32 bits. */
export const LONGEST_AHEAD = 0x9000_0000;

export function writeHeader(view: DataView, kind: number, flags: number, procedure: number, number: number, extra: number): void {
  view.setUint8(0, kind);
  view.setUint8(1, flags);
  view.setUint16(2, procedure, true);
  view.setUint32(4, number, true);
  view.setUint32(8, extra, true);
}

export function header(kind: number, flags: number, procedure: number, number: number, extra: number): Buffer {
  const bytes = Buffer.alloc(HEADER);
  writeHeader(new DataView(bytes.buffer, bytes.byteOffset, HEADER), kind, flags, procedure, number, extra);
  return bytes;
}

/** 0 when it is shorter than a header; the others are for frames that are not. `at` is where the frame begins. */
export const kindOf = (bytes: Buffer, at = 0, length = bytes.length): number => (length < HEADER ? 0 : bytes[at]!);
export const flagsOf = (bytes: Buffer, at = 0): number => bytes[at + 1]!;
export const procedureOf = (bytes: Buffer, at = 0): number => bytes[at + 2]! | (bytes[at + 3]! << 8);
export const numberOf = (bytes: Buffer, at = 0): number => uint32(bytes, at + 4);
export const extraOf = (bytes: Buffer, at = 0): number => uint32(bytes, at + 8);

function uint32(bytes: Buffer, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** A timeout as it travels. */
export function timeoutToWire(milliseconds: number | undefined): number {
  return milliseconds === undefined || milliseconds === Infinity ? FOREVER : Math.min(FOREVER - 1, Math.ceil(milliseconds));
}
