/**
 * A picture of all ports, their connections and the threads that wait: one census of the machine, joined.
 *
 * Who is at which end of which connection is told by the kernel's list of sockets. What is in the memory of a connection is found
 * by what that memory says: a client's outbox names its socket, a server's names the client's outbox. Such a word is
 * believed only where the kernel says that it can be true: the socket is of that process, and of that port, and the client has the
 * file open. A file can be sent to somebody who then has it open too; so where several say the same, the one counts that the process
 * has mapped for writing, which only its maker has. So a process can hide its own figures or exchange those of two connections
 * of its own, and nothing of anybody else's.
 */
import type { RootOptions } from '../objects/index.js';
import { pageSize } from '../platform/descriptors.js';
import { isElsewhere, type ProcessFacts } from '../platform/processes.js';
import type { SocketFacts } from '../platform/socket-list.js';
import { type PublishedAccess, readPublishedAccess } from './access.js';
import { type Census, type MemoryFile, readMemoryFile, takeCensus } from './census.js';
import { Accounts } from './describe.js';
import { type ControlPage, readControlPage, readWaitPage, type WaitPageFacts } from './pages.js';
import { NamedFiles } from './port-files.js';

const PAGES_IN_PIECE = 64;

export interface Outbox {
  readonly file: MemoryFile;
  readonly page: ControlPage;
}

export interface End {
  readonly socket: number;
  readonly process?: ProcessFacts;
  readonly uid?: number;
  outbox?: Outbox;
}

export interface Connection {
  readonly id: string;
  readonly port: string;
  readonly client: End;
  readonly server: End;
  since?: Date;
  problem?: string;
}

export interface Port {
  readonly name: string;
  /** The listening socket; undefined when nobody listens, or the kernel has no list. */
  readonly socket?: SocketFacts;
  readonly server?: ProcessFacts;
  readonly access?: PublishedAccess;
  readonly connections: Connection[];
}

export interface Thread {
  readonly key: string;
  readonly process: ProcessFacts;
  readonly file: MemoryFile;
  readonly page: WaitPageFacts;
}

export interface Snapshot {
  readonly census: Census;
  readonly names: NamedFiles;
  readonly accounts: Accounts;
  readonly ports: ReadonlyMap<string, Port>;
  readonly connections: readonly Connection[];
  /** By the number of their wait page. */
  readonly threads: ReadonlyMap<number, Thread>;
}

/** Looks at everything. Does not wait, and asks nobody. */
export function takeSnapshot(options: RootOptions = {}): Snapshot {
  const names = new NamedFiles(options);
  const census = takeCensus();
  const memory = readMemory(census);
  const ports = new Map<string, Port>(names.ports.map(({ name }) => [name, { name, connections: [] }]));
  for (const socket of census.sockets?.values() ?? []) {
    const name = socket.isListening ? names.portOf(socket)?.name : undefined;
    const server = holderOf(census, socket.inode);
    const access = memory.access.get(socket.inode)?.find(({ file }) => isHeldBy(file, census.socketHolders.get(socket.inode)))?.access;
    if (name !== undefined) ports.set(name, { ...ports.get(name)!, socket, ...(server === undefined ? {} : { server }), ...(access === undefined ? {} : { access }) });
  }
  for (const socket of census.sockets?.values() ?? []) connect(socket);
  addThoseWithoutSockets();
  return { census, names, accounts: new Accounts(), ports, connections: [...ports.values()].flatMap(({ connections }) => connections), threads: memory.threads };

  /** An accepted socket is a connection. */
  function connect(socket: SocketFacts): void {
    const name = socket.isListening || socket.peer === undefined ? undefined : names.portOf(socket)?.name;
    if (name === undefined) return;
    const [clients, servers] = [census.socketHolders.get(socket.peer!) ?? [], census.socketHolders.get(socket.inode) ?? []];
    const own = ownOf(census, memory.bySocket.get(socket.peer!), clients, clients);
    const client = endOf(census, socket.peer!, own);
    const server = endOf(census, socket.inode, own && ownOf(census, memory.byConnection.get(own.file.inode), clients, servers));
    ports.get(name)!.connections.push(finish(census, { id: String(socket.inode), port: name, client, server }));
  }

  /** Connections whose sockets the kernel does not list for us: another network namespace, or a kernel without a list. */
  function addThoseWithoutSockets(): void {
    const elsewhere = new Map<number, boolean>(); // asked once for each process, and not for each of its connections
    for (const outbox of memory.clients) {
      const port = ports.get(outbox.file.name);
      const pid = (outbox.file.holders.find((holder) => holder.pid === outbox.page.ownerPid) ?? outbox.file.holders[0]!).pid;
      if (!elsewhere.has(pid)) elsewhere.set(pid, isElsewhere(pid));
      if (port === undefined || (census.sockets !== undefined && elsewhere.get(pid) === false)) continue;
      const theirs = ownOf(census, memory.byConnection.get(outbox.file.inode), [pid], (memory.byConnection.get(outbox.file.inode) ?? []).map(({ page }) => page.ownerPid));
      const [client, server] = [census.process(pid), theirs && census.process(theirs.page.ownerPid)];
      port.connections.push(finish(census, {
        id: `m${outbox.file.inode}`, port: port.name,
        client: { socket: outbox.page.socket, outbox, ...(client === undefined ? {} : { process: client }) },
        server: { socket: 0, ...(theirs === undefined ? {} : { outbox: theirs }), ...(server === undefined ? {} : { process: server }) },
        problem: 'the kernel does not list its socket here: who serves is what its memory says',
      }));
    }
  }
}

