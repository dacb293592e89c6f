/**
 * The reception of a connection port: it accepts sockets, lets the security descriptor and the quota decide, and waits for
 * each newcomer's hello. A newcomer that says nothing is shown out after a while, and only so many may stand there at once.
 *
 * At the limit of descriptors one that is kept in reserve is given up for a moment, so that the newcomer can be sent away:
 * else it would stay in the backlog and wake the server again and again. Where not even that helps (somebody else in this process
 * was faster, or the kernel is out of memory), the door stays shut for a moment, and who stands there waits.
 */
import { closeSync, openSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { ProtocolViolation } from '../memory/layout.js';
import { checkAccess, type Identity, type SecurityDescriptor } from '../objects/index.js';
import { peerCredentials, peerGroups, peerLabel } from '../platform/credentials.js';
import { lookAtPeer } from '../platform/peer-process.js';
import { stopListening } from '../platform/listener.js';
import { closeDescriptor, SystemError } from '../platform/system.js';
import { acceptConnection, emptySocket, sendPacket } from '../platform/unix-socket.js';
import type { Poller } from '../platform/poller.js';
import { encodePacket, type ReasonName } from './handshake.js';
import { HeadCount } from './head-count.js';
import type { PortHoldings } from './holdings.js';
import type { Limits } from './limits.js';
import { PeerIdentity } from './peer-identity.js';
import { ServerGreeting } from './server-greeting.js';
import type { Thread } from './thread.js';

/** Newcomers accepted in one go: each takes as long as a hundred messages, for which others wait. */
const ACCEPTS_AT_ONCE = 8;
/** Newcomers that may stand without a word, all of them and those of one user. */
const SILENT = { connections: 1024, connectionsPerUser: 256 };
/** Milliseconds for a newcomer to say hello. */
const PATIENCE = 10_000;
/** Whom the kernel does not name; with the number that it has for users whom it can't name. */
const NOBODY = new PeerIdentity({ pid: 0, uid: 65534, gid: 65534 });

/** Why a newcomer is turned away by the port itself; its wording on the wire is the same. */
export type RefusalReason = Extract<ReasonName, 'accessDenied' | 'quota' | 'protocol' | 'version' | 'ringTooLong'>;
/** Milliseconds that the door stays shut when nobody can be taken in, and nobody sent away. */
const SHUT_FOR = 20;

export interface ReceptionParts {
  readonly thread: Thread;
  readonly portName: string;
  readonly listener: number;
  readonly poller: Poller;
  readonly security: SecurityDescriptor;
  readonly limits: Limits;
  /** Who is here: newcomers are counted from their accept on. */
  readonly headCount: HeadCount;
  /** What waits for those who are here. */
  readonly holdings: PortHoldings;
  /** A newcomer has said hello, and it is good so far. */
  readonly onHello: (greeting: ServerGreeting) => void;
  /** A newcomer has been turned away. */
  readonly onRefused: (peer: PeerIdentity, reason: RefusalReason, error?: Error) => void;
}

export class Reception {
  readonly #parts: ReceptionParts;
  readonly #silent = new Map<number, ServerGreeting>();
  readonly #silentCount: HeadCount;
  #reserve: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #opensAt = 0;
  #opening: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(parts: ReceptionParts) {
    this.#parts = parts;
    this.#silentCount = new HeadCount(parts.security.owner);
    this.#reserve = reserveDescriptor();
  }

  /** Milliseconds until newcomers are to be looked for again; Infinity while the poller tells of them. */
  get opensIn(): number {
    return this.#opening === undefined ? Infinity : Math.max(0, this.#opensAt - performance.now());
  }

  /** Opens the door again when its time has come: on the event loop by itself, in a blocking server by being asked. */
  openDoor(): void {
    if (this.#opening === undefined || performance.now() < this.#opensAt) return;
    clearTimeout(this.#opening);
    this.#opening = undefined;
    try {
      this.#parts.poller.add(this.#parts.listener);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      this.#shutDoor();
    }
  }

  /** Takes in who waits at the door. */
  accept(): void {
    this.#reserve ??= reserveDescriptor(); // another thread may have taken the number that it was given up for
    for (let i = 0; i < ACCEPTS_AT_ONCE && !this.#closed; i++) { // closed by who was told of the one before
      const socket = acceptConnection(this.#parts.listener);
      if (socket === 'none') break;
      if (socket === 'full') {
        if (this.#sendOneAway()) continue;
        this.#parts.poller.remove(this.#parts.listener);
        this.#shutDoor();
        break;
      } else this.#greet(socket);
    }
  }

  /** Something came from a newcomer, or it left. False: the descriptor is not one of a newcomer. */
  hear(socket: number): boolean {
    const greeting = this.#silent.get(socket);
    if (greeting === undefined) return false;
    this.#listen(greeting);
    return true;
  }

  /** Milliseconds until the first one who stands here without a word is to be shown out. */
  get patience(): number {
    for (const greeting of this.#silent.values()) return Math.max(0, greeting.deadline - performance.now());
    return Infinity;
  }

  /** Shows out who said nothing for too long. For a thread that blocks; on the event loop it happens by itself. */
  showOutSilent(): void {
    if (this.#silent.size === 0) return;
    const now = performance.now();
    for (const greeting of this.#silent.values()) {
      if (greeting.deadline > now) break; // in the order of their coming
      this.#isSilentNoMore(greeting);
      this.#parts.poller.remove(greeting.socket);
      this.#refuse(greeting, 'protocol', new ProtocolViolation(`no hello within ${PATIENCE} ms`));
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const greeting of this.#silent.values()) greeting.refuse('closed');
    this.#silent.clear();
    // Who still waits at the door is told as well.
    stopListening(this.#parts.listener);
    for (let socket = acceptConnection(this.#parts.listener); typeof socket === 'number'; socket = acceptConnection(this.#parts.listener)) shutOut(socket, 'closed');
    if (this.#reserve !== undefined) closeSync(this.#reserve);
    this.#reserve = undefined;
    clearTimeout(this.#opening);
    this.#opening = undefined;
  }

  #greet(socket: number): void {
    const { thread, portName, limits, security, headCount, holdings } = this.#parts;
    const peer = identityOf(socket);
    if (peer === NOBODY) return this.#sendAway(socket, peer, 'accessDenied'); // to be taken for nobody else
    if (!checkAccess(security, knownOf(socket, peer, security), 'connect')) return this.#sendAway(socket, peer, 'accessDenied');
    const { uid } = peer;
    // Whose messages may not be kept any more brings no others: what those left who have gone again counts, too.
    if (headCount.isFull(uid, limits) || this.#silentCount.isFull(uid, SILENT) || holdings.isFull(uid)) return this.#sendAway(socket, peer, 'quota');
    let greeting: ServerGreeting;
    try {
      greeting = new ServerGreeting(thread, portName, socket, peer, performance.now() + PATIENCE, () => headCount.go(uid));
    } catch {
      return this.#sendAway(socket, peer, 'quota'); // no descriptor for it in this worker
    }
    headCount.come(uid);
    this.#silent.set(greeting.socket, greeting);
    this.#silentCount.come(uid);
    this.#listen(greeting, true);
  }

  /** Reads the hello if it is there; else the poller will tell. */
  #listen(greeting: ServerGreeting, first = false): void {
    const { poller, onHello } = this.#parts;
    try {
      const heard = greeting.read();
      if (heard === 'none') {
        if (first) poller.add(greeting.socket);
        this.#timer ??= this.#showOutLater();
        return;
      }
      this.#isSilentNoMore(greeting);
      if (!first) poller.remove(greeting.socket);
      if (heard === 'end') greeting.abandon();
      else if (!greeting.speaksOurVersion) this.#refuse(greeting, 'version');
      else onHello(greeting);
    } catch (error) {
      if (!(error instanceof ProtocolViolation) && !(error instanceof SystemError)) throw error;
      this.#isSilentNoMore(greeting);
      if (!first) poller.remove(greeting.socket);
      this.#refuse(greeting, error instanceof ProtocolViolation ? 'protocol' : 'quota', error);
    }
  }

  /** It has said something, or has been shown out. */
  #isSilentNoMore(greeting: ServerGreeting): void {
    if (this.#silent.delete(greeting.socket)) this.#silentCount.go(greeting.peer.uid);
  }

  #sendAway(socket: number, peer: PeerIdentity, reason: RefusalReason): void {
    shutOut(socket, reason);
    this.#parts.onRefused(peer, reason);
  }

  #refuse(greeting: ServerGreeting, reason: RefusalReason, error?: Error): void {
    greeting.refuse(reason);
    this.#parts.onRefused(greeting.peer, reason, error);
  }

  #shutDoor(): void {
    this.#opensAt = performance.now() + SHUT_FOR;
    this.#opening = setTimeout(() => this.openDoor(), SHUT_FOR + 1).unref(); // the port's own watch keeps the process
  }

  /** The table of descriptors is full: uses the reserve to refuse one newcomer. */
  #sendOneAway(): boolean {
    if (this.#reserve === undefined) return false;
    closeSync(this.#reserve);
    this.#reserve = undefined;
    const socket = acceptConnection(this.#parts.listener);
    if (typeof socket === 'number') this.#sendAway(socket, identityOf(socket), 'quota');
    if (!this.#closed) this.#reserve = reserveDescriptor();
    return typeof socket === 'number';
  }

  /** On the event loop; it keeps no process alive. */
  #showOutLater(): NodeJS.Timeout {
    const look = (): void => {
      this.showOutSilent();
      this.#timer = this.#silent.size > 0 ? this.#showOutLater() : undefined;
    };
    return setTimeout(look, Math.min(PATIENCE, Math.ceil(this.patience) + 1)).unref();
  }
}

/** The peer, with what the descriptor asks for beyond its credentials. */
function knownOf(socket: number, peer: PeerIdentity, { asksProcess, asksLabel }: SecurityDescriptor): Identity {
  if (!asksProcess && !asksLabel) return peer;
  const { pid, uid, gid, groups } = peer;
  return { uid, gid, groups, ...(asksProcess ? { process: lookAtPeer(socket, pid) } : {}), ...(asksLabel ? { label: peerLabel(socket) } : {}) };
}

function identityOf(socket: number): PeerIdentity {
  try {
    return new PeerIdentity(peerCredentials(socket), peerGroups(socket));
  } catch {
    return NOBODY;
  }
}

function shutOut(socket: number, reason: ReasonName): void {
  sendPacket(socket, encodePacket('refusal', { reason }));
  emptySocket(socket);
  closeDescriptor(socket);
}

function reserveDescriptor(): number | undefined {
  try {
    return openSync('/dev/null', 'r');
  } catch {
    return undefined;
  }
}
