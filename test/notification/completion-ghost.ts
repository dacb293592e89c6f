/** A thread of the tests that does one thing at a completion port and goes, or stays until it is terminated; it is told which by its data. */
// oxlint-disable unicorn/require-post-message-target-origin -- threads have no origin
import { parentPort, workerData } from 'node:worker_threads';
import { CompletionPort, type CompletionPortHandle, createPort } from '../../src/index.js';
import { Seat, seatAt, SeatState } from '../../src/notification/completion-memory.js';
import { Seats } from '../../src/notification/seats.js';

export interface Haunt {
  readonly handle: CompletionPortHandle;
  /**
   * 'post': posts a packet, leaves, and ends. 'own': has a port of this name there. 'half-left': leaves, and stops when its seat is free already and
   * the lock is held still. 'look': takes what is there.
   */
  readonly how: 'post' | 'own' | 'half-left' | 'look';
  readonly text: string;
}

const { handle, how, text } = workerData as Haunt;
const completions = CompletionPort.open(handle);
const tell = (told: string): void => parentPort!.postMessage(told);

switch (how) {
  case 'post':
    completions.post({ data: text });
    completions.leave();
    break;
  case 'own': {
    const port = await createPort(text);
    port.associate(completions, 1);
    tell('up');
    break;
  }
  case 'half-left': {
    completions.tryDequeue();
    const seats = new Seats(new Int32Array(handle.completionPort));
    Seats.prototype.free = (seat) => {
      seats.set(seat, SeatState.free);
      Atomics.store(new Int32Array(handle.completionPort), seatAt(seat) + Seat.thread, 0);
      tell('half left');
      for (;;);
    };
    completions.leave();
    break;
  }
  case 'look':
    completions.tryDequeue();
    tell('has looked');
}
