/**
 * What alpc promises, as data: a figure, what it is held against (another figure of the same run, or a number of its own unit),
 * and the limit. Ratios, because an absolute time says as much about the machine as about the program. `npm run bench -- --check`
 * fails on what does not hold, and on what could not be measured: a promise that nobody looks at is none.
 */
import type { FigureName, Figures } from './core/figures.js';
import { number, ratio } from './core/table.js';
import type { ScenarioName } from './peer.js';
import type { PeerName } from './peers/index.js';

export interface Budget {
  readonly what: string;
  readonly figure: FigureName;
  readonly relation: 'at most' | 'at least';
  readonly limit: number;
  /** Without it the limit is in the figure's own unit. */
  readonly against?: FigureName;
  readonly unit?: string;
}

export interface Verdict {
  readonly budget: Budget;
  readonly asked: string;
  readonly measured: string;
  /** The same as a number: the ratio of the two figures, or the figure in its own unit. */
  readonly value?: number;
  readonly holds: 'yes' | 'NO' | 'NOT MEASURED' | 'skipped';
}

const roundTrip = (peer: PeerName): FigureName => ({ scenario: 'round trip', peer, case: '64 B', metric: 'median' });
const asleep = (peer: PeerName): FigureName => ({ scenario: 'asleep', peer, case: '64 B', metric: 'median' });
const oneWay = (peer: PeerName): FigureName => ({ scenario: 'one way', peer, case: '64 B', metric: 'thousands per second' });
const taking = (peer: PeerName): FigureName => ({ scenario: 'taking', peer, case: '64 B', metric: 'thousands per second' });
const inFlight = (peer: PeerName, calls: number): FigureName => ({ scenario: 'in flight', peer, case: `${calls}`, metric: 'thousands per second' });
const download = (peer: PeerName): FigureName => ({ scenario: 'download', peer, case: '64 B', metric: 'thousands per second' });
const connect = (peer: PeerName): FigureName => ({ scenario: 'connect', peer, case: 'connection', metric: 'median' });
const large = (peer: PeerName, of: string, metric: string): FigureName => ({ scenario: 'large', peer, case: of, metric });
const idle = (metric: string): FigureName => ({ scenario: 'idle', peer: 'alpc awaited, on', case: 'idle', metric });

const hash = (peer: PeerName, work: 'long' | 'short'): FigureName => ({ scenario: 'hash', peer, case: work, metric: 'per second' });

const packets = (of: string, metric: string): FigureName => ({ scenario: 'packets', peer: 'alpc completion port', case: of, metric });

/** "No worse" and "no CPU" as numbers: see docs/decisions/0028-no-worse-in-numbers.md. */
const NO_WORSE = 1.1;
const NO_CPU = 2;

