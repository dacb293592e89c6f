/** A thread that takes packets, for the tests: what it does with one is said by the packet's text. Every word of `board` is counted across threads. */
// oxlint-disable unicorn/require-post-message-target-origin -- threads have no origin
import { parentPort, workerData } from 'node:worker_threads';
import { CompletionPort, type CompletionPortHandle, connectPortSync, createEvent, createPortSync, openEvent, openNamedSection, type Packet, type SharedRequest, waitForAllSync, waitForAnySync } from '../../src/index.js';
import { Board } from './board.js';

export interface Task {
  readonly handle: CompletionPortHandle;
  readonly how: 'dequeueSync' | 'dequeue' | 'bursts';
  readonly max: number;
  readonly board: SharedArrayBuffer;
  /** Leaves after so many packets; 0 for never. */
  readonly leaveAfter: number;
}

export type Told = { type: 'begun' } | { type: 'took'; texts: string[] } | { type: 'shared'; request: SharedRequest } | { type: 'left'; taken: number };

const PAGE = 4096;

const { handle, how, max, board, leaveAfter } = workerData as Task;
const words = new Int32Array(board);
const completions = CompletionPort.open(handle);
const tell = (told: Told): void => parentPort!.postMessage(told);

/** The wait that is meant begins now: what blocked before, to connect for it, does not count. */
const waits = (): void => void Atomics.store(words, Board.waits, 1);

/** Waits of this library that block the thread. */
const BLOCKING = {
  block: (port: string): void => {
    using client = connectPortSync(port);
    waits();
    client.requestSync('');
  },
  connect: (port: string): void => {
    waits();
    connectPortSync(port).close();
  },
  push: (port: string): void => {
    using client = connectPortSync(port);
    while (client.tryPost('x'.repeat(1000)) === 'sent');
    waits();
    client.postSync('x'.repeat(1000));
  },
  'call-back': (port: string): void => {
    using client = connectPortSync(port);
    let message = client.tryReceive();
    while (message === undefined) message = client.tryReceive();
    waits();
    if (message.type === 'request') message.callbackSync('');
  },
  listen: (port: string): void => {
    using client = connectPortSync(port);
    waits();
    client.receiveSync();
  },
  serve: (port: string): void => {
    using server = createPortSync(port);
    waits();
    server.receiveSync();
  },
  await: (name: string): void => {
    using event = openEvent(name);
    waits();
    event.waitSync();
  },
  any: (name: string): void => {
    using never = createEvent();
    using event = openEvent(name);
    waits();
    waitForAnySync([never, event]);
  },
  all: (name: string): void => {
    using already = createEvent();
    using event = openEvent(name);
    already.set();
    waits();
    waitForAllSync([already, event]);
  },
  watch: (name: string): void => {
    using section = openNamedSection(name);
    const view = section.createView();
    waits();
    view.waitSync(0, 0);
  },
  allot: (port: string): void => {
    using client = connectPortSync(port);
    const section = client.createSection(PAGE);
    client.postSync('', { view: section.createView(PAGE), autoRelease: true });
    waits();
    section.waitForViewSync(PAGE);
  },
};

function work(packet: Packet): void {
  const [verb = '', value = ''] = String(packet.data).split(' ');
  const working = Atomics.add(words, Board.working, 1) + 1;
  for (let peak = Atomics.load(words, Board.peak); working > peak; peak = Atomics.load(words, Board.peak)) Atomics.compareExchange(words, Board.peak, peak, working);
  if (verb === 'spin') for (const until = performance.now() + Number(value); performance.now() < until; );
  if (verb === 'crash') throw new Error('as ordered');
  if (verb === 'gate') Atomics.wait(words, Board.gate, 0);
  Atomics.sub(words, Board.working, 1);
  if (verb in BLOCKING) BLOCKING[verb as keyof typeof BLOCKING](value.replaceAll('_', ' '));
  Atomics.add(words, Board.taken, 1);
  if (packet.type === 'request' && verb === 'hand') tell({ type: 'shared', request: packet.share() });
  else if (packet.type === 'request' && verb !== 'keep') packet.reply(`${value} by ${packet.key}`);
}

tell({ type: 'begun' });
const most = leaveAfter === 0 ? Infinity : leaveAfter;
let taken = 0;
while (taken < most) {
  let packets: Packet[];
  try {
    if (how === 'bursts') await new Promise((resolve) => void setTimeout(resolve, Math.random() * 2));
    packets = how === 'dequeueSync' ? completions.dequeueSync({ max }) : await completions.dequeue({ max });
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_ALPC_CLOSED') throw error;
    break;
  }
  taken += packets.length;
  tell({ type: 'took', texts: packets.map(({ type, data }) => (type === 'posted' || type === 'request' || type === 'datagram' ? String(data) : type)) });
  for (const packet of packets) work(packet);
}
completions.leave();
tell({ type: 'left', taken });