/** All outboxes and wait pages that can be read, by what they say they belong to. */
interface Memory {
  readonly clients: Outbox[];
  readonly bySocket: Map<number, Outbox[]>;
  readonly byConnection: Map<number, Outbox[]>;
  readonly threads: Map<number, Thread>;
  /** By the number of the listening socket that it is said to be of. */
  readonly access: Map<number, { readonly file: MemoryFile; readonly access: PublishedAccess }[]>;
}

function readMemory(census: Census): Memory {
  const memory: Memory = { clients: [], bySocket: new Map(), byConnection: new Map(), threads: new Map(), access: new Map() };
  const room = new Room();
  for (const file of census.memoryFiles.values()) {
    const read = readMemoryFile(file, room.next());
    if (typeof read === 'string') continue;
    if (file.name === 'wait') noteThread(read, file);
    else if (file.name === 'security') noteAccess(read, file);
    else noteOutbox(read, file);
  }
  return memory;

  function noteThread(bytes: Buffer, file: MemoryFile): void {
    const page = readWaitPage(bytes);
    // On its way to a peer a page is held by others for a moment; whose it is it says itself, if that one has it.
    const pid = page === undefined ? undefined : (file.holders.find((holder) => holder.pid === page.ownerPid) ?? file.holders[0]!).pid;
    const process = pid === undefined ? undefined : census.process(pid);
    if (process !== undefined) memory.threads.set(file.inode, { key: String(file.inode), process, file, page: page! });
  }

  function noteAccess(bytes: Buffer, file: MemoryFile): void {
    const access = readPublishedAccess(bytes);
    if (access !== undefined) memory.access.set(access.socket, [...(memory.access.get(access.socket) ?? []), { file, access }]);
  }

  function noteOutbox(bytes: Buffer, file: MemoryFile): void {
    const page = readControlPage(bytes, file.size);
    if (typeof page === 'string') return;
    const outbox = { file, page };
    if (page.role === 'server') add(memory.byConnection, page.connection, outbox);
    if (page.role !== 'client') return;
    memory.clients.push(outbox);
    add(memory.bySocket, page.socket, outbox);
  }
}

function add(map: Map<number, Outbox[]>, key: number, outbox: Outbox): void {
  const outboxes = map.get(key);
  if (outboxes === undefined) map.set(key, [outbox]);
  else outboxes.push(outbox);
}

/** Room for pages, cut from larger pieces: thousands of small ones would keep the garbage collector busy. */
class Room {
  #piece = Buffer.alloc(0);
  #at = 0;

  next(): Buffer {
    if (this.#at === this.#piece.length) [this.#piece, this.#at] = [Buffer.allocUnsafeSlow(PAGES_IN_PIECE * pageSize()), 0];
    return this.#piece.subarray(this.#at, (this.#at += pageSize()));
  }
}

function endOf(census: Census, socket: number, outbox: Outbox | undefined): End {
  const process = holderOf(census, socket, outbox?.page.ownerPid);
  const uid = census.sockets?.get(socket)?.uid;
  return { socket, ...(process === undefined ? {} : { process }), ...(uid === undefined ? {} : { uid }), ...(outbox === undefined ? {} : { outbox }) };
}

function finish(census: Census, connection: Connection): Connection {
  const { client, server } = connection;
  const since = client.outbox?.file.since;
  if (since !== undefined) connection.since = since;
  const missing = client.outbox === undefined ? problemOf(census, connection) : server.outbox === undefined ? "the server's memory is not among what the client has open, or it can't be told which it is" : undefined;
  if (connection.problem === undefined && missing !== undefined) connection.problem = missing;
  return connection;
}

/** Why nothing that can be read says that it belongs to this connection. */
function problemOf(census: Census, { client, port }: Connection): string {
  if (client.process === undefined) return census.hidden.size > 0 ? "its memory belongs to a process that this user may not look into" : 'its client is in a process that is not shown here';
  const files = [...census.memoryFiles.values()].filter(({ name, holders }) => port.startsWith(name.slice(0, 200)) && holders.some(({ pid }) => pid === client.process!.pid));
  for (const file of files) {
    const read = readMemoryFile(file);
    const page = typeof read === 'string' ? read : readControlPage(read, file.size);
    if (typeof page === 'string') return `its memory can not be shown: ${page}`;
  }
  return 'no memory says that it belongs to this connection: its handshake is not over, or its client hides it';
}

/** Of several processes that have a socket open (it was inherited) the one that its memory names, if it is among them. */
function holderOf(census: Census, socket: number, claimed?: number): ProcessFacts | undefined {
  const pids = census.socketHolders.get(socket) ?? [];
  const pid = claimed !== undefined && pids.includes(claimed) ? claimed : pids[0];
  return pid === undefined ? undefined : census.process(pid);
}

/** Of those that say it, the one that `holders` have open; of several of these, the one that a process of `makers` made. */
function ownOf(census: Census, outboxes: readonly Outbox[] = [], holders: readonly number[], makers: readonly number[]): Outbox | undefined {
  const held = outboxes.filter(({ file }) => isHeldBy(file, holders));
  return held.length < 2 ? held[0] : held.find(({ file }) => census.isWrittenBy(file, makers));
}

function isHeldBy({ holders }: MemoryFile, pids: readonly number[] | undefined): boolean {
  return holders.some(({ pid }) => pids?.includes(pid) === true);
}
