/** What came with one message besides its bytes. */
import type { View } from '../memory/view.js';
import type { ReceivedDirect } from './direct.js';
import type { ReceivedHandles } from './incoming-handles.js';
import type { ReceivedSecurity } from './security.js';
import type { WorkTicket } from './work-ticket.js';

export class Arrival {
  #view: View | undefined;
  #handles: ReceivedHandles | undefined;

  #security: ReceivedSecurity | undefined;
  readonly #direct: ReceivedDirect | undefined;
  /** It stays when the message is released. */
  readonly work: WorkTicket | undefined;

  constructor(view: View | undefined, handles: ReceivedHandles | undefined, security: ReceivedSecurity | undefined, work: WorkTicket | undefined, direct: ReceivedDirect | undefined) {
    this.#view = view;
    this.#handles = handles;
    this.#security = security;
    this.work = work;
    this.#direct = direct;
  }

  get security(): ReceivedSecurity | undefined {
    return this.#security;
  }

  /** Undefined again when it has been released. */
  get view(): View | undefined {
    return this.#view;
  }

  get handles(): ReceivedHandles | undefined {
    return this.#handles;
  }

  /** The program has the message. */
  tellTaken(): void {
    this.#direct?.tell(true);
  }

  /** Gives back what can be given back. A second call does nothing. */
  release(): void {
    const [view, handles] = [this.#view, this.#handles];
    this.#view = undefined;
    this.#handles = undefined;
    this.#security = undefined;
    handles?.release();
    view?.release();
    this.#direct?.tell(false); // unless it was taken before
  }
}
