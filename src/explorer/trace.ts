/**
 * What happens on ports, told live: connects and disconnects, messages sent and received, threads that begin and cease to wait. Never
 * a payload. It is found by looking again and again, every few milliseconds, at the memory of the connections: nobody who is
 * traced takes part or is slowed down. So times are those of the look, and the order of what happened between two looks
 * is the order in which it must have happened on each connection, not between connections.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { checkInteger, checkOptions, checkSignal } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { parseObjectName, queryObject, resolveName, type RootOptions } from '../objects/index.js';
import { typeMismatch } from '../objects/lookup.js';
import { readMemoryFile } from './census.js';
import type { TraceEvent } from './model.js';
import { readWaitPage } from './pages.js';
import { type Connection, type Snapshot, takeSnapshot, type Thread } from './snapshot.js';
import { TappedRing } from './tapped-ring.js';

export interface TraceOptions extends RootOptions {
  /** The full name of a port, or of a link to one; left out, all of them. It need not be there yet. */
  port?: string;
  /** Ends the trace. */
  signal?: AbortSignal;
  /** Milliseconds between two looks, 1 to 60,000; 5 by default. */
  interval?: number;
}

/** How often it is looked for new connections, in milliseconds. */
const CENSUS_EVERY = 250;

/**
 * Traces from now on, until the loop is left or the signal is aborted. Connections that there are already are told as `connect` first.
 * @throws AlpcError ERR_ALPC_INVALID_ARGUMENT, ERR_ALPC_NAME_INVALID, ERR_ALPC_NAME_NOT_FOUND when there is no root where `root` or `$ALPC_ROOT` says,
 *   ERR_ALPC_OBJECT_TYPE_MISMATCH when something else than a port stands there, ERR_ALPC_ACCESS_DENIED
 */
export async function* trace(options?: TraceOptions): AsyncGenerator<TraceEvent, void, undefined> {
  const { port, signal, interval = 5, root } = checkOptions(options, 'options', ['port', 'signal', 'interval', 'root']);
  const checked = checkSignal(signal);
  checkInteger(interval, 'options.interval', 1, 60_000);
  using tap = new Tap(port === undefined ? undefined : parseObjectName(port).text, root === undefined ? {} : { root });
  for (;;) {
    if (checked?.aborted === true) return;
    yield* tap.look();
    await sleep(interval, undefined, checked === undefined ? {} : { signal: checked }).catch(() => undefined);
  }
}

/**
 * The port that a name leads to, links followed.
 * @throws AlpcError ERR_ALPC_NAME_NOT_FOUND, ERR_ALPC_OBJECT_TYPE_MISMATCH, ERR_ALPC_NAME_INVALID, ERR_ALPC_ACCESS_DENIED
 */
export function resolvePort(name: string, where: RootOptions): string {
  const resolved = resolveName(name, where);
  const { type } = queryObject(resolved, where);
  if (type !== 'ALPC Port') throw typeMismatch(parseObjectName(name), 'ALPC Port', type);
  return resolved;
}

class Tap implements Disposable {
  readonly #port: string | undefined;
  readonly #where: RootOptions;
  readonly #connections = new Map<string, TappedConnection>();
  readonly #threads = new Map<string, TappedThread>();
  #byOutbox = new Map<number, Connection>();
  #takenAt = -Infinity;

  constructor(port: string | undefined, where: RootOptions) {
    this.#port = port;
    this.#where = where;
  }

