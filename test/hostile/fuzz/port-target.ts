/**
 * Records as a port understands them, in both roles: which become messages, which settle which call and how, which are nothing,
 * and which are the end of the connection. Beside the library stands a reading of the page's table of types.
 *
 * The connection goes on from case to case, round and round its ring, until a case ends it.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AlpcError, type ClientPort, connectPort, type ConnectionPort, createPort, type RequestMessage } from '../../../src/index.js';
import { turn } from '../../support/turns.js';
import { ATTRIBUTE, HandListener, HandPeer, MAX_MESSAGE_LENGTH, PAGE, RECORD, RECORD_HEADER, RECORD_TYPE, RETRACTED } from '../peer.js';
import type { Random } from './random.js';
import { makeRecords, readRecords, type ReadByPage } from './records.js';
import { agree, type Target } from './target.js';

const CALLS = 5;
const STATUSES = ['', 'ERR_ALPC_CANCELED', 'ERR_ALPC_DEADLOCK', 'ERR_ALPC_QUOTA_EXCEEDED'];

export interface PortCase {
  /** How far the tail moves. */
  readonly published: number;
  /** Which of the requests that come are answered at once, bit by bit. */
  readonly answers: number;
  readonly bytes: Buffer;
}

type Received = ReturnType<ClientPort['tryReceive']> | ReturnType<ConnectionPort['tryReceive']>;

/** What happened, in order: messages as `request 3 0a0b`, calls as `call 3 ERR_ALPC_CANCELED`. */
type Events = string[];

abstract class PortTarget implements Target<PortCase> {
  abstract readonly name: string;
  protected readonly folder = mkdtempSync(join(tmpdir(), 'alpc-fuzz-'));
  protected readonly path = join(this.folder, 'RPC Control', 'fuzzed');
  protected hand: HandPeer | undefined;
  /** Requests of the peer that were received in this case and not answered: by their numbers, as the page has it, and as messages. */
  #unanswered: number[] = [];
  #pending: RequestMessage[] = [];

  constructor() {
    mkdirSync(join(this.folder, 'RPC Control'), { mode: 0o700 });
  }

  make(random: Random): PortCase {
    return { answers: random.next(), ...makeRecords(random, PAGE) };
  }

  async run({ published, answers, bytes }: PortCase): Promise<string> {
    const hand = (this.hand ??= await this.connect());
    await this.prepare(hand);
    const at = hand.position & (PAGE - 1);
    const ring = hand.outbox.bytes.subarray(PAGE);
    const row = this.translate(bytes);
    ring.set(row.subarray(0, PAGE - at), at);
    ring.set(row.subarray(PAGE - at), 0);
    const tail = (hand.position + published) | 0;
    const page = this.#read(readRecords(ring, hand.position, tail, MAX_MESSAGE_LENGTH), answers);
    hand.publish(tail);
    const library = this.#receive(answers);
    library.push(...(await this.settled()));
    agree(inOrder(library), inOrder(page.events));
    for (const message of this.#pending.splice(0)) if (message.isPending) message.reply('');
    this.#unanswered = [];
    hand.set('head', hand.theirs('tail')); // what was answered has been read
    if (page.ended) {
      hand.close();
      this.hand = undefined;
    }
    return page.events.length === 0 ? 'nothing' : [...new Set(page.events.map((event) => kindOf(event, page.events.length < 3)))].toSorted().join(', ');
  }

  encode({ published, answers, bytes }: PortCase): string {
    return [published, answers, bytes.toString('hex')].join(':');
  }

  decode(text: string): PortCase {
    const [published, answers, bytes] = text.split(':');
    return { published: Number(published), answers: Number(answers), bytes: Buffer.from(bytes!, 'hex') };
  }

  close(): void | Promise<void> {
    this.hand?.close();
    rmSync(this.folder, { recursive: true });
  }

  protected abstract connect(): Promise<HandPeer>;
  protected abstract prepare(hand: HandPeer): void | Promise<void>;
  /** A row of records with numbers that mean something here. */
  protected abstract translate(bytes: Buffer): Buffer;
  /** Takes a message from the library. */
  protected abstract take(): Received;
  /** The library's calls that have been settled. */
  protected abstract settled(): Events | Promise<Events>;
  /** What a reply comes to: its call's end, or nothing when nobody waits for it. */
  protected abstract reply(messageId: number, status: number, data: Buffer): string | undefined;
  /** What the connection's end comes to, beside messages. */
  protected abstract atEnd(): Events;

  /** Everything that is there. */
  #receive(answers: number): Events {
    const events: Events = [];
    let requests = 0;
    // An offence is met between two messages; the connection's last words are there for the next look.
    for (let message = this.take() ?? this.take(); message !== undefined; message = this.take() ?? this.take()) {
      if (message.type === 'request') {
        if (isAnswered(answers, requests++)) message.reply('');
        else this.#pending.push(message);
        events.push(`request ${message.id} ${message.data.toString('hex')}`);
      } else if (message.type === 'datagram') events.push(`datagram ${message.id} ${message.data.toString('hex')}`);
      else if (message.type === 'port-closed') events.push(`port-closed ${message.reason}`);
      else if (message.type === 'canceled') events.push(`canceled ${message.port.closed ? 'at the end ' : ''}${message.id}`);
    }
    return events;
  }

