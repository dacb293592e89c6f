/**
 * A view that came with a message, and what becomes of one that nobody releases: when nobody can look through it any more the collector
 * finds it, and it is given back.
 *
 * To be found by the collector costs more than all else about a view. Most are released a moment after they came, so a view is watched
 * only when it grows old: when the event loop turns, or many others have come since. Until then it is held, so that nothing is lost.
 */
import { type Lender, View } from '../memory/view.js';
import type { Window } from '../platform/window.js';
import type { IncomingViews, PeerSection } from './incoming-views.js';

/** A view is old when so many others have come since. */
const YOUNG = 32;

/** What must be given back for one view. It knows nothing of the view itself, so that a forgotten one can be found. */
export class Holding implements Lender {
  /** Bytes of a buffer that was lent and is not kept; 0 when there is none. */
  lent = 0;

  constructor(
    readonly views: IncomingViews,
    readonly section: PeerSection,
    readonly number: number,
    readonly start: number,
  ) {}

  get window(): Window {
    return this.section.window;
  }

  get what(): string {
    return 'a message';
  }

  get isOver(): boolean {
    return this.section.isOver;
  }

  release(): void {
    this.views.release(this.section, this.number);
  }
}

/** Views that nobody released, found when nobody can look through them any more. */
const forgotten = new FinalizationRegistry<{ holding: Holding; length: number }>(({ holding, length }) => {
  if (holding.lent > 0) holding.window.forget();
  if (!holding.isOver) holding.views.tellForgotten(length);
  holding.release();
});

/** A view that came with a message. */
export class ReceivedView extends View {
  readonly #holding: Holding;
  /** Where it stands until it is old. */
  #young: YoungViews | undefined;

  /** Engine room: comes with a message. */
  constructor(holding: Holding, length: number, young: YoungViews) {
    super(holding, length, holding.section.mayWrite, holding.section.kind === 'secure');
    this.#holding = holding;
    this.#young = young;
    young.add(this);
  }

  /** It is old: the collector tells when it is forgotten. */
  growOld(): void {
    if (this.#young === undefined) return; // released meanwhile
    this.#young = undefined;
    forgotten.register(this, { holding: this.#holding, length: this.length }, this);
  }

  protected override onLent(isKept: boolean): void {
    if (!isKept) this.#holding.lent = this.length;
  }

  protected override onReleased(): void {
    if (this.#young === undefined) forgotten.unregister(this);
    else this.#young.remove(this);
    this.#young = undefined;
    this.#holding.release();
  }
}

/** The views of one connection that came a moment ago. */
export class YoungViews {
  #views: ReceivedView[] = [];
  #isAgeing = false;

  add(view: ReceivedView): void {
    if (this.#views.length === YOUNG) this.#views.shift()!.growOld();
    this.#views.push(view);
    if (this.#isAgeing) return;
    this.#isAgeing = true;
    setImmediate(() => this.#growOld()).unref();
  }

  /** It has been released. Mostly it was the last one to come; another goes when it is old. */
  remove(view: ReceivedView): void {
    if (this.#views.at(-1) === view) this.#views.pop();
  }

  #growOld(): void {
    this.#isAgeing = false;
    for (const view of this.#views) view.growOld();
    this.#views = [];
  }
}
