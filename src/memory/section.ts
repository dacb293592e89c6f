/**
 * A section: shared memory that one side owns. Regions of it are allotted, written through their view, sent with a message, and come back
 * when every receiver has released its view; then they are used again, without a system call. So a section is also a pool.
 *
 * Who got one view of a section could look at all of it: make one for each audience. Of a `secure` section each view has a
 * file of its own, which is frozen when the view is first sent: costlier, and no receiver can be deceived by a change under its eyes.
 *
 * Invariants: a region is free when neither its owner's view nor any receiver's is left; receivers keep what they have when the section is
 * closed, or its owner's process has ended, until they release it.
 */
import { checkInteger, checkOptions, checkTimeout, invalidArgument } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { translate } from '../platform/system.js';
import { asHandle, type HandleSource } from './handle-source.js';
import { Regions, REGION_ALIGNMENT } from './regions.js';
import { SectionFile, type SectionKind, wholePages } from './section-file.js';
import { type ReleaseSource, RegionWaits, type RegionWaitOptions } from './region-waits.js';
import { type Lender, MAX_VIEW_LENGTH, View } from './view.js';

/** The largest section, in bytes. */
export const MAX_SECTION_SIZE = 2 ** 36;

export interface SectionParts {
  /** For inspectors, and for errors. */
  readonly name: string;
  readonly size: number;
  readonly kind: SectionKind;
  /** Whether its views may go through this connection. */
  readonly goesThrough: (connection: object) => boolean;
  /** Told once. */
  readonly onClose: (section: Section) => void;
}

export class Section implements HandleSource {
  /** Bytes of it: what was asked for, in whole pages. */
  readonly size: number;
  readonly kind: SectionKind;
  readonly #parts: SectionParts;
  readonly #regions: Regions;
  /** The file of all its regions; a secure section has none. */
  readonly #file: SectionFile | undefined;
  readonly #views = new Set<OwnView>();
  readonly #waits: RegionWaits<OwnView>;
  #isOpen = true;

  /** Engine room: made by a port's `createSection`. @throws AlpcError ERR_ALPC_INSUFFICIENT_RESOURCES */
  constructor(parts: SectionParts) {
    this.#parts = parts;
    this.size = wholePages(parts.size);
    this.kind = parts.kind;
    this.#regions = new Regions(this.size);
    this.#waits = new RegionWaits(String(this));
    try {
      this.#file = this.kind === 'secure' ? undefined : new SectionFile(parts.name, this.size, this.kind);
    } catch (error) {
      throw translate(error, String(this));
    }
  }

  get closed(): boolean {
    return !this.#isOpen;
  }

  /** Bytes that are free now. */
  get free(): number {
    this.#waits.collect();
    return this.#regions.room.free;
  }

  /**
   * A view of a region that is free, or of this very one. NtAlpcCreateSectionView.
   * @param offset where the region begins, a multiple of 64; without it, wherever there is room
   * @throws AlpcError ERR_ALPC_QUOTA_EXCEEDED when there is no room, ERR_ALPC_CLOSED, ERR_ALPC_INVALID_ARGUMENT, ERR_ALPC_INSUFFICIENT_RESOURCES
   */
  createView(length: number): OwnView;
  createView(offset: number, length: number): OwnView;
  createView(first: number, second?: number): OwnView {
    const view = second === undefined ? this.tryCreateView(first) : this.tryCreateView(first, second);
    if (view !== undefined) return view;
    const { free, longest } = this.#regions.room;
    throw new AlpcError('ERR_ALPC_QUOTA_EXCEEDED', `${this}: there is no room for a view of ${second ?? first} bytes: ${free} are free, ${longest} of them in a row`);
  }

  /** As `createView`; undefined when there is no room. */
  tryCreateView(length: number): OwnView | undefined;
  tryCreateView(offset: number, length: number): OwnView | undefined;
  tryCreateView(first: number, second?: number): OwnView | undefined {
    const length = this.#checkLength(second ?? first);
    const offset = second === undefined ? undefined : this.#checkOffset(first);
    this.#checkOpen();
    return this.#waits.isWaitedFor ? undefined : this.#allot(length, offset);
  }