  /** The table of types. */
  #read({ records, end }: ReadByPage, answers: number): { events: Events; ended: boolean } {
    const events: Events = [];
    let violated = end === 'violation';
    let requests = 0;
    for (const { type, messageId, status, attributes, number, data } of records) {
      const low = type & 0xff;
      const carries = low === RECORD_TYPE.request || low === RECORD_TYPE.reply || low === RECORD_TYPE.datagram;
      // This side takes none but the one that everybody takes.
      if (attributes !== 0 && (attributes !== ATTRIBUTE.direct || !carries || number <= 0)) {
        violated = true;
        break;
      }
      if (low === RECORD_TYPE.request) {
        if ((type & RETRACTED) !== 0) continue;
        events.push(`request ${messageId} ${data.toString('hex')}`);
        if (isAnswered(answers, requests++)) continue;
        this.#unanswered.push(messageId);
      } else if (low === RECORD_TYPE.datagram) events.push(`datagram ${messageId} ${data.toString('hex')}`);
      else if (low === RECORD_TYPE.cancel) {
        const place = this.#unanswered.indexOf(messageId);
        if (place < 0) continue;
        this.#unanswered.splice(place, 1);
        events.push(`canceled ${messageId}`);
      } else if (low === RECORD_TYPE.reply) {
        const settled = this.reply(messageId, status, data);
        if (settled !== undefined) events.push(settled);
      } else {
        violated = true;
        break;
      }
    }
    if (violated) events.push(...this.#unanswered.map((id) => `canceled at the end ${id}`), 'port-closed protocol', ...this.atEnd());
    return { events, ended: violated };
  }
}

/** The library serves. */
export class ServerTarget extends PortTarget {
  readonly name = 'server';
  #port: ConnectionPort | undefined;

  override async close(): Promise<void> {
    await super.close();
    await this.#port?.close().catch(() => {}); // its name went with the folder
  }

  protected async connect(): Promise<HandPeer> {
    this.#port ??= await createPort('\\RPC Control\\fuzzed', { root: this.folder, spin: false, limits: { pendingMessages: 1_000_000 } });
    const hand = HandPeer.client();
    await hand.greet(this.path);
    return hand;
  }

  protected prepare(): void {}

  protected translate(bytes: Buffer): Buffer {
    return bytes;
  }

  protected take(): Received {
    return this.#port!.tryReceive();
  }

  protected settled(): Events {
    return [];
  }

