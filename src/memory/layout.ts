/**
 * What stands where in shared memory, as data: one table each for the control page, a record and a wait page. The
 * accessors, the drawing in docs/protocol.md and the fuzzers' field lists all come from these tables.
 *
 * All words are 32-bit little-endian integers. Words that the two sides' protocol rests on are used through `Atomics`
 * alone; the counters are plain, read by inspectors who can bear a value that is a moment old. Words that one side writes
 * often stand 128 bytes apart from words that it writes seldom, so that a peer that spins on one is not disturbed by another;
 * and counters apart from all that the peer looks at: a plain store to a line of memory that the other core has just read waits for it.
 */

export interface Field {
  readonly name: string;
  /** In bytes from the start of the page or record; a multiple of 4. */
  readonly offset: number;
  readonly atomic?: true;
  readonly meaning: string;
}

type WordsOf<F extends readonly Field[]> = { readonly [K in F[number]['name']]: number };

/** The fields' places as indexes into an Int32Array. */
function wordsOf<const F extends readonly Field[]>(fields: F): WordsOf<F> {
  return Object.fromEntries(fields.map((field) => [field.name, field.offset / 4])) as WordsOf<F>;
}

/** "ALPC" in memory. */
export const MAGIC = 0x43504c41;
export const PROTOCOL_VERSION = 1;

/** The control page of an outbox: the outbox's owner writes it, the peer reads it. */
export const CONTROL_FIELDS = [
  { name: 'magic', offset: 0, meaning: 'the letters ALPC' },
  { name: 'version', offset: 4, meaning: 'protocol version' },
  { name: 'controlLength', offset: 8, meaning: 'bytes of this page; the ring begins behind it' },
  { name: 'ringLength', offset: 12, meaning: 'bytes of the ring, a power of two' },
  { name: 'ownerPid', offset: 16, meaning: 'pid of the owner, for inspectors' },
  { name: 'role', offset: 20, meaning: '0 client, 1 server, 2 unconnected' },
  { name: 'accepts', offset: 24, meaning: 'what the owner takes with a message: bit 0 secure views, bit 1 other views, bit 2 views that it may write to; bit 3 security, bit 4 work on behalf of somebody; bit 7 + n descriptors of kind n' },
  { name: 'maxViews', offset: 28, meaning: 'views that the owner holds at once, at most' },
  { name: 'maxSections', offset: 32, meaning: 'sections that the owner maps at once, at most' },
  { name: 'maxSectionKiB', offset: 36, meaning: 'their bytes, at most, in KiB' },
  { name: 'maxHandles', offset: 40, meaning: 'descriptors that the owner holds at once for messages that are not released, at most' },
  { name: 'connectionLow', offset: 48, meaning: "of a server's: inode number of the client's outbox, which names the connection, for inspectors; the low half" },
  { name: 'connectionHigh', offset: 52, meaning: 'the high half' },
  { name: 'socketLow', offset: 56, meaning: "of a client's: inode number of its socket, for inspectors; the low half" },
  { name: 'socketHigh', offset: 60, meaning: 'the high half' },
  { name: 'maxPendingMessages', offset: 64, meaning: 'messages that may be pending on this side, for inspectors' },
  { name: 'maxConnections', offset: 68, meaning: "of a server's: connections that its port holds at once, at most, for inspectors" },
  { name: 'tail', offset: 128, atomic: true, meaning: 'bytes ever published in this ring, modulo 2^32' },
  { name: 'head', offset: 256, atomic: true, meaning: "bytes ever consumed from the peer's ring, modulo 2^32" },
  { name: 'dataSleep', offset: 384, atomic: true, meaning: 'odd: the owner sleeps until the peer publishes' },
  { name: 'spaceSleep', offset: 388, atomic: true, meaning: "odd: the owner sleeps until the peer makes room in this ring" },
  { name: 'state', offset: 392, atomic: true, meaning: '1 open, 2 closed, 3 closed for a breach of the protocol, 4 closed for a quota' },
  { name: 'viewSleep', offset: 412, atomic: true, meaning: 'odd: the owner sleeps until the peer releases a view, or tells of a direct message' },
  { name: 'released', offset: 512, atomic: true, meaning: 'views of the peer ever released, modulo 2^32' },
  { name: 'handlesDone', offset: 516, atomic: true, meaning: 'descriptors of the peer ever taken or closed, modulo 2^32' },
  { name: 'told', offset: 520, atomic: true, meaning: 'direct messages of the peer ever taken or dropped, modulo 2^32' },
  { name: 'sentMessages', offset: 768, meaning: 'records published' },
  { name: 'sentKiB', offset: 772, meaning: 'payload published, in KiB' },
  { name: 'sentBytes', offset: 776, meaning: 'payload published, in bytes, modulo 2^32' },
  { name: 'requests', offset: 780, meaning: 'requests of the owner ever begun, modulo 2^32' },
  { name: 'settledRequests', offset: 784, meaning: 'requests of the owner ever answered or given up; those begun and not settled wait for their reply' },
  { name: 'receivedMessages', offset: 788, meaning: "records consumed from the peer's ring" },
  { name: 'unansweredRequests', offset: 792, meaning: 'requests of the peer that were taken and not answered yet' },
  { name: 'queuedMessages', offset: 796, meaning: 'messages taken from the ring and not yet received' },
  { name: 'bellsRung', offset: 800, meaning: 'doorbell packets sent' },
  { name: 'lateReplies', offset: 804, meaning: 'replies that came when nobody waited for them any more' },
  { name: 'sentViews', offset: 808, meaning: 'views sent; less those that the peer released, so many are out' },
  { name: 'sentHandles', offset: 812, meaning: 'descriptors sent with messages; less those that the peer is done with, so many are out' },
  { name: 'securityContexts', offset: 1024, atomic: true, meaning: 'a row of 64 words: the number of the security context at this place, 0 for none or one that was revoked' },
  { name: 'latencies', offset: 1280, meaning: 'round trips of requests by their time, a row of 96 counts: place n is for at most 2^((n-4)/4) microseconds, the last for all above' },
  { name: 'tellings', offset: 1664, meaning: 'of the direct messages that were told of, a row of 64 words: the nth stands at place n modulo 64; its number, with bit 31 if it was dropped' },
  { name: 'releases', offset: 2048, meaning: 'of the views that were released, their numbers, a row of 512 words: the nth stands at place n modulo 512' },
] as const satisfies readonly Field[];
export const Control = wordsOf(CONTROL_FIELDS);

