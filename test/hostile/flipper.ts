/**
 * A storm in an outbox: its owner publishes records, each of which says in every word which one it is, and all the while makes words
 * of it wrong for a moment and right again. Which words is the caller's to choose; no word is out of its reach.
 *
 * The storm is written twice, here and in flipper.c, which is faster; `compileStorm` gives that one where there is a compiler.
 */
import koffi from 'koffi';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addressOf, closeDescriptor } from '../../src/platform/system.js';
import { randomFrom } from '../memory/support.js';
import { ATTRIBUTES } from '../../src/memory/layout.js';
import { CONTROL, type ControlWord, type HandPeer, PAGE, RECORD, RECORD_HEADER, RECORD_TYPE, RETRACTED, STATE, WAIT_PAGE } from './peer.js';
import { receiveRaw } from './raw.js';

/** What may be flipped, as bits. Flips of the first two, of `control` and of `wait` change nothing but what a message says, as long as nothing is shared. */
export const FLIP = { payload: 1, header: 2, type: 4, length: 8, tail: 16, head: 32, control: 64, attributes: 128, wait: 256 } as const;
export type FlipName = keyof typeof FLIP;
export const HARMLESS = FLIP.payload | FLIP.header | FLIP.control | FLIP.wait;
/** Not a flip: the other side sends views, descriptors and direct messages meanwhile, each message one of each, and gets them back. */
export const SHARING = 1 << 16;
const KINDS = Object.keys(FLIP) as FlipName[];
const HEADER = Object.keys(RECORD) as (keyof typeof RECORD)[];

export interface Orders {
  readonly flips: number;
  readonly seed: number;
  /** Published at most. */
  readonly records: number;
  readonly milliseconds: number;
}

export interface Report {
  /** 'read': everything was published and read; 'closed': the other side closed; 'time': it was over. */
  readonly outcome: 'read' | 'time' | 'closed';
  readonly published: number;
  readonly flips: Record<FlipName, number>;
  /** Of flips, those of each word of a record's header. */
  readonly header: Record<keyof typeof RECORD, number>;
}

export type Storm = (peer: HandPeer, orders: Orders) => Report;

// ---- what the records say -------------------------------------------------------------------------------------------

const NUMBERS = 0x7fff;
export const FIRST_ID = 0x10000;

/** Words of payload of a record, by its number. */
export function payloadWords(record: number): number {
  return (Math.imul(record & NUMBERS, 2654435761) >>> 16) % 48;
}

/** The number of the record that a word of payload belongs to and its place there, whether it came flipped or not. */
export function readWord(word: number): { record: number; at: number; flipped: boolean } {
  const right = word < 0 ? word : ~word;
  return { record: (right >>> 12) & NUMBERS, at: right & 0xfff, flipped: word >= 0 };
}

function payloadWord(record: number, at: number): number {
  return (0x80000000 | ((record & NUMBERS) << 12) | at) | 0;
}

// ---- words that are no record's -------------------------------------------------------------------------------------

interface Place {
  /** As indexes into the page's words. */
  readonly at: number;
  readonly words: number;
}

/** How many words the rows of the control page have. */
const ROWS: Partial<Record<ControlWord, number>> = { securityContexts: 64, latencies: 96, tellings: 64, releases: 512 };
/** All but the figures of the ring, which are flips of their own; the bells more often than others. */
const CONTROL_PLACES: readonly Place[] = [...(Object.keys(CONTROL) as ControlWord[]), 'dataSleep' as const, 'spaceSleep' as const]
  .filter((word) => word !== 'tail' && word !== 'head')
  .map((word) => ({ at: CONTROL[word] / 4, words: ROWS[word] ?? 1 }));
const WAIT_PLACES: readonly Place[] = Object.values(WAIT_PAGE).map((at) => ({ at: at / 4, words: 1 }));

// ---- in C -----------------------------------------------------------------------------------------------------------

