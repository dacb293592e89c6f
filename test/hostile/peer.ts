/**
 * A peer written by hand, from docs/protocol.md and nothing else: it shares no code with what it attacks but the table of C
 * functions. It speaks both sides of the protocol, as a client at a library's server or as a server that a library's client
 * connects to, and it can keep to the rules (`greet`, `send`, `take`) or break any one of them: every packet, every
 * descriptor, every seal and every shared word is the caller's to choose.
 *
 *     const peer = HandPeer.client();                    // memory of its own: an outbox and a wait page
 *     atEnd(t, () => peer.close());
 *     await peer.greet(path);                            // connect, hello, welcome, and map what came with it
 *     peer.send({ type: RECORD_TYPE.datagram, data: 'hello' });
 *     peer.set('tail', 0xffffffff);                      // and now a lie
 *
 *     const listener = new HandListener(path);           // the same as a server
 *     const peer = await listener.serve();               // accept, hello, welcome
 *
 * Whatever waits here gives the event loop its turns, so that the library may live in the same process.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { closeDescriptor, libc } from '../../src/platform/system.js';
import { acceptFrom, bindTo, connectTo, HandFile, listenAt, makeSocket, type Outcome, type Received, receiveRaw, sendRaw } from './raw.js';

export const PAGE = libc().getpagesize();
export const MAGIC = 0x43504c41;
export const VERSION = 1;
export const KIND = { hello: 1, welcome: 2, refusal: 3 } as const;
export const REASON = { none: 0, rejected: 1, accessDenied: 2, quota: 3, protocol: 4, closed: 5, version: 6, ringTooLong: 7 } as const;
export const STATE = { open: 1, closed: 2, protocol: 3, quota: 4 } as const;
export const RECORD_TYPE = { request: 1, reply: 2, datagram: 3, cancel: 12, forget: 13 } as const;
export const RETRACTED = 0x100;
export const RECORD_HEADER = 32;
/** Bits of a record's `attributes`, and the bytes that they stand for. */
export const ATTRIBUTE = { security: 0x80000000 | 0, view: 0x40000000, handle: 0x10000000, direct: 0x04000000, work: 0x02000000 } as const;
export const ATTRIBUTE_LENGTHS = { security: 8, view: 40, handle: 8, direct: 8, work: 40 } as const;
export const MAX_MESSAGE_LENGTH = 65_535;

/** Bytes from the start of the control page. */
export const CONTROL = {
  magic: 0, version: 4, controlLength: 8, ringLength: 12, ownerPid: 16, role: 20, accepts: 24, maxViews: 28, maxSections: 32, maxSectionKiB: 36,
  maxHandles: 40, connectionLow: 48, connectionHigh: 52, socketLow: 56, socketHigh: 60, maxPendingMessages: 64, maxConnections: 68, tail: 128,
  head: 256, dataSleep: 384, spaceSleep: 388, state: 392, viewSleep: 412, released: 512, handlesDone: 516, told: 520,
  sentMessages: 768, sentKiB: 772, sentBytes: 776, requests: 780, settledRequests: 784, receivedMessages: 788, unansweredRequests: 792,
  queuedMessages: 796, bellsRung: 800, lateReplies: 804, sentViews: 808, sentHandles: 812,
  securityContexts: 1024, latencies: 1280, tellings: 1664, releases: 2048,
} as const;
export type ControlWord = keyof typeof CONTROL;

/** Bytes from the start of a record. */
export const RECORD = { length: 0, type: 4, messageId: 8, callbackId: 12, status: 16, sequence: 20, attributes: 24, reserved1: 28 } as const;
export type RecordWord = keyof typeof RECORD;

/** Bytes from the start of a wait page. */
export const WAIT_PAGE = { magic: 0, version: 4, ownerPid: 8, ownerTid: 12, sequence: 128, onLow: 132, onHigh: 136, connectionLow: 140, connectionHigh: 144, messageId: 148, sinceSeconds: 152 } as const;
export type WaitWord = keyof typeof WAIT_PAGE;

/** Bytes from the start of a packet of the handshake. */
export const PACKET = { magic: 0, version: 4, kind: 8, ringLength: 12, maxMessageLength: 16, reason: 20, dataLength: 24, reserved: 28 } as const;
export type PacketWord = keyof typeof PACKET;
export const PACKET_HEADER = 32;

