/**
 * The server's half of the handshake, for one newcomer: who it is, what its hello says, and the answer. Everything in the
 * hello is the newcomer's claim: its descriptors are checked before they are mapped, its figures before they are used, and
 * its identity comes from the kernel alone.
 */
import { ProtocolViolation, PROTOCOL_VERSION } from '../memory/layout.js';
import { Link } from '../memory/link.js';
import { Outbox } from '../memory/outbox.js';
import type { PeerWaitPage } from '../memory/wait-page.js';
import { adoptDescriptor, releaseDescriptor } from '../platform/descriptors.js';
import { discardDescriptor } from '../platform/foreign-descriptors.js';
import { SystemError } from '../platform/system.js';
import { emptySocket, receivePacket, refuseDescriptors, sendPacket } from '../platform/unix-socket.js';
import { decodePacket, encodePacket, type HandshakePacket, type ReasonName } from './handshake.js';
import type { Limits } from './limits.js';
import type { PeerIdentity } from './peer-identity.js';
import type { Thread } from './thread.js';
import type { Greeted } from './client-greeting.js';

export class ServerGreeting {
  readonly socket: number;
  readonly peer: PeerIdentity;
  /** Until when the hello must be there, in ms on the monotonic clock. */
  readonly deadline: number;
  data: Buffer = Buffer.alloc(0);
  readonly #thread: Thread;
  readonly #portName: string;
  #hello: HandshakePacket | undefined;
  #descriptors: number[] = [];

  readonly #onGone: () => void;

  /** Takes over `socket`. `onGone` is told when nothing came of it. */
  constructor(thread: Thread, portName: string, socket: number, peer: PeerIdentity, deadline: number, onGone: () => void) {
    this.#thread = thread;
    this.#portName = portName;
    this.socket = adoptDescriptor(socket);
    this.peer = peer;
    this.deadline = deadline;
    this.#onGone = onGone;
  }

  /** Reads the hello. 'none': not there yet. 'end': the newcomer left. @throws ProtocolViolation; SystemError when this process has no descriptors left for it */
  read(): 'hello' | 'none' | 'end' {
    const buffer = this.#thread.packet;
    const packet = receivePacket(this.socket, buffer);
    if (packet === 'none' || packet === 'end') return packet;
    this.#descriptors = packet.descriptors;
    if (packet.cut === 'bytes') throw new ProtocolViolation('the hello is too long');
    if (packet.cut === 'descriptors') throw new SystemError('recvmsg', 'EMFILE');
    const hello = decodePacket(buffer.subarray(0, packet.length));
    if (hello.kind !== 'hello') throw new ProtocolViolation(`the first packet is a ${hello.kind}`);
    if (this.#descriptors.length !== 2) throw new ProtocolViolation(`the hello carries ${this.#descriptors.length} descriptors, expected 2`);
    this.#hello = hello;
    this.data = hello.data;
    return 'hello';
  }

  /** Bytes of the newcomer's ring, as it says; its memory is checked against it. */
  get ringLength(): number {
    return this.#hello!.ringLength;
  }

  get speaksOurVersion(): boolean {
    return this.#hello?.version === PROTOCOL_VERSION;
  }

  /** Whether the newcomer still waits for its welcome. @throws ProtocolViolation when it went on talking */
  look(): 'waits' | 'gone' {
    const more = receivePacket(this.socket, new Uint8Array(1));
    if (more === 'none') return 'waits';
    if (more === 'end') return 'gone';
    more.descriptors.forEach(discardDescriptor);
    throw new ProtocolViolation('it went on talking before it was welcomed');
  }

  /**
   * Welcomes the newcomer with this side's outbox. 'gone': it left meanwhile.
   * @throws ProtocolViolation when its memory is not as it must be; SystemError when this process has no room for it
   */
  welcome(limits: Limits, data: Uint8Array): Greeted | 'gone' {
    if (limits.accepts === 0) refuseDescriptors(this.socket);
    if (this.look() === 'gone') return 'gone';
    const { arena, waitPage } = this.#thread;
    const hello = this.#hello!;
    const peerOutbox = Outbox.open(arena, this.#descriptors.shift()!, hello.ringLength);
    let own: Outbox | undefined;
    let peerPage: PeerWaitPage | undefined;
    const undo = (): void => {
      if (peerPage !== undefined) this.#thread.closePeerPage(peerPage);
      own?.close();
      peerOutbox.close();
    };
    try {
      own = Outbox.create(arena, `alpc:${this.#portName}`, limits.ringLength, 1, limits);
      own.name('connectionLow', peerOutbox.inode);
      peerPage = this.#thread.openPeerPage(this.#descriptors.shift()!);
      const packet = encodePacket('welcome', { ringLength: limits.ringLength, maxMessageLength: limits.maxMessageLength, data });
      const outcome = sendPacket(this.socket, packet, [own.fd, waitPage.fd]);
      if (outcome === 'full') throw new SystemError('sendmsg', 'ETOOMANYREFS'); // nothing else can fill a socket that nothing was sent to
      if (outcome === 'failed') throw new SystemError('sendmsg', 'ENOBUFS');
      if (outcome === 'gone') {
        undo();
        return 'gone';
      }
      own.closeDescriptor(); // the client has it, and there inspectors find it
      return {
        thread: this.#thread,
        link: new Link(own, peerOutbox, this.socket, limits.maxMessageLength),
        socket: this.socket,
        inode: peerOutbox.inode,
        peerPage,
        peer: this.peer,
        portName: this.#portName,
        maxMessageLength: Math.min(limits.maxMessageLength, hello.maxMessageLength, limits.ringLength),
        data: this.data,
      };
    } catch (error) {
      undo();
      throw error;
    }
  }

  /** Sends the newcomer away; `ringLength` tells how long its ring may be. */
  refuse(reason: ReasonName, fields: { data?: Uint8Array; ringLength?: number } = {}): void {
    sendPacket(this.socket, encodePacket('refusal', { reason, ...fields }));
    this.abandon();
  }

  /** Lets go of everything that came with the newcomer. The socket must not be watched any more. */
  abandon(): void {
    this.#descriptors.splice(0).forEach(discardDescriptor);
    emptySocket(this.socket);
    releaseDescriptor(this.socket);
    this.#onGone();
  }
}