/** A record in the ring: the header, then the payload, then padding to a multiple of 8. */
export const RECORD_FIELDS = [
  { name: 'length', offset: 0, meaning: 'bytes of header and payload, 32 to 65,535' },
  { name: 'type', offset: 4, meaning: 'low byte: type; bit 8: retracted by the sender' },
  { name: 'messageId', offset: 8, meaning: "the request's number, given by whoever asked" },
  { name: 'callbackId', offset: 12, meaning: "the receiver's own request that this one belongs to, or 0" },
  { name: 'status', offset: 16, meaning: 'in a reply: 0, or why there is none' },
  { name: 'sequence', offset: 20, meaning: 'number of the record on this connection, from 1' },
  { name: 'attributes', offset: 24, meaning: 'a bit for each attribute that stands between header and payload' },
  { name: 'reserved1', offset: 28, meaning: '0' },
] as const satisfies readonly Field[];
export const Record = wordsOf(RECORD_FIELDS);
export const RECORD_HEADER = 32;

/** The longest message, header included, as on Windows. */
export const MAX_MESSAGE_LENGTH = 65_535;
/** The longest payload of a message. */
export const MAX_DATA_LENGTH = MAX_MESSAGE_LENGTH - RECORD_HEADER;

export const RecordType = { request: 1, reply: 2, datagram: 3, cancel: 12, forget: 13 } as const;
/** Set by the sender, in place, in a request that it takes back before it was read. */
export const RETRACTED = 0x100;

/** `status` of a reply record. */
export const ReplyStatus = { ok: 0, canceled: 1, deadlock: 2, quota: 3 } as const;

/** `state` of a control page. The socket's end of file tells that a side is gone, this word why; 1 then means that it died. */
export const OutboxState = { open: 1, closed: 2, protocol: 3, quota: 4 } as const;