/** A packet of the handshake: any word may say anything. What is not given is as the protocol has it, `dataLength` the data's. */
export function handPacket(words: Partial<Record<PacketWord, number>>, data: Uint8Array | string = ''): Buffer {
  const payload = Buffer.from(data);
  const packet = Buffer.alloc(PACKET_HEADER + payload.length);
  const all = { magic: MAGIC, version: VERSION, dataLength: payload.length, ...words };
  for (const [word, value] of Object.entries(all)) packet.writeUInt32LE(value >>> 0, PACKET[word as PacketWord]);
  packet.set(payload, PACKET_HEADER);
  return packet;
}

/** What came in answer: the packet's words as they are, and its descriptors, which are the caller's. */
export interface HandAnswer extends Record<PacketWord, number> {
  readonly data: Buffer;
  readonly descriptors: number[];
}

/** A record to be written. Any word may lie; `length` and `sequence` are right when they are not given. */
export interface HandRecord extends Partial<Record<RecordWord, number>> {
  data?: Uint8Array | string;
}

export type SeenRecord = Record<RecordWord, number> & { readonly data: Buffer };

export interface PeerOptions {
  /** Of its own outbox; one page when it is not said. */
  ringLength?: number;
  maxMessageLength?: number;
  /** Files to send in place of its own. */
  outbox?: HandFile;
  page?: HandFile;
  /** Seals of its own files; the protocol's when they are not said. */
  seals?: number;
  /** What else its control page says from the beginning. */
  words?: Partial<Record<ControlWord, number>>;
}

/** One side of one connection. */
export class HandPeer {
  readonly role: 'client' | 'server';
  readonly ringLength: number;
  readonly maxMessageLength: number;
  /** What it writes and the other side reads. */
  readonly outbox: HandFile;
  readonly page: HandFile;
  /** The other side's, read-only; there after the handshake. */
  theirOutbox: HandFile | undefined;
  theirPage: HandFile | undefined;
  theirRingLength = 0;
  socket = -1;
  /** Records sent with `send`. */
  sequence = 0;
  #tail = 0;
  #head = 0;
  #answeredSleep = 0;

  constructor(role: 'client' | 'server', { ringLength = PAGE, maxMessageLength = MAX_MESSAGE_LENGTH, outbox, page, words = {}, ...files }: PeerOptions = {}) {
    this.role = role;
    this.ringLength = ringLength;
    this.maxMessageLength = maxMessageLength;
    this.outbox = outbox ?? HandFile.make(PAGE + ringLength, { name: 'alpc:hand', ...files });
    this.page = page ?? HandFile.make(PAGE, { name: 'alpc:wait', ...files });
    if (outbox === undefined) {
      this.set('magic', MAGIC);
      this.set('version', VERSION);
      this.set('controlLength', PAGE);
      this.set('ringLength', ringLength);
      this.set('ownerPid', process.pid);
      this.set('role', role === 'client' ? 0 : 1);
      this.set('state', STATE.open);
      for (const [word, value] of Object.entries(words)) this.set(word as ControlWord, value);
    }
    if (page === undefined) {
      this.setWait('magic', MAGIC);
      this.setWait('version', VERSION);
      this.setWait('ownerPid', process.pid);
    }
  }

  static client(options: PeerOptions = {}): HandPeer {
    return new HandPeer('client', options);
  }

  /** The server's side of a connection over `socket`, which it takes over. */
  static server(socket: number, options: PeerOptions = {}): HandPeer {
    const peer = new HandPeer('server', options);
    peer.socket = socket;
    return peer;
  }

  // ---- the handshake -----------------------------------------------------------------------------------------------

  /** Connects; says nothing yet. */
  connect(path: string): Outcome {
    this.socket = makeSocket();
    return connectTo(this.socket, path);
  }

  /** Its hello or welcome, with any word in it changed. */
  packet(words: Partial<Record<PacketWord, number>> = {}, data: Uint8Array | string = ''): Buffer {
    const kind = this.role === 'client' ? KIND.hello : KIND.welcome;
    return handPacket({ kind, ringLength: this.ringLength, maxMessageLength: this.maxMessageLength, ...words }, data);
  }

  /** Sends a packet; its own hello (or welcome) with its own two descriptors, if not told otherwise. */
  say(packet: Uint8Array = this.packet(), descriptors: readonly number[] = [this.outbox.fd, this.page.fd]): Outcome {
    return sendRaw(this.socket, packet, descriptors);
  }