  look(): TraceEvent[] {
    const events: TraceEvent[] = [];
    const isDue = performance.now() - this.#takenAt >= CENSUS_EVERY;
    const snapshot = isDue ? takeSnapshot(this.#where) : undefined;
    if (snapshot !== undefined) this.#join(snapshot, events);
    for (const connection of this.#connections.values()) connection.look(events);
    for (const thread of this.#threads.values()) thread.look(events, this.#byOutbox);
    if (snapshot !== undefined) this.#part(snapshot, events);
    return events;
  }

  [Symbol.dispose](): void {
    for (const connection of this.#connections.values()) connection[Symbol.dispose]();
  }

  #join(snapshot: Snapshot, events: TraceEvent[]): void {
    this.#takenAt = performance.now();
    const wanted = this.#wanted();
    const connections = snapshot.connections.filter(({ port }) => wanted === undefined || port === wanted);
    this.#byOutbox = new Map(connections.flatMap((connection) => (connection.client.outbox === undefined ? [] : [[connection.client.outbox.file.inode, connection] as const])));
    for (const connection of connections) {
      const known = this.#connections.get(connection.id);
      if (known === undefined) {
        this.#connections.set(connection.id, new TappedConnection(connection));
        events.push(eventOf(connection, 'connect', 'client'));
      } else known.join(connection);
    }
    for (const thread of snapshot.threads.values()) if (!this.#threads.has(thread.key)) this.#threads.set(thread.key, new TappedThread(thread));
  }

  /** Looked up anew each time: it may come, or be a link that is made to lead to another. */
  #wanted(): string | undefined {
    if (this.#port === undefined) return undefined;
    try {
      return resolvePort(this.#port, this.#where);
    } catch (error) {
      if (AlpcError.is(error) && error.code === 'ERR_ALPC_NAME_NOT_FOUND') return this.#port;
      throw error;
    }
  }

  #part(snapshot: Snapshot, events: TraceEvent[]): void {
    for (const [key, thread] of this.#threads) {
      if (snapshot.threads.has(Number(key))) continue;
      this.#threads.delete(key);
      thread.end(events);
    }
    const there = new Set(snapshot.connections.map(({ id }) => id));
    for (const [id, tapped] of this.#connections) {
      if (there.has(id)) continue;
      this.#connections.delete(id);
      tapped[Symbol.dispose]();
      events.push(eventOf(tapped.connection, 'disconnect', 'client'));
    }
  }
}

class TappedConnection implements Disposable {
  #client: TappedRing | undefined;
  #server: TappedRing | undefined;

  constructor(public connection: Connection) {
    this.join(connection);
  }

  /** At the first look its handshake may not have been over. */
  join(connection: Connection): void {
    this.connection = connection;
    this.#client ??= connection.client.outbox && TappedRing.open(connection.client.outbox.file);
    this.#server ??= connection.server.outbox && TappedRing.open(connection.server.outbox.file);
  }

  /** First what the client sent, then what came back: an answer is never told before its question. */
  look(events: TraceEvent[]): void {
    const news = this.#server?.look(); // read first: whatever it answers had been sent by then
    this.#tell(events, 'client', this.#client, this.#client?.look(), this.#server);
    this.#tell(events, 'server', this.#server, news, this.#client);
  }

  #tell(events: TraceEvent[], role: 'client' | 'server', ring: TappedRing | undefined, news: ReturnType<TappedRing['look']>, peer: TappedRing | undefined): void {
    if (ring === undefined || news === undefined) return;
    if (news.missed > 0) events.push({ ...eventOf(this.connection, 'send', role), missed: news.missed });
    for (const { type, messageId, bytes } of news.sent) events.push({ ...eventOf(this.connection, 'send', role), type, messageId, bytes });
    if (peer === undefined) return;
    for (const { type, messageId, bytes } of ring.consumed(peer.page.head)) events.push({ ...eventOf(this.connection, 'receive', role === 'client' ? 'server' : 'client'), type, messageId, bytes });
  }

  [Symbol.dispose](): void {
    this.#client?.[Symbol.dispose]();
    this.#server?.[Symbol.dispose]();
  }
}

class TappedThread {
  readonly #thread: Thread;
  #waiting: TraceEvent | undefined;
  #sequence = 0;

  constructor(thread: Thread) {
    this.#thread = thread;
  }

  look(events: TraceEvent[], byOutbox: ReadonlyMap<number, Connection>): void {
    const read = readMemoryFile(this.#thread.file);
    const page = typeof read === 'string' ? undefined : readWaitPage(read);
    if (page === undefined || page.sequence === this.#sequence) return;
    this.#sequence = page.sequence;
    this.end(events);
    const connection = (page.sequence & 1) === 0 || page.on === 0 ? undefined : byOutbox.get(page.connection);
    if (connection === undefined) return;
    const { pid } = this.#thread.process;
    const role = connection.server.process?.pid === pid && connection.client.process?.pid !== pid ? 'server' : 'client';
    this.#waiting = { ...eventOf(connection, 'wait', role), pid, tid: page.tid, messageId: page.messageId };
    events.push(this.#waiting);
  }

  /** It is awake, or gone: in either case it waits no more. */
  end(events: TraceEvent[]): void {
    if (this.#waiting !== undefined) events.push({ ...this.#waiting, at: new Date().toISOString(), event: 'unwait' });
    this.#waiting = undefined;
  }
}

function eventOf(connection: Connection, event: TraceEvent['event'], role: 'client' | 'server'): TraceEvent {
  const pid = connection[role].process?.pid;
  return { at: new Date().toISOString(), event, port: connection.port, connection: connection.id, role, ...(pid === undefined ? {} : { pid }) };
}
