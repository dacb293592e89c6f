/**
 * The peer's requests that were read and not answered yet, counted against the quota. Each knows its place here, so that to take one out
 * costs one move, and its number stands in a row, so that one among thousands is found by one look along it.
 *
 * Inspectors see how many there are. A receiver is told of each before it has it; `tell` is for when one has been taken out.
 */
import { Control } from '../memory/layout.js';
import type { Figures } from './latency-meter.js';
import type { Limits } from './limits.js';
import { PLACE_GONE, type RequestMessage } from './message.js';

const { unansweredRequests: UNANSWERED_REQUESTS } = Control;
const NO_IDS = new Int32Array(0);

export class Unanswered {
  readonly #limits: Limits;
  readonly #figures: Figures;
  readonly #requests: RequestMessage[] = [];
  /** Their numbers, place by place; behind them stand numbers of old. */
  #ids = NO_IDS;
  #bytes = 0;

  constructor(limits: Limits, figures: Figures) {
    this.#limits = limits;
    this.#figures = figures;
  }

  /** Also the place of the next one. */
  get length(): number {
    return this.#requests.length;
  }

  hasRoomFor(dataLength: number): boolean {
    return this.#requests.length < this.#limits.pendingMessages && this.#bytes + dataLength <= this.#limits.pendingBytes;
  }

  /** One that was made for the next place. */
  add(request: RequestMessage): void {
    const place = this.#requests.push(request) - 1;
    if (place === this.#ids.length) {
      const longer = new Int32Array(Math.max(64, 2 * place));
      longer.set(this.#ids);
      this.#ids = longer;
    }
    this.#ids[place] = request.id;
    this.#figures.words[UNANSWERED_REQUESTS] = place + 1;
    this.#bytes += request.dataLength;
  }

  /** Takes one out: the last one moves into its place. */
  remove(request: RequestMessage): void {
    const last = this.#requests.pop()!;
    if (last !== request) {
      this.#requests[request.place] = last;
      this.#ids[request.place] = last.id;
      last.place = request.place;
    }
    this.#bytes -= request.dataLength;
  }

  /** Tells inspectors that some have been taken out: when an answer is on its way, for they can wait and the peer can't. */
  tell(): void {
    this.#figures.words[UNANSWERED_REQUESTS] = this.#requests.length;
  }

  find(id: number): RequestMessage | undefined {
    const place = this.#ids.indexOf(id);
    return place < 0 ? undefined : this.#requests[place];
  }

  /** Gives all of them up, and has none any more. They were in this order. */
  giveUp(): RequestMessage[] {
    const all = this.#requests.splice(0);
    this.#bytes = 0;
    this.tell();
    for (const request of all) request.place = PLACE_GONE; // before anybody is told of one: who is may want to answer another
    for (const request of all) request.giveUp();
    return all;
  }
}
