/** Ports, connections and processes out of a snapshot, as the model tells them. */
import { describeAccess } from './access.js';
import { processInfo } from './describe.js';
import type { ConnectionDetails, ConnectionEnd, Graph, GraphConnection, OutboxInfo, PortDetails, PortState, PortTotals, ProcessNode, Traffic, Wait } from './model.js';
import { connectionLimit, histogramOf, latencyCounts, outboxInfo } from './pages.js';
import type { Connection, End, Port, Snapshot } from './snapshot.js';
import { waitsOf } from './waits.js';

export function portDetails(snapshot: Snapshot, name: string): PortDetails | undefined {
  const port = snapshot.ports.get(name);
  if (port === undefined) return undefined;
  const connections = port.connections.map((connection) => connectionDetails(snapshot, connection));
  const limits = port.connections.flatMap(({ server }) => (server.outbox === undefined ? [] : (connectionLimit(server.outbox.page) ?? [])));
  const latency = histogramOf(port.connections.flatMap(({ client }) => latencyOf(client)));
  return {
    at: snapshot.census.at.toISOString(),
    name,
    state: stateOf(snapshot, port),
    ...(port.server === undefined ? {} : { server: processInfo(port.server, snapshot.accounts) }),
    ...(port.socket?.backlog === undefined ? {} : { backlog: port.socket.backlog }),
    ...(port.access === undefined ? {} : { access: describeAccess(port.access, snapshot.accounts) }),
    connections,
    totals: totalsOf(connections),
    ...(limits.length === 0 ? {} : { connectionQuota: { used: connections.length, limit: Math.max(...limits) } }),
    ...(latency === undefined ? {} : { latency }),
    waits: waitsOf(snapshot).waits.filter((wait) => wait.port === name),
    hiddenProcesses: snapshot.census.hidden.size,
  };
}

export function connectionDetails(snapshot: Snapshot, connection: Connection): ConnectionDetails {
  const { client, server, since, problem } = connection;
  const latency = histogramOf(latencyOf(client));
  return {
    id: connection.id,
    port: connection.port,
    client: endDetails(snapshot, client, server),
    server: endDetails(snapshot, server, client),
    ...(since === undefined ? {} : { since: since.toISOString() }),
    ...(latency === undefined ? {} : { latency }),
    ...(problem === undefined ? {} : { problem }),
  };
}

export function graphOf(snapshot: Snapshot): Graph {
  const { waits, cycles } = waitsOf(snapshot);
  return { at: snapshot.census.at.toISOString(), processes: processNodes(snapshot, waits), connections: snapshot.connections.map(graphConnection), waits, cycles, hiddenProcesses: snapshot.census.hidden.size };
}

/** Every process that serves a port, or is at an end of a connection; by pid. */
export function processNodes(snapshot: Snapshot, waits: readonly Wait[] = waitsOf(snapshot).waits): ProcessNode[] {
  const nodes = new Map<number, ProcessNode>();
  const nodeOf = (process: End['process']): ProcessNode | undefined => {
    if (process === undefined) return undefined;
    if (!nodes.has(process.pid)) nodes.set(process.pid, { ...processInfo(process, snapshot.accounts), ports: [], asClient: 0, asServer: 0, waiting: 0 });
    return nodes.get(process.pid);
  };
  for (const { name, server } of snapshot.ports.values()) nodeOf(server)?.ports.push(name);
  for (const { client, server } of snapshot.connections) {
    const [one, other] = [nodeOf(client.process), nodeOf(server.process)];
    if (one !== undefined) one.asClient++;
    if (other !== undefined) other.asServer++;
  }
  for (const { thread } of waits) {
    const node = nodeOf(snapshot.census.process(thread.pid));
    if (node !== undefined) node.waiting++;
  }
  return [...nodes.values()].toSorted((a, b) => a.pid - b.pid);
}

function graphConnection({ id, port, client, server, since }: Connection): GraphConnection {
  const [one, other] = [client.outbox && outboxInfo(client.outbox.page, server.outbox?.page), server.outbox && outboxInfo(server.outbox.page, client.outbox?.page)];
  return {
    id,
    port,
    ...(client.process === undefined ? {} : { client: client.process.pid }),
    ...(server.process === undefined ? {} : { server: server.process.pid }),
    ...(since === undefined ? {} : { since: since.toISOString() }),
    ...(one === undefined ? {} : { clientToServer: one.sent }),
    ...(other === undefined ? {} : { serverToClient: other.sent }),
    ...(one === undefined || other === undefined ? {} : { pendingRequests: one.pendingRequests + other.pendingRequests }),
  };
}

function endDetails(snapshot: Snapshot, end: End, peer: End): ConnectionEnd {
  const { socket, process, uid, outbox } = end;
  return {
    ...(process === undefined ? {} : { process: processInfo(process, snapshot.accounts) }),
    ...(process !== undefined || uid === undefined ? {} : { user: snapshot.accounts.user(uid) }),
    socket,
    ...(outbox === undefined ? {} : { outbox: outboxInfo(outbox.page, peer.outbox?.page) }),
  };
}

function latencyOf({ outbox }: End): number[][] {
  const counts = outbox === undefined ? undefined : latencyCounts(outbox.page);
  return counts === undefined ? [] : [counts];
}

/** Without the kernel's list nobody can say that a server is gone. */
function stateOf({ census }: Snapshot, port: Port): PortState {
  if (port.socket !== undefined) return 'listening';
  return census.sockets === undefined ? (port.connections.length > 0 ? 'listening' : 'unknown') : 'dead';
}

function totalsOf(connections: readonly ConnectionDetails[]): PortTotals {
  /** Of those that can be seen; undefined when there would be some, and none tells it. */
  const sum = (of: (outbox: OutboxInfo) => number | undefined, ends: readonly ('client' | 'server')[] = ['client', 'server']): number | undefined => {
    const told = connections.flatMap((connection) => ends.flatMap((end) => (connection[end].outbox && of(connection[end].outbox)) ?? []));
    return told.length === 0 && connections.length > 0 ? undefined : told.reduce((all, each) => all + each, 0);
  };
  const traffic = (end: 'client' | 'server'): Traffic | undefined => {
    const [messages, bytes] = [sum(({ sent }) => sent.messages, [end]), sum(({ sent }) => sent.bytes, [end])];
    return messages === undefined || bytes === undefined ? undefined : { messages, bytes };
  };
  return {
    connections: connections.length,
    hidden: connections.filter(({ client }) => client.outbox === undefined).length,
    ...known({
      clientToServer: traffic('client'),
      serverToClient: traffic('server'),
      pendingRequests: sum(({ pendingRequests }) => pendingRequests),
      queuedMessages: sum(({ queuedMessages }) => queuedMessages),
      unreadBytes: sum(({ ring }) => ring.unread),
      viewsOutstanding: sum(({ views }) => views?.used),
      handlesOutstanding: sum(({ handles }) => handles),
      bellsRung: sum(({ bellsRung }) => bellsRung),
      lateReplies: sum(({ lateReplies }) => lateReplies),
    }),
  };
}

/** Without what is not known: a key is missing then. */
function known<T extends object>(figures: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(figures).filter(([, figure]) => figure !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