  /** The next packet from the other side; 'end' when it hung up. A reset before it is passed over: what was sent is still there. */
  async hear(): Promise<Received | 'end'> {
    for (let looks = 1; ; looks++) {
      const heard = receiveRaw(this.socket);
      if (typeof heard !== 'string' || heard === 'end') return heard;
      if (heard === 'EAGAIN') await (looks % 64 === 0 ? sleep(1) : turn());
      else if (heard !== 'ECONNRESET') throw new Error(heard);
    }
  }

  /** The other side's packet of the handshake, or 'end'. */
  async answer(): Promise<HandAnswer | 'end'> {
    const heard = await this.hear();
    if (heard === 'end') return 'end';
    if (heard.data.length < PACKET_HEADER) throw new Error(`a packet of ${heard.data.length} bytes came for an answer`);
    const words = Object.fromEntries(Object.entries(PACKET).map(([word, at]) => [word, heard.data.readUInt32LE(at)])) as Record<PacketWord, number>;
    return { ...words, data: heard.data.subarray(PACKET_HEADER), descriptors: heard.descriptors };
  }

  /** Maps what came with a hello or a welcome. */
  adopt(answer: HandAnswer): void {
    const [outbox, page] = answer.descriptors;
    if (outbox === undefined || page === undefined) throw new Error(`${answer.descriptors.length} descriptors came, expected 2`);
    this.theirRingLength = answer.ringLength;
    this.theirOutbox = HandFile.open(outbox, PAGE + answer.ringLength);
    this.theirPage = HandFile.open(page, PAGE);
  }

  /** The whole handshake of an honest client. */
  async greet(path: string, data: Uint8Array | string = ''): Promise<HandAnswer> {
    const outcome = this.connect(path);
    if (outcome !== 'ok') throw new Error(`connect: ${outcome}`);
    this.say(this.packet({}, data));
    const answer = await this.answer();
    if (answer === 'end' || answer.kind !== KIND.welcome) throw new Error(`no welcome: ${answer === 'end' ? answer : `kind ${answer.kind}, reason ${answer.reason}`}`);
    this.adopt(answer);
    return answer;
  }

  // ---- the shared words --------------------------------------------------------------------------------------------

  /** A word of its own control page. */
  get(word: ControlWord): number {
    return Atomics.load(this.outbox.words, CONTROL[word] / 4);
  }

  set(word: ControlWord, value: number): void {
    Atomics.store(this.outbox.words, CONTROL[word] / 4, value | 0);
  }

  /** A word of the other side's control page. */
  theirs(word: ControlWord): number {
    return Atomics.load(this.theirOutbox!.words, CONTROL[word] / 4);
  }

  /** A word of its own wait page. */
  setWait(word: WaitWord, value: number): void {
    Atomics.store(this.page.words, WAIT_PAGE[word] / 4, value | 0);
  }

  theirWait(word: WaitWord): number {
    return Atomics.load(this.theirPage!.words, WAIT_PAGE[word] / 4);
  }

  /** Where a word of the record at `position` stands in its own outbox, as an index of `outbox.words`. */
  at(position: number, word: RecordWord): number {
    return (PAGE + ((position + RECORD[word]) & (this.ringLength - 1))) / 4;
  }

  // ---- records and bells -------------------------------------------------------------------------------------------

  /** Where its next record goes. */
  get position(): number {
    return this.#tail;
  }

  /** Writes a record at a position and publishes nothing. The position behind it. */
  write(record: HandRecord, position = this.#tail): number {
    const { data = '', ...given } = record;
    const payload = Buffer.from(data);
    const words = { length: RECORD_HEADER + payload.length, type: RECORD_TYPE.datagram, messageId: 0, callbackId: 0, status: 0, sequence: this.sequence + 1, attributes: 0, reserved1: 0, ...given };
    for (const [word, value] of Object.entries(words)) this.outbox.words[this.at(position, word as RecordWord)] = value | 0;
    const start = (position + RECORD_HEADER) & (this.ringLength - 1);
    const first = Math.min(payload.length, this.ringLength - start);
    this.outbox.bytes.set(payload.subarray(0, first), PAGE + start);
    this.outbox.bytes.set(payload.subarray(first), PAGE);
    return (position + ((RECORD_HEADER + payload.length + 7) & ~7)) | 0;
  }

