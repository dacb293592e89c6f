/**
 * Views and handles, from both sides: what a port makes of a peer's sections, views and descriptors, and of its releases of what it was sent itself.
 * The connection goes on from case to case until one ends it; between two cases everything is released, so each begins with nothing held.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AlpcError, type ConnectionPort, createPort, type DatagramMessage, type RequestMessage, type Section, type ServerPort } from '../../../src/index.js';
import { createPipe } from '../../../src/platform/fifo.js';
import { closeDescriptor } from '../../../src/platform/system.js';
import { turn } from '../../support/turns.js';
import { CONTROL, HandPeer, PAGE, RECORD_TYPE } from '../peer.js';
import { HandFile, makeSocket, receiveRaw, sendRaw } from '../raw.js';
import { Breach, describeView, type MessageOfPage, PageOwner, PageReceiver } from './attribute-page.js';
import { FILES, LIMITS, makeSteps, placeOf, type Step } from './attribute-steps.js';
import type { Random } from './random.js';
import { agree, type Target } from './target.js';

const REGION = 64;
const REGIONS = PAGE / REGION;
/** What the hand says that it takes. */
const TAKES = { accepts: 7, maxViews: 3, maxSections: 2, maxSectionKiB: 1024 } as const;
/** Descriptors are closed in turns of the event loop. */
const TURNS = 16;

type Held = { library: RequestMessage | DatagramMessage; page: MessageOfPage };

/** One connection, as the library has it and as the page has it. */
class Session {
  readonly receiver = new PageReceiver();
  readonly owner = new PageOwner();
  /** Numbers of the views that the hand has. */
  readonly views: number[] = [];
  held: Held[] = [];
  /** Records that were written and not read, as the page has them. */
  readonly written: Parameters<PageReceiver['read']>[] = [];

  constructor(
    readonly hand: HandPeer,
    readonly toPeer: ServerPort,
  ) {}
}

export class AttributesTarget implements Target<Step[]> {
  readonly name = 'attributes';
  readonly #folder = mkdtempSync(join(tmpdir(), 'alpc-fuzz-'));
  readonly #files: number[] = [];
  readonly #offences: string[] = [];
  #port: ConnectionPort | undefined;
  #section: Section | undefined;
  #session: Session | undefined;
  #cases = 0;