/** The compiled storm's file, in `folder`; undefined where there is no compiler. */
export function compileStorm(folder: string): string | undefined {
  const file = join(folder, 'flipper.so');
  const source = fileURLToPath(new URL('../../../test/hostile/flipper.c', import.meta.url));
  return spawnSync('gcc', ['-O2', '-shared', '-fPIC', '-o', file, source], { stdio: 'ignore' }).status === 0 ? file : undefined;
}

export function loadStorm(file: string): Storm {
  const storm = koffi.load(file).func('int storm(void *storm)') as (storm: Uint32Array) => number;
  return (peer, { flips, seed, records, milliseconds }) => {
    const words = new Uint32Array(36);
    const places = Uint32Array.from([...CONTROL_PLACES, ...WAIT_PLACES].flatMap(({ at, words: count }) => [at, count]));
    new BigUint64Array(words.buffer).set([peer.outbox.words, peer.theirOutbox!.words, peer.page.words, places].map((memory) => BigInt(addressOf(memory))));
    words.set([PAGE, peer.ringLength, peer.socket, flips, seed, records, milliseconds, CONTROL_PLACES.length, WAIT_PLACES.length], 8);
    const outcome = (['read', 'time', 'closed'] as const)[storm(words)]!;
    return reportOf(outcome, words[17]!, words.subarray(18, 27), words.subarray(27, 35));
  };
}

function reportOf(outcome: Report['outcome'], published: number, flips: ArrayLike<number>, header: ArrayLike<number>): Report {
  return {
    outcome,
    published,
    flips: Object.fromEntries(KINDS.map((name, at) => [name, flips[at]!])) as Report['flips'],
    header: Object.fromEntries(HEADER.map((name, at) => [name, header[at]!])) as Report['header'],
  };
}

// ---- in JavaScript --------------------------------------------------------------------------------------------------

const MOST_RECORDS = 4096;
const HARMLESS_WORDS = ['messageId', 'callbackId', 'status', 'sequence', 'reserved1'] as const;
const { request, reply, datagram, cancel } = RECORD_TYPE;
/** Each attribute alone, all at once, and what is none. */
const WRONG_ATTRIBUTES = [...ATTRIBUTES.map(({ bit }) => bit), ATTRIBUTES.reduce((sum, { bit }) => sum | bit, 0), 1, -1];
const WRONG_TYPES = [request, request, request, reply, cancel, request | RETRACTED, datagram | 0x7fffff00];
const [MAX_DIRECT, MAX_VIEWS] = [ROWS.tellings!, ROWS.releases!];

