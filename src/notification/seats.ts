/**
 * Who works at a completion port, and who comes next: one seat for each thread. But for `take`, states are changed under the port's
 * lock; figures that are asked for without it may be old at once.
 *
 * A packet is handed out only while fewer threads run than the concurrency says. Who waits is called last-in first-out: the thread that
 * went to wait last has its caches warm, and those that are not needed sleep on. A thread that was called counts as running at once.
 */
import { MAX_SEATS, Seat, seatAt, SeatState, Word } from './completion-memory.js';

export class Seats {
  readonly #words: Int32Array;

  constructor(words: Int32Array) {
    this.#words = words;
  }

  /** Takes a free seat for a thread; -1 when there is none. The thread's number is what takes it: whoever ends right after that is missed by it. */
  take(thread: number): number {
    for (let seat = 0; seat < MAX_SEATS; seat++) {
      if (Atomics.compareExchange(this.#words, seatAt(seat) + Seat.thread, 0, thread) !== 0) continue;
      for (let used = this.used; used <= seat; used = this.used) Atomics.compareExchange(this.#words, Word.seatsUsed, used, seat + 1);
      this.set(seat, SeatState.outside);
      return seat;
    }
    return -1;
  }

  /** Its thread has left or ended. */
  free(seat: number): void {
    this.set(seat, SeatState.free);
    Atomics.store(this.#words, seatAt(seat) + Seat.thread, 0);
  }

  /** Seats from 0 on that may be in use. */
  get used(): number {
    return Atomics.load(this.#words, Word.seatsUsed);
  }

  get(seat: number): number {
    return Atomics.load(this.#words, seatAt(seat) + Seat.state);
  }

  set(seat: number, state: number): void {
    Atomics.store(this.#words, seatAt(seat) + Seat.state, state);
  }

  threadOf(seat: number): number {
    return Atomics.load(this.#words, seatAt(seat) + Seat.thread);
  }

  wait(seat: number): void {
    Atomics.store(this.#words, seatAt(seat) + Seat.since, Atomics.add(this.#words, Word.clock, 1));
    this.set(seat, SeatState.waiting);
  }

  /** Threads that hold a place. */
  get running(): number {
    return this.count(SeatState.running) + this.count(SeatState.called);
  }

  count(state: number): number {
    let count = 0;
    for (let seat = this.used - 1; seat >= 0; seat--) if (this.get(seat) === state) count++;
    return count;
  }

  get hasPlace(): boolean {
    return this.running < Atomics.load(this.#words, Word.concurrency);
  }

  /** Calls the thread that came last, if there is a place. When nobody waits, whoever can start threads is told. */
  callOne(): void {
    if (!this.hasPlace) return;
    let latest = -1;
    for (let seat = this.used - 1; seat >= 0; seat--) {
      if (this.get(seat) === SeatState.waiting && (latest < 0 || this.#isLater(seat, latest))) latest = seat;
    }
    if (latest < 0) {
      Atomics.add(this.#words, Word.hunger, 1);
      Atomics.notify(this.#words, Word.hunger);
      return;
    }
    this.set(latest, SeatState.called);
    this.ring(latest);
  }

  /** Wakes a thread, whatever it waits for. */
  ring(seat: number): void {
    Atomics.add(this.#words, seatAt(seat) + Seat.wake, 1);
    Atomics.notify(this.#words, seatAt(seat) + Seat.wake);
  }

  #isLater(seat: number, than: number): boolean {
    const words = this.#words;
    return ((Atomics.load(words, seatAt(seat) + Seat.since) - Atomics.load(words, seatAt(than) + Seat.since)) | 0) > 0;
  }
}