  constructor() {
    mkdirSync(join(this.#folder, 'RPC Control'), { mode: 0o700 });
    for (const [index, file] of FILES.entries()) this.#files.push(this.#make(index, file));
    subscribe('alpc:disconnect', this.#note);
  }

  make(random: Random): Step[] {
    return makeSteps(random);
  }

  async run(steps: Step[]): Promise<string> {
    if (++this.#cases % TURNS === 0) await turn();
    const session = (this.#session ??= await this.#connect());
    const kinds = new Set<string>();
    const base = session.receiver.received;
    let ended = steps.some((step) => this.#take(session, step, base, kinds));
    ended ||= this.#cleanUp(session);
    this.#offences.splice(0, this.#offences.length - 1);
    if (!ended) {
      const { viewsOut, heldViews, mappedBytes, heldHandles } = session.toPeer.info();
      agree(`${viewsOut} ${heldViews} ${mappedBytes} ${heldHandles}`, '0 0 0 0');
    } else {
      kinds.add(this.#offences.pop() ?? 'breach: nobody was told why');
      // What is held may be read on, and let go.
      for (const { library, page } of session.held) {
        agree(String(library.view?.released ?? true), String(page.view === undefined));
        describe(library);
        library.release();
      }
      session.hand.close();
      this.#session = undefined;
    }
    return told(kinds);
  }

  encode(steps: Step[]): string {
    return JSON.stringify(steps);
  }

  decode(text: string): Step[] {
    return JSON.parse(text) as Step[];
  }

  async close(): Promise<void> {
    unsubscribe('alpc:disconnect', this.#note);
    this.#session?.hand.close();
    await this.#port?.close();
    for (const fd of this.#files) closeDescriptor(fd);
    await turn();
    rmSync(this.#folder, { recursive: true });
  }

  readonly #note = (message: unknown): void => {
    const { role, error } = message as { role: string; error?: Error };
    if (role === 'server') this.#offences.push(`breach: ${String(error?.message).replace(/^.*?: /, '').replaceAll(/-?\d+/g, 'N')}`);
  };

  /** A descriptor of the list, filled with its place and one. */
  #make(index: number, { type, seals, size }: (typeof FILES)[number]): number {
    if (type === 'fifo') return createPipe().take();
    if (type === 'socket') return makeSocket();
    if (seals === undefined) {
      const path = join(this.#folder, 'file');
      writeFileSync(path, '');
      truncateSync(path, size);
      return openSync(path, 'r');
    }
    const file = HandFile.make(size, { name: 'alpc:fuzz', seals: 0, mapped: false });
    writeSync(file.fd, Buffer.alloc(size, index + 1));
    if (seals !== 0) file.seal(seals);
    return file.fd;
  }

  async #connect(): Promise<Session> {
    const limits = { ...LIMITS, pendingMessages: 1_000_000 };
    this.#port ??= await createPort('\\RPC Control\\fuzzed', { root: this.#folder, spin: false, accepts: ['writable-view', 'file', 'socket', 'event'], limits });
    this.#section ??= this.#port.createSection(REGION * REGIONS);
    const hand = HandPeer.client();
    for (const [word, value] of Object.entries(TAKES)) hand.set(word as keyof typeof TAKES, value);
    await hand.greet(join(this.#folder, 'RPC Control', 'fuzzed'));
    const session = new Session(hand, this.#port.connections.at(-1)!);
    // From the first view on the library looks at what comes back.
    this.#send(session, new Set());
    this.#free(session, [0], 0, new Set());
    return session;
  }

  /** One step, on both sides. Whether it ended the connection. */
  #take(session: Session, step: Step, base: number, kinds: Set<string>): boolean {
    switch (step[0]) {
      case 'packet': {
        const [, [kind, number, ...rest], files] = step;
        const words = [kind, number === undefined ? undefined : (number + base) | 0, ...rest].filter((word) => word !== undefined);
        agree(sendRaw(session.hand.socket, Buffer.from(Int32Array.from(words).buffer), files.map((file) => this.#files[file]!)), 'ok');
        session.receiver.passed({ words, files });
        return false;
      }
      case 'record': {
        const [, type, messageId, callbackId, attributes, given, length] = step;
        const words = Array.from(given);
        for (const place of [placeOf('handle', attributes), placeOf('view', attributes) < 0 ? -1 : placeOf('view', attributes) + 2]) {
          if (place >= 0 && place < words.length) words[place] = (words[place]! + base) | 0;
        }
        this.#write(session, type, messageId, callbackId === 0 || (type & 0xff) !== RECORD_TYPE.forget ? callbackId : (callbackId + base) | 0, attributes, words, length);
        return false;
      }
      case 'read':
        return this.#read(session, kinds);
      case 'release': {
        const at = step[1] % Math.max(1, session.held.length);
        const [held] = session.held.splice(at, 1);
        if (held === undefined) return false;
        for (let times = step[2]; times > 0; times--) held.library.release();
        session.receiver.release(held.page);
        kinds.add('released');
        return this.#compare(session);
      }
      case 'take':
        return this.#takeHandle(session, session.held[step[1] % Math.max(1, session.held.length)], kinds);
      case 'send':
        return this.#send(session, kinds);
      case 'free':
        return this.#free(session, step[1], step[2], kinds);
      default:
        throw new Error(`no such step: ${String(step)}`);
    }
  }

  #write(session: Session, ...[type, messageId, callbackId, attributes, words, length]: Parameters<PageReceiver['read']>): void {
    const data = Buffer.concat([Buffer.from(Int32Array.from(words).buffer), Buffer.alloc(length, 0x61)]);
    agree(String(session.hand.send({ type, messageId, callbackId, attributes, data })), 'true');
    session.written.push([type, messageId, callbackId, attributes, words, length]);
  }

  #read(session: Session, kinds: Set<string>): boolean {
    const page: { message: MessageOfPage; told: string }[] = [];
    let breached = false;
    try {
      for (const record of session.written.splice(0)) {
        const made = session.receiver.read(...record);
        if (made !== undefined) page.push(made);
      }
      session.receiver.hear();
    } catch (error) {
      if (!(error instanceof Breach)) throw error;
      breached = true;
    }
    const library: string[] = [];
    const messages: (RequestMessage | DatagramMessage)[] = [];
    // An offence is met between two messages; the connection's last words are there for the next look.
    for (let message = this.#port!.tryReceive() ?? this.#port!.tryReceive(); message !== undefined; message = this.#port!.tryReceive() ?? this.#port!.tryReceive()) {
      if (message.type === 'port-closed') library.push(`port-closed ${message.reason}`);
      if (message.type !== 'request' && message.type !== 'datagram') continue;
      messages.push(message);
      library.push(describe(message));
    }
    agree(library.join('\n'), [...page.map(({ told }) => told), ...(breached ? ['port-closed protocol'] : [])].join('\n'));
    for (const { told } of page) kinds.add(told.replace(/^\w+ \d+/, 'message').replaceAll(/ \d+/g, '').replaceAll(/file|event|socket/g, 'fd').replace(/fd[+fd]+/, 'fds'));
    messages.forEach((message, index) => {
      session.held.push({ library: message, page: page[index]!.message });
      if (message.type === 'request' && !breached) message.reply('');
    });
    while (session.hand.take() !== undefined); // the answers
    return breached || this.#compare(session);
  }

  /** What the library says that it has and has let go is what the page says. */
  #compare({ receiver, hand, toPeer }: Session): false {
    const { heldViews, mappedBytes, heldHandles } = toPeer.info();
    const words = hand.theirOutbox!.words;
    const count = receiver.released.length;
    const last = count === 0 ? 0 : words[CONTROL.releases / 4 + ((count - 1) & 511)];
    agree(
      `holds ${heldViews} views, ${heldHandles} handles, ${mappedBytes} bytes; released ${hand.theirs('released')}, last ${last}; done with ${hand.theirs('handlesDone')}`,
      `holds ${receiver.held.size} views, ${receiver.heldHandles} handles, ${receiver.bytes} bytes; released ${count}, last ${receiver.released.at(-1) ?? 0}; done with ${receiver.done}`,
    );
    return false;
  }

  #takeHandle(session: Session, held: Held | undefined, kinds: Set<string>): boolean {
    if (held === undefined) return false;
    const may = session.receiver.take(held.page);
    let fd = -1;
    try {
      fd = held.library.handles.take(0);
    } catch (error) {
      if (!AlpcError.is(error)) throw error;
    }
    agree(String(fd >= 0), String(may));
    if (may) kinds.add('taken');
    if (fd >= 0) closeSync(fd);
    return this.#compare(session);
  }

  /** The library sends the hand a view of one region. */
  #send(session: Session, kinds: Set<string>): boolean {
    const { hand, owner, toPeer, views } = session;
    const view = this.#section!.createView(REGION);
    let library = 'sent';
    try {
      toPeer.tryPost('', { view, autoRelease: true });
    } catch (error) {
      if (!AlpcError.is(error)) throw error;
      library = error.code;
      view.release();
    }
    agree(library, owner.out.length < TAKES.maxViews ? 'sent' : 'ERR_ALPC_QUOTA_EXCEEDED');
    kinds.add(library === 'sent' ? 'sent' : 'not sent');
    for (let heard = receiveRaw(hand.socket); typeof heard !== 'string'; heard = receiveRaw(hand.socket)) heard.descriptors.forEach(closeDescriptor);
    for (let record = hand.take(); record !== undefined; record = hand.take()) {
      if (record.attributes === 0) continue;
      const number = record.data.readInt32LE(12);
      views.push(number);
      owner.out.push(number);
    }
    return false;
  }

  /** The hand releases what it was sent, or says so. */
  #free({ hand, owner, toPeer, views }: Session, which: readonly number[], more: number, kinds: Set<string>): boolean {
    const { words } = hand.outbox;
    const numbers = which.map((place) => (place >= 0 && place < 16 ? (views[place] ?? place) : place));
    numbers.forEach((number, index) => (words[CONTROL.releases / 4 + ((owner.count + index) & 511)] = number));
    const count = (owner.count + numbers.length + more) | 0;
    hand.set('released', count);
    let page = '';
    try {
      owner.look(count, (place) => words[CONTROL.releases / 4 + place]!);
    } catch (error) {
      if (!(error instanceof Breach)) throw error;
      owner.out.length = 0; // all come back
      page = 'port-closed protocol';
    }
    toPeer.info(); // looks at what the peer released
    agree(String(this.#section!.free), String(REGION * (REGIONS - owner.out.length)));
    if (page !== '') agree(this.#lastWords(), page);
    views.splice(0, views.length, ...owner.out);
    kinds.add(page === '' ? 'freed' : 'freed wrongly');
    return page !== '';
  }

  /** Why the connection ended. */
  #lastWords(): string {
    for (let message = this.#port!.tryReceive(); message !== undefined; message = this.#port!.tryReceive()) if (message.type === 'port-closed') return `port-closed ${message.reason}`;
    return 'open';
  }

  /** Everything is released, forgotten and called back. Whether that ended the connection: what was sent may have been wrong, and not read before. */
  #cleanUp(session: Session): boolean {
    const kinds = new Set<string>();
    const { receiver, owner, views } = session;
    if (session.written.length > 0 && this.#read(session, kinds)) return true;
    for (const held of session.held.splice(0)) {
      held.library.release();
      receiver.release(held.page);
    }
    if (owner.out.length > 0 && this.#free(session, views.map((_, place) => place), 0, kinds)) return true;
    for (const id of Array.from(receiver.sections.keys())) this.#write(session, RECORD_TYPE.forget, id, 0, 0, [], 0);
    if (this.#read(session, kinds)) return true;
    for (const packet of receiver.unclaimed) this.#write(session, RECORD_TYPE.forget, 0, packet, 0, [], 0);
    return this.#read(session, kinds);
  }
}

/** What a case came to: an offence, and whether it was the first thing of all; or what went well. */
function told(kinds: ReadonlySet<string>): string {
  const all = [...kinds].toSorted();
  const breach = all.find((kind) => kind.startsWith('breach'));
  if (breach !== undefined) return all.some((kind) => kind.startsWith('message')) ? `${breach}, after good ones` : breach;
  if (all.length > 2) return `${all.filter((kind) => kind.startsWith('message')).length} kinds of messages${all.includes('released') ? ', released' : ''}${all.includes('freed') ? ', freed' : ''}${all.includes('taken') ? ', taken' : ''}`;
  return all.length === 0 ? 'nothing' : all.join(', ');
}

/** A message with what came with it; its view is read where it lies. */
function describe(message: RequestMessage | DatagramMessage): string {
  const { view, handles } = message;
  const kinds = handles.length === 0 ? '' : ` handles ${handles.kinds.join('+')}`;
  if (view === undefined) return `${message.type} ${message.data.length}${kinds}`;
  const { bytes } = view;
  const byte = bytes[0] === bytes[bytes.length - 1] ? bytes[0]! : -1;
  return `${message.type} ${message.data.length}${kinds} ${describeView(bytes.length, byte, view.secure, view.writable)}`;
}