export const storm: Storm = (peer, { flips, seed, records, milliseconds }) => {
  const random = randomFrom(seed);
  const { words } = peer.outbox;
  const starts = new Int32Array(MOST_RECORDS);
  const counts = new Uint32Array(KINDS.length);
  const header = new Uint32Array(HEADER.length);
  const begun = performance.now();
  let published = 0;
  let oldest = 0;
  const flip = (index: number, wrong: number, memory: Int32Array = words): void => {
    const right = Atomics.load(memory, index);
    Atomics.store(memory, index, wrong | 0);
    for (let wait = random(16); wait > 0; wait--) Atomics.load(memory, index);
    Atomics.store(memory, index, right);
  };
  const flipPlace = (memory: Int32Array, places: readonly Place[]): void => {
    const { at, words: count } = pick(places);
    const index = at + random(count);
    flip(index, pick([memory[index]! + 1, random(64), random(2 ** 32), random(2 ** 32)]), memory);
  };
  const inRing = (position: number, offset: number): number => (PAGE + ((position + offset) & (peer.ringLength - 1))) / 4;
  const pick = <T>(list: readonly T[]): T => list[random(list.length)]!;
  const flipOf = (kind: FlipName, head: number): void => {
    const unread = published - oldest;
    const at = starts[(oldest + (unread === 0 || random(2) === 0 ? 0 : random(unread))) % MOST_RECORDS]!;
    const tail = peer.position;
    const inHeader = (word: keyof typeof RECORD): number => {
      header[HEADER.indexOf(word)]!++;
      return inRing(at, RECORD[word]);
    };
    if (kind === 'tail') return flip(CONTROL.tail / 4, pick([tail + 8, tail - 8, tail + 4, head + peer.ringLength, head + peer.ringLength + 8, random(2 ** 32)]));
    if (kind === 'head') return flip(CONTROL.head / 4, pick([8, -8, 4, 2 ** 31]) + peer.get('head'));
    if (kind === 'control') return flipPlace(words, CONTROL_PLACES);
    if (kind === 'wait') return flipPlace(peer.page.words, WAIT_PLACES);
    if (unread === 0) return;
    if (kind === 'header') {
      const index = inHeader(pick(HARMLESS_WORDS));
      flip(index, ~words[index]!);
    } else if (kind === 'type') flip(inHeader('type'), random(64) === 0 ? 0 : pick(WRONG_TYPES));
    else if (kind === 'attributes') flip(inHeader('attributes'), pick(WRONG_ATTRIBUTES));
    else if (kind === 'length') {
      const index = inHeader('length');
      flip(index, pick([4, -4, 40, 8 * random(256), random(2 ** 32)]) + words[index]!);
    } else {
      const length = words[inRing(at, RECORD.length)]! - RECORD_HEADER;
      if (length <= 0) return;
      const index = inRing(at, RECORD_HEADER + 4 * random(length / 4));
      flip(index, ~words[index]!);
    }
  };
  while (peer.theirs('state') === STATE.open) {
    const head = peer.theirs('head');
    if (performance.now() - begun >= milliseconds) return reportOf('time', published, counts, header);
    let next = peer.position;
    for (; published < records && published - oldest < MOST_RECORDS; published++) {
      const count = payloadWords(published);
      if (((next - head) >>> 0) + RECORD_HEADER + 4 * count + 4 > peer.ringLength) break;
      starts[published % MOST_RECORDS] = next;
      peer.sequence = published;
      const end = peer.write({ length: RECORD_HEADER + 4 * count, messageId: FIRST_ID + (published & NUMBERS) }, next);
      for (let i = 0; i < count; i++) words[inRing(next, RECORD_HEADER + 4 * i)] = payloadWord(published, i);
      if ((count & 1) === 1) words[inRing(next, RECORD_HEADER + 4 * count)] = 0;
      next = end + ((4 * count + 7) & ~7);
    }
    peer.publish(next);
    peer.set('head', peer.theirs('tail')); // answers are not looked at
    if ((flips & SHARING) !== 0) giveBack(peer);
    if (head === next && published === records) return reportOf('read', published, counts, header);
    while (oldest < published && ((starts[oldest % MOST_RECORDS]! - head) | 0) < 0) oldest++;
    for (let i = 0; i < 32; i++) {
      const kind = random(KINDS.length);
      if ((flips & (1 << kind)) === 0) continue;
      counts[kind]!++;
      flipOf(KINDS[kind]!, head);
    }
  }
  return reportOf('closed', published, counts, header);
};

/** Takes what was shared, as the protocol says: views, their descriptors and their direct messages came one each, numbered from 1. */
function giveBack(peer: HandPeer): void {
  const { words } = peer.outbox;
  for (let heard = receiveRaw(peer.socket); typeof heard !== 'string'; heard = receiveRaw(peer.socket)) heard.descriptors.forEach(closeDescriptor);
  for (let done = peer.get('released'); done < peer.theirs('sentViews'); done++) {
    words[CONTROL.releases / 4 + (done % MAX_VIEWS)] = done + 1;
    peer.set('released', done + 1);
    words[CONTROL.tellings / 4 + (done % MAX_DIRECT)] = done + 1;
    peer.set('told', done + 1);
  }
  peer.set('handlesDone', peer.theirs('sentHandles'));
}
