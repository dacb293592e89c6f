/**
 * The camera: a process that makes frames and publishes them. `camera.js <frames> <readers to wait for>`
 *
 * Of its section four frames are in use at most. `waitForView` gives a region that nobody looks at any more; so the slowest reader sets the
 * pace and no frame is lost. A camera that must not wait would drop a frame instead: `tryCreateView` gives undefined when there is no room.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type ConnectionPort, createPort, openNamedSection, type View } from '../../src/index.js';
import { BOARD, CAMERA, type Caption, FRAME, HEIGHT, WIDTH, Word, wordsOf } from './frame.js';

const FRAMES_AT_ONCE = 4;
/** Between two frames, in ms. */
const PAUSE = 4;
const RADIUS = 40;
const SPEED = [7, 5] as const;

const [count, readers] = process.argv.slice(2).map(Number) as [number, number];

process.on('disconnect', () => process.exit());
using section = openNamedSection(BOARD, { writable: true });
using board = section.createView();
const words = wordsOf(board);
const port = await createPort(CAMERA);
port.on('message', () => {}); // readers have nothing to say; that they come and go is handled here
using frames = port.createSection(FRAMES_AT_ONCE * FRAME);
process.send!('listening');

for (let ready = 0; ready < readers; ready = Atomics.load(words, Word.readers)) await board.wait(Word.readers, ready);
for (let number = 0; number < count; number++) {
  using frame = await frames.waitForView(FRAME);
  const exposure = Atomics.load(words, Word.exposure);
  draw(frame, number, exposure);
  await publish(port, { number, exposure }, frame);
  await sleep(PAUSE);
}
await publish(port); // a message without a picture is the last
(await frames.waitForView(frames.size)).release(); // all of them have released all frames, or are gone
console.log(`camera: ${count} frames of ${FRAME} bytes from ${FRAMES_AT_ONCE} regions`);
await port.close();
process.disconnect();

/** Sends a frame to whoever is connected. One that dies meanwhile gives back what it held. */
async function publish(port: ConnectionPort, caption?: Caption, view?: View): Promise<void> {
  const text = JSON.stringify(caption ?? {});
  await Promise.all(port.connections.map((reader) => reader.post(text, view === undefined ? {} : { view }).catch((error: Error) => console.log(`camera: ${error.message}`))));
}

/** A ball that is thrown about a dim room. */
function draw({ bytes }: View, number: number, exposure: number): void {
  const [x, y] = [bounce(number * SPEED[0], WIDTH), bounce(number * SPEED[1], HEIGHT)];
  bytes.fill(lit(20, exposure));
  for (let row = y - RADIUS; row <= y + RADIUS; row++) {
    const half = Math.floor(Math.sqrt(RADIUS ** 2 - (row - y) ** 2));
    bytes.fill(lit(90, exposure), row * WIDTH + x - half, row * WIDTH + x + half + 1);
  }
}

/** From one wall to the other and back. */
function bounce(way: number, length: number): number {
  const room = length - 1 - 2 * RADIUS;
  const along = way % (2 * room);
  return RADIUS + (along < room ? along : 2 * room - along);
}

function lit(brightness: number, exposure: number): number {
  return Math.min(255, Math.round((brightness * exposure) / 100));
}
