/**
 * Descriptors that travel beside the records: in packets of their own on the connection's socket, numbered from 1 in each direction. A
 * packet is sent before the record that names its number, so whoever reads such a record finds the packet in its socket, or
 * never will: nobody waits for one. Packets that came before their record was read are kept here, few of them.
 *
 * Invariants: numbers come in their order; what nobody claims is closed with the connection; a bell that is read on the way wakes
 * the connection, for somebody may have waited for it.
 */
import { AlpcError } from '../base/errors.js';
import { ProtocolViolation } from '../memory/layout.js';
import { discardDescriptor } from '../platform/foreign-descriptors.js';
import { SystemError } from '../platform/system.js';
import { receivePacket, sendPacket } from '../platform/unix-socket.js';
import type { Connection } from './connection.js';

/** The first word of such a packet: the handshake's packets have their kind at another place and are longer. */
const KIND = 4;
const LENGTH = 16;
/** Packets that were read and not claimed yet, and their descriptors. */
const MAX_UNCLAIMED = 512;
const MAX_DESCRIPTORS = 1024;
/** A peer may ring as fast as its bells are read. */
const BELLS_IN_A_ROW = 1024;

export type Heard = 'bell' | 'packet' | 'none' | 'end';

export class DescriptorPackets {
  readonly #connection: Connection;
  readonly #unclaimed = new Map<number, number[]>();
  #descriptors = 0;
  #sent = 0;
  #received = 0;
  /** Where packets are read into: a longer one breaks the rules. */
  readonly #packet = new Int32Array(LENGTH / 4 + 1);

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Sends descriptors, which stay the caller's. The packet's number. @throws AlpcError ERR_ALPC_INSUFFICIENT_RESOURCES, ERR_ALPC_DISCONNECTED */
  send(descriptors: readonly number[]): number {
    const connection = this.#connection;
    const words = Int32Array.of(KIND, this.#sent + 1, descriptors.length, 0);
    const outcome = sendPacket(connection.link.bellSocket, new Uint8Array(words.buffer), descriptors);
    if (outcome === 'sent') return ++this.#sent;
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
      const [kind, number, count] = this.#packet;
      if (packet.cut === 'bytes' || packet.length !== LENGTH || kind !== KIND) throw new ProtocolViolation(`a packet of ${packet.length} bytes came where only bells are rung and descriptors passed`);
      if (packet.cut === 'descriptors') throw new SystemError('recvmsg', 'EMFILE');
      if (number !== ((this.#received + 1) | 0)) throw new ProtocolViolation(`packet ${number} of descriptors came behind packet ${this.#received}`);
      if (count === 0 || count !== descriptors.length) throw new ProtocolViolation(`a packet of ${count} descriptors holds ${descriptors.length}`);
      if (this.#unclaimed.size >= MAX_UNCLAIMED || this.#descriptors + count > MAX_DESCRIPTORS) throw new ProtocolViolation(`${this.#unclaimed.size} packets of descriptors came that no message claims`);
      this.#received = number;
      this.#descriptors += count;
      this.#unclaimed.set(number, descriptors.splice(0));
      return 'packet';
    } finally {
      descriptors.forEach(discardDescriptor);
    }
  }

  /** The descriptors of a packet that a record names; they are the caller's. @throws ProtocolViolation when it did not come; SystemError */
  claim(number: number): number[] {
    for (let heard: Heard | undefined, bells = 0; !this.#unclaimed.has(number); ) {
      heard = this.hear();
      if (heard === 'bell') {
        this.#connection.wake();
        if (++bells > BELLS_IN_A_ROW) throw new ProtocolViolation(`${bells} bells came before packet ${number} of descriptors`);
      } else if (heard !== 'packet') throw new ProtocolViolation(`packet ${number} of descriptors, which a record names, did not come before it`);
    }
    const descriptors = this.#unclaimed.get(number)!;
    this.#unclaimed.delete(number);
    this.#descriptors -= descriptors.length;
    return descriptors;
  }

  /** Nobody will claim it any more. It was sent before the record that says so. @throws ProtocolViolation; SystemError */
  discard(number: number): void {
    if (number > this.#received) return this.claim(number).forEach(discardDescriptor);
    const descriptors = this.#unclaimed.get(number);
    if (descriptors === undefined) return;
    this.#unclaimed.delete(number);
    this.#descriptors -= descriptors.length;
    descriptors.forEach(discardDescriptor);
  }

  close(): void {
    for (const descriptors of this.#unclaimed.values()) descriptors.forEach(discardDescriptor);
    this.#unclaimed.clear();
    this.#descriptors = 0;
  }
}
