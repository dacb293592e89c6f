/**
 * Who on this thread's event loop is being looked after: ports with something to look at, or that had a moment ago.
 *
 * A port under attention is looked at once per turn of the loop (`setImmediate`); it stays for a short, adaptive while
 * after its last activity, then it prepares its doorbell and rests. At every moment a port that expects something either
 * rests with its doorbell armed or is under attention: nothing is missed, and an idle process uses no CPU.
 */

import { performance } from 'node:perf_hooks';
import { throwApart } from '../base/uncaught.js';
import { yieldProcessor } from '../platform/poller.js';

export interface Attentive {
  readonly linger: Linger;
  /** Looks at everything once; whether messages moved (a bell alone is none). May throw what a user's handler threw. */
  look(): boolean;
  /** Prepares the doorbell. False when something came meanwhile: then it must be looked at again. */
  rest(): boolean;
  /** Back under attention: no doorbell is needed. */
  attend(): void;
}

/** A message that comes so many times the longest linger after the rest would have been worth to linger for: two sleepers need as long for a call. */
const REGAIN = 3;
/** One activity in so many that end a rest is followed by a linger so many times the longest: see AdaptiveSpin, of two that only ever wake each other. */
const PROBE_EVERY = 32;
const PROBE = 8;
const NEVER = -2;

/** How long one port is looked at after its last activity. Full while that pays, halved when not, nothing at last, and now and then long, to see. */
export class Linger {
  attended = false;
  readonly #max: number;
  #current: number;
  #lastActivity = 0;
  #restedAt = 0;
  #resting = false;
  #rests = 0;

  constructor(max: number) {
    this.#max = max;
    this.#current = max;
  }

  active(now: number): void {
    if (now - this.#restedAt < this.#max * REGAIN || now - this.#lastActivity < this.#current) this.#current = this.#max;
    if (this.#resting) {
      this.#resting = false;
      if (++this.#rests % PROBE_EVERY === 0) this.#current = PROBE * this.#max;
    }
    this.#lastActivity = now;
  }

  isOver(now: number): boolean {
    return now - this.#lastActivity >= this.#current;
  }

  rested(now: number): void {
    this.#current = this.#current < 0.005 || this.#current > this.#max ? 0 : this.#current / 2;
    this.#restedAt = now;
    this.#resting = true;
  }
}

/** One per thread. */
export class Attention {
  readonly #watched: Attentive[] = [];
  #scheduled = false;
  /** Turns of the event loop in which anything was under attention. */
  turns = 0;
  /** The turn in which a bell woke this thread last, until somebody has been answered. */
  #wokenIn = NEVER;

  watch(port: Attentive): void {
    this.#enter(port);
    this.#schedule();
  }

  /** Its doorbell rang: looks at once, and goes on in the next turn. A turn between would cost as much as the look. */
  hear(port: Attentive): void {
    try {
      this.#enter(port);
      this.#wokenIn = this.turns;
      if (port.look()) port.linger.active(performance.now());
    } finally {
      this.#schedule();
    }
  }

  /** An answer was written for somebody who looks for it. Who was just woken for the question may have been woken on the asker's core: it has it back at once, before all that is left to do here. */
  answered(): void {
    if (this.turns - this.#wokenIn > 1) return;
    this.#wokenIn = NEVER;
    yieldProcessor();
  }

  /** A closed port needs none. */
  forget(port: Attentive): void {
    const at = this.#watched.indexOf(port);
    if (at >= 0) this.#watched.splice(at, 1);
    port.linger.attended = false;
  }

  readonly #turn = (): void => {
    this.#scheduled = false;
    this.turns++;
    const now = performance.now();
    // Backwards, because a port may leave while it is looked at.
    let at = this.#watched.length;
    let quiet = true;
    try {
      while (--at >= 0) {
        const port = this.#watched[at];
        if (port === undefined) continue;
        if (port.look()) {
          port.linger.active(now);
          quiet = false;
        } else if (port.linger.isOver(now) && this.#watched[at] === port && port.rest()) {
          port.linger.rested(now);
          port.linger.attended = false;
          this.#watched.splice(at, 1);
        }
      }
    } catch (error) {
      throwApart(error); // as `hear`'s caller does: so they come in their order, whatever stands between a poll's callback and its ticks
    } finally {
      // A handler's exception ends this turn and not the watch; those whose turn it was not yet come first in the next.
      if (at >= 0) this.#watched.unshift(...this.#watched.splice(at));
      if (this.#watched.length > 0) {
        this.#schedule();
        if (quiet && this.turns - this.#wokenIn > 1) yieldProcessor(); // an awaiting handler has not gone on yet
      }
    }
  };

  #enter(port: Attentive): void {
    if (port.linger.attended) return;
    port.linger.attended = true;
    port.attend();
    this.#watched.push(port);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#turn);
  }
}
