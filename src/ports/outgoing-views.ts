/**
 * Views that go to the peer: which of this side's sections it has, and which views it has not released yet. Before anything is sent it is
 * held against what the peer says it takes, so that whoever is over a limit hears of it, and nothing is delivered.
 *
 * Invariants: a region that the peer may look at is held until the peer released it, or is gone, or for a while where this side ended the connection; a send that comes to nothing leaves
 * no trace, but that a secure view which has waited for room stays frozen, and the peer's to be sent again. The peer's word on what it released is checked against what it was sent.
 */
import { AlpcError } from '../base/errors.js';
import { Accepts, Attribute, Control, MAX_VIEWS, ProtocolViolation, RecordType, VIEW_FIELDS, ViewFlag, ViewWords as V } from '../memory/layout.js';
import type { ReleaseSource } from '../memory/region-waits.js';
import { ReleaseReader, VIEW_ROW } from '../memory/releases.js';
import type { OwnView, Region, Section } from '../memory/section.js';
import type { SectionFile } from '../memory/section-file.js';
import type { AttachmentPart } from './attachment.js';
import type { Connection } from './connection.js';
import { RestingViews } from './resting-views.js';

const HALF = 2 ** 32;
const BLOCK_WORDS = VIEW_FIELDS.length;
const SPARE_BLOCKS = 8;

/** A section's file as the peer knows it. */
interface Announced {
  readonly id: number;
  readonly packet: number;
  readonly size: number;
  /** Regions of it that the peer has. */
  users: number;
  isForgotten: boolean;
}

