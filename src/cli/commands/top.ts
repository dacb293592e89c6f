/**
 * `alpc top`: ports, the busiest first, anew each second. On a terminal the keys in its last line choose what it is sorted by; elsewhere, and with
 * `--json`, it writes one picture after the other.
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { type Graph, type GraphConnection, inspectGraph, inspectTree } from '../../explorer/index.js';
import { acts, type Context, subcommand } from '../context.js';
import { asFarAsSeen, bytesText, type Output } from '../output.js';
import type { Column } from '../table.js';
import { integer } from './ping.js';

interface TopOptions {
  readonly interval: number;
  readonly count?: number;
  readonly sort: SortKey;
}

export interface TopRow {
  readonly port: string;
  readonly pid: number | undefined;
  readonly connections: number;
  /** Of the connections those that can't be looked into: what goes on there is in none of the figures. */
  readonly hidden: number;
  /** Undefined, as the next three, when none of the connections can be looked into. */
  readonly messagesPerSecond: number | undefined;
  readonly bytesPerSecond: number | undefined;
  readonly pending: number | undefined;
  readonly waiting: number | undefined;
  readonly command: string | undefined;
}

/** By the key that chooses it. What is not known comes last. */
const SORTS = {
  messages: { key: 'm', of: (row: TopRow) => -(row.messagesPerSecond ?? -1) },
  bytes: { key: 'b', of: (row: TopRow) => -(row.bytesPerSecond ?? -1) },
  connections: { key: 'c', of: (row: TopRow) => -row.connections },
  pending: { key: 'p', of: (row: TopRow) => -(row.pending ?? -1) },
  waiting: { key: 'w', of: (row: TopRow) => -(row.waiting ?? -1) },
  name: { key: 'n', of: (row: TopRow) => row.port },
} as const;
type SortKey = keyof typeof SORTS;

export function topCommand(): Command {
  const command = subcommand('top', 'show the busiest ports, live; on a terminal keys choose the order')
    .option('-i, --interval <ms>', 'milliseconds between two pictures', integer(100), 1000)
    .option('-c, --count <n>', 'end after so many pictures', integer(1))
    .addOption(new Option('-s, --sort <column>', 'what to sort by').choices(Object.keys(SORTS)).default('messages'));
  return acts(command, async ({ out, where, signal, end }: Context, { interval, count = Infinity, sort }: TopOptions) => {
    using screen = out.isTerminal && !out.json && process.stdin.isTTY ? new Screen(out, sort, end) : undefined;
    let before = look(where);
    for (let n = 0; n < count && !signal.aborted; n++) {
      await sleep(interval, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) break;
      const now = look(where);
      const rows = rowsOf(before, now);
      before = now;
      const limits = rows.some(({ hidden }) => hidden > 0) ? asFarAsSeen(now.graph.hiddenProcesses) : undefined;
      if (screen !== undefined) screen.show(rows, limits);
      else if (out.json) out.value({ at: now.graph.at, ports: sorted(rows, sort), hiddenProcesses: now.graph.hiddenProcesses });
      else for (const line of [...out.table(sorted(rows, sort), columnsFor(sort)), ...(limits === undefined ? [] : [limits]), '']) out.line(line);
    }
  });
}

const COLUMNS: readonly (Column<TopRow> & { readonly sort?: SortKey })[] = [
  { title: 'Messages/s', of: (row) => row.messagesPerSecond && Math.round(row.messagesPerSecond), right: true, sort: 'messages' },
  { title: 'Bytes/s', of: (row) => (row.bytesPerSecond === undefined ? undefined : bytesText(row.bytesPerSecond)), right: true, sort: 'bytes', spare: 1 },
  { title: 'Connections', of: (row) => row.connections, right: true, sort: 'connections', spare: 4 },
  { title: 'Pending', of: (row) => row.pending, right: true, sort: 'pending', spare: 3 },
  { title: 'Waiting', of: (row) => row.waiting, right: true, sort: 'waiting', colour: (row) => ((row.waiting ?? 0) > 0 ? 'yellow' : undefined) },
  { title: 'Server', of: (row) => row.pid, right: true, spare: 2 },
  { title: 'Port', of: (row) => row.port, colour: () => 'green', least: 20 },
  { title: 'Command', of: (row) => row.command, spare: 5 },
];

/** The column that it is sorted by can not be spared. */
function columnsFor(by: SortKey): Column<TopRow>[] {
  return COLUMNS.map((column) => (column.sort === by ? { ...column, spare: 0 } : column));
}

interface Look {
  readonly at: number;
  readonly graph: Graph;
  readonly ports: readonly string[];
}

