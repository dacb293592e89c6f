/** What a connection is made of, whom it belongs to, and what it tells of itself. */
import { OutboxState } from '../memory/layout.js';
import type { Link } from '../memory/link.js';
import type { PeerWaitPage } from '../memory/wait-page.js';
import type { Connection } from './connection.js';
import type { PortHoldings } from './holdings.js';
import type { Limits } from './limits.js';
import type { CanceledMessage, ClientDiedMessage, DatagramMessage, EndReason, PortClosedMessage, RequestMessage } from './message.js';
import type { PeerIdentity } from './peer-identity.js';
import type { Spin } from './spin-options.js';
import type { Thread } from './thread.js';

/** What a connection's messages can be. */
export type ConnectionMessage = RequestMessage | DatagramMessage | CanceledMessage | PortClosedMessage | ClientDiedMessage;

/** The port that holds a connection. */
export interface ConnectionOwner {
  /** Something is to be done on the event loop, or may be soon: a reply is awaited, records wait for room, messages are there. */
  wake(connection: Connection): void;
  /** The socket is about to be closed: stop watching it. */
  unwatch(connection: Connection): void;
}

export interface ConnectionParts {
  readonly thread: Thread;
  readonly owner: ConnectionOwner;
  readonly link: Link;
  readonly socket: number;
  /** The inode number of the client's outbox. */
  readonly inode: number;
  readonly peerPage: PeerWaitPage;
  readonly peer: PeerIdentity;
  readonly portName: string;
  readonly role: 'client' | 'server' | 'unconnected';
  readonly limits: Limits;
  /** Among a server's connections: what waits for all of them. */
  readonly holdings?: PortHoldings;
  /** The stricter of the two sides' message lengths. */
  readonly maxMessageLength: number;
  readonly spin: Spin;
  readonly notifyClientDied: boolean;
}

/** Figures of one side of a connection. */
export interface ConnectionFigures {
  readonly pendingRequests: number;
  readonly unansweredRequests: number;
  readonly queuedMessages: number;
  readonly waitingForRoom: number;
  readonly lateReplies: number;
}

/** Why the peer is gone, by its own last word. */
export function reasonOf(state: number): EndReason {
  if (state === OutboxState.open) return 'died';
  if (state === OutboxState.protocol) return 'protocol';
  return state === OutboxState.quota ? 'quota' : 'disconnected';
}
