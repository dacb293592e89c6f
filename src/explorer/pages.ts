/**
 * Reading what processes say of themselves: the control page of an outbox, the wait page of a thread. Both are claims. They are
 * copies by the time they come here; what is impossible is told in words, what is merely false can't be told from the truth.
 */
import { acceptBit, Accepts, Control, HANDLE_KINDS, type HandleKind, LATENCY_ONE_IN, LATENCY_PLACES, LATENCY_STEPS, MAGIC, OutboxState, PROTOCOL_VERSION, WaitPageWords } from '../memory/layout.js';
import { isRingLength } from '../memory/outbox.js';
import { pageSize } from '../platform/descriptors.js';
import type { LatencyHistogram, OutboxInfo } from './model.js';

const HALF = 2 ** 32;

/** A control page, looked through once. */
export interface ControlPage {
  readonly role: 'client' | 'server' | 'unconnected';
  readonly ownerPid: number;
  readonly ringLength: number;
  /** Bytes ever published here, and consumed from the peer's ring, modulo 2^32. */
  readonly tail: number;
  readonly head: number;
  /** Of a server's: the number of the client's outbox. Of a client's: the number of its socket. 0: it does not say. */
  readonly connection: number;
  readonly socket: number;
  readonly words: Int32Array;
}

export interface WaitPageFacts {
  readonly ownerPid: number;
  readonly tid: number;
  readonly sequence: number;
  /** Numbers of the wait page of the thread that is waited for, and of the connection; for an event 0, and the number of its FIFO. */
  readonly on: number;
  readonly connection: number;
  readonly messageId: number;
  readonly since: Date;
}

/** @returns the page, or in words what is wrong with it. `size` is the whole file's. */
export function readControlPage(page: Buffer, size: number): ControlPage | string {
  if (page.length < pageSize()) return `its memory ends after ${page.length} bytes`;
  const words = wordsOf(page);
  const ringLength = words[Control.ringLength]!;
  const role = (['client', 'server', 'unconnected'] as const)[words[Control.role]!];
  if (words[Control.magic] !== MAGIC) return 'its memory does not begin with the letters ALPC';
  if (words[Control.version] !== PROTOCOL_VERSION) return `its memory is of version ${words[Control.version]} of the protocol, known is ${PROTOCOL_VERSION}`;
  if (!isRingLength(ringLength) || size !== pageSize() + ringLength) return `its memory has ${size} bytes and says that its ring has ${ringLength}`;
  if (role === undefined) return `its memory says that its owner is a ${words[Control.role]}, which is neither client nor server`;
  return {
    role,
    ringLength,
    ownerPid: words[Control.ownerPid]!,
    tail: words[Control.tail]!,
    head: words[Control.head]!,
    connection: join(words[Control.connectionLow]!, words[Control.connectionHigh]!),
    socket: join(words[Control.socketLow]!, words[Control.socketHigh]!),
    words,
  };
}

/** Undefined when it is none. */
export function readWaitPage(page: Buffer): WaitPageFacts | undefined {
  if (page.length < pageSize()) return undefined;
  const words = wordsOf(page);
  if (words[WaitPageWords.magic] !== MAGIC || words[WaitPageWords.version] !== PROTOCOL_VERSION) return undefined;
  const pair = (low: number): number => join(words[low]!, words[low + 1]!);
  return {
    ownerPid: words[WaitPageWords.ownerPid]!,
    tid: words[WaitPageWords.ownerTid]!,
    sequence: words[WaitPageWords.sequence]!,
    on: pair(WaitPageWords.onLow),
    connection: pair(WaitPageWords.connectionLow),
    messageId: words[WaitPageWords.messageId]!,
    since: new Date(Math.max(0, words[WaitPageWords.sinceSeconds]!) * 1000),
  };
}

/** Bytes that the owner published and the peer has not consumed; undefined when the two do not fit together. */
export function unreadBytes(from: ControlPage, to: ControlPage): number | undefined {
  const unread = (from.tail - to.head) >>> 0;
  return unread <= from.ringLength ? unread : undefined;
}