export class OutgoingViews implements ReleaseSource {
  readonly #connection: Connection;
  readonly #releases: ReleaseReader;
  /** What the peer takes, as it said when the connection was made. */
  readonly #accepts: number;
  readonly #maxViews: number;
  readonly #maxSections: number;
  readonly #maxBytes: number;
  readonly #announced = new Map<SectionFile, Announced>();
  readonly #out = new Map<number, ViewOut>();
  /** Words of views whose records are in the ring, to be used again. */
  readonly #blocks: Int32Array[] = [];
  #sections = 0;
  #bytes = 0;
  #lastSection = 0;
  #lastView = 0;
  #expected = 0;
  #sent = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
    const { words } = connection.link.peer;
    this.#releases = new ReleaseReader(connection.link.peer, VIEW_ROW);
    this.#accepts = words[Control.accepts]!;
    this.#maxViews = Math.min(words[Control.maxViews]! >>> 0, MAX_VIEWS);
    this.#maxSections = words[Control.maxSections]! >>> 0;
    this.#maxBytes = (words[Control.maxSectionKiB]! >>> 0) * 1024;
  }

  /** Views that the peer has not released yet. */
  get count(): number {
    return this.#out.size;
  }

  get socket(): number {
    return this.#connection.socket;
  }

  get isOfThisThread(): boolean {
    return this.#connection.peerPage.inode === this.#connection.thread.waitPage.inode;
  }

  get looks(): number {
    return this.#connection.looks.max;
  }

  /** Whether the peer takes any that are not secure. */
  get takesViews(): boolean {
    return (this.#accepts & Accepts.views) !== 0;
  }

  /** Whether it would take this one now. */
  takes({ region: { section, file } }: OwnView): boolean {
    this.collect();
    return (this.#accepts & acceptsFor(section)) !== 0 && this.#out.size < this.#maxViews && this.#hasRoom(file);
  }

  /**
   * Prepares a view to be sent: it is the peer's from now on, unless the attachment is undone.
   * @throws AlpcError ERR_ALPC_NOT_ACCEPTED, ERR_ALPC_QUOTA_EXCEEDED, ERR_ALPC_CLOSED, ERR_ALPC_INSUFFICIENT_RESOURCES
   */
  attach(view: OwnView, releases: boolean): AttachmentPart {
    const connection = this.#connection;
    const { region } = view;
    const { section, file } = region;
    if ((this.#accepts & acceptsFor(section)) === 0) {
      throw new AlpcError('ERR_ALPC_NOT_ACCEPTED', `${connection}: the peer (${connection.peer}) takes no ${section.kind === 'secure' ? 'views' : this.#accepts === 0 ? 'views' : 'views that are not secure'}; it must say so in its option 'accepts'`);
    }
    this.collect();
    if (connection.state !== 'open') throw connection.closedError();
    if (this.#out.size >= this.#maxViews) throw new AlpcError('ERR_ALPC_QUOTA_EXCEEDED', `${connection}: the peer (${connection.peer}) has ${this.#out.size} views that it has not released; it takes ${this.#maxViews}`);
    this.#checkRoom(file);
    view.freeze();
    const announced = this.#announce(file);
    const number = this.#nextNumber();
    const block = this.#blocks.pop() ?? new Int32Array(BLOCK_WORDS);
    block[V.flags] = (section.kind === 'secure' ? ViewFlag.secure : 0) | (section.kind === 'read-write' ? ViewFlag.writable : 0);
    block[V.section] = announced.id;
    block[V.packet] = announced.packet;
    block[V.view] = number;
    split(block, V.offsetLow, region.start);
    split(block, V.lengthLow, region.length);
    split(block, V.sizeLow, file.size);
    const out = new ViewOut(this, number, block, region, announced, releases ? view : undefined);
    this.#out.set(number, out);
    announced.users++;
    region.hold(this);
    return out;
  }

  /** The peer does not have the view, or no more. */
  takeBack(number: number): boolean {
    const out = this.#out.get(number);
    if (out === undefined) return false;
    this.#out.delete(number);
    const { region, announced } = out;
    announced.users--;
    this.#uncount(announced);
    region.comeBack(this);
    return true;
  }

  collect(): boolean {
    if (this.#connection.state !== 'open' || !this.#releases.hasNews()) return false;
    try {
      this.#releases.take(this.#out.size, this.#onReleased);
    } catch (error) {
      this.#connection.violate(error);
    }
    return true;
  }

  hasNews(): boolean {
    return this.#connection.state !== 'open' || this.#releases.hasNews();
  }

  /** Waits on the event loop that depend on this connection. */
  get isExpected(): boolean {
    return this.#expected > 0;
  }

  expect(change: number): void {
    this.#expected += change;
    this.#connection.outbound.viewWaits += change;
    if (this.#connection.outbound.viewWaits > 0) this.#connection.wake();
    else if (this.#connection.state === 'open') this.#connection.link.disarmForViews();
  }

  /**
   * Asks to be rung when the peer releases one. False: it has. For a thread that waits for nothing else: so what waits for room, and may carry
   * views that are to come back, is seen to as well.
   */
  arm(): boolean {
    const { state, link, outbound } = this.#connection;
    if (state !== 'open') return true;
    link.armForViews();
    if (!this.hasNews() && (outbound.first === undefined || this.#connection.armForRoom(outbound.first.length))) return true;
    if (this.#connection.state === 'open') link.disarmForViews();
    return false;
  }

  awake(): void {
    if (this.#connection.state !== 'open') return;
    this.#connection.link.disarmForViews();
    this.#connection.link.disarmForSpace();
    this.#connection.readSocket();
    this.#connection.outbound.flush();
    this.#connection.wake();
  }

  /** The connection has ended: nothing is out any more. What a peer that is still there may read rests; secure views are in files of their own. */
  end(peerReadsOn: boolean): void {
    const resting = new RestingViews();
    for (const [number, { region }] of Array.from(this.#out)) {
      if (peerReadsOn && region.section.kind !== 'secure') resting.add(region);
      this.takeBack(number);
    }
    for (const file of Array.from(this.#announced.keys())) this.#drop(file);
  }

  /** A file of this side is closed: the peer need not keep it. */
  forgetSection(file: SectionFile): void {
    const announced = this.#announced.get(file);
    if (announced === undefined) return;
    this.#drop(file);
    announced.isForgotten = true;
    this.#uncount(announced);
    if (this.#connection.state === 'open') this.#connection.outbound.transmitOrQueue(RecordType.forget, announced.id, announced.packet, 0, undefined, 0);
  }

  readonly #onReleased = (number: number): void => {
    if (!this.takeBack(number)) throw new ProtocolViolation(`the peer released view ${number}, which it does not have`);
  };

  /** The record that carries it is in the ring. A secure view's file is the peer's for this one message. */
  onSent({ number, words, region, announced }: ViewOut): void {
    this.#connection.link.own.words[Control.sentViews] = ++this.#sent;
    if (this.#blocks.length < SPARE_BLOCKS) this.#blocks.push(words);
    if (region.section.kind !== 'secure' || !this.#out.has(number)) return;
    announced.isForgotten = true;
    this.#drop(region.file);
  }

  /** Makes sure that the peer can map the file. */
  #announce(file: SectionFile): Announced {
    const known = this.#announced.get(file);
    if (known !== undefined) return known;
    const packet = this.#connection.attributes.packets.send([file.fd]);
    const announced: Announced = { id: (this.#lastSection = (this.#lastSection + 1) | 0), packet, size: file.size, users: 0, isForgotten: false };
    this.#announced.set(file, announced);
    file.watchers.add(this);
    this.#sections++;
    this.#bytes += file.size;
    return announced;
  }

  /** Whether the peer takes the file, unless it has it. @throws AlpcError ERR_ALPC_QUOTA_EXCEEDED */
  #checkRoom(file: SectionFile): void {
    if (this.#hasRoom(file)) return;
    const connection = this.#connection;
    throw new AlpcError('ERR_ALPC_QUOTA_EXCEEDED', `${connection}: the peer (${connection.peer}) has ${this.#sections} sections of ${this.#bytes} bytes, and takes ${this.#maxSections} of ${this.#maxBytes}; another of ${file.size} is too much`);
  }

  #hasRoom(file: SectionFile): boolean {
    return this.#announced.has(file) || (this.#sections < this.#maxSections && this.#bytes + file.size <= this.#maxBytes);
  }

  #drop(file: SectionFile): void {
    this.#announced.delete(file);
    file.watchers.delete(this);
  }

  /** The peer has let go of a section, or is about to, before it reads of the next. */
  #uncount(announced: Announced): void {
    if (!announced.isForgotten || announced.users > 0) return;
    this.#sections--;
    this.#bytes -= announced.size;
  }

  #nextNumber(): number {
    do this.#lastView = (this.#lastView + 1) | 0;
    while (this.#out.has(this.#lastView));
    return this.#lastView;
  }
}

/** A view that the peer has, or will have with the message that it is attached to. */
class ViewOut implements AttachmentPart {
  readonly attribute = Attribute.view;
  #toRelease: OwnView | undefined;

  /** `toRelease`: the owner's view, which goes with the message. */
  constructor(
    readonly views: OutgoingViews,
    readonly number: number,
    readonly words: Int32Array,
    readonly region: Region,
    readonly announced: Announced,
    toRelease: OwnView | undefined,
  ) {
    this.#toRelease = toRelease;
  }

  sent(): void {
    this.views.onSent(this);
    this.#toRelease?.release();
    this.#toRelease = undefined;
  }

  undo(): void {
    this.views.takeBack(this.number);
  }
}

function acceptsFor(section: Section): number {
  return section.kind === 'secure' ? Accepts.secureViews : Accepts.views;
}

function split(block: Int32Array, low: number, value: number): void {
  block[low] = value | 0;
  block[low + 1] = (value / HALF) | 0;
}
