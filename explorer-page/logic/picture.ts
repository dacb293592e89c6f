/**
 * The picture of the whole: what to draw for a graph of processes and connections. Processes are nodes. Connections of the same two
 * processes over the same port are one edge, as wide as its traffic: a thousand connections would hide each other. A wait colours the edge it
 * goes over; one that goes over none that is shown gets an edge of its own.
 *
 * Traffic is what passed since the picture before. For the first picture, and a connection that was not in the one before, it is the mean since the connection began.
 */
import { printable } from '../../src/base/printable.js';
import type { Graph, GraphConnection, ProcessInfo, Wait } from '../../src/explorer/model.js';

export interface PictureNode {
  id: string;
  /** What is written under it. */
  label: string;
  pid?: number;
  command?: string;
  state?: ProcessInfo['state'];
  ports: string[];
  /** Threads that wait. */
  waiting: number;
  /** Stopped, or part of a circle of waits. */
  isStuck: boolean;
  isServer: boolean;
}

export interface PictureEdge {
  id: string;
  /** The client's, and the server's node; of a wait without a connection, who waits and for whom. */
  source: string;
  target: string;
  port?: string;
  connections: number;
  /** Of the connections whose traffic can be seen; undefined where it can of none. */
  messagesPerSecond: number | undefined;
  bytesPerSecond: number | undefined;
  width: number;
  isWaiting: boolean;
  isInCycle: boolean;
}

export interface Picture {
  nodes: PictureNode[];
  edges: PictureEdge[];
}

const NARROWEST = 1.5;
const WIDEST = 12;

export function pictureOf(graph: Graph, earlier?: Graph): Picture {
  const waitsByConnection = new Set(graph.waits.flatMap(({ connection }) => (connection === undefined ? [] : [connection])));
  const cycleWaits = new Set(graph.cycles.flatMap(({ waits }) => waits.map(keyOf)));
  const cyclePids = new Set(graph.cycles.flatMap(({ waits }) => waits.map(({ thread }) => thread.pid)));
  const cycleConnections = new Set(graph.cycles.flatMap(({ waits }) => waits.flatMap(({ connection }) => (connection === undefined ? [] : [connection]))));
  const nodes = new Map<string, PictureNode>(graph.processes.map((process) => [String(process.pid), {
    id: String(process.pid), label: `${printable(shortCommand(process.command))}\n${process.pid}`, pid: process.pid, command: process.command, state: process.state,
    ports: process.ports, waiting: process.waiting, isStuck: process.state === 'stopped' || cyclePids.has(process.pid), isServer: process.ports.length > 0 || process.asServer > 0,
  }]));
  const nodeOf = (pid: number | undefined, end: 'client' | 'server'): string => {
    const id = pid === undefined ? `hidden ${end}` : String(pid);
    if (!nodes.has(id)) nodes.set(id, { id, label: pid === undefined ? `${end}\nnot visible` : String(pid), ...(pid === undefined ? {} : { pid }), ports: [], waiting: 0, isStuck: false, isServer: false });
    return id;
  };

  const before = new Map(earlier?.connections.map((connection) => [connection.id, connection]));
  const seconds = earlier === undefined ? 0 : (Date.parse(graph.at) - Date.parse(earlier.at)) / 1000;
  const edges = new Map<string, PictureEdge>();
  for (const connection of graph.connections) {
    const [source, target] = [nodeOf(connection.client, 'client'), nodeOf(connection.server, 'server')];
    const id = `${source}>${target}:${connection.port}`;
    const edge = edges.get(id) ?? { id, source, target, port: connection.port, connections: 0, messagesPerSecond: undefined, bytesPerSecond: undefined, width: NARROWEST, isWaiting: false, isInCycle: false };
    const rate = rateOf(connection, before.get(connection.id), seconds, graph.at);
    edges.set(id, {
      ...edge, connections: edge.connections + 1, messagesPerSecond: sumOf(edge.messagesPerSecond, rate?.messages), bytesPerSecond: sumOf(edge.bytesPerSecond, rate?.bytes),
      isWaiting: edge.isWaiting || waitsByConnection.has(connection.id), isInCycle: edge.isInCycle || cycleConnections.has(connection.id),
    });
  }
  for (const edge of edges.values()) edge.width = widthOf(edge.messagesPerSecond ?? 0);

  const shown = new Set(graph.connections.map(({ id }) => id));
  for (const wait of graph.waits) {
    if (wait.on === undefined || (wait.connection !== undefined && shown.has(wait.connection))) continue;
    const [source, target] = [nodeOf(wait.thread.pid, 'client'), nodeOf(wait.on.pid, 'server')];
    const id = `wait:${source}>${target}`;
    const isInCycle = cycleWaits.has(keyOf(wait)) || (edges.get(id)?.isInCycle ?? false);
    edges.set(id, { id, source, target, connections: 0, messagesPerSecond: undefined, bytesPerSecond: undefined, width: NARROWEST, isWaiting: true, isInCycle });
  }
  return { nodes: [...nodes.values()], edges: [...edges.values()] };
}

/** Each tenfold of traffic is as much wider: a hundred messages in a second and a million must both be told from nothing. */
export function widthOf(messagesPerSecond: number): number {
  return Math.min(WIDEST, NARROWEST + 1.75 * Math.log10(1 + messagesPerSecond));
}

/** `node server.js --verbose` is `server.js`; anything else is its program's name. */
export function shortCommand(command: string): string {
  const [program = '', ...rest] = command.split(' ').map((word) => word.slice(word.lastIndexOf('/') + 1));
  const script = /^node(?:js)?$/.test(program) ? rest.find((word) => /^[^-].*\.[cm]?[jt]s$/.test(word)) : undefined;
  return script ?? program;
}

function rateOf(now: GraphConnection, before: GraphConnection | undefined, seconds: number, at: string): { messages: number; bytes: number } | undefined {
  if (now.clientToServer === undefined && now.serverToClient === undefined) return undefined;
  const span = before === undefined ? (now.since === undefined ? 0 : (Date.parse(at) - Date.parse(now.since)) / 1000) : seconds;
  if (!(span > 0)) return { messages: 0, bytes: 0 };
  const total = (of: GraphConnection | undefined, what: 'messages' | 'bytes'): number => (of?.clientToServer?.[what] ?? 0) + (of?.serverToClient?.[what] ?? 0);
  return { messages: Math.max(0, total(now, 'messages') - total(before, 'messages')) / span, bytes: Math.max(0, total(now, 'bytes') - total(before, 'bytes')) / span };
}

function sumOf(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined ? other : one + (other ?? 0);
}

function keyOf({ thread, connection, event }: Wait): string {
  return `${thread.key} ${connection ?? event ?? ''}`;
}
