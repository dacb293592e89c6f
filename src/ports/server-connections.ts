/**
 * All connections of one connection port: who is active, who rests behind the poller. Whose turn it is
 * is for turns.ts to say, and who is heard when many ring at once for hearing.ts.
 *
 * Invariant: every open connection is either active (its doorbell is not armed, somebody looks at its ring) or armed
 * and watched by the poller; its socket is watched in both cases, for its end. A connection that has ended, or was read ahead for a
 * reply, stays active until its last message has been taken; the latter may be armed all the same.
 */
import type { EventEmitter } from 'node:events';
import { performance } from 'node:perf_hooks';
import { deadlineAfter, timeLeft } from '../base/deadline.js';
import { AlpcError } from '../base/errors.js';
import { AdaptiveSpin } from '../memory/adaptive-spin.js';
import { withoutPlace } from '../memory/place.js';
import type { SecurityDescriptor } from '../objects/index.js';
import { Poller, YIELD_EVERY, yieldProcessor } from '../platform/poller.js';
import { Admission } from './admission.js';
import type { ConnectionRequestMessage } from './connection-request.js';
import { BELLS_AT_ONCE, Connection, type ConnectionMessage, type ConnectionOwner } from './connection.js';
import type { ConnectionPortEvents, Message } from './connection-port.js';
import { channels } from './diagnostics.js';
import type { Diversion } from './diversion.js';
import { Fifo } from './fifo.js';
import { noMessage } from './intake.js';
import { HeadCount } from './head-count.js';
import { chooseInTurn } from './hearing.js';
import { PortHoldings } from './holdings.js';
import type { Limits } from './limits.js';
import { Reception } from './reception.js';
import type { ServerPort } from './server-port.js';
import type { Spin } from './spin-options.js';
import type { Thread } from './thread.js';
import { Turns } from './turns.js';

const RECENT = 4;
/** Sockets of which the kernel tells at once: as many as one user's crowd may well ring, so that somebody else's bell is among them. */
const EVENTS_AT_ONCE = 512;
/** Sockets heard in one go: to read a bell is little, to turn a stranger away is more, and the others wait meanwhile. */
const HEARD_AT_ONCE = 32;
/** A blocking server that is never idle looks at its sockets after so many messages, and moves on what waits for room; the latter also who never blocks. */
const SERVE_EVERY = 64;
/** The door, and all who stand there without a word, are one user among the others when it is asked who is heard. */
const NOBODY_YET = -1;

export interface ServerConnectionsParts {
  readonly thread: Thread;
  readonly portName: string;
  readonly listener: number;
  readonly asks: boolean;
  readonly security: SecurityDescriptor;
  readonly limits: Limits;
  readonly spin: Spin;
  readonly notifyClientDied: boolean;
  /** Where `connect`, `refuse` and `disconnect` are told. */
  readonly events: Pick<EventEmitter<ConnectionPortEvents>, 'emit' | 'listenerCount'>;
  readonly hasRef: () => boolean;
  /** The event loop is to look at this port. */
  readonly wake: () => void;
}

export class ServerConnections implements ConnectionOwner {
  readonly #parts: ServerConnectionsParts;
  readonly #poller = new Poller(EVENTS_AT_ONCE);
  readonly #reception: Reception;
  readonly #admission: Admission;
  readonly #looks: AdaptiveSpin;
  readonly #bySocket = new Map<number, Connection>();
  readonly #turns = new Turns();
  /** Connections that have ended while this process held views or descriptors of them; they go with the port. One whose are released meanwhile leaves when the next one ends. */
  readonly #ended = new Set<Connection>();
  readonly #headCount: HeadCount;
  readonly #requests = new Fifo<ConnectionRequestMessage>();
  /** Those that went to rest last: who rings is mostly one of them. */
  #recent: Connection[] = [];
  #sinceServed = 0;
  #sinceMoved = 0;
  /** How many bells in vain are read of each that is heard now. */
  #bells = BELLS_AT_ONCE;
  #closed = false;

