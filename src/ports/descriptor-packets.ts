/**
 * Descriptors that travel beside the records: in packets of their own on the connection's socket, numbered from 1 in each direction. A
 * packet is sent before the record that names its number, so whoever reads such a record finds the packet in its socket, or
 * never will: nobody waits for one. Packets that came before their record was read are kept here, few of them.
 *
 * Invariants: numbers come in their order; what nobody claims is closed with the connection; a bell that is read on the way wakes
 * the connection, for somebody may have waited for it.
 */
import { AlpcError } from '../base/errors.js';
import { MAX_HANDLES_A_MESSAGE, ProtocolViolation } from '../memory/layout.js';
import { discardDescriptor } from '../platform/foreign-descriptors.js';
import { SystemError } from '../platform/system.js';
import { receivePacket, sendPacket } from '../platform/unix-socket.js';
import type { Connection } from './connection.js';

/** The first word of such a packet: the handshake's packets have their kind at another place and are longer. */
const KIND = 4;
const LENGTH = 16;
/** The fourth word of a packet whose descriptors are a message's handles: a word for each, its kind, stands behind. */
const HANDLES = 1;
const MAX_LENGTH = LENGTH + 4 * MAX_HANDLES_A_MESSAGE;
/** Packets that were read and not claimed yet, and their descriptors. */
const MAX_UNCLAIMED = 1024;
const MAX_DESCRIPTORS = 1024;
/** A peer may ring as fast as its bells are read. */
const BELLS_IN_A_ROW = 1024;

/** What one packet brought. `kinds` are those of handles, as the peer says. */
export interface PassedDescriptors {
  readonly descriptors: number[];
  readonly kinds: readonly number[] | undefined;
}

export type Heard = 'bell' | 'packet' | 'none' | 'end';

export class DescriptorPackets {
  readonly #connection: Connection;
  readonly #unclaimed = new Map<number, PassedDescriptors>();
  #descriptors = 0;
  #sent = 0;
  #received = 0;
  /** Where packets are read into: a longer one breaks the rules. */
  readonly #packet = new Int32Array(MAX_LENGTH / 4 + 1);

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Sends descriptors, which stay the caller's; `kinds` for a message's handles. The packet's number. @throws AlpcError ERR_ALPC_INSUFFICIENT_RESOURCES, ERR_ALPC_DISCONNECTED */
  send(descriptors: readonly number[], kinds?: readonly number[]): number {
    const connection = this.#connection;
    const words = Int32Array.of(KIND, this.#sent + 1, descriptors.length, kinds === undefined ? 0 : HANDLES, ...(kinds ?? []));
    const outcome = sendPacket(connection.link.bellSocket, new Uint8Array(words.buffer), descriptors);
    if (outcome === 'sent') return ++this.#sent;
    if (outcome === 'gone') connection.readToEnd(); // so that every other call is told as well
    if (connection.state !== 'open') throw connection.closedError();
    if (outcome === 'gone') throw new AlpcError('ERR_ALPC_DISCONNECTED', `${connection}: the peer (${connection.peer}) is gone`);
    throw new AlpcError('ERR_ALPC_INSUFFICIENT_RESOURCES', `${connection}: the kernel takes no more descriptors; ${outcome === 'full' ? 'the peer has not read those that are on their way' : 'it has no memory for them'}`);
  }

  /** Reads one packet from the socket. @throws ProtocolViolation; SystemError EMFILE when this process has no numbers left for its descriptors */
  hear(): Heard {
    const bytes = new Uint8Array(this.#packet.buffer);
    const packet = receivePacket(this.#connection.socket, bytes);
    if (packet === 'none' || packet === 'end') return packet;
    const { descriptors } = packet;
    try {
      if (packet.length === 1) return 'bell';
      const [kind, number, count, what] = this.#packet;
      const length = what === HANDLES ? LENGTH + 4 * descriptors.length : LENGTH;
      if (packet.cut === undefined && (packet.length !== length || kind !== KIND || (what !== 0 && what !== HANDLES))) throw new ProtocolViolation(`a packet of ${packet.length} bytes came where only bells are rung and descriptors passed`);
      if (packet.cut === 'bytes') throw new ProtocolViolation(`a packet of more than ${MAX_LENGTH} bytes came where only bells are rung and descriptors passed`);
      if (packet.cut === 'descriptors') throw new SystemError('recvmsg', 'EMFILE');
      if (number !== ((this.#received + 1) | 0)) throw new ProtocolViolation(`packet ${number} of descriptors came behind packet ${this.#received}`);
      if (count === 0 || count !== descriptors.length) throw new ProtocolViolation(`a packet of ${count} descriptors holds ${descriptors.length}`);
      if (this.#unclaimed.size >= MAX_UNCLAIMED || this.#descriptors + count > MAX_DESCRIPTORS) throw new ProtocolViolation(`${this.#unclaimed.size} packets of descriptors came that no message claims`);
      this.#received = number;
      this.#descriptors += count;
      this.#unclaimed.set(number, { descriptors: descriptors.splice(0), kinds: what === HANDLES ? Array.from(this.#packet.subarray(LENGTH / 4, length / 4)) : undefined });
      return 'packet';
    } finally {
      descriptors.forEach(discardDescriptor);
    }
  }

  /** The descriptors of a packet that a record names; they are the caller's. @throws ProtocolViolation when it did not come; SystemError */
  claim(number: number): PassedDescriptors {
    for (let heard: Heard | undefined, bells = 0; !this.#unclaimed.has(number); ) {
      heard = this.hear();
      if (heard === 'bell') {
        this.#connection.wake();
        if (++bells > BELLS_IN_A_ROW) throw new ProtocolViolation(`${bells} bells came before packet ${number} of descriptors`);
      } else if (heard !== 'packet') throw new ProtocolViolation(`packet ${number} of descriptors, which a record names, did not come before it`);
    }
    return this.#take(number)!;
  }

  /** Nobody will claim it any more. It was sent before the record that says so. How many handles are closed by that. @throws ProtocolViolation; SystemError */
  discard(number: number): number {
    const passed = number > this.#received ? this.claim(number) : this.#take(number);
    passed?.descriptors.forEach(discardDescriptor);
    return passed?.kinds?.length ?? 0;
  }

  close(): void {
    for (const { descriptors } of this.#unclaimed.values()) descriptors.forEach(discardDescriptor);
    this.#unclaimed.clear();
    this.#descriptors = 0;
  }

  #take(number: number): PassedDescriptors | undefined {
    const passed = this.#unclaimed.get(number);
    if (passed === undefined) return undefined;
    this.#unclaimed.delete(number);
    this.#descriptors -= passed.descriptors.length;
    return passed;
  }
}