/**
 * Attributes stand between the header and the payload, in the order of this table, whole multiples of 8 bytes each. An attribute is
 * there when its bit is set in the header's `attributes`; a bit that is not in the table is a breach of the protocol.
 */
export const ATTRIBUTES = [
  { name: 'security', bit: 0x80000000, length: 8 },
  { name: 'view', bit: 0x40000000, length: 40 },
  { name: 'handle', bit: 0x10000000, length: 8 },
  { name: 'direct', bit: 0x04000000, length: 8 },
  { name: 'work', bit: 0x02000000, length: 40 },
] as const satisfies readonly { name: string; bit: number; length: number }[];
export const Attribute = Object.fromEntries(ATTRIBUTES.map(({ name, bit }) => [name, bit])) as { readonly [K in (typeof ATTRIBUTES)[number]['name']]: number };
/** All of them together, in words. */
export const MAX_ATTRIBUTE_WORDS = ATTRIBUTES.reduce((sum, { length }) => sum + length / 4, 0);

/** Where an attribute begins, in words, among those whose bits are set. */
export function attributeStart(bits: number, bit: number): number {
  let words = 0;
  for (const attribute of ATTRIBUTES) {
    if (attribute.bit === bit) return words;
    if ((bits & attribute.bit) !== 0) words += attribute.length / 4;
  }
  return words;
}

/** Bytes of the attributes whose bits are set; undefined when a bit means nothing. */
export function attributesLength(bits: number): number | undefined {
  let length = 0;
  let unknown = bits;
  for (const attribute of ATTRIBUTES) {
    if ((bits & attribute.bit) === 0) continue;
    length += attribute.length;
    unknown &= ~attribute.bit;
  }
  return unknown === 0 ? length : undefined;
}

/** The view attribute: where in which section the view lies, and the number under which it is released. */
export const VIEW_FIELDS = [
  { name: 'flags', offset: 0, meaning: 'bit 0: secure; bit 1: the section may be mapped for writing' },
  { name: 'section', offset: 4, meaning: "the section's number, given by its owner" },
  { name: 'packet', offset: 8, meaning: 'number of the packet of descriptors that brought the section' },
  { name: 'view', offset: 12, meaning: "the view's number: no view that is not released yet has the same" },
  { name: 'offsetLow', offset: 16, meaning: 'where it begins in the section, in bytes, a multiple of 8' },
  { name: 'offsetHigh', offset: 20, meaning: 'the high half' },
  { name: 'lengthLow', offset: 24, meaning: 'bytes of the view' },
  { name: 'lengthHigh', offset: 28, meaning: 'the high half' },
  { name: 'sizeLow', offset: 32, meaning: 'bytes of the section, whole pages' },
  { name: 'sizeHigh', offset: 36, meaning: 'the high half' },
] as const satisfies readonly Field[];
export const ViewWords = wordsOf(VIEW_FIELDS);
export const ViewFlag = { secure: 1, writable: 2 } as const;

/** The handle attribute: which packet brought the descriptors. What they are stands in the packet. */
export const HANDLE_FIELDS = [
  { name: 'packet', offset: 0, meaning: 'number of the packet of descriptors' },
  { name: 'count', offset: 4, meaning: 'how many came with it, 1 to 253' },
] as const satisfies readonly Field[];
export const HandleWords = wordsOf(HANDLE_FIELDS);

/** The security attribute: what the receiver may do with the sender's identity. */
export const SECURITY_FIELDS = [
  { name: 'level', offset: 0, meaning: 'low byte: 0 anonymous, 1 identify, 2 impersonate; above it the place of the context in `securityContexts`' },
  { name: 'context', offset: 4, meaning: 'the number of the context, 0 for none' },
] as const satisfies readonly Field[];
export const SecurityWords = wordsOf(SECURITY_FIELDS);
/** Security contexts that one side has at once. */
export const MAX_SECURITY_CONTEXTS = 64;

