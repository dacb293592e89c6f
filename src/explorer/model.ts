/**
 * What the explorer tells: plain data, the same in the library, in `--json` of the command, and in the page's HTTP interface.
 *
 * Rules of the house: everything here survives JSON. A key that is missing means "could not be seen" (another user's process, a
 * kernel that does not tell), never zero. Times are ISO strings, durations and sizes have their unit in their name. Names of
 * objects are full names, `\RPC Control\spooler`. What the kernel says (who, which socket, how old) and what the inspected
 * process says of itself (its counters) stand in different places: the second is under `outbox`, and may be a lie.
 *
 * This file imports nothing, so that the page can read it too.
 */

/** `Unknown` is a kind of file that stands for no object. */
export type ObjectType = 'Directory' | 'ALPC Port' | 'Section' | 'Event' | 'SymbolicLink' | 'Unknown';

// ---- the tree --------------------------------------------------------------------------------------------------------

export interface TreeObject {
  /** The full name. */
  name: string;
  type: ObjectType;
  /** Of a symbolic link: where it leads, as it was said when it was made (absolute, or relative to its directory). */
  target?: string;
  /** Of a symbolic link that leads to an object of the namespace: the full name of that object, as it was when this was told. Nothing is told of the link when its target comes or goes. */
  resolved?: string;
  /** Of a directory whose contents are not shown: why, an error code such as `ERR_ALPC_ACCESS_DENIED`. */
  unreadable?: string;
}

export interface Tree {
  at: string;
  /** Where the namespace stands on disk. */
  root: string;
  /** Every object below the root, each directory before what it holds. The root itself, `\`, is not among them. */
  objects: TreeObject[];
}

// ---- who ---------------------------------------------------------------------------------------------------------------

export interface Account {
  id: number;
  /** Where the system knows one. */
  name?: string;
}

export type ProcessState = 'running' | 'sleeping' | 'waiting for a device' | 'stopped' | 'traced' | 'zombie' | 'idle';

/** A process, as the kernel tells of it. */
export interface ProcessInfo {
  pid: number;
  /** The command line, at most 256 characters. */
  command: string;
  user: Account;
  state: ProcessState;
  started: string;
}

export interface ThreadInfo {
  /** Names the thread for as long as it lives: its wait page's number. */
  key: string;
  pid: number;
  tid: number;
  command: string;
}

// ---- one object --------------------------------------------------------------------------------------------------------

export interface SecurityLine {
  who: 'owner' | 'group' | 'everyone';
  /** For owner and group. */
  account?: Account;
  /** `connect` for ports; `list`, `add`, `pass` for directories; `read`, `write` for others. */
  rights: string[];
}

export interface ObjectDetails {
  at: string;
  name: string;
  type: ObjectType;
  /** The file that stands for it. */
  path: string;
  owner: Account;
  group: Account;
  /** Permission bits, as a number; `permissions` is the same as `rwxr-x---`. */
  mode: number;
  permissions: string;
  security: SecurityLine[];
  /** When its file was made, where the file system keeps that. */
  created?: string;
  /** Names of this file. */
  references: number;
  /** Processes that have it open or (sections) mapped, as far as they can be seen: more than these when `holdersComplete` is false. The inspector itself is left out. */
  holders: ProcessInfo[];
  /** Open descriptors of the holders. */
  handles: number;
  holdersComplete: boolean;
  target?: string;
  resolved?: string;
  directory?: { objects?: number; byType?: Partial<Record<ObjectType, number>>; unreadable?: string };
  section?: { bytes: number };
  event?: { signaled?: boolean; kind?: 'notification' | 'synchronization' };
  port?: PortDetails;
}

// ---- ports ---------------------------------------------------------------------------------------------------------------

/** `listening`: a server lives there. `dead`: its server is gone and the name is stale. */
export type PortState = 'listening' | 'dead' | 'unknown';