  protected reply(): undefined {}

  protected atEnd(): Events {
    return [];
  }
}

/** The library is a client with calls outstanding. The numbers 1 to 5 of a case are those of its calls. */
export class ClientTarget extends PortTarget {
  readonly name = 'client';
  #listener: HandListener | undefined;
  #client: ClientPort | undefined;
  /** Numbers of the calls that are outstanding, as the peer saw them. */
  readonly #calls: number[] = [];
  readonly #settled: Events = [];

  override async close(): Promise<void> {
    this.#client?.close();
    this.#listener?.close();
    await turn();
    await super.close();
  }

  protected async connect(): Promise<HandPeer> {
    this.#listener ??= new HandListener(this.path);
    const [client, hand] = await Promise.all([connectPort('\\RPC Control\\fuzzed', { root: this.folder, spin: false }), this.#listener.serve()]);
    this.#client = client;
    this.#calls.length = 0;
    return hand;
  }

  protected prepare(hand: HandPeer): void {
    while (this.#calls.length < CALLS) {
      const position = hand.theirs('tail');
      const call = this.#client!.request('');
      const id = hand.theirOutbox!.words[(PAGE + (position & (hand.theirRingLength - 1)) + RECORD.messageId) / 4]!;
      this.#calls.push(id);
      call.then(
        ({ data }) => this.#settled.push(`call ${id} ${data.toString('hex')}`),
        (error: unknown) => this.#settled.push(`call ${id} ${AlpcError.is(error) ? error.code : String(error)}`),
      );
    }
  }

  protected translate(bytes: Buffer): Buffer {
    const row = Buffer.from(bytes);
    for (let at = 0, length = RECORD_HEADER; at + RECORD_HEADER <= row.length && length >= RECORD_HEADER && length <= row.length; at += (length + 7) & ~7) {
      length = row.readInt32LE(at + RECORD.length);
      const id = row.readInt32LE(at + RECORD.messageId);
      if (row.readInt32LE(at + RECORD.type) === RECORD_TYPE.reply && id >= 1 && id <= CALLS) row.writeInt32LE(this.#calls[id - 1]!, at + RECORD.messageId);
    }
    return row;
  }

  protected take(): Received {
    return this.#client!.tryReceive();
  }

  protected async settled(): Promise<Events> {
    for (let i = 0; i < 3; i++) await Promise.resolve(); // what has settled is told
    return this.#settled.splice(0);
  }

  protected reply(messageId: number, status: number, data: Buffer): string | undefined {
    const place = this.#calls.indexOf(messageId);
    if (place < 0) return undefined;
    this.#calls.splice(place, 1);
    return `call ${messageId} ${status === 0 ? data.toString('hex') : (STATUSES[status] ?? 'ERR_ALPC_PROTOCOL')}`;
  }

  protected atEnd(): Events {
    return this.#calls.splice(0).map((id) => `call ${id} ERR_ALPC_DISCONNECTED`);
  }
}

/** `request`, `call answered`, `canceled at the end`; of few events also whether there was a payload, and the code of an error. */
function kindOf(event: string, closely: boolean): string {
  const [kind, rest] = [event.replace(/ -?\d+ .*| -?\d+$/, ''), event.replace(/^\D*-?\d+ ?/, '')];
  const failed = rest.startsWith('ERR_');
  if (closely) return `${kind} ${failed ? rest : rest === '' ? 'of nothing' : 'of something'}`;
  return failed ? `${kind} failed` : kind;
}

/** Messages in their order; calls, and what a connection leaves at its end, in any. */
function inOrder(events: Events): string {
  const anyhow = events.filter((event) => /^call|^canceled at/.test(event)).toSorted();
  return [...events.filter((event) => !anyhow.includes(event)), ...anyhow].join('\n');
}

function isAnswered(answers: number, request: number): boolean {
  return ((answers >>> (request & 31)) & 1) === 1;
}
