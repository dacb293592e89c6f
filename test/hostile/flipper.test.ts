/**
 * A peer that rewrites its shared words while they are read. Each message that is accepted is one that its sender wrote, each of its
 * words as it stood there at some moment; or the connection is closed, for a breach of the protocol. Nothing crashes, hangs or reads elsewhere.
 *
 * The long form (`npm run test:long`) goes on until a million messages have come and each word of a header has been flipped ten million times.
 */
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { DatagramMessage, RequestMessage, Section, ServerPort } from '../../src/index.js';
import { nameOf, tally, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { isLong } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import { compileStorm, FIRST_ID, FLIP, HARMLESS, payloadWords, readWord, type Report, SHARING } from './flipper.js';
import type { News, Order } from './flipper-actor.js';
import { serve } from './meeting.js';
import { STATE } from './peer.js';

withLedger();

const MILLION = 1_000_000;
const ALL = Object.values(FLIP).reduce((sum, bit) => sum | bit, 0);
/** What is flipped together. Whoever flips what only a message's words depend on keeps to the rules. */
const STORMS = [HARMLESS, FLIP.payload, FLIP.wait | SHARING, FLIP.type, FLIP.attributes, FLIP.length, FLIP.tail, FLIP.head | FLIP.type, HARMLESS | SHARING, ALL, ALL | SHARING];
/** Where something is shared, every how many messages; and how often it is asked by a call that blocks, for which wait pages are read. */
const SHARED_EVERY = 16;
const ASKED_EVERY = 256;
const SHARED_BYTES = 64;

/**
 * What is wrong with a message that nobody wrote, or how many of its words came flipped. Where lengths and attributes lie, a reader may be where its peer is
 * writing: that is then what its owner wrote there, and nothing can be told of it but that it came whole.
 */
function check(message: RequestMessage | DatagramMessage, flips: number): string | number {
  const words = new Int32Array(message.data.buffer, message.data.byteOffset, message.dataLength >> 2);
  const record = (message.id < 0 ? ~message.id : message.id) - FIRST_ID;
  const right = payloadWords(record);
  const lies = (flips & (FLIP.length | FLIP.tail | FLIP.attributes)) !== 0;
  if (!lies && message.dataLength !== 4 * right) return `record ${record} has ${message.dataLength} bytes of ${4 * right}`;
  let flipped = 0;
  for (let i = 0; i < Math.min(right, words.length); i++) {
    const word = readWord(words[i]!);
    if (word.record !== (record & 0x7fff) || word.at !== i) return lies ? flipped : `word ${i} of record ${record} is ${words[i]!.toString(16)}`;
    if (word.flipped) flipped++;
  }
  return flipped > 0 && (flips & FLIP.payload) === 0 ? `record ${record} has ${flipped} flipped words` : flipped;
}

async function weather(t: TestContext, file: string | undefined, done: (messages: number, reports: readonly Report[], seconds: number) => boolean): Promise<void> {
  const { port, path } = await serve(t, { connect: 'ask', accepts: ['view', 'file'] });
  const seen = { messages: 0, flipped: 0, closed: 0 };
  const ends: { flips: number; reason: string }[] = [];
  const wrong: string[] = [];
  const shared: Shared = { file: openSync('/proc/self/exe', 'r'), outcomes: [], taken: 0 };
  atEnd(t, () => closeSync(shared.file));
  const kept: { data: Buffer; copy: string }[] = [];
  port.on('disconnect', ({ context }, reason) => ends.push({ flips: context as number, reason }));
  port.on('message', (message) => {
    if (message.type === 'connection-request') message.accept({ context: Number(message.data) });
    if (message.type === 'port-closed') seen.closed++;
    if (message.type !== 'request' && message.type !== 'datagram') return;
    const found = check(message, message.portContext as number);
    if (typeof found === 'string') wrong.push(found);
    else seen.flipped += found;
    if (message.type === 'request') message.reply(message.data);
    if ((message.portContext as number) >= SHARING) share(message.port as ServerPort, seen.messages, shared);
    if (seen.messages++ % 1000 === 0) kept.push({ data: message.data, copy: message.data.toString('hex') });
  });
  const actor = startActor<Order, News>(t, new URL('./flipper-actor.js', import.meta.url), [], {}, { watchdog: 30 * 60_000 });
  const reports: Report[] = [];
  const start = performance.now();
  for (let round = 0; !done(seen.messages, reports, (performance.now() - start) / 1000); round++) {
    // Those that end their connection at once have the rest of the time.
    const storms = seen.messages < MILLION ? STORMS : [FLIP.length, FLIP.attributes, ALL];
    const flips = storms[round % storms.length]!;
    const isHarmless = (flips & ~HARMLESS) === 0 || flips === (FLIP.wait | SHARING);
    const before = seen.messages;
    actor.send({ type: 'rage', path, flips, seed: round + 1, records: isHarmless ? 50_000 : 20_000, milliseconds: isHarmless ? 1500 : 300, ...(file === undefined ? {} : { file }) });
    const { report, state } = await actor.until('over');
    reports.push(report);
    await until('the end is told, and comes behind all messages', () => ends.length === round + 1 && seen.closed === round + 1);
    assert.deepEqual(wrong, [], `flips ${flips}`);
    if (!isHarmless) continue;
    assert.deepEqual([state, ends.at(-1)], [STATE.open, { flips, reason: 'disconnected' }], 'who flips nothing of the protocol keeps to it');
    assert.equal(seen.messages - before, report.published, 'and none of its messages is lost');
  }
  for (const { data, copy } of kept) assert.equal(data.toString('hex'), copy, 'what was accepted stays as it is');
  const reasons = tally(ends.filter(({ flips }) => (flips & ~HARMLESS) !== 0).map(({ reason }) => reason));
  assert.deepEqual(Object.keys(reasons).filter((reason) => !['protocol', 'quota', 'disconnected'].includes(reason)), []);
  assert.ok(reasons['protocol']! > 0, JSON.stringify(reasons));
  assert.ok(seen.flipped > 0, 'flips were met in the middle of reading');
  const outcomes = tally(shared.outcomes);
  for (const outcome of Object.keys(outcomes)) assert.match(outcome, SHARING_ENDS);
  assert.ok(outcomes['sent']! > 100 && shared.taken > 100, `what is shared comes back: ${JSON.stringify(outcomes)}, ${shared.taken} taken`);
  t.diagnostic(`${seen.messages} messages, ${seen.flipped} words of them flipped; ${ends.length} connections, ended ${JSON.stringify(reasons)}; header words flipped: ${JSON.stringify(flipsOf(reports))}; shared: ${JSON.stringify(outcomes)}`);
}

/** What came of everything that was shared. */
interface Shared {
  readonly file: number;
  readonly outcomes: string[];
  /** Direct messages that were told of. */
  taken: number;
}

/** What may become of a post, or of a call that nobody answers, to somebody whose every word may be wrong. */
const SHARING_ENDS = /^(sent|full|no region|ERR_ALPC_(QUOTA_EXCEEDED|DISCONNECTED|CLOSED|PROTOCOL|TIMEOUT|DEADLOCK|MESSAGE_LOST|INSUFFICIENT_RESOURCES))$/;
const sections = new WeakMap<ServerPort, Section>();

/** Sends a view, a descriptor and a direct message in one; or asks. */
function share(port: ServerPort, turn: number, shared: Shared): void {
  if (turn % SHARED_EVERY !== 0) return;
  try {
    let section = sections.get(port);
    if (section === undefined) sections.set(port, (section = port.createSection(SHARED_BYTES * 64)));
    const view = section.tryCreateView(SHARED_BYTES);
    if (view === undefined) shared.outcomes.push('no region');
    else shared.outcomes.push(port.tryPost('shared', { view, autoRelease: true, handles: [shared.file], direct: (outcome) => void (outcome === 'taken' && shared.taken++) }));
    if (turn % ASKED_EVERY === 0) port.requestSync('nobody answers', { timeout: 1 });
  } catch (error) {
    shared.outcomes.push(nameOf(error));
  }
}

/** Flips of each word of a header, in all. */
function flipsOf(reports: readonly Report[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const { header } of reports) for (const [word, count] of Object.entries(header)) sum[word] = (sum[word] ?? 0) + count;
  return sum;
}

const longEnough = (messages: number, reports: readonly Report[]): boolean => messages >= MILLION && Object.values(flipsOf(reports)).every((count) => count >= 10_000_000);

test('6, B25: every word is flipped while it is read, by a process in C: each message is one that was written, or the connection is closed', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'alpc-flipper-'));
  atEnd(t, () => rmSync(folder, { recursive: true }));
  const file = compileStorm(folder);
  if (file === undefined) return t.skip('there is no compiler here');
  await weather(t, file, isLong ? longEnough : (messages, reports, seconds) => seconds > 5 && messages > 10_000 && reports.length > STORMS.length);
});

test('6, B25: the same by a process in JavaScript', async (t) => {
  await weather(t, undefined, (messages, reports, seconds) => seconds > 3 && messages > 10_000 && reports.length > STORMS.length);
});
