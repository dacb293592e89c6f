/**
 * The client's half of the handshake: find the name, connect its socket, check who listens there, say hello with this side's
 * outbox and wait page, and read the answer. Steps only; whoever calls decides how to wait between them.
 *
 * Before the hello nothing of this side reaches the server's process: a server that is not the required one sees a
 * connection that ends without a byte.
 */
import type { MessageData } from '../base/arguments.js';
import { AlpcError, type AlpcErrorCode } from '../base/errors.js';
import { Control, MAX_DATA_LENGTH, OutboxState, PROTOCOL_VERSION, ProtocolViolation } from '../memory/layout.js';
import { Link } from '../memory/link.js';
import { Outbox } from '../memory/outbox.js';
import type { PeerWaitPage } from '../memory/wait-page.js';
import { openPort, parseObjectName } from '../objects/index.js';
import { peerCredentials, peerGroups } from '../platform/credentials.js';
import { adoptDescriptor, duplicateDescriptor, releaseDescriptor } from '../platform/descriptors.js';
import { inodeOf } from '../platform/memory-file.js';
import { discardDescriptor } from '../platform/foreign-descriptors.js';
import { Descriptor, pathOf, statOf } from '../platform/directory.js';
import { addressOfSocketFile } from '../platform/listener.js';
import { waitReadable } from '../platform/poller.js';
import { closeDescriptor, SystemError, translate } from '../platform/system.js';
import { connectSocket, createSeqpacketSocket, emptySocket, PreparedPacket, receivePacket, refuseDescriptors } from '../platform/unix-socket.js';
import type { CheckedConnectOptions } from './client-port.js';
import { channels } from './diagnostics.js';
import { decodePacket, encodePacket, type HandshakePacket } from './handshake.js';
import { checkMessage } from './message-arguments.js';
import { PeerIdentity } from './peer-identity.js';
import { fileKey, type Thread } from './thread.js';

/** Who the server must be: each figure that is given must be what the kernel recorded when the server began to listen. */
export interface RequiredServer {
  uid?: number;
  gid?: number;
  pid?: number;
}

/** What a finished handshake leaves. */
export interface Greeted {
  readonly thread: Thread;
  readonly link: Link;
  readonly socket: number;
  readonly inode: number;
  readonly peerPage: PeerWaitPage;
  readonly peer: PeerIdentity;
  readonly portName: string;
  readonly maxMessageLength: number;
  readonly data: Buffer;
}

export class ClientGreeting {
  readonly socket: number;
  readonly #thread: Thread;
  readonly #name: string;
  readonly #options: CheckedConnectOptions;
  /**
   * Names the server's socket until this one is connected to it. It is never kept while this thread waits, for none of Node's
   * handles can own such a descriptor: one that a terminated worker had would stay open.
   */
  #file: number | undefined;
  /** A port that came with a message: a descriptor of the caller's, which outlives the greeting. */
  readonly #source: Descriptor | undefined;
  #peer: PeerIdentity | undefined;
  #outbox: Outbox | undefined;
  #hello: PreparedPacket | undefined;
  #wait = 0.5;
  /** Nothing is this greeting's any more. */
  #abandoned = false;

