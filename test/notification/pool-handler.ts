/** A handler of the pool's tests, and of a port on the event loop: what it does with a request is said by the request's text. */
import { setTimeout as sleep } from 'node:timers/promises';
import { threadId, workerData } from 'node:worker_threads';
import type { Message, Packet } from '../../src/index.js';
import { Board } from './board.js';

export default async function handle(message: Packet | Message): Promise<void> {
  if (message.type !== 'request') return;
  const [verb, value = ''] = String(message.data).split(' ');
  if (verb === 'spin') for (const until = performance.now() + Number(value); performance.now() < until; );
  if (verb === 'never') return;
  if (verb === 'later') return void setTimeout(() => void message.reply(`${verb} ${value}`), Number(value));
  if (verb === 'sleep') await sleep(Number(value));
  if (verb === 'meet') meet(workerData as { data: SharedArrayBuffer }, Number(value));
  if (verb === 'count') count(workerData as { data: SharedArrayBuffer }, Number(value));
  if (verb === 'throw') throw new Error('as ordered');
  if (verb === 'reject') await Promise.reject(new Error('as ordered'));
  if (verb === 'exit') process.exit(3);
  const given = (workerData as { data?: unknown } | null)?.data;
  message.reply(verb === 'who' ? `thread ${threadId} ${String(given)}` : `${verb} ${value}`);
}

/** Blocks the thread until so many are here. */
function meet({ data }: { data: SharedArrayBuffer }, count: number): void {
  const words = new Int32Array(data);
  Atomics.add(words, 0, 1);
  Atomics.notify(words, 0);
  for (let here = Atomics.load(words, 0); here < count; here = Atomics.load(words, 0)) Atomics.wait(words, 0, here);
}

/** Counts itself among those at work, for some milliseconds: see board.ts. */
function count({ data }: { data: SharedArrayBuffer }, milliseconds: number): void {
  const words = new Int32Array(data);
  const working = Atomics.add(words, Board.working, 1) + 1;
  for (let peak = Atomics.load(words, Board.peak); working > peak; peak = Atomics.load(words, Board.peak)) Atomics.compareExchange(words, Board.peak, peak, working);
  for (const until = performance.now() + milliseconds; performance.now() < until; );
  Atomics.sub(words, Board.working, 1);
}