export function outboxInfo(own: ControlPage, peer: ControlPage | undefined): OutboxInfo {
  const { words } = own;
  const count = (word: number): number => words[word]! >>> 0;
  const [released, done] = [peer?.words[Control.released], peer?.words[Control.handlesDone]];
  const [accepts, limit] = [words[Control.accepts]!, peer === undefined ? 0 : peer.words[Control.maxViews]! >>> 0];
  const unread = peer === undefined ? undefined : unreadBytes(own, peer);
  const pending = count(Control.unansweredRequests) + count(Control.queuedMessages);
  return {
    state: STATES.get(words[Control.state]!) ?? 'open',
    ownerPid: own.ownerPid,
    ring: { bytes: own.ringLength, ...(unread === undefined ? {} : { unread }) },
    sent: { messages: count(Control.sentMessages), bytes: bytesSent(count(Control.sentKiB), count(Control.sentBytes)) },
    receivedMessages: count(Control.receivedMessages),
    pendingRequests: Math.max(0, (words[Control.requests]! - words[Control.settledRequests]!) | 0),
    unansweredRequests: count(Control.unansweredRequests),
    queuedMessages: count(Control.queuedMessages),
    lateReplies: count(Control.lateReplies),
    bellsRung: count(Control.bellsRung),
    sleepsFor: SLEEPS.flatMap(([word, what]) => ((words[word]! & 1) === 1 ? [what] : [])),
    accepts: ACCEPTED.flatMap(([bit, what]) => ((accepts & bit) === 0 ? [] : [what])),
    ...(count(Control.maxPendingMessages) === 0 ? {} : { pendingQuota: { used: pending, limit: count(Control.maxPendingMessages) } }),
    ...(released === undefined ? {} : { views: { used: Math.max(0, (words[Control.sentViews]! - released) | 0), limit } }),
    ...(done === undefined ? {} : { handles: Math.max(0, (words[Control.sentHandles]! - done) | 0) }),
  };
}

/** The limit of connections that a server's page tells. */
export function connectionLimit({ words }: ControlPage): number | undefined {
  const limit = words[Control.maxConnections]! >>> 0;
  return limit === 0 ? undefined : limit;
}

/** The counts of a page; undefined when there are none yet. */
export function latencyCounts({ words }: ControlPage): number[] | undefined {
  const counts = Array.from(words.subarray(Control.latencies, Control.latencies + LATENCY_PLACES), (count) => Math.max(0, count));
  return counts.some((count) => count > 0) ? counts : undefined;
}

/** Counts of several pages together, as it is told. */
export function histogramOf(all: readonly (readonly number[])[]): LatencyHistogram | undefined {
  if (all.length === 0) return undefined;
  const counts = Array.from({ length: LATENCY_PLACES }, (_, place) => all.reduce((sum, each) => sum + each[place]!, 0));
  const [first, last] = [counts.findIndex((count) => count > 0), counts.findLastIndex((count) => count > 0)];
  const buckets = counts.slice(first, last + 1).map((count, i) => ({ upToMicroseconds: upTo(first + i), count }));
  const count = counts.reduce((sum, each) => sum + each, 0);
  const [median, p99] = [quantile(counts, count * 0.5), quantile(counts, count * 0.99)];
  return { sampledOneIn: LATENCY_ONE_IN, count, buckets, ...(median === undefined ? {} : { medianMicroseconds: median }), ...(p99 === undefined ? {} : { p99Microseconds: p99 }) };
}

const STATES = new Map<number, OutboxInfo['state']>([
  [OutboxState.open, 'open'],
  [OutboxState.closed, 'closed'],
  [OutboxState.protocol, 'closed for a breach of the protocol'],
  [OutboxState.quota, 'closed for a quota'],
]);

const SLEEPS = [
  [Control.dataSleep, 'messages'],
  [Control.spaceSleep, 'room'],
  [Control.viewSleep, 'views'],
] as const;

const ACCEPTED: readonly (readonly [number, string])[] = [
  [Accepts.secureViews, 'secure-view'],
  [Accepts.views, 'view'],
  [Accepts.writableViews, 'writable-view'],
  [Accepts.security, 'security'],
  [Accepts.work, 'work'],
  ...Object.keys(HANDLE_KINDS).map((kind) => [acceptBit(kind as HandleKind), kind] as const),
];

/** Both words say how many bytes: the first in KiB, the second what is missing to the byte. */
function bytesSent(kib: number, modulo: number): number {
  return kib * 1024 + ((modulo - kib * 1024) & 1023);
}

/** The time up to which the last of the fastest so many calls took. */
function quantile(counts: readonly number[], rank: number): number | undefined {
  let sum = 0;
  const place = counts.findIndex((count) => (sum += count) >= rank && sum > 0);
  return upTo(place) ?? undefined;
}

function upTo(place: number): number | null {
  return place >= LATENCY_PLACES - 1 ? null : Number((2 ** ((place - LATENCY_STEPS) / LATENCY_STEPS)).toPrecision(3));
}

function wordsOf(page: Buffer): Int32Array {
  return page.byteOffset % 4 === 0 ? new Int32Array(page.buffer, page.byteOffset, pageSize() / 4) : new Int32Array(page.buffer.slice(page.byteOffset, page.byteOffset + pageSize()));
}

function join(low: number, high: number): number {
  return (high >>> 0) * HALF + (low >>> 0);
}
