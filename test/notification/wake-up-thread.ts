/** The threads of wake-ups.test.ts: one that sends, with pauses of any length, one that takes from a completion port, one that answers each event with another. */
import { workerData } from 'node:worker_threads';
import { CompletionPort, type CompletionPortHandle, connectPortSync, openEvent, type SharedEvent } from '../../src/index.js';
import { Tally } from './tally.js';

export type WakeUpTask =
  | { readonly do: 'send'; readonly port: string; readonly from: number; readonly count: number }
  | { readonly do: 'take'; readonly how: 'dequeueSync' | 'dequeue'; readonly handle: CompletionPortHandle; readonly tally: SharedArrayBuffer }
  | { readonly do: 'answer'; readonly events: readonly [SharedEvent, SharedEvent]; readonly count: number };

const nobody = new Int32Array(new SharedArrayBuffer(4));

/** Mostly none, often some microseconds, now and then long enough for the other side to fall asleep. */
function pauseAtRandom(): void {
  const chance = Math.random();
  if (chance < 0.05) Atomics.wait(nobody, 0, 0, Math.random() * 2);
  else if (chance < 0.4) for (const end = performance.now() + Math.random() * 0.05; performance.now() < end; );
}

function send({ port, from, count }: WakeUpTask & { do: 'send' }): void {
  using client = connectPortSync(port);
  const data = Buffer.alloc(8);
  for (let i = from; i < from + count; i++) {
    data.writeDoubleLE(i);
    if (client.tryPost(data) === 'full') client.postSync(data);
    pauseAtRandom();
  }
}

async function take({ how, handle, tally }: WakeUpTask & { do: 'take' }): Promise<void> {
  const completions = CompletionPort.open(handle);
  const taken = new Tally(tally);
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
