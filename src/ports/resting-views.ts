/**
 * Views that the peer may still read when this side has ended their connection: what was sent arrives, and nobody tells any more when it has been
 * read. So their regions rest for a while before they are anybody else's, as addresses do that are done with (platform/resting-ranges.ts): a section
 * that has no other room waits for them.
 *
 * Not promised: who reads such a view later than that sees what has been written there since.
 */
import { performance } from 'node:perf_hooks';
import type { ReleaseSource } from '../memory/region-waits.js';
import type { Region } from '../memory/section.js';

/** How long they rest, in ms. */
const REST = 30_000;

export class RestingViews implements ReleaseSource {
  /** None: `poll` passes over it. */
  readonly socket = -1;
  /** Nobody looks whether it is time: a sleep ends for that often enough. */
  readonly looks = 0;
  readonly isOfThisThread = false;
  readonly #due: number;
  readonly #regions: Region[] = [];
  #expected = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(rest = REST) {
    this.#due = performance.now() + rest;
  }

  /** It rests from now on, whoever lets go of it. */
  add(region: Region): void {
    region.hold(this);
    this.#regions.push(region);
  }

  collect(): boolean {
    if (!this.hasNews()) return false;
    for (const region of this.#regions.splice(0)) region.comeBack(this);
    return true;
  }

  hasNews(): boolean {
    return this.#regions.length > 0 && performance.now() >= this.#due;
  }

  expect(change: number): void {
    this.#expected += change;
    clearTimeout(this.#timer);
    if (this.#expected > 0) this.#timer = setTimeout(this.#onTime, Math.max(0, this.#due - performance.now()) + 1).unref(); // it is the section's port that keeps the process
  }

  /** Timers count whole milliseconds of a clock of their own, and may be a little early: then it takes one more. */
  readonly #onTime = (): void => {
    if (!this.collect()) this.expect(0);
  };

  arm(): boolean {
    return !this.hasNews();
  }

  awake(): void {}
}