  constructor(parts: ServerConnectionsParts) {
    this.#parts = parts;
    this.#looks = new AdaptiveSpin(parts.spin.looks);
    this.#headCount = new HeadCount(parts.security.owner);
    const holdings = new PortHoldings(parts.security.owner, parts.limits, parts.wake);
    this.#admission = new Admission({
      ...parts,
      poller: this.#poller,
      owner: this,
      holdings,
      onAsked: (request) => this.#requests.push(request),
      onWithdrawn: (request) => void this.#requests.remove(request),
      onAdmitted: (connection) => this.#join(connection),
      onResting: (connection) => this.#turns.deactivate(connection),
    });
    this.#reception = new Reception({
      ...parts,
      poller: this.#poller,
      headCount: this.#headCount,
      holdings,
      onHello: (greeting) => this.#admission.decide(greeting),
      onRefused: (peer, reason, error) => this.#admission.tellRefusal(peer, reason, error),
    });
    try {
      this.#poller.add(parts.listener);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Readable when any of the sockets is. */
  get pollDescriptor(): number {
    return this.#poller.fd;
  }

  get count(): number {
    return this.#bySocket.size;
  }

  list(): ServerPort[] {
    return Array.from(this.#bySocket.values(), (connection) => connection.port as ServerPort);
  }

  has(connection: object): boolean {
    return connection instanceof Connection && this.#bySocket.get(connection.socket) === connection;
  }

  /** The next message, fairly, or undefined. */
  take(): Message | undefined {
    if (this.#requests.length > 0) return this.#requests.shift();
    return this.#turns.take(this.#now);
  }

  /** Some of the next messages, fairly, `max` at most, to the end of `messages`. How many there were: 0 when there are none. */
  takeSome(messages: Message[], max: number): number {
    const request = this.#requests.shift();
    if (request === undefined) return this.#turns.takeSome(this.#now, messages as ConnectionMessage[], max);
    messages.push(request);
    return 1;
  }

  hasMessages(): boolean {
    if (this.#requests.length > 0) return true;
    return this.#turns.hasMessages();
  }

  /** How many rings `hasMessages` may look at. */
  get places(): number {
    return this.#turns.length;
  }

  /** Takes a message, blocking this thread until there is one. */
  takeBlocking(timeout: number, diversion: Diversion<Message> | undefined): Message {
    const deadline = deadlineAfter(timeout);
    if (++this.#sinceServed >= SERVE_EVERY) {
      this.serve(0);
      this.flush();
    }
    let budget = this.#looks.next(this.#turns.length);
    let offers = budget === 0;
    let isLast = false;
    for (let looks = budget; ; ) {
      const message = diversion === undefined ? this.take() : diversion.take(this);
      if (message !== undefined) {
        if (looks < budget) this.#looks.paid();
        return message;
      }
      if (offers) {
        offers = false;
        yieldProcessor(); // whoever got an answer may have been woken on this core
        continue;
      }
      while (looks > 0 && !this.hasMessages()) if ((--looks & YIELD_EVERY) === 0) yieldProcessor();
      if (looks > 0) {
        looks >>= 1; // what is there may be no message, however often
        continue;
      }
      if (budget > 0) this.#looks.wasted();
      budget = 0;
      const left = timeLeft(deadline);
      this.flush();
      if (this.#closed) throw new AlpcError('ERR_ALPC_CLOSED', `connection port ${this.#parts.portName}: it has been closed`); // by a handler that was called on the way
      if (left <= 0) {
        // What is there when the time is over wins; but one look more: strangers can ring, and come, for as long as they like.
        if (isLast || !this.serve(0)) throw noMessage(timeout);
        isLast = true;
        continue;
      }
      if (this.rest(true)) this.#sleep(Math.ceil(Math.min(left, this.#reception.patience, this.#reception.opensIn, this.#parts.thread.longestSleep)), diversion);
      else this.serve(0);
    }
  }

  /** For who takes one message after the other and does not let the event loop turn: now and then what waits for room goes on. */
  moveOn(): void {
    if (++this.#sinceMoved < SERVE_EVERY) return;
    this.#sinceMoved = 0;
    this.flush();
  }

  /** Looks at the rings of those who went to rest last. Whether one of them has something, and is active again. */
  activateRecent(): boolean {
    let any = false;
    for (const connection of this.#recent) {
      if (connection.activeAt >= 0 || connection.state !== 'open' || !connection.link.reader.hasData()) continue;
      this.#activate(connection);
      any = true;
    }
    return any;
  }

  /** Looks at all rings from now on, and none is armed. */
  activateAll(): void {
    for (const connection of this.#bySocket.values()) if (connection.state === 'open') this.#activate(connection);
  }

  /** Looks at the sockets, waiting for at most `milliseconds`: newcomers, bells, ends. Whether there was anything. */
  serve(milliseconds: number): boolean {
    if (this.#closed) return false;
    this.#sinceServed = 0;
    this.#reception.openDoor();
    const count = this.#poller.wait(milliseconds);
    this.#now = performance.now();
    // Woken: a message was there before its bell, which is told again until it is read.
    if (milliseconds !== 0 && count > 0 && this.activateRecent()) return true;
    this.#bells = Math.ceil(BELLS_AT_ONCE / Math.min(Math.max(count, 1), HEARD_AT_ONCE));
    if (count <= HEARD_AT_ONCE) for (let i = 0; i < count; i++) this.#hear(this.#poller.at(i));
    else for (const socket of chooseInTurn(this.#poller, count, HEARD_AT_ONCE, this.#userOf)) this.#hear(socket);
    if (this.#closed) return true;
    this.#reception.showOutSilent();
    return count > 0;
  }

  /** Reads ahead for replies that this server itself awaits, while nobody takes messages. */
  pump(): boolean {
    let any = false;
    this.#turns.forEach((connection) => {
      if (connection.calls.awaited > 0 && connection.inbound.pump()) any = true;
    });
    return any;
  }

  /** Moves on what waits for room. */
  flush(): boolean {
    let any = false;
    this.#turns.forEach((connection) => {
      if (connection.outbound.length > 0 && connection.outbound.flush()) any = true;
    });
    return any;
  }

  /** Now and then: connections that were quiet for a while are armed, so that the active ones stay few. */
  settleDown(wanted: boolean): void {
    const now = performance.now();
    const since = this.#now;
    this.#now = now;
    if (!this.#turns.isCrowded || now === since) return;
    this.#turns.forEach((connection) => {
      if (connection.isSpent) this.#turns.deactivate(connection);
      else if (now - connection.lastActive > this.#parts.spin.linger && isExpecting(connection, wanted)) this.#rest(connection, wanted);
    });
  }

  /** Arms every active connection from which something is expected. False when one of them has something: look again. */
  rest(wanted: boolean): boolean {
    if (wanted && this.#requests.length > 0) return false;
    let quiet = true;
    this.#turns.forEach((connection) => {
      if (connection.isSpent) this.#turns.deactivate(connection);
      // One from which nothing is expected stays among the active ones, where it is found again.
      else if (isExpecting(connection, wanted) && !this.#rest(connection, wanted)) quiet = false;
    });
    return quiet;
  }

  close(): void {
    this.#closed = true;
    this.#admission.close();
    this.#requests.clear();
    this.#reception.close();
    // Those that have ended are no longer among the sockets, and hold what they left until somebody takes it.
    const all = new Set([...this.#bySocket.values(), ...this.#ended]);
    this.#turns.forEach((connection) => all.add(connection));
    for (const connection of all) connection.close();
    this.#turns.clear();
    this.#ended.clear();
    this.#poller.close();
  }

  wake(connection: Connection): void {
    if (this.#closed) return;
    this.#activate(connection);
    this.#parts.wake();
  }

  unwatch(connection: Connection): void {
    this.#poller.remove(connection.socket);
    this.#bySocket.delete(connection.socket);
    this.#headCount.go(connection.peer.uid);
    this.#turns.leave(connection);
    this.#recent = this.#recent.filter((other) => other !== connection);
    if (this.#closed) return;
    for (const other of this.#ended) if (!other.attributes.holdsAny) this.#ended.delete(other);
    if (connection.attributes.holdsAny) this.#ended.add(connection);
    if (this.#parts.events.listenerCount('disconnect') > 0) {
      setImmediate(() => this.#parts.events.emit('disconnect', connection.port as ServerPort, connection.endReason ?? 'closed', connection.endError));
    }
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  #now = 0;

  #sleep(milliseconds: number, diversion: Diversion<Message> | undefined): void {
    let sleeps = true;
    if (channels.wait.hasSubscribers) {
      channels.wait.publish({ port: this.#parts.portName, role: 'server', id: 0 });
      // Who was told may have called a client, which takes its bell and reads ahead what this thread waits for.
      sleeps = diversion?.has(this) !== true && this.rest(true);
    }
    withoutPlace(() => this.serve(sleeps ? milliseconds : 0));
    if (channels.unwait.hasSubscribers) channels.unwait.publish({ port: this.#parts.portName, role: 'server', id: 0 });
  }

  readonly #userOf = (socket: number): number => this.#bySocket.get(socket)?.peer.uid ?? NOBODY_YET;

  #hear(socket: number): void {
    if (this.#closed) return; // by whoever was told of the one before
    if (socket === this.#parts.listener) this.#reception.accept();
    else if (!this.#reception.hear(socket) && !this.#admission.hear(socket)) this.#ring(socket);
  }

  /** A bell or the end came from a client. */
  #ring(socket: number): void {
    const connection = this.#bySocket.get(socket);
    if (connection === undefined) return;
    this.wake(connection); // also for the event loop: a blocking receive may be the one that hears the bell
    connection.readSocket(this.#bells);
  }

  /** Prepares one that is quiet for rest, and remembers it. False when there is something for whoever expects it. */
  #rest(connection: Connection, wanted: boolean): boolean {
    if (!canRest(connection, wanted)) return false;
    if (connection.inbound.queued > 0) return true; // read ahead, for whoever takes messages later: found among the active ones
    this.#turns.deactivate(connection);
    const recent = this.#recent;
    const found = recent.indexOf(connection);
    for (let at = found < 0 ? Math.min(recent.length, RECENT - 1) : found; at > 0; at--) recent[at] = recent[at - 1]!;
    recent[0] = connection;
    return true;
  }

  #join(connection: Connection): void {
    this.#bySocket.set(connection.socket, connection);
    this.#turns.join(connection);
    this.wake(connection);
  }

  #activate(connection: Connection): void {
    connection.disarm();
    connection.lastActive = this.#now;
    this.#turns.activate(connection);
  }
}

/** Whether anybody waits for what may come from it, for room towards it, or for a bell. */
function isExpecting(connection: Connection, wanted: boolean): boolean {
  return wanted || connection.calls.awaited > 0 || connection.outbound.length > 0 || connection.link.owesBell;
}

/** Arms it; false when there is something for whoever expects it. */
function canRest(connection: Connection, wanted: boolean): boolean {
  if (wanted && connection.inbound.queued > 0) return false;
  return connection.arm(wanted || connection.readsAhead);
}
