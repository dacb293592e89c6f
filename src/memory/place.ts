/**
 * A thread's place at a completion port: what it holds while it works, and gives to another while it sleeps in a wait of this
 * library. A thread has one at most, wherever it sleeps: for a reply, an event, a word of a view, a region of a section. So it
 * is kept here, below all floors that sleep for long; the completion port that gives it is far above.
 *
 * Whoever sleeps does so by `withoutPlace`. Not for waits that are over in a moment, on locks.
 */

export interface Place {
  /** The thread is about to block in a wait of this library. */
  sleep(): void;
  wake(): void;
  /** The thread has gone to another completion port. */
  quit(): void;
}

/** This thread's: none before it has asked a completion port for work. */
const mine: { place: Place | undefined } = { place: undefined };

export function thisPlace(): Place | undefined {
  return mine.place;
}

/** Waits, and gives the thread's place away meanwhile. */
export function withoutPlace<T>(wait: () => T): T {
  const { place } = mine;
  place?.sleep();
  try {
    return wait();
  } finally {
    place?.wake();
  }
}

export function takePlace(place: Place | undefined): void {
  mine.place = place;
}
