/**
 * The admission of newcomers to a connection port: each that has said a good hello is let in at once, or its request is given to
 * the server, which decides when it likes. Who is turned away, here or at the reception, is told to whoever traces and to the port's owner.
 *
 * Invariants: what can fail is done before the welcome is said; after it there is a connection. Who waits for a decision is watched, and holds
 * nothing here once it has gone.
 */
import type { EventEmitter } from 'node:events';
import { AlpcError } from '../base/errors.js';
import { ProtocolViolation } from '../memory/layout.js';
import type { Poller } from '../platform/poller.js';
import { SystemError, translate } from '../platform/system.js';
import type { Greeted } from './client-greeting.js';
import { Connection, type ConnectionOwner } from './connection.js';
import type { ConnectionPortEvents } from './connection-port.js';
import { ConnectionRequestMessage } from './connection-request.js';
import { channels } from './diagnostics.js';
import type { PortHoldings } from './holdings.js';
import type { Limits } from './limits.js';
import type { PeerIdentity } from './peer-identity.js';
import type { RefusalReason } from './reception.js';
import type { ServerGreeting } from './server-greeting.js';
import { ServerPort } from './server-port.js';
import type { Spin } from './spin-options.js';

const EMPTY = new Uint8Array(0);

export interface AdmissionParts {
  readonly portName: string;
  /** Whether the server decides on each. */
  readonly asks: boolean;
  readonly limits: Limits;
  readonly holdings: PortHoldings;
  readonly spin: Spin;
  readonly notifyClientDied: boolean;
  /** Where `connect` and `refuse` are told. */
  readonly events: Pick<EventEmitter<ConnectionPortEvents>, 'emit' | 'listenerCount'>;
  readonly hasRef: () => boolean;
  readonly poller: Poller;
  readonly owner: ConnectionOwner;
  /** The server is to decide. */
  readonly onAsked: (request: ConnectionRequestMessage) => void;
  /** There is nothing to decide any more. */
  readonly onWithdrawn: (request: ConnectionRequestMessage) => void;
  /** There is a connection; the poller watches its socket. */
  readonly onAdmitted: (connection: Connection) => void;
  /** A connection has nothing for anybody any more. */
  readonly onResting: (connection: Connection) => void;
}

export class Admission {
  readonly #parts: AdmissionParts;
  /** Those that wait for a decision, by their sockets, which the poller watches. */
  readonly #asking = new Map<number, { readonly greeting: ServerGreeting; readonly request: ConnectionRequestMessage }>();
  #closed = false;

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
  }

  /** A newcomer has said hello: it is let in, or its request is for the server to decide. */
  decide(greeting: ServerGreeting): void {
    if (!this.#parts.asks) {
      this.#admit(greeting, this.#parts.limits, EMPTY, undefined);
      return;
    }
    const { portName, poller } = this.#parts;
    try {
      poller.add(greeting.socket);
    } catch (error) {
      this.#turnAway(greeting, error);
      return;
    }
    /** False: it has gone meanwhile. */
    const isDecided = (): boolean => {
      if (this.#closed) throw new AlpcError('ERR_ALPC_CLOSED', `connection port ${portName}: it has been closed`);
      return this.#asking.get(greeting.socket)?.greeting === greeting && this.#forget(greeting);
    };
    const actions = {
      limits: this.#parts.limits,
      accept: (limits: Limits, data: Uint8Array, context: unknown): ServerPort | undefined => {
        return isDecided() ? this.#admit(greeting, limits, data, context) : undefined;
      },
      reject: (data: Uint8Array): void => {
        if (isDecided()) greeting.refuse('rejected', { data });
      },
    };
    const request = new ConnectionRequestMessage(greeting.data, greeting.peer, actions);
    this.#asking.set(greeting.socket, { greeting, request });
    this.#parts.onAsked(request);
  }

  /** Something came from who waits for a decision, or it left. False: the descriptor is not one of those. */
  hear(socket: number): boolean {
    const asking = this.#asking.get(socket);
    if (asking === undefined) return false;
    const { greeting, request } = asking;
    try {
      if (greeting.look() === 'waits') return true;
      this.#forget(greeting);
      greeting.abandon();
    } catch (error) {
      this.#forget(greeting);
      this.#turnAway(greeting, error);
    }
    this.#parts.onWithdrawn(request);
    return true;
  }

  /** For whoever traces, and for the port's owner. */
  tellRefusal(peer: PeerIdentity, reason: RefusalReason, cause?: Error): void {
    const { portName, events } = this.#parts;
    const error = translate(cause, `connection port ${portName}`) as Error | undefined;
    if (channels.disconnect.hasSubscribers) channels.disconnect.publish({ port: portName, role: 'server', peer, reason, error });
    if (events.listenerCount('refuse') > 0) setImmediate(() => events.emit('refuse', peer, reason, error));
  }

  /** The port closes: who has not been decided on is told. */
  close(): void {
    this.#closed = true;
    for (const { greeting } of this.#asking.values()) {
      this.#parts.poller.remove(greeting.socket);
      greeting.refuse('closed');
    }
    this.#asking.clear();
  }

  /** It broke the rules, or this process has no room for it. Passes on what is neither. */
  #turnAway(greeting: ServerGreeting, error: unknown): void {
    const reason = error instanceof ProtocolViolation ? 'protocol' : 'quota';
    greeting.refuse(reason);
    if (!(error instanceof ProtocolViolation) && !(error instanceof SystemError)) throw error;
    this.tellRefusal(greeting.peer, reason, error);
  }

  #forget(greeting: ServerGreeting): true {
    this.#asking.delete(greeting.socket);
    this.#parts.poller.remove(greeting.socket);
    return true;
  }

  /** Makes the connection; undefined when the client gave up meanwhile, broke the rules, or there is no room for it here: a client can bring that about, so it is no fault of whoever accepts. */
  #admit(greeting: ServerGreeting, limits: Limits, data: Uint8Array, context: unknown): ServerPort | undefined {
    const { portName, poller, owner, holdings, spin, notifyClientDied, hasRef, events } = this.#parts;
    const { ringLength } = greeting;
    if (ringLength > limits.peerRingLength) {
      greeting.refuse('ringTooLong', { ringLength: limits.peerRingLength });
      this.tellRefusal(greeting.peer, 'ringTooLong', new AlpcError('ERR_ALPC_QUOTA_EXCEEDED', `connection port ${portName}: the client (${greeting.peer}) comes with a ring of ${ringLength} bytes; limits.peerRingLength is ${limits.peerRingLength}`));
      return undefined;
    }
    let greeted: Greeted | 'gone';
    try {
      // All that can fail comes before the welcome: what has been said can't be taken back.
      poller.add(greeting.socket);
      greeted = greeting.welcome(limits, data);
      if (greeted === 'gone') {
        poller.remove(greeting.socket);
        greeting.abandon();
        return undefined;
      }
    } catch (error) {
      poller.remove(greeting.socket);
      this.#turnAway(greeting, error);
      return undefined;
    }
    const connection = new Connection({ ...greeted, owner, role: 'server', limits, holdings, spin, notifyClientDied });
    connection.context = context;
    const port = new ServerPort(connection, hasRef, () => this.#parts.onResting(connection));
    this.#parts.onAdmitted(connection);
    if (channels.connect.hasSubscribers) channels.connect.publish({ port: portName, role: 'server', peer: connection.peer });
    if (events.listenerCount('connect') > 0) setImmediate(() => events.emit('connect', port));
    return port;
  }
}
