/**
 * Who waits for whom: threads that sleep in a blocking call, as their wait pages say, and the circles among them.
 *
 * A circle is told only when nothing can still break it from inside: each thread of it waits for the next, what it waits for has not
 * arrived in its ring, and another look finds every thread in the same wait as the first. What a process writes on its wait page
 * is its claim; it can draw an arrow from itself, to anybody, and none from anybody else.
 */
import { readMemoryFile } from './census.js';
import type { Cycle, ThreadInfo, Wait, WaitGraph } from './model.js';
import { readControlPage, readWaitPage, unreadBytes, type WaitPageFacts } from './pages.js';
import type { Connection, End, Snapshot, Thread } from './snapshot.js';

/** How often a circle is looked at again, at most. */
const LOOKS = 5;

export function waitsOf(snapshot: Snapshot): { waits: Wait[]; cycles: Cycle[] } {
  const byOutbox = new Map(snapshot.connections.flatMap((connection) => (connection.client.outbox === undefined ? [] : [[connection.client.outbox.file.inode, connection] as const])));
  const events = new Map(snapshot.names.events.map(({ inode, name }) => [inode, name]));
  const next = new Map<Thread, Thread>();
  const waits = new Map<Thread, Wait>();
  for (const thread of snapshot.threads.values()) {
    if ((thread.page.sequence & 1) === 0) continue;
    const { on, connection } = thread.page;
    const other = on === 0 ? undefined : snapshot.threads.get(on);
    const at = byOutbox.get(connection);
    if (on === 0 ? !events.has(connection) : at === undefined) continue; // of another namespace
    waits.set(thread, describe(snapshot, thread, other, at, on === 0 ? events.get(connection) : undefined));
    if (other !== undefined && !hasMail(thread, other, at)) next.set(thread, other);
  }
  return { waits: [...waits.values()], cycles: findCircles(next).filter((threads) => stillWait(snapshot, threads, byOutbox)).map((threads) => describeCircle(threads, waits)) };
}

export function waitGraphOf(snapshot: Snapshot): WaitGraph {
  return { at: snapshot.census.at.toISOString(), ...waitsOf(snapshot), hiddenProcesses: snapshot.census.hidden.size };
}

/** Every thread waits for at most one other: so each circle is found by walking on until a thread comes again. */
export function findCircles<T>(next: ReadonlyMap<T, T>): T[][] {
  const seen = new Set<T>();
  const circles: T[][] = [];
  for (const start of next.keys()) {
    const way: T[] = [];
    const onWay = new Set<T>();
    let at: T | undefined = start;
    while (at !== undefined && !seen.has(at)) {
      seen.add(at);
      onWay.add(at);
      way.push(at);
      at = next.get(at);
    }
    if (at !== undefined && onWay.has(at)) circles.push(way.slice(way.indexOf(at)));
  }
  return circles;
}

/** Whether the ring towards the thread holds something that it has not read: then it is about to wake. */
function hasMail(thread: Thread, other: Thread, connection: Connection | undefined): boolean {
  const [client, server] = [connection?.client.outbox?.page, connection?.server.outbox?.page];
  if (client === undefined || server === undefined) return false;
  const isServer = connection!.server.process?.pid === thread.process.pid;
  const isClient = connection!.client.process?.pid === thread.process.pid;
  if (isServer && !isClient) return unreadBytes(client, server) !== 0;
  if (isClient && !isServer) return unreadBytes(server, client) !== 0;
  return thread.process.pid === other.process.pid && unreadBytes(client, server) !== 0 && unreadBytes(server, client) !== 0;
}

/**
 * Looks again: there is a moment at which all of the circle are in the wait that was seen first, nothing for them in their rings; and each page is
 * its process's own, not one that somebody sent it. A thread that is woken for nothing waits again at once, for the same: so it is looked more than once.
 */
function stillWait(snapshot: Snapshot, threads: readonly Thread[], byOutbox: ReadonlyMap<number, Connection>): boolean {
  if (!threads.every(({ file, process }) => snapshot.census.isWrittenBy(file, [process.pid]))) return false;
  for (let look = 0; look < LOOKS; look++) {
    const pages = threads.map(pageNow);
    const isSame = pages.every((page, i) => page !== undefined && isSameWait(page, threads[i]!.page));
    if (isSame && !threads.some((thread, i) => hasMail(thread, threads[(i + 1) % threads.length]!, connectionNow(byOutbox.get(thread.page.connection)))) && threads.every((thread, i) => pageNow(thread)?.sequence === pages[i]!.sequence)) return true;
  }
  return false;
}

function pageNow({ file }: Thread): WaitPageFacts | undefined {
  const read = readMemoryFile(file);
  return typeof read === 'string' ? undefined : readWaitPage(read);
}

function isSameWait(page: WaitPageFacts, first: WaitPageFacts): boolean {
  return (page.sequence & 1) === 1 && page.on === first.on && page.connection === first.connection && page.messageId === first.messageId;
}

function connectionNow(connection: Connection | undefined): Connection | undefined {
  return connection && { ...connection, client: endNow(connection.client), server: endNow(connection.server) };
}

function endNow(end: End): End {
  const read = end.outbox === undefined ? 'it has none' : readMemoryFile(end.outbox.file);
  const page = typeof read === 'string' ? read : readControlPage(read, end.outbox!.file.size);
  return typeof page === 'string' ? end : { ...end, outbox: { file: end.outbox!.file, page } };
}

function describe(snapshot: Snapshot, thread: Thread, other: Thread | undefined, connection: Connection | undefined, event: string | undefined): Wait {
  const { messageId, since, on } = thread.page;
  const begin = `process ${thread.process.pid} (${thread.process.command}), thread ${thread.page.tid}, waits for`;
  const end = `since ${Math.max(0, Math.round((snapshot.census.at.getTime() - since.getTime()) / 1000))} s`;
  if (on === 0) return { thread: threadInfo(thread), for: 'event', event: event!, since: since.toISOString(), text: `${begin} the event ${event}, ${end}` };
  const owner = other?.process ?? (connection?.client.process?.pid === thread.process.pid ? connection.server.process : connection?.client.process);
  return {
    thread: threadInfo(thread),
    for: 'reply',
    ...(other === undefined ? {} : { on: threadInfo(other) }),
    connection: connection!.id,
    port: connection!.port,
    messageId,
    since: since.toISOString(),
    text: `${begin} the reply to message ${messageId} on ${connection!.port}, owned by ${owner === undefined ? 'a process that can not be seen' : `process ${owner.pid} (${owner.command})`}, ${end}`,
  };
}

function describeCircle(threads: readonly Thread[], waits: ReadonlyMap<Thread, Wait>): Cycle {
  const names = threads.map(({ process, page }) => `process ${process.pid} (${process.command}), thread ${page.tid}`);
  return {
    threads: threads.map(({ key }) => key),
    waits: threads.map((thread) => waits.get(thread)!),
    text: `${names.join(' waits for ')} waits for process ${threads[0]!.process.pid}, thread ${threads[0]!.page.tid}`,
  };
}

function threadInfo({ key, process, page }: Thread): ThreadInfo {
  return { key, pid: process.pid, tid: page.tid, command: process.command };
}