  /** As `createView`, but waits until receivers have released enough, who asked first being served first. @throws AlpcError (as rejections) also ERR_ALPC_TIMEOUT; the signal's reason */
  async waitForView(length: number, options?: RegionWaitOptions): Promise<OwnView> {
    this.#checkLength(length);
    return this.#waits.wait(options, () => {
      this.#checkOpen();
      return this.#allot(length, undefined);
    });
  }

  /**
   * The same, blocking this thread; who awaits one already comes first.
   * @throws AlpcError ERR_ALPC_TIMEOUT, ERR_ALPC_CLOSED, ERR_ALPC_INVALID_ARGUMENT, ERR_ALPC_INSUFFICIENT_RESOURCES; ERR_ALPC_DEADLOCK when nobody
   *   but this thread could release anything
   */
  waitForViewSync(length: number, options?: { timeout?: number }): OwnView {
    this.#checkLength(length);
    return this.#waits.block(checkTimeout(checkOptions(options, 'options', ['timeout']).timeout, 'options.timeout'), () => {
      this.#checkOpen();
      return this.#allot(length, undefined);
    });
  }

  /** Releases this side's views. Receivers keep theirs until they release them. NtAlpcDeletePortSection. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const view of this.#views) view.release();
    this.#file?.close();
    this.#waits.end(new AlpcError('ERR_ALPC_CLOSED', `${this}: it has been closed`));
    this.#parts.onClose(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  toString(): string {
    return `${this.kind} section of ${this.size} bytes of ${this.#parts.name}`;
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  /** As a message's handle: whoever gets it maps all of it. A secure one has no memory of its own. */
  [asHandle](): { fd: number; kind: 'section' } {
    this.#checkOpen();
    if (this.#file === undefined) throw new AlpcError('ERR_ALPC_INVALID_ARGUMENT', `${this}: a secure section can't be sent whole; send its views`);
    return { fd: this.#file.fd, kind: 'section' };
  }

  /** Whether its views may be sent through a connection. */
  goesThrough(connection: object): boolean {
    return this.#parts.goesThrough(connection);
  }

  /** What its views were sent through: asked for what has been released. */
  get waits(): RegionWaits<OwnView> {
    return this.#waits;
  }

  /** A region is nobody's any more. */
  freeRegion(region: Region): void {
    this.#regions.free(region.offset, region.length);
    if (region.file !== this.#file) region.file.close();
    this.#waits.serve();
  }

  dropView(view: OwnView): void {
    this.#views.delete(view);
  }

  #allot(length: number, offset: number | undefined): OwnView | undefined {
    let at = this.#take(length, offset);
    if (at === undefined && this.#waits.collect()) at = this.#take(length, offset);
    if (at === undefined) return undefined;
    let file = this.#file;
    try {
      file ??= new SectionFile(this.#parts.name, wholePages(length), 'secure');
    } catch (error) {
      this.#regions.free(at, length);
      throw translate(error, String(this));
    }
    const view = new OwnView(new Region(this, file, at, length));
    this.#views.add(view);
    return view;
  }

  #take(length: number, offset: number | undefined): number | undefined {
    if (offset === undefined) return this.#regions.allocate(length);
    return this.#regions.allocateAt(offset, length) ? offset : undefined;
  }

  #checkLength(length: number): number {
    return checkInteger(length, 'length', 1, Math.min(this.size, MAX_VIEW_LENGTH));
  }

  #checkOffset(offset: number): number {
    checkInteger(offset, 'offset', 0, this.size);
    if (offset % REGION_ALIGNMENT !== 0) throw invalidArgument('offset', `a multiple of ${REGION_ALIGNMENT}`, offset);
    return offset;
  }

  #checkOpen(): void {
    if (!this.#isOpen) throw new AlpcError('ERR_ALPC_CLOSED', `${this}: it has been closed`);
  }
}

/** A region that is in use, by its owner's view or by receivers. */
export class Region implements Lender {
  /** Its owner says itself when it is over. */
  readonly isOver = false;
  #users = 1;

  constructor(
    readonly section: Section,
    readonly file: SectionFile,
    /** Where it begins in the section. */
    readonly offset: number,
    readonly length: number,
  ) {}

  get window(): SectionFile['window'] {
    return this.file.window;
  }

  get what(): string {
    return String(this.section);
  }

  /** Where it begins in its file. */
  get start(): number {
    return this.section.kind === 'secure' ? 0 : this.offset;
  }

  /** A receiver will have it, or has it. */
  hold(source: ReleaseSource): void {
    this.#users++;
    this.section.waits.add(source);
  }

  /** The receiver does not have it any more. */
  comeBack(source: ReleaseSource): void {
    this.section.waits.remove(source);
    this.letGo();
  }

  letGo(): void {
    if (--this.#users === 0) this.section.freeRegion(this);
  }
}

/** The owner's view of a region. */
export class OwnView extends View {
  readonly #region: Region;
  #isFrozen = false;

  constructor(region: Region) {
    super(region, region.length, true, false);
    this.#region = region;
  }

  /** Engine room: what is sent. @throws AlpcError ERR_ALPC_CLOSED when it has been released */
  get region(): Region {
    if (this.released && !this.#isFrozen) throw new AlpcError('ERR_ALPC_CLOSED', `${this}: it has been released`);
    return this.#region;
  }

  /** Engine room: a secure view can't be written to once it has been sent. */
  freeze(): void {
    if (this.#isFrozen || this.#region.section.kind !== 'secure') return;
    this.withdraw('sent, and can be changed no more');
    this.#isFrozen = true;
    try {
      this.#region.file.freeze();
    } catch (error) {
      throw translate(error, String(this));
    }
  }

  override release(): void {
    if (this.#isFrozen) {
      this.#isFrozen = false;
      this.onReleased();
    } else super.release();
  }

  protected override onReleased(): void {
    this.#region.section.dropView(this);
    this.#region.letGo();
  }
}
