/**
 * A reader: a process that looks at every frame where the camera wrote it. `reader.js meter | tracker | motion`
 *
 * A reader releases a frame when it is done with it; until then the camera leaves it as it is. `motion` keeps the frame before this one, so
 * it holds two for a moment.
 */
import { connectPort, openNamedSection, type View } from '../../src/index.js';
import { BOARD, CAMERA, type Caption, FRAME, WIDTH, Word, wordsOf } from './frame.js';

interface Eye {
  /** Looks at a frame, and gives back the one that it is done with, if any. */
  look(frame: View, caption: Caption): View | undefined;
  report(): string;
}

/** How bright the picture should be. */
const WANTED = 60;

process.on('disconnect', () => process.exit());
using section = openNamedSection(BOARD, { writable: true });
using board = section.createView();
const words = wordsOf(board);

/** Measures the light, and turns the camera's aperture. */
class Meter implements Eye {
  look(frame: View, { exposure }: Caption): View {
    let sum = 0;
    for (const byte of frame.bytes) sum += byte;
    const mean = sum / frame.length;
    // Only from what the picture was taken with: somebody else may have turned it since.
    if (Math.abs(mean - WANTED) > 2) Atomics.compareExchange(words, Word.exposure, exposure, Math.round((exposure * WANTED) / mean));
    return frame;
  }

  report(): string {
    return `the picture is as bright as it should be at ${Atomics.load(words, Word.exposure)} %`;
  }
}

/** Follows the ball: the brightest row and column. */
class Tracker implements Eye {
  #last: number | undefined;
  #way = 0;
  #bounces = 0;

  look(frame: View): View {
    const pixels = new Uint8Array(frame.buffer);
    const brightest = pixels.reduce((most, pixel) => Math.max(most, pixel), 0);
    const top = pixels.indexOf(brightest) % WIDTH; // the ball's highest point
    const way = Math.sign(top - (this.#last ?? top));
    if (way !== 0 && this.#way !== 0 && way !== this.#way) this.#bounces++;
    if (way !== 0) this.#way = way;
    this.#last = top;
    return frame;
  }

  report(): string {
    return `the ball came back from the wall ${this.#bounces} times`;
  }
}

/** Counts what has changed since the frame before, eight pixels at a time. */
class Motion implements Eye {
  #before: View | undefined;
  #moved = 0;

  look(frame: View): View | undefined {
    const before = this.#before;
    this.#before = frame;
    if (before === undefined) return undefined;
    const [old, now] = [new BigUint64Array(before.buffer), new BigUint64Array(frame.buffer)];
    if (now.some((eight, at) => eight !== old[at])) this.#moved++;
    return before;
  }

  report(): string {
    return `something moved in ${this.#moved} of them`;
  }
}

const name = process.argv[2]!;
const eye: Eye = name === 'meter' ? new Meter() : name === 'tracker' ? new Tracker() : new Motion();
using camera = await connectPort(CAMERA, { accepts: ['view'] });
Atomics.add(words, Word.readers, 1);
board.notify(Word.readers);

let [count, missed] = [0, 0];
for await (const message of camera) {
  const { view } = message.type === 'datagram' ? message : {};
  if (view === undefined) break; // the last word, or the camera is gone
  const caption = JSON.parse(String(message.data)) as Caption;
  if (caption.number !== count + missed) missed = caption.number - count;
  eye.look(view, caption)?.release();
  count++;
  Atomics.add(words, Word.seen, 1);
}
console.log(`${name}: ${count} frames of ${FRAME} bytes, ${missed} missed; ${eye.report()}`);
process.disconnect();
