/**
 * Threads at a completion port that keep count in shared memory: some take packets, for a while or to the end, others send messages with
 * pauses of any length, half of them only when the one before has been taken, so that the takers fall asleep again and again.
 */
import { workerData } from 'node:worker_threads';
import { CompletionPort, connectPortSync } from '../../src/index.js';
import { Board, type PacketTask } from './packet-board.js';

const nobody = new Int32Array(new SharedArrayBuffer(4));

/** Who waits for packets looks around by itself now and then, which would hide that nobody woke it: here it sleeps until somebody does. */
function sleepUntilWoken(words: Int32Array): void {
  const { wait, waitAsync } = Atomics;
  Object.assign(Atomics, {
    wait(memory: Int32Array, index: number, value: number, timeout?: number): string {
      const isLookout = timeout === 1000;
      const outcome = wait(memory, index, value, isLookout ? Infinity : timeout);
      if (isLookout && outcome === 'ok') Atomics.add(words, Board.sleeps, 1);
      return outcome;
    },
    waitAsync(memory: Int32Array, index: number, value: number): ReturnType<typeof waitAsync> {
      const outcome = waitAsync(memory, index, value);
      if (outcome.async) Atomics.add(words, Board.sleeps, 1);
      return outcome;
    },
  });
}

async function take({ handle, awaits, leaveAfter, board }: PacketTask & { do: 'take' }): Promise<void> {
  const words = new Int32Array(board);
  const completions = CompletionPort.open(handle);
  if (leaveAfter === Infinity) sleepUntilWoken(words);
  for (let taken = 0; taken < leaveAfter; ) {
    let packets;
    try {
      packets = awaits ? await completions.dequeue({ max: 4 }) : completions.dequeueSync({ max: 4 });
    } catch (error) {
      if ((error as { code?: string }).code === 'ERR_ALPC_CLOSED') break;
      throw error;
    }
    const working = Atomics.add(words, Board.working, 1) + 1;
    for (let peak = Atomics.load(words, Board.peak); working > peak; peak = Atomics.load(words, Board.peak)) Atomics.compareExchange(words, Board.peak, peak, working);
    for (const packet of packets) {
      if (packet.type !== 'datagram' && packet.type !== 'posted') continue;
      const at = Board.numbers + packet.data.readInt32LE();
      Atomics.add(words, at, 1);
      Atomics.notify(words, at);
      Atomics.add(words, Board.taken, 1);
      taken++;
    }
    Atomics.sub(words, Board.working, 1);
  }
  completions.leave();
}

function send({ port, from, count, board }: PacketTask & { do: 'send' }): void {
  const words = new Int32Array(board);
  using client = connectPortSync(port);
  const data = Buffer.alloc(4);
  for (let i = from; i < from + count; i++) {
    data.writeInt32LE(i);
    if (client.tryPost(data) === 'full') client.postSync(data);
    if (i - from < count / 2) Atomics.wait(words, Board.numbers + i, 0);
    pauseAtRandom();
  }
}

/** Mostly none, often some microseconds, now and then long enough for the other side to fall asleep. */
function pauseAtRandom(): void {
  const chance = Math.random();
  if (chance < 0.02) Atomics.wait(nobody, 0, 0, Math.random() * 2);
  else if (chance < 0.3) for (const end = performance.now() + Math.random() * 0.05; performance.now() < end; );
}

const task = workerData as PacketTask;
if (task.do === 'take') await take(task);
else send(task);
