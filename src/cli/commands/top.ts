/**
 * `alpc top`: ports, the busiest first, anew each second. On a terminal the keys in its last line choose what it is sorted by; elsewhere, and with
 * `--json`, it writes one picture after the other.
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { inspectGraph, type Graph, inspectTree } from '../../explorer/index.js';
import { acts, type Context, subcommand } from '../context.js';
import { bytesText, type Output } from '../output.js';
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
  readonly messagesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly pending: number;
  readonly waiting: number;
  readonly command: string | undefined;
}

/** By the key that chooses it. */
const SORTS = {
  messages: { key: 'm', of: (row: TopRow) => -row.messagesPerSecond },
  bytes: { key: 'b', of: (row: TopRow) => -row.bytesPerSecond },
  connections: { key: 'c', of: (row: TopRow) => -row.connections },
  pending: { key: 'p', of: (row: TopRow) => -row.pending },
  waiting: { key: 'w', of: (row: TopRow) => -row.waiting },
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
      if (screen !== undefined) screen.show(rows);
      else if (out.json) out.value({ at: now.graph.at, ports: sorted(rows, sort) });
      else for (const line of [...out.table(sorted(rows, sort), columnsFor(sort)), '']) out.line(line);
    }
  });
}

const COLUMNS: readonly (Column<TopRow> & { readonly sort?: SortKey })[] = [
  { title: 'Messages/s', of: (row) => Math.round(row.messagesPerSecond), right: true, sort: 'messages' },
  { title: 'Bytes/s', of: (row) => bytesText(row.bytesPerSecond), right: true, sort: 'bytes', spare: 1 },
  { title: 'Connections', of: (row) => row.connections, right: true, sort: 'connections', spare: 4 },
  { title: 'Pending', of: (row) => row.pending, right: true, sort: 'pending', spare: 3 },
  { title: 'Waiting', of: (row) => row.waiting, right: true, sort: 'waiting', colour: (row) => (row.waiting > 0 ? 'yellow' : undefined) },
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
    const rate = (of: 'messages' | 'bytes'): number =>
      connections.reduce((sum, connection) => {
        const earlier = old.get(connection.id);
        const grown = (['clientToServer', 'serverToClient'] as const).reduce((both, way) => both + Math.max(0, (connection[way]?.[of] ?? 0) - (earlier?.[way]?.[of] ?? 0)), 0);
        return sum + grown / seconds;
      }, 0);
    return {
      port, pid: server?.pid, command: server?.command, connections: connections.length, messagesPerSecond: rate('messages'), bytesPerSecond: rate('bytes'),
      pending: connections.reduce((sum, { pendingRequests = 0 }) => sum + pendingRequests, 0), waiting: now.graph.waits.filter((wait) => wait.port === port).length,
    };
  });
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

  show(rows: readonly TopRow[]): void {
    this.#rows = rows;
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
    const lines = this.#rows === undefined ? ['looking…'] : this.#out.table(sorted(this.#rows, this.#sort), columnsFor(this.#sort)).slice(0, this.#out.height - 2);
    const help = `sorted by ${this.#sort}   ${Object.entries(SORTS).map(([name, { key }]) => `${key} ${name}`).join('  ')}  q quit`.slice(0, this.#out.width);
    const empty = Array.from({ length: Math.max(0, this.#out.height - 1 - lines.length) }, () => '');
    this.#out.write(`\u001B[H${[...lines, ...empty, this.#out.colour('inverse', help)].map((line) => `${line}\u001B[K`).join('\r\n')}`);
  }
}

/** Until a signal comes; nothing else keeps a live command alive. */
export async function untilEnded(signal: AbortSignal): Promise<void> {
  const alive = setInterval(() => undefined, 2 ** 30);
  if (!signal.aborted) await once(signal, 'abort');
  clearInterval(alive);
}
