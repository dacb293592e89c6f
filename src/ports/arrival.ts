/** What came with one message besides its bytes. */
import type { View } from '../memory/view.js';
import type { ReceivedHandles } from './incoming-handles.js';

export class Arrival {
  #view: View | undefined;
  #handles: ReceivedHandles | undefined;

  constructor(view: View | undefined, handles: ReceivedHandles | undefined) {
    this.#view = view;
    this.#handles = handles;
  }

  /** Undefined again when it has been released. */
  get view(): View | undefined {
    return this.#view;
  }

  get handles(): ReceivedHandles | undefined {
    return this.#handles;
  }

  /** Gives back what can be given back. A second call does nothing. */
  release(): void {
    const [view, handles] = [this.#view, this.#handles];
    this.#view = undefined;
    this.#handles = undefined;
    handles?.release();
    view?.release();
  }
}
