/** Requests that were taken and not yet answered. A request knows itself whether it is, so the answered ones are swept out now and then: a message costs nothing when it settles. */
import type { RequestMessage } from '../ports/index.js';

const SWEEP_FROM = 64;

export class Outstanding {
  #requests: RequestMessage[] = [];
  #bytes = 0;
  #sweepAt = SWEEP_FROM;

  get count(): number {
    this.#sweep();
    return this.#requests.length;
  }

  add(request: RequestMessage): void {
    this.#requests.push(request);
    this.#bytes += request.dataLength;
    if (this.#requests.length >= this.#sweepAt) this.#sweep();
  }

  /** Whether fewer than `entries` are outstanding, of `bytes` at most. */
  hasRoom(entries: number, bytes: number): boolean {
    if (this.#requests.length < entries && this.#bytes <= bytes) return true;
    this.#sweep();
    return this.#requests.length < entries && this.#bytes <= bytes;
  }

  #sweep(): void {
    this.#requests = this.#requests.filter((request) => request.isPending);
    this.#bytes = this.#requests.reduce((sum, request) => sum + request.dataLength, 0);
    this.#sweepAt = Math.max(SWEEP_FROM, this.#requests.length * 2);
  }
}
