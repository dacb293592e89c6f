/**
 * Views and handles as the page has them: what a receiver makes of each packet and record, what it holds, and what it says that it has let go.
 * Written beside the library, from docs/protocol.md; it lasts as long as a connection.
 */
import { ATTRIBUTE, ATTRIBUTE_LENGTHS, PAGE, RECORD_TYPE, RETRACTED } from '../peer.js';
import { FILES, FLAG, HANDLE_KIND, LIMITS, placeOf, VIEW_WORDS } from './attribute-steps.js';

const KINDS = Object.fromEntries(Object.entries(HANDLE_KIND).map(([name, number]) => [number, name])) as Record<number, keyof typeof HANDLE_KIND>;
const TYPE_OF = { file: 'file', socket: 'socket', event: 'fifo' } as const;
const SEALS = { secure: 1 | 2 | 4 | 8, 'read-write': 1 | 2 | 4, 'read-only': 1 | 2 | 4 | 16 } as const;
type SectionKind = keyof typeof SEALS;

interface Packet {
  readonly words: readonly number[];
  readonly files: readonly number[];
}

interface SectionOfPage {
  readonly id: number;
  readonly kind: SectionKind;
  readonly file: number;
  users: number;
  isForgotten: boolean;
}

/** A message as the receiver holds it. */
export interface MessageOfPage {
  view: { readonly number: number; readonly section: SectionOfPage } | undefined;
  /** Handles that are neither taken nor closed. */
  handles: boolean[];
}

/** What the page calls a breach: the connection ends. */
export class Breach extends Error {}

export class PageReceiver {
  /** Packets that were read from the socket. */
  received = 0;
  /** Numbers of views, in the order of their release; and descriptors that were taken or closed. */
  readonly released: number[] = [];
  done = 0;
  bytes = 0;
  heldHandles = 0;
  readonly held = new Set<number>();
  readonly sections = new Map<number, SectionOfPage>();
  readonly #socket: Packet[] = [];
  readonly #unclaimed = new Map<number, Packet>();

  /** It is in the socket. */
  passed(packet: Packet): void {
    this.#socket.push(packet);
  }

  /** Packets that no record has named. */
  get unclaimed(): number[] {
    return [...this.#unclaimed.keys()];
  }

  /** Reads its socket, as whoever has nothing else to do. @throws Breach */
  hear(): void {
    while (this.#socket.length > 0) this.#hearOne();
  }

  /** What a record becomes: its message and what is told of it; undefined for nothing. @throws Breach */
  read(type: number, messageId: number, callbackId: number, attributes: number, words: readonly number[], length: number): { message: MessageOfPage; told: string } | undefined {
    const behind = Object.entries(ATTRIBUTE).reduce((sum, [name, bit]) => sum + ((attributes & bit) === 0 ? 0 : ATTRIBUTE_LENGTHS[name as keyof typeof ATTRIBUTE]), 0);
    const all = 4 * words.length + length;
    if ((attributes & ~Object.values(ATTRIBUTE).reduce((bits, bit) => bits | bit, 0)) !== 0 || behind > all) throw new Breach();
    const low = type & 0xff;
    const carries = low === RECORD_TYPE.request || low === RECORD_TYPE.reply || low === RECORD_TYPE.datagram;
    if (attributes !== 0 && !carries) throw new Breach();
    if ((attributes & (ATTRIBUTE.security | ATTRIBUTE.work)) !== 0) throw new Breach(); // not taken here
    const wordAt = (index: number): number => words[index] ?? 0x61616161; // the payload stands behind
    const direct = placeOf('direct', attributes);
    if (direct >= 0 && wordAt(direct) <= 0) throw new Breach(); // what is told of it nobody here asks
    const message: MessageOfPage = { view: undefined, handles: [] };
    let told = '';
    const handle = placeOf('handle', attributes);
    if (handle >= 0) {
      const kinds = this.#handlesOf(wordAt(handle), wordAt(handle + 1));
      message.handles = kinds.map(() => true);
      told += ` handles ${kinds.join('+')}`;
    }
    const view = placeOf('view', attributes);
    if (view >= 0) told += ` ${this.#viewOf(Array.from({ length: VIEW_WORDS }, (_, i) => wordAt(view + i)), message)}`;
    if (low === RECORD_TYPE.forget) this.#forget(messageId, callbackId);
    else if (!carries && low !== RECORD_TYPE.cancel) throw new Breach();
    if (low === RECORD_TYPE.datagram || (low === RECORD_TYPE.request && (type & RETRACTED) === 0)) return { message, told: `${low === RECORD_TYPE.request ? 'request' : 'datagram'} ${all - behind}${told}` };
    this.release(message); // a late reply, a request that was taken back
    return undefined;
  }

  release(message: MessageOfPage): void {
    const { view, handles } = message;
    const left = handles.filter(Boolean).length;
    this.heldHandles -= left;
    this.done += left;
    message.handles = handles.map(() => false);
    if (view === undefined) return;
    message.view = undefined;
    this.held.delete(view.number);
    this.released.push(view.number);
    view.section.users--;
    this.#unmap(view.section);
  }

  /** Whether the first handle could be taken. */
  take(message: MessageOfPage): boolean {
    if (message.handles[0] !== true) return false;
    message.handles[0] = false;
    this.heldHandles--;
    this.done++;
    return true;
  }

  /** "Whoever reads such a record finds the packet in its socket". */
  #claim(number: number): Packet {
    while (!this.#unclaimed.has(number)) this.#hearOne();
    const packet = this.#unclaimed.get(number)!;
    this.#unclaimed.delete(number);
    return packet;
  }

  #hearOne(): void {
    const packet = this.#socket.shift();
    if (packet === undefined) throw new Breach();
    const [kind, number, count, what, ...kinds] = packet.words;
    const isWhole = packet.words.length >= 4 && (what === 0 ? kinds.length === 0 : what === 1 && kinds.length === packet.files.length);
    if (!isWhole || kind !== 4 || number !== this.received + 1 || count !== packet.files.length || count === 0) throw new Breach();
    this.received++;
    this.#unclaimed.set(number, packet);
  }

  #handlesOf(number: number, count: number): string[] {
    const { words, files } = this.#claim(number);
    if (words[3] !== 1 || files.length !== count || this.heldHandles + count > LIMITS.handles) throw new Breach();
    const kinds = words.slice(4).map((kind, index) => {
      const name = KINDS[kind];
      if (name === undefined || TYPE_OF[name] !== FILES[files[index]!]!.type) throw new Breach();
      return name;
    });
    this.heldHandles += count;
    return kinds;
  }

