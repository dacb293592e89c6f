/**
 * One look at the machine: who has which memory file and which socket open. Everything here is the kernel's word, and nobody who
 * is looked at takes part. It is not one moment: a process may come or go while others are looked at, and then something is
 * missing in what is told, which the next look will have.
 */
import { pageSize } from '../platform/descriptors.js';
import { findForeignFile, readForeignFile } from '../platform/foreign-memory.js';
import { openDescriptors, type ProcessFacts, processFacts, processIds, writtenMemory } from '../platform/processes.js';
import { listSockets, type SocketFacts } from '../platform/socket-list.js';

/** A memory file of ours, and who has it open. */
export interface MemoryFile {
  readonly inode: number;
  /** What stands behind `alpc:`: a port's name, or `wait`. */
  readonly name: string;
  readonly size: number;
  /** When it was made; missing where the kernel does not tell. */
  readonly since?: Date;
  readonly holders: { readonly pid: number; readonly fd: number }[];
}

export interface Census {
  readonly at: Date;
  readonly memoryFiles: ReadonlyMap<number, MemoryFile>;
  /** The pids that have a socket open. */
  readonly socketHolders: ReadonlyMap<number, readonly number[]>;
  /** By number. Undefined where the kernel has no list. */
  readonly sockets: ReadonlyMap<number, SocketFacts> | undefined;
  /** Processes that this user may not look into. */
  readonly hidden: ReadonlySet<number>;
  /** Looked up once. */
  process(pid: number): ProcessFacts | undefined;
  /** Whether one of the processes has the memory file mapped for writing: then it made it. Looked up once for each, and seldom asked, for it is dear. */
  isWrittenBy(file: MemoryFile, pids: readonly number[]): boolean;
}

const MEMORY_FILE = /^\/memfd:alpc:([^]*) \(deleted\)$/;
const SOCKET = 'socket:[';

export function takeCensus(): Census {
  const at = new Date();
  const memoryFiles = new Map<number, MemoryFile>();
  const socketHolders = new Map<number, number[]>();
  const hidden = new Set<number>();
  for (const pid of processIds()) {
    const descriptors = openDescriptors(pid);
    if (descriptors === 'hidden') hidden.add(pid);
    else for (const { fd, target } of descriptors ?? []) note(pid, fd, target);
  }
  const list = listSockets();
  const known = new Map<number, ProcessFacts | undefined>();
  const written = new Map<number, ReadonlySet<number> | undefined>();
  return {
    at, memoryFiles, socketHolders, hidden,
    sockets: list && new Map(list.map((socket) => [socket.inode, socket])),
    process(pid) {
      if (!known.has(pid)) known.set(pid, processFacts(pid));
      return known.get(pid);
    },
    isWrittenBy({ inode }, pids) {
      return pids.some((pid) => {
        if (!written.has(pid)) written.set(pid, writtenMemory(pid));
        return written.get(pid)?.has(inode) === true;
      });
    },
  };

  function note(pid: number, fd: number, target: string): void {
    if (target.startsWith(SOCKET)) return add(socketHolders, Number(target.slice(SOCKET.length, -1)), pid);
    const name = target.startsWith('/memfd:alpc:') ? MEMORY_FILE.exec(target)?.[1] : undefined;
    const file = name === undefined ? undefined : findForeignFile(pid, fd);
    if (file === undefined) return;
    const seen = memoryFiles.get(file.inode);
    if (seen === undefined) memoryFiles.set(file.inode, { inode: file.inode, name: name!, size: file.size, ...(file.made === undefined ? {} : { since: file.made }), holders: [{ pid, fd }] });
    else seen.holders.push({ pid, fd });
  }
}

/** The first page of a memory file, through whoever still has it open. In words why it could not be read. */
export function readMemoryFile({ holders, inode }: MemoryFile, into?: Buffer): Buffer | string {
  let problem = 'nobody has it open any more';
  for (const { pid, fd } of holders) {
    const read = readForeignFile(pid, fd, inode, 0, pageSize(), into);
    if (typeof read !== 'string') return read;
    problem = read;
  }
  return problem;
}

function add(map: Map<number, number[]>, key: number, pid: number): void {
  const pids = map.get(key);
  if (pids === undefined) map.set(key, [pid]);
  else if (!pids.includes(pid)) pids.push(pid);
}
