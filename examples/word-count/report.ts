/**
 * What the job says at its end: the tree of objects, the totals, and how long the calls took.
 *
 * The tree is the object namespace as every process sees it, read anew. On disk it is a directory: each port in it is a
 * socket file, and a name that a killed server left behind is taken over by the next one that asks for it. Ports are
 * marked with a gear, as in WinObj, the program that shows this tree on Windows.
 */
import { availableParallelism } from 'node:os';
import { namespaceRoot, walkNamespace } from '../../src/index.js';
import { Histogram } from './histogram.js';
import type { Kind, Outcome } from './round.js';
import { figure, table } from './screen.js';
import type { ServerFigures, Totals } from './words.js';

/** Who counted, and what it came to. */
export interface Count {
  readonly by: string;
  readonly totals: Totals;
}

/** How many work at a time: four clients, their server, and this one. */
const PROCESSES = 6;

/** A kind of call, for people. */
const NAMES: Record<Kind, string> = { blocking: 'alpc, blocking', awaited: 'alpc, awaited', socket: 'Unix socket (node:net), awaited' };

/** The tree of objects, a gear before each port. */
export function treeText(): string[] {
  const lines = [`The object namespace, each port with a gear (on disk: ${namespaceRoot()})`, '', '  \\'];
  for (const { name, type } of walkNamespace()) {
    const parts = name.split('\\');
    const indent = '    '.repeat(parts.length - 1);
    lines.push(`  ${indent}${type === 'ALPC Port' ? '⚙ ' : ''}${parts.at(-1)}${type === 'Directory' ? '\\' : ''}`);
  }
  return lines;
}

/** The totals, each beside the first one. */
export function totalsText(counts: readonly Count[]): string[] {
  const first = counts[0]!.totals;
  const rows = counts.map(({ by, totals }) => {
    const check = totals === first ? '-' : isSame(totals, first) ? 'the same' : 'DIFFERENT';
    return [by, figure(totals.files), figure(totals.bytes), figure(totals.words), check];
  });
  return table([['counted', 'files', 'bytes', 'words', 'check'], ...rows]);
}

export function isSame(a: Totals, b: Totals): boolean {
  return a.files === b.files && a.bytes === b.bytes && a.words === b.words;
}

/** One row for each kind of call; the last one, over the socket, is what the others are compared with. */
export function callsText(alpc: Outcome, alpcServer: ServerFigures, sockets: Outcome, socketServer: ServerFigures): string[] {
  const yardstick = sockets.times.get('socket')!;
  const rows = [...alpc.times, ...sockets.times].map(([kind, times]) => [NAMES[kind], figure(times.count), ...speed(times, yardstick)]);
  const lines = [
    ...table([['calls', 'number', 'calls/s', 'median µs', 'p99 µs', 'vs socket'], ...rows]),
    '',
    'calls/s: what one client gets done while it does nothing else. vs socket: how many times faster, by the median.',
  ];

  const counting = new Histogram();
  for (const { times } of [alpcServer, socketServer]) counting.merge(times);
  lines.push(`The times include the counting itself, in the server: median ${microseconds(counting.quantile(0.5))} µs.`);

  let again = alpcServer.calls;
  for (const { count } of alpc.times.values()) again -= count;
  if (again > 0) lines.push(`The alpc server answered ${figure(again)} calls more, for the file that the killed client did not finish.`);

  const cores = availableParallelism();
  if (cores < PROCESSES) {
    lines.push(`${PROCESSES} processes shared ${cores === 1 ? 'one core' : `${cores} cores`}: now and then a call waits until the other side has its turn, up to some`);
    lines.push('milliseconds. Such calls make the p99, and most of the difference between median and calls/s.');
  }
  return lines;
}

/** Calls a second, median and 99th percentile, and how they compare. */
function speed(times: Histogram, yardstick: Histogram): string[] {
  if (times.count === 0) return ['-', '-', '-', '-'];
  const [median, p99] = [times.quantile(0.5), times.quantile(0.99)];
  const ratio = yardstick.quantile(0.5) / median;
  return [figure(Math.round((times.count / times.milliseconds) * 1000)), microseconds(median), microseconds(p99), `${ratio.toFixed(1)}x`];
}

function microseconds(value: number): string {
  return value < 100 ? value.toFixed(1) : figure(Math.round(value));
}