  #viewOf([flags, id, packet, number, offsetLow, offsetHigh, lengthLow, lengthHigh, sizeLow, sizeHigh]: number[], message: MessageOfPage): string {
    const long = (low: number, high: number): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
    const kind: SectionKind = (flags! & FLAG.secure) !== 0 ? 'secure' : (flags! & FLAG.writable) !== 0 ? 'read-write' : 'read-only';
    if (this.held.size >= LIMITS.views || this.held.has(number!)) throw new Breach();
    let section = this.sections.get(id!);
    if (section === undefined) section = this.#bring(id!, kind, packet!, long(sizeLow!, sizeHigh!));
    else if (section.kind !== kind || section.isForgotten) throw new Breach();
    const [offset, length, size] = [long(offsetLow!, offsetHigh!), long(lengthLow!, lengthHigh!), BigInt(FILES[section.file]!.size)];
    if (offset % 8n !== 0n || length === 0n || offset + length > size) throw new Breach();
    if (kind === 'secure') section.isForgotten = true; // it has this one view
    this.held.add(number!);
    section.users++;
    message.view = { number: number!, section };
    return describeView(Number(length), section.file + 1, kind === 'secure', kind === 'read-write');
  }

  #bring(id: number, kind: SectionKind, packet: number, size: bigint): SectionOfPage {
    const { words, files } = this.#claim(packet);
    if (words[3] !== 0 || files.length !== 1 || this.sections.size >= LIMITS.sections) throw new Breach();
    const file = FILES[files[0]!]!;
    if (size === 0n || size % BigInt(PAGE) !== 0n || size > BigInt(LIMITS.sectionBytes - this.bytes) || size !== BigInt(file.size) || file.seals !== SEALS[kind]) throw new Breach();
    const section = { id, kind, file: files[0]!, users: 0, isForgotten: false };
    this.sections.set(id, section);
    this.bytes += file.size;
    return section;
  }

  #forget(id: number, packet: number): void {
    if (packet > this.received) this.#close(this.#claim(packet));
    else if (this.#unclaimed.has(packet)) this.#close(this.#claim(packet));
    const section = this.sections.get(id);
    if (section === undefined) return;
    section.isForgotten = true;
    this.#unmap(section);
  }

  #close({ words, files }: Packet): void {
    if (words[3] === 1) this.done += files.length;
  }

  #unmap(section: SectionOfPage): void {
    if (!section.isForgotten || section.users > 0 || this.sections.get(section.id) !== section) return;
    this.sections.delete(section.id);
    this.bytes -= FILES[section.file]!.size;
  }
}

/** The other way: views that were sent to the peer, by their numbers. */
export class PageOwner {
  readonly out: number[] = [];
  count = 0;

  /** The peer's row of releases, and where its count stands now. @throws Breach */
  look(count: number, row: (place: number) => number): void {
    const news = (count - this.count) >>> 0;
    if (news > this.out.length) throw new Breach();
    for (let i = 0; i < news; i++) {
      const at = this.out.indexOf(row((this.count + i) & 511));
      if (at < 0) throw new Breach();
      this.out.splice(at, 1);
    }
    this.count = count;
  }
}

export function describeView(length: number, byte: number, secure: boolean, writable: boolean): string {
  return `view ${length} ${byte}${secure ? ' secure' : ''}${writable ? ' writable' : ''}`;
}