export interface PortDetails {
  at: string;
  name: string;
  state: PortState;
  /** Who holds the listening socket. Missing when that is another user's process. */
  server?: ProcessInfo;
  /** Connections that the kernel holds for the server and it has not taken yet. */
  backlog?: { waiting: number; limit: number };
  /** Whom the server lets in and keeps out, as it says itself, where the permission bits do not say everything. An entry that denies wins; whom none allows is kept out. */
  access?: PortAccess;
  connections: ConnectionDetails[];
  totals: PortTotals;
  /** The server's connections against its limit, where a connection tells the limit. */
  connectionQuota?: Usage;
  /** Round trips of all connections together, as the clients measured them. */
  latency?: LatencyHistogram;
  /** Threads that wait for a reply over this port, as far as can be seen: those of hidden processes are not among them. */
  waits: Wait[];
  /** Processes that could not be looked at, whatever they have to do with. */
  hiddenProcesses: number;
}

export interface PortAccess {
  allow: AccessEntry[];
  deny: AccessEntry[];
  /** Of so many entries there are no more details. */
  more?: number;
}

/** It is about whoever is all that it names. */
export interface AccessEntry {
  user?: Account | 'everyone';
  group?: Account;
  /** The path of a program. */
  executable?: string;
  /** The number of a login session. */
  session?: number;
  /** What SELinux, AppArmor or Smack call the process. */
  label?: string;
  rights: string[];
}

/**
 * Sums over the connections that could be looked at. While there are others (`hidden`) it is at least so much; a sum is missing when
 * there are connections and none of them tells its figure.
 */
export interface PortTotals {
  connections: number;
  /** Connections whose memory could not be looked at. */
  hidden: number;
  clientToServer?: Traffic;
  serverToClient?: Traffic;
  /** Requests that wait for their reply, of both sides. */
  pendingRequests?: number;
  /** Messages taken from the rings and not yet received by the program. */
  queuedMessages?: number;
  /** Bytes in the rings that nobody has read yet. */
  unreadBytes?: number;
  viewsOutstanding?: number;
  /** Descriptors sent with messages that the receivers still hold for them. */
  handlesOutstanding?: number;
  /** Doorbells rung: packets that wake a peer that sleeps. */
  bellsRung?: number;
  /** Replies that came when nobody waited for them any more. */
  lateReplies?: number;
}

export interface Traffic {
  messages: number;
  bytes: number;
}

export interface Usage {
  used: number;
  limit: number;
}

export interface ConnectionDetails {
  /** Names the connection for as long as it lives. */
  id: string;
  port: string;
  client: ConnectionEnd;
  server: ConnectionEnd;
  /** When the client made the connection's memory. */
  since?: string;
  /** Round trips of the client's requests, as the client measured them. */
  latency?: LatencyHistogram;
  /** Why its memory is not, or not fully, shown: in words. */
  problem?: string;
}

export interface ConnectionEnd {
  /** Missing when it is another user's process. */
  process?: ProcessInfo;
  /** Whose socket it is, where the kernel says so and there is no `process`. */
  user?: Account;
  /** Number of the socket. */
  socket: number;
  /** What this side says of itself in its memory. Missing when it could not be looked at. */
  outbox?: OutboxInfo;
}

export interface OutboxInfo {
  state: 'open' | 'closed' | 'closed for a breach of the protocol' | 'closed for a quota';
  ownerPid: number;
  /** `unread` is missing where the other side's memory could not be looked at: that says how far it has read. */
  ring: { bytes: number; unread?: number };
  sent: Traffic;
  receivedMessages: number;
  /** Its own requests that wait for their reply. */
  pendingRequests: number;
  /** The other side's requests that it has taken and not answered. */
  unansweredRequests: number;
  queuedMessages: number;
  lateReplies: number;
  bellsRung: number;
  /** What this side sleeps for, and must be rung for. Nothing: it is awake. */
  sleepsFor: ('messages' | 'room' | 'views')[];
  /** What it takes with messages: `view`, `file`, `socket` and so on. */
  accepts: string[];
  /** Messages pending (asked and not answered, taken and not received) against the limit. */
  pendingQuota?: Usage;
  /** Views of this side that the peer holds, against what the peer takes. */
  views?: Usage;
  /** Descriptors sent with messages and not yet released. */
  handles?: number;
}