/** The direct attribute: the sender wants to know when the message has been taken. */
export const DIRECT_FIELDS = [
  { name: 'number', offset: 0, meaning: 'of the message, 1 to 2^31-1: no direct message that was not told of yet has the same' },
  { name: 'reserved1', offset: 4, meaning: '0' },
] as const satisfies readonly Field[];
export const DirectWords = wordsOf(DIRECT_FIELDS);
/** In a telling: the message was dropped, nobody will take it. */
export const DROPPED = 0x80000000 | 0;
/** Places in the row of `tellings`: so many direct messages of one side may be out at once. */
export const MAX_DIRECT = 64;

/** The attribute of work on behalf of somebody: the ticket. */
export const WORK_FIELDS = [
  { name: 'pid', offset: 0, meaning: 'of the first caller, as the first receiver knew it; 0 when `hops` is 0' },
  { name: 'uid', offset: 4, meaning: 'the same' },
  { name: 'hops', offset: 8, meaning: 'how many have handed the ticket on, 0 to 255' },
  { name: 'trace', offset: 12, meaning: 'bit 8: there is a W3C trace context; low byte: its flags' },
  { name: 'traceId', offset: 16, meaning: 'its trace id, four words, bytes in their order' },
  { name: 'spanId', offset: 32, meaning: 'its parent id, two words' },
] as const satisfies readonly Field[];
export const WorkWords = wordsOf(WORK_FIELDS);
export const WORK_LENGTH = 40;

/** What a descriptor that travels with a message is. The numbers are the protocol's. */
export const HANDLE_KINDS = { file: 1, directory: 2, device: 3, socket: 4, server: 5, pipe: 6, event: 7, section: 8, port: 9 } as const;
export type HandleKind = keyof typeof HANDLE_KINDS;
/** As many descriptors as the kernel passes in one packet. */
export const MAX_HANDLES_A_MESSAGE = 253;
/** So many descriptors of one side may be held by the other. */
export const MAX_HANDLES = 512;

/** `accepts` of a control page. */
export const Accepts = { secureViews: 1, views: 2, writableViews: 4, security: 8, work: 16 } as const;

/** The bit of `accepts` for a kind of descriptor. */
export function acceptBit(kind: HandleKind): number {
  return 1 << (7 + HANDLE_KINDS[kind]);
}
/** Places in the row of `releases`: so many views of one side may be out at once. */
export const MAX_VIEWS = 512;
/** Places in the row of `latencies`, and how many of them double the time. */
export const LATENCY_PLACES = 96;
export const LATENCY_STEPS = 4;
/** Of so many calls at least one is measured, as many as a connection may have under way by default: quick ones must not hide the slow ones that follow. */
export const LATENCY_ONE_IN = 64;

/** The wait page of a thread: whether it is blocked, on whom, for which message. */
export const WAIT_PAGE_FIELDS = [
  { name: 'magic', offset: 0, meaning: 'the letters ALPC' },
  { name: 'version', offset: 4, meaning: 'protocol version' },
  { name: 'ownerPid', offset: 8, meaning: 'pid of the owner, for inspectors' },
  { name: 'ownerTid', offset: 12, meaning: 'thread id of the owner, for inspectors' },
  { name: 'sequence', offset: 128, atomic: true, meaning: 'odd: the thread is blocked; changes with each wait' },
  { name: 'onLow', offset: 132, atomic: true, meaning: 'inode number of the wait page of the thread it waits for, low half' },
  { name: 'onHigh', offset: 136, atomic: true, meaning: 'the high half' },
  { name: 'connectionLow', offset: 140, atomic: true, meaning: "inode number of the client's outbox of the connection, low half" },
  { name: 'connectionHigh', offset: 144, atomic: true, meaning: 'the high half' },
  { name: 'messageId', offset: 148, atomic: true, meaning: 'the request whose reply it waits for' },
  { name: 'sinceSeconds', offset: 152, meaning: 'when the wait began, seconds since 1970' },
] as const satisfies readonly Field[];
export const WaitPageWords = wordsOf(WAIT_PAGE_FIELDS);

export function align8(length: number): number {
  return (length + 7) & ~7;
}

/** A peer that broke the rules of the wire. Dropped by the floor above, with the reason told. */
export class ProtocolViolation extends Error {
  override readonly name = 'ProtocolViolation';
}