  constructor(thread: Thread, name: string | Descriptor, options: CheckedConnectOptions) {
    this.#thread = thread;
    this.#options = options;
    this.#source = name instanceof Descriptor ? name : undefined;
    this.#name = name instanceof Descriptor ? pathOf(name.fd) : parseObjectName(name).text;
    if (options.data !== undefined) checkMessage(options.data, MAX_DATA_LENGTH, this);
    using file = new Descriptor(this.#openFile());
    try {
      using socket = new Descriptor(createSeqpacketSocket());
      this.socket = adoptDescriptor(socket.fd);
      socket.take();
      this.#file = file.take();
    } catch (error) {
      throw translate(error, String(this));
    }
  }

  /** For who blocks until there is an answer. @throws AlpcError ERR_ALPC_DEADLOCK when this very thread would have to give it */
  checkNotOwn(): void {
    const { served } = this.#thread;
    if (served.size === 0 || !served.has(fileKey(statOf((this.#file ??= this.#openFile()))))) return;
    throw new AlpcError('ERR_ALPC_DEADLOCK', `${this}: this thread serves that port, and could not answer while it blocks; use connectPort`);
  }

  /** Connects, checks the server and says hello. False: the server's backlog is full, try again after `backoff` ms. */
  connect(): boolean {
    try {
      // Made before the server wakes for the connection, so that it finds the hello behind it, and need not wake twice.
      this.#outbox ??= Outbox.create(this.#thread.arena, `alpc:${this.#name}`, this.#options.limits.ringLength, 0, this.#options.limits);
      this.#hello ??= this.#makeHello(this.#outbox);
      this.#file ??= this.#openFile();
      const outcome = connectSocket(this.socket, addressOfSocketFile(this.#file));
      if (outcome === 'busy') {
        this.#closeFile();
        return false;
      }
      if (outcome === 'dead') throw new AlpcError('ERR_ALPC_NAME_NOT_FOUND', `${this}: its server is gone`);
      // Nobody in particular is required: then who it is can be asked while the server reads.
      if (this.#options.requiredServer === undefined) this.#sayHello(this.#hello);
      this.#peer = new PeerIdentity(peerCredentials(this.socket), peerGroups(this.socket));
      if (this.#options.requiredServer !== undefined) {
        this.#checkServer(this.#peer, this.#options.requiredServer);
        this.#sayHello(this.#hello);
      }
      this.#closeFile();
      return true;
    } catch (error) {
      throw translate(error, String(this));
    }
  }

  backoff(): number {
    return (this.#wait = Math.min(20, this.#wait * 2));
  }

  /** Reads the server's answer; undefined when it is not there yet. What it gives is the caller's, and nothing is left to abandon. */
  read(): Greeted | undefined {
    // Asked in turn after turn of the event loop: a look costs less than the attempt to read, and its buffers.
    if (!waitReadable(this.socket, 0)) return undefined;
    const buffer = this.#thread.packet;
    try {
      let packet = receivePacket(this.socket, buffer);
      // A packet of no bytes looks like the end, and nothing comes behind that.
      if (packet === 'end') {
        packet = receivePacket(this.socket, buffer);
        if (packet === 'none') throw new ProtocolViolation('the answer has no bytes');
      }
      if (packet === 'none') return undefined;
      if (packet === 'end') throw new AlpcError('ERR_ALPC_DISCONNECTED', `${this}: the server (${this.#peer}) ended the connection without an answer`);
      const { descriptors } = packet;
      try {
        if (packet.cut === 'bytes') throw new ProtocolViolation('the answer is too long');
        if (packet.cut === 'descriptors') throw new SystemError('recvmsg', 'EMFILE');
        const answer = decodePacket(buffer.subarray(0, packet.length));
        if (answer.kind === 'refusal') throw this.#refusal(answer);
        if (answer.kind !== 'welcome') throw new ProtocolViolation(`the answer is a ${answer.kind}`);
        // What stands in a welcome of another version has not been checked, and would not mean what it means here.
        if (answer.version !== PROTOCOL_VERSION) throw new ProtocolViolation(`the welcome is of version ${answer.version}, this side speaks ${PROTOCOL_VERSION}`);
        if (descriptors.length !== 2) throw new ProtocolViolation(`the welcome carries ${descriptors.length} descriptors, expected 2`);
        return this.#finish(answer, descriptors);
      } finally {
        descriptors.forEach(discardDescriptor);
      }
    } catch (error) {
      if (!(error instanceof ProtocolViolation)) throw translate(error, String(this));
      throw this.#tell('protocol', new AlpcError('ERR_ALPC_PROTOCOL', `${this}: the server (${this.#peer}) broke the rules: ${error.message}`, { cause: error }));
    }
  }

  /** The handshake came to nothing. The server may have let this side in already: then it reads here that this is no death. After its good end it does nothing. */
  abandon(): void {
    if (this.#abandoned) return;
    this.#abandoned = true;
    if (this.#outbox !== undefined) Atomics.compareExchange(this.#outbox.words, Control.state, OutboxState.open, OutboxState.closed);
    emptySocket(this.socket);
    releaseDescriptor(this.socket);
    this.#closeFile();
    this.#outbox?.close();
  }

  toString(): string {
    return `connection to ${this.#name}`;
  }

  #openFile(): number {
    if (this.#source !== undefined) return duplicateDescriptor(this.#source.fd);
    const { root } = this.#options;
    return openPort(this.#name, root === undefined ? {} : { root }).fd;
  }

  #closeFile(): void {
    if (this.#file !== undefined) closeDescriptor(this.#file);
    this.#file = undefined;
  }

  #checkServer(peer: PeerIdentity, required: RequiredServer): void {
    for (const key of ['uid', 'gid', 'pid'] as const) {
      if (required[key] !== undefined && required[key] !== peer[key]) {
        throw this.#tell('serverMismatch', new AlpcError('ERR_ALPC_SERVER_MISMATCH', `${this}: the server's ${key} is ${peer[key]}, required is ${required[key]}`));
      }
    }
  }

  #makeHello(outbox: Outbox): PreparedPacket {
    const { limits, data } = this.#options;
    const hello = encodePacket('hello', { ringLength: limits.ringLength, maxMessageLength: limits.maxMessageLength, data: bytesOf(data) });
    return new PreparedPacket(hello, [outbox.fd, this.#thread.waitPage.fd]);
  }

  #sayHello(hello: PreparedPacket): void {
    const outcome = hello.send(this.socket);
    if (outcome === 'full' || outcome === 'failed') throw new AlpcError('ERR_ALPC_INSUFFICIENT_RESOURCES', `${this}: the kernel takes no packet of ${hello.length} bytes`);
    // When the server is gone already, its refusal may be there to be read.
  }

  #finish(answer: HandshakePacket, descriptors: number[]): Greeted {
    const takesDescriptors = this.#options.limits.accepts !== 0; // and then the server may have sent some
    if (!takesDescriptors) refuseDescriptors(this.socket);
    const more = takesDescriptors ? 'none' : receivePacket(this.socket, new Uint8Array(1));
    if (typeof more !== 'string') {
      descriptors.push(...more.descriptors);
      throw new ProtocolViolation('the server went on talking behind its welcome');
    }
    const { arena } = this.#thread;
    const { limits } = this.#options;
    const own = this.#outbox!;
    if (answer.ringLength > limits.peerRingLength) {
      Atomics.store(own.words, Control.state, OutboxState.quota); // the server has let this side in: it is told why this side goes
      throw new AlpcError('ERR_ALPC_QUOTA_EXCEEDED', `${this}: the server (${this.#peer}) has a ring of ${answer.ringLength} bytes; limits.peerRingLength is ${limits.peerRingLength}`);
    }
    const peerOutbox = Outbox.open(arena, descriptors.shift()!, answer.ringLength, true); // the server keeps none of it open: inspectors find it here
    let peerPage: PeerWaitPage | undefined;
    try {
      peerPage = this.#thread.openPeerPage(descriptors.shift()!);
      const { inode } = own;
      own.name('socketLow', inodeOf(this.socket));
      const maxMessageLength = Math.min(limits.maxMessageLength, answer.maxMessageLength, own.ringLength);
      this.#abandoned = true;
      return {
        thread: this.#thread,
        link: new Link(own, peerOutbox, this.socket, limits.maxMessageLength),
        socket: this.socket,
        inode,
        peerPage,
        peer: this.#peer!,
        portName: this.#name,
        maxMessageLength,
        data: answer.data,
      };
    } catch (error) {
      peerOutbox.close();
      if (peerPage !== undefined) this.#thread.closePeerPage(peerPage);
      throw error;
    }
  }

  /** A server that is turned away is told to whoever traces, as a client is that a server turns away. */
  #tell(reason: string, error: AlpcError): AlpcError {
    if (channels.disconnect.hasSubscribers) channels.disconnect.publish({ port: this.#name, role: 'client', peer: this.#peer, reason, error });
    return error;
  }

  #refusal(answer: HandshakePacket): AlpcError {
    const why: Partial<Record<HandshakePacket['reason'], [AlpcErrorCode, string]>> = {
      accessDenied: ['ERR_ALPC_ACCESS_DENIED', "the port's security descriptor does not allow it"],
      quota: ['ERR_ALPC_QUOTA_EXCEEDED', 'the server holds as many connections as it may'],
      ringTooLong: ['ERR_ALPC_QUOTA_EXCEEDED', `the server takes rings of at most ${answer.ringLength} bytes, this side's has ${this.#options.limits.ringLength}`],
      version: ['ERR_ALPC_PROTOCOL', `the server speaks version ${answer.version} of the protocol, this side ${PROTOCOL_VERSION}`],
      protocol: ['ERR_ALPC_PROTOCOL', 'the server takes the hello for a breach of the protocol'],
      closed: ['ERR_ALPC_DISCONNECTED', 'the server closed its port'],
    };
    const [code, text] = why[answer.reason] ?? ['ERR_ALPC_REFUSED', 'the server refused'];
    return new AlpcError(code, `${this}: ${text}`, { data: answer.data });
  }
}

function bytesOf(data: MessageData | undefined): Uint8Array {
  return data === undefined ? new Uint8Array(0) : typeof data === 'string' ? Buffer.from(data) : data;
}