/** Counts of calls by their time, four places to a doubling. Cumulative since the connection began: take the difference of two for what happened between. */
export interface LatencyHistogram {
  /** At least one call in so many was measured, more of slow ones; each stands for those before it. */
  sampledOneIn: number;
  /** Calls, about. */
  count: number;
  /** In ascending order; the last has `upToMicroseconds: null` and holds everything above. */
  buckets: { upToMicroseconds: number | null; count: number }[];
  medianMicroseconds?: number;
  p99Microseconds?: number;
}

// ---- waiting -----------------------------------------------------------------------------------------------------------

export interface Wait {
  thread: ThreadInfo;
  /** `reply`: for the answer to a request. `event`: for an event. */
  for: 'reply' | 'event';
  /** Whose reply it waits for. Missing where that thread can't be seen. */
  on?: ThreadInfo;
  /** The connection's `id`, and its port. */
  connection?: string;
  port?: string;
  /** The event's full name, where it has one. */
  event?: string;
  /** The request. */
  messageId?: number;
  since: string;
  /** The whole in one line: "process 12 (node a.js), thread 12, waits for the reply to message 7 on \RPC Control\x, owned by process 13 (node b.js), since 4 s". */
  text: string;
}

export interface Cycle {
  /** Keys of threads: each waits for the next, the last for the first. */
  threads: string[];
  waits: Wait[];
  text: string;
}

export interface WaitGraph {
  at: string;
  waits: Wait[];
  cycles: Cycle[];
  /** Processes that could not be looked at: a wait that leads there is not followed. */
  hiddenProcesses: number;
}

// ---- the whole ---------------------------------------------------------------------------------------------------------

/** A process that has to do with ports. */
export interface ProcessNode extends ProcessInfo {
  /** Ports that it serves. */
  ports: string[];
  /** Connections that it holds as a client, and as a server. */
  asClient: number;
  asServer: number;
  /** Its threads that wait now. */
  waiting: number;
}

/** A connection between two processes. Figures are totals: rates are the difference of two pictures. */
export interface GraphConnection {
  id: string;
  port: string;
  /** Pids. Missing for an end that can't be seen. */
  client?: number;
  server?: number;
  since?: string;
  clientToServer?: Traffic;
  serverToClient?: Traffic;
  /** Of both sides. */
  pendingRequests?: number;
}

export interface Graph {
  at: string;
  processes: ProcessNode[];
  connections: GraphConnection[];
  waits: Wait[];
  cycles: Cycle[];
  /** Processes that could not be looked at: what they wait for is not among `waits`. */
  hiddenProcesses: number;
}

// ---- live --------------------------------------------------------------------------------------------------------------

/** Something came, went or changed in the tree. */
export interface ObjectEvent extends TreeObject {
  event: 'created' | 'removed' | 'changed';
}

/** What happened on ports, told by comparing two looks. No payload, ever. */
export interface TraceEvent {
  at: string;
  event: 'connect' | 'disconnect' | 'send' | 'receive' | 'wait' | 'unwait';
  port: string;
  connection: string;
  /** The side that did it, of a connect and a disconnect the client. */
  pid?: number;
  role: 'client' | 'server';
  /** `send` and `receive`: what kind of message, and its bytes without the header. */
  type?: 'request' | 'reply' | 'datagram' | 'cancel' | 'forget';
  bytes?: number;
  /** The request that it is, answers, or waits for. */
  messageId?: number;
  /** `send`: so many messages went by unseen, for they were overwritten before the next look; then there is no `type`. */
  missed?: number;
  /** `wait` and `unwait`: the thread. */
  tid?: number;
}

/** The first thing that `/api/events` says, and what `/api/info` answers. */
export interface ExplorerInfo {
  at: string;
  version: string;
  root: string;
  host: string;
  user: Account;
  pid: number;
  /** How often pictures are taken for `/api/events`. */
  intervalMilliseconds: number;
}

/** The body of every answer of the HTTP interface that is not 200. */
export interface ExplorerError {
  error: { code: string; message: string };
}
