/**
 * What the threads that use one completion port share: a SharedArrayBuffer, laid out here and nowhere else. Only this process
 * maps it, so what stands in it is believed.
 *
 *   control words | seats, one for each thread | lanes, one for each thread that owns ports: control words, tokens
 *   | the packets | the lanes' answers
 *
 * A *token* stands for one request that is on its way through the threads; its word is its state, who holds it and its generation together,
 * so that one compare-exchange decides. The owner of the lane alone makes tokens free; whoever has an old one finds another generation.
 */
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { AlpcError } from '../base/errors.js';

export const MAX_SEATS = 256;
export const MAX_LANES = 8;
export const TOKENS = 4096;

/** Control words, each group on a cache line of its own. */
export const Word = { magic: 0, concurrency: 1, packetBytes: 2, closed: 3, lock: 16, head: 32, tail: 33, clock: 48, peak: 49, packets: 50, dequeued: 51, starved: 52, seatsUsed: 53, hunger: 54, identity: 55, turn: 56, seats: 64 } as const;
const MAGIC = 0x43504d50;

/** A seat's words. */
export const Seat = { state: 0, thread: 1, since: 2, wake: 3, size: 16 } as const;
/** `outside`: not at this port, or not yet; `called`: has been woken and counts as running. */
export const SeatState = { free: 0, outside: 1, running: 2, called: 3, waiting: 4, blocked: 5 } as const;

/** A lane's words, its tokens behind them, a word each. `asked` and `drained`: see drain-question.ts; `ports`: how many its owner has. */
export const Lane = { owner: 0, lock: 1, head: 3, tail: 4, wake: 5, room: 6, orphans: 7, asked: 8, drained: 9, ports: 10, tokens: 16 } as const;
const LANE_WORDS = Lane.tokens + TOKENS;
export const LANE_BYTES = 1 << 20;

/** `answered`: somebody gives, or has given, the answer; `orphaned`: who held it has ended. */
export const TokenState = { free: 0, queued: 1, held: 2, orphaned: 3, answered: 4 } as const;
/** From the low bits: the seat of who holds or answers it, the state, the generation. */
const SEAT_BITS = 8;
const STATE_BITS = 3;

export function tokenWord(generation: number, state: number, seat = 0): number {
  return (((generation << STATE_BITS) | state) << SEAT_BITS) | seat;
}

export function holderOf(word: number): number {
  return word & ((1 << SEAT_BITS) - 1);
}

export function stateOf(word: number): number {
  return (word >>> SEAT_BITS) & ((1 << STATE_BITS) - 1);
}

export function generationOf(word: number): number {
  return word >>> (SEAT_BITS + STATE_BITS);
}

export function seatAt(seat: number): number {
  return Word.seats + seat * Seat.size;
}

export function laneAt(lane: number): number {
  return Word.seats + MAX_SEATS * Seat.size + lane * LANE_WORDS;
}

export function tokenAt(lane: number, token: number): number {
  return laneAt(lane) + Lane.tokens + token;
}

/** Where the packets begin, in bytes. */
export const PACKETS_AT = 4 * laneAt(MAX_LANES);

export function laneBytesAt(lane: number, packetBytes: number): number {
  return PACKETS_AT + packetBytes + lane * LANE_BYTES;
}

/** The kernel gives the memory page by page as it is touched: lanes that nobody uses cost nothing. @throws AlpcError ERR_ALPC_INSUFFICIENT_RESOURCES */
export function createCompletionMemory(concurrency: number, packetBytes: number): SharedArrayBuffer {
  const memory = allocate(laneBytesAt(MAX_LANES, packetBytes));
  const words = new Int32Array(memory);
  words[Word.concurrency] = concurrency === 0 ? availableParallelism() : concurrency;
  words[Word.packetBytes] = packetBytes;
  words[Word.identity] = randomInt(2 ** 31);
  Atomics.store(words, Word.magic, MAGIC);
  return memory;
}

/** Whether it was made by the above: nothing else in this process has this length for what it says of itself. */
export function isCompletionMemory(memory: SharedArrayBuffer): boolean {
  if (memory.byteLength < laneBytesAt(MAX_LANES, 0)) return false;
  const words = new Int32Array(memory, 0, Word.seats);
  return words[Word.magic] === MAGIC && memory.byteLength === laneBytesAt(MAX_LANES, words[Word.packetBytes]!);
}

function allocate(bytes: number): SharedArrayBuffer {
  try {
    return new SharedArrayBuffer(bytes);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new AlpcError('ERR_ALPC_INSUFFICIENT_RESOURCES', `completion port: there is no memory of ${bytes} bytes for its packets and answers`, { cause });
  }
}
