/**
 * The traffic of the soak: phases of messages, each numbered from 0, between one client and one server, with random pauses on
 * both sides. What is sent says its phase and number; whoever receives it holds it to be the very next one, so a message that
 * is lost, doubled or out of order ends the process at once.
 *
 * A pause of up to 50 us spins, so that the other side comes to every point of the dance between looking and resting; now and
 * then one is long and sleeps, so that the other side goes to rest, or its ring fills up.
 */
import type { DatagramMessage, RequestMessage } from '../../src/ports/index.js';

/** How a side sends: each way to wait for room, and each way to wait for an answer. */
export const POSTING = ['post', 'postSync', 'tryPost'] as const;
export const ASKING = ['request', 'requestSync'] as const;
/** How a side takes messages. */
export const TAKING = ['on', 'receive', 'iterate', 'receiveSync'] as const;
export type Posting = (typeof POSTING)[number];
export type Asking = (typeof ASKING)[number];
export type Taking = (typeof TAKING)[number];

/** A stretch of traffic of one kind. A request and its answer are two messages. */
export interface Phase {
  readonly number: number;
  /** Who sends. In 'both' both post, awaited, each `count` messages. */
  readonly from: 'client' | 'server' | 'both';
  readonly send: Posting | Asking;
  readonly take: Taking;
  /** What the sender sends. */
  readonly count: number;
}

/** Messages that a phase stands for. */
export function messagesOf({ from, send, count }: Phase): number {
  return from === 'both' || send === 'request' || send === 'requestSync' ? 2 * count : count;
}

const HEADER = 12;
const MAX_LENGTH = 8192;
/** Calls in flight at once. */
const WINDOW = 64;
/** One pause in so many is long. */
const LONG = 2000;

/** Random numbers that can be repeated: the same seed, the same pauses and lengths. */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 1;
  }

  /** From 0 to `below` - 1. */
  next(below: number): number {
    this.#state = Math.imul(this.#state ^ (this.#state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5;
    return ((this.#state ^ (this.#state >>> 13)) >>> 0) % below;
  }
}

/** Pauses now and then. Called once for each message. */
export class Pauses {
  readonly #chance: Chance;
  readonly #sleeper = new Int32Array(new SharedArrayBuffer(4));
  #left = 0;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  maybe(): void {
    if (--this.#left > 0) return;
    this.#left = 1 + this.#chance.next(128);
    if (this.#chance.next(LONG) === 0) {
      Atomics.wait(this.#sleeper, 0, 0, 1 + this.#chance.next(10));
      return;
    }
    const end = performance.now() + this.#chance.next(51) / 1000;
    while (performance.now() < end);
  }
}

/** Writes numbered messages, mostly short. What it gives is used again for the next. */
export class Writer {
  readonly #chance: Chance;
  readonly #memory = new ArrayBuffer(MAX_LENGTH);
  readonly #words = new Uint32Array(this.#memory);
  readonly #bytes = new Uint8Array(this.#memory);
  /** Views by length, made once. */
  readonly #short = Array.from({ length: 128 }, (_, length) => this.#bytes.subarray(0, length));

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  write(phase: number, number: number): Uint8Array {
    const length = this.#chance.next(1000) === 0 ? HEADER + this.#chance.next(MAX_LENGTH - HEADER) : HEADER + this.#chance.next(100);
    this.#words[0] = phase * 256; // so it begins with a zero, and no order does
    this.#words[1] = number;
    this.#words[2] = length;
    const data = length < 128 ? this.#short[length]! : this.#bytes.subarray(0, length);
    if (length > HEADER) data[length - 1] = number & 0xff;
    return data;
  }
}

/** Holds every message to be the next one. */
export class Checker {
  next = 0;

  constructor(readonly phase: number) {}

  /** @throws Error that says what came and what was expected */
  check(data: Buffer): void {
    const [phase, number, length] = [data.readUInt32LE(0) / 256, data.readUInt32LE(4), data.readUInt32LE(8)];
    const isWhole = data.length === length && (length === HEADER || data[length - 1] === (number & 0xff));
    if (phase !== this.phase || number !== this.next || !isWhole) {
      throw new Error(`message ${number} of phase ${phase}, ${data.length} bytes of ${length}, came where message ${this.next} of phase ${this.phase} was due`);
    }
    this.next++;
  }
}

/** What both ends of a connection can do. */
export interface Sender {
  post(data: Uint8Array): Promise<void>;
  postSync(data: Uint8Array): void;
  tryPost(data: Uint8Array): 'sent' | 'full' | 'disconnected';
  request(data: Uint8Array): Promise<{ readonly data: Buffer }>;
  requestSync(data: Uint8Array): { readonly data: Buffer };
}

/** Sends what the phase says. A request's answer must be the request again. */
export async function send(port: Sender, { number: phase, send: how, from, count }: Phase, writer: Writer, pauses: Pauses): Promise<void> {
  if (how === 'request') return requestAll(port, phase, count, writer, pauses);
  const answers = new Checker(phase);
  for (let number = 0; number < count; number++) {
    const data = writer.write(phase, number);
    if (how === 'requestSync') answers.check(port.requestSync(data).data);
    else if (how === 'postSync' && from !== 'both') port.postSync(data);
    else if (how === 'post' || port.tryPost(data) !== 'sent') await port.post(data);
    pauses.maybe();
  }
}

async function requestAll(port: Sender, phase: number, count: number, writer: Writer, pauses: Pauses): Promise<void> {
  const answers = new Checker(phase);
  let next = 0;
  const ask = async (): Promise<void> => {
    while (next < count) {
      const answer = await port.request(writer.write(phase, next++));
      answers.check(answer.data);
      pauses.maybe();
    }
  };
  await Promise.all(Array.from({ length: WINDOW }, ask));
  if (answers.next !== count) throw new Error(`${answers.next} of ${count} requests were answered`);
}

/** Takes one message of a phase; a request is answered with itself. */
export function take(message: DatagramMessage | RequestMessage, checker: Checker, pauses: Pauses): void {
  checker.check(message.data);
  if (message.type === 'request') message.reply(message.data);
  pauses.maybe();
}