export const BUDGETS: readonly Budget[] = [
  { what: 'blocking call, server in receiveSync', figure: roundTrip('alpc blocking, receiveSync'), relation: 'at most', limit: 1 / 60, against: roundTrip('net echo') },
  { what: 'blocking call, server in receiveSync', figure: roundTrip('alpc blocking, receiveSync'), relation: 'at most', limit: 6, against: roundTrip('C spin') },
  { what: 'blocking call, server with on(message)', figure: roundTrip('alpc blocking, on'), relation: 'at most', limit: 1 / 30, against: roundTrip('net echo') },
  { what: 'blocking call, server with for await', figure: roundTrip('alpc blocking, for await'), relation: 'at most', limit: 1 / 15, against: roundTrip('net echo') },
  { what: 'awaited call, server on its event loop', figure: roundTrip('alpc awaited, on'), relation: 'at most', limit: 1 / 8, against: roundTrip('net echo') },
  { what: 'asleep: blocking, server in receiveSync', figure: asleep('alpc blocking, receiveSync'), relation: 'at most', limit: NO_WORSE, against: asleep('net echo') },
  { what: 'asleep: blocking, server with on(message)', figure: asleep('alpc blocking, on'), relation: 'at most', limit: NO_WORSE, against: asleep('net echo') },
  { what: 'asleep: blocking, server with for await', figure: asleep('alpc blocking, for await'), relation: 'at most', limit: NO_WORSE, against: asleep('net echo') },
  { what: 'asleep: awaited, server on its event loop', figure: asleep('alpc awaited, on'), relation: 'at most', limit: NO_WORSE, against: asleep('net echo') },
  { what: 'one-way messages, tryPost to on(message)', figure: oneWay('alpc awaited, on'), relation: 'at least', limit: 8, against: oneWay('net framed') },
  { what: 'one-way messages, tryPost to on(message)', figure: oneWay('alpc awaited, on'), relation: 'at least', limit: 3000, unit: 'thousand/s' },
  { what: '64 awaited calls in flight, to one at a time', figure: inFlight('alpc awaited, on', 64), relation: 'at least', limit: 10, against: inFlight('net echo', 1) },
  { what: '64 awaited calls in flight, to 64 framed', figure: inFlight('alpc awaited, on', 64), relation: 'at least', limit: 2, against: inFlight('net framed', 64) },
  { what: 'typed call, awaited', figure: roundTrip('rpc awaited'), relation: 'at most', limit: 1 / 15, against: roundTrip('grpc-js') },
  { what: 'typed call, awaited', figure: roundTrip('rpc awaited'), relation: 'at most', limit: 1 / 4, against: roundTrip('net JSON') },
  { what: 'typed call, blocking', figure: roundTrip('rpc blocking'), relation: 'at most', limit: 1 / 10, against: roundTrip('synckit (thread)') },
  { what: 'typed call with a validator, awaited', figure: roundTrip('rpc awaited, validated'), relation: 'at most', limit: 1.25, against: roundTrip('rpc awaited') },
  { what: '64 typed calls in flight', figure: inFlight('rpc awaited', 64), relation: 'at least', limit: 5, against: inFlight('grpc-js', 64) },
  { what: 'streamed items, server to client', figure: download('rpc awaited'), relation: 'at least', limit: 10, against: download('grpc-js') },
  { what: 'connect, accept and close', figure: connect('alpc awaited, on'), relation: 'at most', limit: 3, against: connect('net echo') },
  { what: 'idle connections: CPU of the server', figure: idle('CPU ms per second'), relation: 'at most', limit: NO_CPU, unit: 'ms/s' },
  { what: 'idle connections: resident, each', figure: idle('KiB each'), relation: 'at most', limit: 40, unit: 'KiB' },
  { what: 'idle connections: descriptors, each', figure: idle('descriptors each'), relation: 'at most', limit: 1, unit: 'descriptors' },
  { what: 'messages that wait, taken by poll', figure: taking('alpc awaited, completion list'), relation: 'at least', limit: 1.5, against: taking('alpc awaited, on') },
  { what: 'long hashes of 20 KiB, two threads to one', figure: hash('alpc pool, 2 threads', 'long'), relation: 'at least', limit: 1.7, against: hash('alpc pool, 1 thread', 'long') },
  { what: 'short hashes of 20 KiB, two threads', figure: hash('alpc pool, 2 threads', 'short'), relation: 'at least', limit: 1.3, against: hash('net framed, piscina, 2 threads', 'short') },
  { what: 'packets lost or doubled while threads come and go', figure: packets('come and go', 'lost or doubled'), relation: 'at most', limit: 0, unit: 'of 10,000' },
  { what: 'messages lost or doubled, pauses at random', figure: packets('pauses', 'lost or doubled'), relation: 'at most', limit: 0, unit: 'of 1,000,000' },
  { what: 'threads at work beyond the limit', figure: packets('come and go', 'threads too many'), relation: 'at most', limit: 0, unit: 'threads' },
  { what: 'threads at work beyond the limit, pauses', figure: packets('pauses', 'threads too many'), relation: 'at most', limit: 0, unit: 'threads' },
  { what: '256 MiB by view, to copying them', figure: large('alpc views', '256 MiB', 'median'), relation: 'at most', limit: 1 / 1000, against: large('net, many bytes', '256 MiB', 'median') },
  { what: '256 MiB by view, to 64 bytes', figure: large('alpc views', '256 MiB', 'median'), relation: 'at most', limit: 3, against: large('alpc views', '64 B', 'median') },
  { what: 'stream of 1 MiB, every byte read', figure: large('alpc views', 'stream', 'MiB per second'), relation: 'at least', limit: 10, against: large('child_process advanced, many bytes', 'stream', 'MiB per second') },
  { what: 'stream of 1 MiB, every byte read', figure: large('alpc views', 'stream', 'MiB per second'), relation: 'at least', limit: 4, against: large('net, many bytes', 'stream', 'MiB per second') },
  { what: 'echo of 1 MiB', figure: large('alpc views', '1 MiB', 'median'), relation: 'at most', limit: 1.5, against: large('MessagePort (thread), transferred', '1 MiB', 'median') },
  { what: 'heap garbage of an awaited call', figure: { scenario: 'garbage', peer: 'alpc awaited, on', case: 'a call', metric: 'heap bytes' }, relation: 'at most', limit: 1024, unit: 'bytes' },
];

/** Those whose figures in a scenario some budget holds against each other. */
export function comparedIn(scenario: ScenarioName): ReadonlySet<PeerName> {
  const figures = BUDGETS.flatMap(({ figure, against }) => (against === undefined ? [figure] : [figure, against]));
  return new Set(figures.filter((figure) => figure.scenario === scenario).map(({ peer }) => peer));
}

/** @param noBaseline why the baseline in C is not there, if it is not: what needs it is then skipped */
export function judge(figures: Figures, noBaseline?: string): Verdict[] {
  return BUDGETS.map((budget) => verdictOn(budget, figures, noBaseline));
}

function verdictOn(budget: Budget, figures: Figures, noBaseline: string | undefined): Verdict {
  const { figure, against, relation, limit, unit } = budget;
  const asked = against === undefined ? `${relation} ${limit} ${unit}` : `${relation} ${ratio(limit)} ${against.peer}`;
  if (noBaseline !== undefined && against?.peer === 'C spin') return { budget, asked, measured: noBaseline, holds: 'skipped' };
  const mine = figures.get(figure)?.median;
  const theirs = against === undefined ? 1 : figures.get(against)?.median;
  if (mine === undefined || theirs === undefined) return { budget, asked, measured: '-', holds: 'NOT MEASURED' };
  const measured = mine / theirs;
  const holds = relation === 'at most' ? measured <= limit : measured >= limit;
  return { budget, asked, measured: against === undefined ? `${number(mine)} ${unit}` : ratio(measured), value: measured, holds: holds ? 'yes' : 'NO' };
}

/** Whether a run that was to be checked is a success: every budget holds, or is skipped for a reason, and no job failed. */
export function isSuccess(verdicts: readonly Verdict[], failures: readonly string[]): boolean {
  return failures.length === 0 && verdicts.every(({ holds }) => holds === 'yes' || holds === 'skipped');
}
