/**
 * What a JavaScript thread has once: its arena of mappings, its wait page, the wait pages of the threads it talks with, the
 * connections that it holds, its queues of answers, and its attention. A thread is a thing of the operating system and ends with it, so its object
 * outlives every object of the user (see docs/decisions/0003-one-thread-object.md).
 */
import { isMainThread } from 'node:worker_threads';
import { SlabCopies } from '../memory/copies.js';
import { checkPeerWaitPage, PeerWaitPage, WaitPage } from '../memory/wait-page.js';
import { Arena } from '../platform/arena.js';
import { SYS } from '../platform/libc.js';
import { closeDescriptor, libc } from '../platform/system.js';
import { Attention } from './attention.js';
import type { Connection } from './connection.js';
import { MAX_PACKET } from './handshake.js';

/** A worker thread that sleeps in a system call can be neither terminated nor exited, so there no single sleep is longer. */
const LONGEST_SLEEP_IN_WORKER = 250;
const LONGEST_SLEEP = 0x7fffffff;

export interface AnswerQueue {
  /** Gives every answer that is there. */
  drain(): void;
  /** The completion port that ports of this thread feed, if they do. */
  readonly feeds: number | undefined;
}

export class Thread {
  readonly arena = new Arena();
  readonly copies = new SlabCopies();
  readonly attention = new Attention();
  /** Where packets of the handshake are read into: what is kept of them is copied out. */
  readonly packet = new Uint8Array(MAX_PACKET);
  /** By the inode number of the client's outbox, which names a connection on both sides. */
  readonly connections = new Map<number, Set<Connection>>();
  /** Socket files, by device and inode number, of the ports that this thread serves. */
  readonly served = new Set<string>();
  /** Queues that this thread alone empties, of answers to requests that it gave to other threads: while it waits for room in one of somebody else's, it empties its own. */
  readonly answerQueues = new Set<AnswerQueue>();
  readonly longestSleep = isMainThread ? LONGEST_SLEEP : LONGEST_SLEEP_IN_WORKER;
  readonly #peerPages = new Map<number, { page: PeerWaitPage; users: number }>();
  #waitPage: WaitPage | undefined;

  get waitPage(): WaitPage {
    return (this.#waitPage ??= new WaitPage(this.arena, libc().syscall_gettid(SYS.gettid)));
  }

  /** The wait page of a peer's thread, shared by all connections with it. Takes over `fd`. */
  openPeerPage(fd: number): PeerWaitPage {
    const inode = checkPeerWaitPage(fd);
    const known = this.#peerPages.get(inode);
    if (known !== undefined) {
      closeDescriptor(fd);
      known.users++;
      return known.page;
    }
    const page = new PeerWaitPage(this.arena, fd, inode);
    this.#peerPages.set(inode, { page, users: 1 });
    return page;
  }

  closePeerPage(page: PeerWaitPage): void {
    const known = this.#peerPages.get(page.inode);
    if (known === undefined || --known.users > 0) return;
    this.#peerPages.delete(page.inode);
    page.close();
  }

  addConnection(connection: Connection): void {
    const at = this.connections.get(connection.inode);
    if (at === undefined) this.connections.set(connection.inode, new Set([connection]));
    else at.add(connection);
  }

  removeConnection(connection: Connection): void {
    const at = this.connections.get(connection.inode);
    at?.delete(connection);
    if (at?.size === 0) this.connections.delete(connection.inode);
  }
}

/** Names a file in `Thread.served`. */
export function fileKey({ dev, ino }: { readonly dev: bigint; readonly ino: bigint }): string {
  return `${dev}:${ino}`;
}

const current: { thread?: Thread } = {};

/** This thread's object, made at the first call. */
export function thisThread(): Thread {
  return (current.thread ??= new Thread());
}
