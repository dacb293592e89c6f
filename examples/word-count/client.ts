/**
 * A client: a process of its own that takes files from the work list, and has the server count their words piece by piece.
 *
 *     node client.js <bytes of a piece> blocking          the thread stops in each call until the answer is there
 *     node client.js <bytes of a piece> awaited           the thread goes on; the answer comes as a promise
 *     node client.js <bytes of a piece> socket <path>     awaited too, but from the server at a Unix socket (socket.ts)
 *
 * Blocking and awaited calls are the same call; they differ in what the caller does meanwhile. A blocking one is the
 * fastest, and is what you need where there is no way to await: in a getter, a constructor, a plug-in's callback, a module
 * that is being loaded. Neither can hang: were the server to die, the call would end at once with an error that says so.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { type ClientPort, connectPort, connectPortSync } from '../../src/index.js';
import { Histogram } from './histogram.js';
import { connectSocket, type SocketClient } from './socket.js';
import { pieces } from './words.js';
import { type Ask, type Report, type Task, WORK_LIST } from './work-list.js';

/** The port of server.ts. */
const SERVER = '\\RPC Control\\wordcount';

/** Counts on this thread alone, one blocking call after the other. There is no event loop in this, and no promise. */
function countBlocking(length: number): void {
  using list = connectPortSync(WORK_LIST);
  using server = connectPortSync(SERVER);
  let report: Report | undefined;
  for (;;) {
    const file = fileOf(list.requestSync(asking(report)).data);
    if (file === undefined) return;
    const text = readFileSync(file);
    const tally = new Tally();
    for (const piece of pieces(text, length)) {
      const begin = performance.now();
      const { data: answer } = server.requestSync(piece);
      tally.add(answer, performance.now() - begin);
    }
    report = tally.report(text.length);
  }
}

/** The same with `await`. The server is asked over its port or over a socket: `request` is the same for both. */
async function countAwaited(length: number, server: ClientPort | SocketClient): Promise<void> {
  using list = await connectPort(WORK_LIST);
  let report: Report | undefined;
  for (;;) {
    const file = fileOf((await list.request(asking(report))).data);
    if (file === undefined) return;
    const text = await readFile(file);
    const tally = new Tally();
    for (const piece of pieces(text, length)) {
      const begin = performance.now();
      const { data: answer } = await server.request(piece);
      tally.add(answer, performance.now() - begin);
    }
    report = tally.report(text.length);
  }
}

/** Sums up the answers for one file, and how long each took. */
class Tally {
  readonly #times = new Histogram();
  #words = 0;

  add(answer: Buffer, milliseconds: number): void {
    this.#words += answer.readUInt32LE();
    this.#times.add(milliseconds);
  }

  report(bytes: number): Report {
    return { bytes, words: this.#words, times: this.#times.toJSON() };
  }
}

function asking(report: Report | undefined): string {
  const ask: Ask = report === undefined ? {} : { report };
  return JSON.stringify(ask);
}

function fileOf(answer: Buffer): string | undefined {
  return (JSON.parse(answer.toString()) as Task).file;
}

async function main(length: number, kind: string | undefined, path: string | undefined): Promise<void> {
  if (kind === 'blocking') return countBlocking(length);
  using server = kind === 'awaited' ? await connectPort(SERVER) : await connectSocket(path!);
  return await countAwaited(length, server);
}

try {
  await main(Number(process.argv[2]), process.argv[3], process.argv[4]);
} catch (error) {
  // Most likely the main process is gone, and the work list with it.
  console.error(`client ${process.pid} gives up: ${String(error)}`);
  process.exitCode = 1;
}
