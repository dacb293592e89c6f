/** The threads of wake-ups.test.ts: one that sends, with pauses of any length, one that takes from a completion port, one that answers each event with another. */
import { workerData } from 'node:worker_threads';
import { CompletionPort, type CompletionPortHandle, connectPortSync, openEvent, type SharedEvent } from '../../src/index.js';
import { MAX_SEATS, seatAt } from '../../src/notification/completion-memory.js';
import { Tally } from './tally.js';

export type WakeUpTask =
  | { readonly do: 'send'; readonly port: string; readonly from: number; readonly count: number; readonly tally: SharedArrayBuffer }
  | { readonly do: 'take'; readonly how: 'dequeueSync' | 'dequeue'; readonly handle: CompletionPortHandle; readonly tally: SharedArrayBuffer }
  | { readonly do: 'answer'; readonly events: readonly [SharedEvent, SharedEvent]; readonly count: number };

const nobody = new Int32Array(new SharedArrayBuffer(4));

/** Mostly none, often some microseconds, now and then long enough for the other side to fall asleep. */
function pauseAtRandom(): void {
  const chance = Math.random();
  if (chance < 0.05) Atomics.wait(nobody, 0, 0, Math.random() * 2);
  else if (chance < 0.4) for (const end = performance.now() + Math.random() * 0.05; performance.now() < end; );
}

/** The first half goes in step: the next is sent when the last was taken, and the taker is asleep or about to be. */
function send({ port, from, count, tally }: WakeUpTask & { do: 'send' }): void {
  using client = connectPortSync(port);
  const seen = new Tally(tally);
  const data = Buffer.alloc(8);
  for (let i = from; i < from + count; i++) {
    data.writeDoubleLE(i);
    if (client.tryPost(data) === 'full') client.postSync(data);
    if (i - from < count / 2) seen.waitFor(i);
    pauseAtRandom();
  }
}

/** A thread that waits for packets looks around by itself now and then, which would hide that nobody woke it: here it sleeps for good. Counts the sleeps that somebody ended. */
function sleepUntilWoken(tally: Tally): void {
  const { wait, waitAsync } = Atomics;
  const isSeat = (index: number): boolean => index >= seatAt(0) && index < seatAt(MAX_SEATS);
  Object.assign(Atomics, {
    wait: (words: Int32Array, index: number, value: number, timeout?: number): string => {
      const outcome = wait(words, index, value, isSeat(index) ? Infinity : timeout);
      if (isSeat(index) && outcome === 'ok') tally.addSleep();
      return outcome;
    },
    waitAsync: (words: Int32Array, index: number, value: number): ReturnType<typeof waitAsync> => {
      const outcome = waitAsync(words, index, value);
      if (isSeat(index) && outcome.async) tally.addSleep();
      return outcome;
    },
  });
}

async function take({ how, handle, tally }: WakeUpTask & { do: 'take' }): Promise<void> {
  const completions = CompletionPort.open(handle);
  const taken = new Tally(tally);
  sleepUntilWoken(taken);
  try {
    for (;;) {
      const max = 1 + Math.floor(Math.random() * 8);
      const packets = how === 'dequeueSync' ? completions.dequeueSync({ max }) : await completions.dequeue({ max });
      for (const packet of packets) if (packet.type === 'datagram') taken.add(packet.data.readDoubleLE());
      pauseAtRandom();
    }
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_ALPC_CLOSED') throw error;
  }
  completions.leave();
}

function answer({ events, count }: WakeUpTask & { do: 'answer' }): void {
  using ask = openEvent(events[0]);
  using reply = openEvent(events[1]);
  for (let i = 0; i < count; i++) {
    ask.waitSync();
    if (i % 10 === 0) pauseAtRandom();
    reply.set();
  }
}

const task = workerData as WakeUpTask;
if (task.do === 'send') send(task);
else if (task.do === 'take') await take(task);
else answer(task);