function look(where: Context['where']): Look {
  return { at: performance.now(), graph: inspectGraph(where), ports: inspectTree(where).objects.filter(({ type }) => type === 'ALPC Port').map(({ name }) => name) };
}

function rowsOf(before: Look, now: Look): TopRow[] {
  const seconds = (now.at - before.at) / 1000;
  const old = new Map(before.graph.connections.map((connection) => [connection.id, connection]));
  return now.ports.map((port) => {
    const server = now.graph.processes.find(({ ports }) => ports.includes(port));
    const connections = now.graph.connections.filter((connection) => connection.port === port);
    const seen = connections.filter(({ clientToServer, serverToClient }) => clientToServer !== undefined || serverToClient !== undefined);
    const isAnySeen = seen.length > 0 || connections.length === 0;
    const rate = (of: 'messages' | 'bytes'): number => seen.reduce((sum, connection) => sum + grown(connection, old.get(connection.id), of) / seconds, 0);
    return {
      port, pid: server?.pid, command: server?.command, connections: connections.length, hidden: connections.length - seen.length,
      messagesPerSecond: isAnySeen ? rate('messages') : undefined,
      bytesPerSecond: isAnySeen ? rate('bytes') : undefined,
      pending: isAnySeen ? seen.reduce((sum, { pendingRequests = 0 }) => sum + pendingRequests, 0) : undefined,
      waiting: isAnySeen ? now.graph.waits.filter((wait) => wait.port === port).length : undefined,
    };
  });
}

/** What went both ways since the earlier picture. A connection that is in none is new: all of it is since then. */
function grown(connection: GraphConnection, earlier: GraphConnection | undefined, of: 'messages' | 'bytes'): number {
  return (['clientToServer', 'serverToClient'] as const).reduce((both, way) => {
    const [now, then] = [connection[way], earlier === undefined ? { messages: 0, bytes: 0 } : earlier[way]];
    return both + (now === undefined || then === undefined ? 0 : Math.max(0, now[of] - then[of]));
  }, 0);
}

function sorted(rows: readonly TopRow[], by: SortKey): TopRow[] {
  const { of } = SORTS[by];
  return rows.toSorted((a, b) => (of(a) < of(b) ? -1 : of(a) > of(b) ? 1 : a.port < b.port ? -1 : 1));
}

/** The whole terminal, given back at the end. */
class Screen implements Disposable {
  readonly #out: Output;
  readonly #end: () => void;
  #sort: SortKey;
  #rows: readonly TopRow[] | undefined;
  /** What is said of what can't be seen. */
  #limits: string | undefined;
  readonly #onKey = (data: Buffer): void => this.#key(data.toString());

  constructor(out: Output, sort: SortKey, end: () => void) {
    this.#out = out;
    this.#end = end;
    this.#sort = sort;
    process.stdin.setRawMode(true).on('data', this.#onKey);
    process.stdin.resume();
    out.write('\u001B[?1049h\u001B[?25l');
    this.#draw();
  }

  show(rows: readonly TopRow[], limits: string | undefined): void {
    this.#rows = rows;
    this.#limits = limits;
    this.#draw();
  }

  [Symbol.dispose](): void {
    process.stdin.setRawMode(false).off('data', this.#onKey);
    process.stdin.pause();
    this.#out.write('\u001B[?25h\u001B[?1049l');
  }

  #key(key: string): void {
    if (key === 'q' || key === '\u0003' || key === '\u001B') return this.#end();
    const chosen = Object.entries(SORTS).find(([, sort]) => sort.key === key);
    if (chosen === undefined) return;
    this.#sort = chosen[0] as SortKey;
    this.#draw();
  }

  #draw(): void {
    const { width, height } = this.#out;
    const lines = this.#rows === undefined ? ['looking…'] : this.#out.table(sorted(this.#rows, this.#sort), columnsFor(this.#sort));
    const help = `sorted by ${this.#sort}   ${Object.entries(SORTS).map(([name, { key }]) => `${key} ${name}`).join('  ')}  q quit`;
    const foot = [...(this.#limits === undefined ? [] : [this.#limits.slice(0, width)]), this.#out.colour('inverse', help.slice(0, width))];
    const room = Math.max(0, height - foot.length);
    const body = Array.from({ length: room }, (_, i) => (i < room - 1 ? (lines[i] ?? '') : '')); // a line free above the foot
    this.#out.write(`\u001B[H${[...body, ...foot].map((line) => `${line}\u001B[K`).join('\r\n')}`);
  }
}

/** Until a signal comes; nothing else keeps a live command alive. */
export async function untilEnded(signal: AbortSignal): Promise<void> {
  const alive = setInterval(() => undefined, 2 ** 30);
  if (!signal.aborted) await once(signal, 'abort');
  clearInterval(alive);
}