  /** Publishes everything before `position`, a lie or not, and rings if the other side says that it sleeps. */
  publish(position: number): void {
    this.#tail = position | 0;
    this.set('tail', position);
    const sleeping = this.theirs('dataSleep');
    if ((sleeping & 1) === 0 || sleeping === this.#answeredSleep) return;
    this.#answeredSleep = sleeping;
    this.ring();
  }

  /** Writes, publishes and rings, as the protocol says. False: there is no room. */
  send(record: HandRecord): boolean {
    const length = (RECORD_HEADER + Buffer.byteLength(record.data ?? '') + 7) & ~7;
    if (((this.#tail - this.theirs('head')) >>> 0) + length > this.ringLength) return false;
    const next = this.write(record);
    this.sequence++;
    this.publish(next);
    return true;
  }

  /** The other side's next record, consumed; undefined when there is none. */
  take(): SeenRecord | undefined {
    const record = this.peek();
    if (record === undefined) return undefined;
    this.#head = (this.#head + ((record.length + 7) & ~7)) | 0;
    this.set('head', this.#head);
    return record;
  }

  /** The other side's next record; it stays where it is. */
  peek(): SeenRecord | undefined {
    if (this.theirs('tail') === this.#head) return undefined;
    const { words, bytes } = this.theirOutbox!;
    const mask = this.theirRingLength - 1;
    const record = Object.fromEntries(Object.entries(RECORD).map(([word, at]) => [word, words[(PAGE + ((this.#head + at) & mask)) / 4]!])) as Record<RecordWord, number>;
    const data = Buffer.alloc(record.length - RECORD_HEADER);
    for (let i = 0; i < data.length; i++) data[i] = bytes[PAGE + ((this.#head + RECORD_HEADER + i) & mask)]!;
    return { ...record, data };
  }

  /** Waits for the other side's next record: says that it sleeps, and looks. */
  async receive(): Promise<SeenRecord> {
    for (let looks = 1; ; looks++) {
      const record = this.take();
      if (record !== undefined) return record;
      const heard = receiveRaw(this.socket);
      if (heard === 'end' || heard === 'ECONNRESET') throw new Error('the other side hung up');
      await (looks % 64 === 0 ? sleep(1) : turn());
    }
  }

  /** Rings, whether anybody sleeps or not. */
  ring(): Outcome {
    return sendRaw(this.socket, Uint8Array.of(0));
  }

  /** Waits until the other side has hung up; bells that come meanwhile are passed over. */
  async hungUp(): Promise<void> {
    for (;;) {
      const heard = await this.hear();
      if (heard === 'end') return;
      heard.descriptors.forEach(closeDescriptor);
    }
  }

  // ---- the end -----------------------------------------------------------------------------------------------------

  hangUp(): void {
    if (this.socket >= 0) closeDescriptor(this.socket);
    this.socket = -1;
  }

  /** Lets go of everything. Says no word about why: that is `set('state', ...)`. */
  close(): void {
    this.hangUp();
    for (const file of [this.outbox, this.page, this.theirOutbox, this.theirPage]) file?.close();
  }
}

/** A server written by hand: a socket at a path. */
export class HandListener {
  readonly socket: number;

  /** `type` other than SOCK_SEQPACKET: a server that speaks something else. */
  constructor(path: string, { backlog = 16, type }: { backlog?: number; type?: number } = {}) {
    this.socket = makeSocket(type);
    libc().fcntl(this.socket, 4, 0o4000);
    for (const outcome of [bindTo(this.socket, path), listenAt(this.socket, backlog)]) {
      if (outcome === 'ok') continue;
      this.close();
      throw new Error(`a listener at ${path}: ${outcome}`);
    }
  }

  /** The next connection; nothing has been said yet. */
  async accept(options: PeerOptions = {}): Promise<HandPeer> {
    for (let looks = 1; ; looks++) {
      const socket = acceptFrom(this.socket);
      if (socket !== undefined) return HandPeer.server(socket, options);
      await (looks % 64 === 0 ? sleep(1) : turn());
    }
  }

  /** The whole handshake of an honest server. */
  async serve(options: PeerOptions = {}): Promise<HandPeer> {
    const peer = await this.accept(options);
    const hello = await peer.answer();
    if (hello === 'end') throw new Error('the client hung up');
    peer.adopt(hello);
    peer.say();
    return peer;
  }

  close(): void {
    closeDescriptor(this.socket);
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
