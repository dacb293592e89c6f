/** A thread of the tests that does one thing at a completion port and goes, or stays until it is terminated; it is told which by its data. */
// oxlint-disable unicorn/require-post-message-target-origin -- threads have no origin
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { CompletionPort, type CompletionPortHandle, createPort, type Packet } from '../../src/index.js';
import { Seat, seatAt, SeatState } from '../../src/notification/completion-memory.js';
import { Seats } from '../../src/notification/seats.js';

export interface Haunt {
  readonly handle: CompletionPortHandle;
  /**
   * 'post': posts a packet, leaves, and ends. 'post-uncalled': stops when its packet is there and nobody has been called for it; 'post-unheard': when
   * a thread has been called and not woken. 'close-unheard': closes, and stops before it has told anybody. 'own': has a port of this name there.
   * 'trade': has one, takes forty requests when it is told to, and then answers them, at length. 'half-left': leaves, and stops when its seat is
   * free already and the lock is held still; 'take-half-left' takes what is there before. 'look': takes what is there.
   */
  readonly how: 'post' | 'post-uncalled' | 'post-unheard' | 'close-unheard' | 'own' | 'trade' | 'half-left' | 'take-half-left' | 'look';
  readonly text: string;
  /** Where 'trade' takes the requests from; from the same completion port by default. */
  readonly takesFrom?: CompletionPortHandle;
}

const { handle, how, text, takesFrom } = workerData as Haunt;
const completions = CompletionPort.open(handle);
const tell = (told: string): void => parentPort!.postMessage(told);
const stop = (): never => {
  tell('stopped');
  for (;;);
};

switch (how) {
  case 'post':
    completions.post({ data: text });
    completions.leave();
    break;
  case 'post-uncalled':
    Seats.prototype.callOne = stop;
    completions.post({ data: text });
    break;
  case 'post-unheard':
    Seats.prototype.ring = (seat) => {
      Atomics.add(new Int32Array(handle.completionPort), seatAt(seat) + Seat.wake, 1);
      stop();
    };
    completions.post({ data: text });
    break;
  case 'close-unheard':
    Seats.prototype.ring = stop;
    completions.close();
    break;
  case 'trade': {
    const port = await createPort(text);
    port.associate(completions, 1);
    tell('up');
    await once(parentPort!, 'message');
    const source = takesFrom === undefined ? completions : CompletionPort.open(takesFrom);
    const packets: Packet[] = [];
    while (packets.length < 40) packets.push(...(await source.dequeue({ max: 40 - packets.length })));
    tell('taken');
    await once(parentPort!, 'message');
    for (const packet of packets) if (packet.type === 'request') packet.reply(Buffer.alloc(60_000));
    parentPort!.on('message', () => {}); // its port is there until it is terminated
    break;
  }
  case 'own': {
    const port = await createPort(text);
    port.associate(completions, 1);
    tell('up');
    break;
  }
  case 'half-left':
  case 'take-half-left': {
    if (how === 'half-left') completions.tryDequeue();
    else await completions.dequeue();
    const seats = new Seats(new Int32Array(handle.completionPort));
    Seats.prototype.free = (seat) => {
      seats.set(seat, SeatState.free);
      Atomics.store(new Int32Array(handle.completionPort), seatAt(seat) + Seat.thread, 0);
      stop();
    };
    completions.leave();
    break;
  }
  case 'look':
    completions.tryDequeue();
    tell('has looked');
}
