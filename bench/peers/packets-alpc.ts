/** A completion port whose threads come and go, and one whose threads sleep between messages: what is lost or doubled there, and how many work at once. */
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { CompletionPort, createPort } from '../../src/index.js';
import { Board, type PacketTask } from '../core/packet-board.js';
import type { PacketFigures, Peer } from '../peer.js';

const CONCURRENCY = 2;
const SENDERS = 2;
/** A thread leaves after so many packets, where threads come and go; and so many are there at a time. */
const LEAVES_AFTER = 200;
const THREADS = 3;

function start(task: PacketTask): Worker {
  return new Worker(new URL('../core/packet-thread.js', import.meta.url), { workerData: task });
}

/** Rejects when the thread fails. */
async function endOf(thread: Worker): Promise<void> {
  await once(thread, 'exit');
}

function boardFor(count: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * (Board.numbers + count)));
}

function figuresOf(words: Int32Array, { peak }: { peak: number }, threads: number): PacketFigures {
  let lost = 0;
  let doubled = 0;
  for (let at = Board.numbers; at < words.length; at++) {
    if (words[at] === 0) lost++;
    else if (words[at]! > 1) doubled++;
  }
  return { lost, doubled, threads, tooMany: Math.max(0, words[Board.peak]! - CONCURRENCY, peak - CONCURRENCY), sleeps: words[Board.sleeps]! };
}

/** Packets are posted, while threads take some and leave, and others come. */
async function comeAndGo(count: number): Promise<PacketFigures> {
  using completions = new CompletionPort({ concurrency: CONCURRENCY });
  const words = boardFor(count);
  const board = words.buffer as SharedArrayBuffer;
  const state = { threads: 0 };
  const isOver = (): boolean => Atomics.load(words, Board.taken) >= count;
  const coming = Array.from({ length: THREADS }, async (_, index) => {
    for (; !isOver(); state.threads++) await endOf(start({ do: 'take', handle: completions.handle, awaits: index % 2 === 1, leaveAfter: LEAVES_AFTER, board }));
  });
  const data = Buffer.alloc(4);
  for (let i = 0; i < count; i++) {
    data.writeInt32LE(i);
    completions.post({ data });
    if (i % 250 === 0) await pause(Math.random() * 3);
  }
  while (!isOver()) await pause(5);
  completions.close();
  await Promise.all(coming);
  return figuresOf(words, completions.info(), state.threads);
}

let names = 0;

/** Messages of clients, with pauses of any length. */
async function withPauses(count: number): Promise<PacketFigures> {
  using completions = new CompletionPort({ concurrency: CONCURRENCY });
  const name = `\\RPC Control\\bench-packets-${process.pid}-${names++}`;
  await using port = await createPort(name);
  port.associate(completions, 1);
  const words = boardFor(count);
  const board = words.buffer as SharedArrayBuffer;
  const takers = Array.from({ length: THREADS }, (_, index) => endOf(start({ do: 'take', handle: completions.handle, awaits: index % 2 === 1, leaveAfter: Infinity, board })));
  const senders = Array.from({ length: SENDERS }, (_, index) => endOf(start({ do: 'send', port: name, from: (index * count) / SENDERS, count: count / SENDERS, board })));
  await Promise.all(senders);
  while (Atomics.load(words, Board.taken) < count) await pause(5);
  const { peak } = completions.info();
  completions.close();
  await Promise.all(takers);
  return figuresOf(words, { peak }, THREADS);
}

export const peer: Peer = {
  start() {
    return Promise.resolve({ packets: { comeAndGo, withPauses }, close: () => Promise.resolve() });
  },
};
