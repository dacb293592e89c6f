/**
 * One thread's hands on the shared memory of a completion port: it pushes packets, takes them, answers requests, and gives its
 * place away while it sleeps. The waiting itself is in completion-port.ts, what the owner of a port does in lane.ts.
 *
 * Invariant at every unlock: the queue is empty, or as many threads run (or have been called) as may, or nobody waits, or a called
 * thread is on its way, which calls the next when it leaves something in the queue. So no packet waits for a thread that sleeps.
 *
 * A thread may end at any moment, terminated. It is missed by its number in the kernel (`reap`): its place becomes free, and the
 * requests that it held are given back to the owner of their port, who answers them with an error.
 */
import type { MessageData } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { MAX_DATA_LENGTH } from '../memory/layout.js';
import { type Place, takePlace, thisPlace } from '../memory/place.js';
import { yieldProcessor } from '../platform/poller.js';
import { isThreadAlive, threadId } from '../platform/thread-id.js';
import type { ReplyOutcome } from '../ports/index.js';
import { type Thread, thisThread } from '../ports/thread.js';
import { Lane, LANE_BYTES, laneAt, laneBytesAt, MAX_LANES, PACKETS_AT, Seat, seatAt, SeatState, TokenState, Word } from './completion-memory.js';
import { Field, Kind, type Packet, packetOf } from './packet.js';
import { RequestTable } from './request-table.js';
import { Seats } from './seats.js';
import { SharedLock } from './shared-lock.js';
import { roomForAny, SharedQueue } from './shared-queue.js';
import { StarvedLanes } from './starved-lanes.js';

/** Milliseconds between two looks after threads that may have ended, while there is work. */
const ROUND = 250;
const ANSWER_OK = 1;
/** Bytes of the packets' room that are kept for the lane whose turn it is: so there is room for it, however large its message is, as soon as so much has been taken. */
const KEPT = roomForAny(MAX_DATA_LENGTH);
/** Packets for each thread at work that are enough to be without the owner's next ones for a while. */
const PACKETS_AHEAD = 2;

export class Dispatch implements Place {
  readonly memory: SharedArrayBuffer;
  readonly words: Int32Array;
  readonly seats: Seats;
  readonly requests: RequestTable;
  readonly thread: Thread = thisThread();
  /** A `dequeue` of this thread waits: it must not be called from elsewhere meanwhile. */
  isAwaited = false;
  /** The lane of this object: how much work it has. */
  own: { readonly lane: number; readonly outstanding: number } | undefined;
  readonly #lock: SharedLock;
  readonly #packets: SharedQueue;
  readonly #starved: StarvedLanes;
  readonly #lanes: (SharedQueue | undefined)[] = [];
  readonly #laneLocks: SharedLock[];
  /** The lane that this thread gave an answer last. */
  #answeredTo = -1;
  #thread = 0;
  #seat = -1;
  #hasLeft = false;
  #round: NodeJS.Timeout | undefined;

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.words = new Int32Array(memory);
    this.seats = new Seats(this.words);
    this.requests = new RequestTable(this.words, this.seats);
    this.#starved = new StarvedLanes(this.words);
    // Holders of locks are named by their numbers in the kernel: a seat is somebody else's as soon as it is free.
    this.#lock = new SharedLock(this.words, Word.lock, isThreadAlive);
    this.#laneLocks = Array.from({ length: MAX_LANES }, (_, lane) => new SharedLock(this.words, laneAt(lane) + Lane.lock, isThreadAlive));
    this.#packets = new SharedQueue(memory, Word.head, PACKETS_AT, this.words[Word.packetBytes]!);
  }

  /** Tells completion ports apart. */
  get identity(): number {
    return this.words[Word.identity]!;
  }

  /** Whether ports of this thread feed it, be it by another object. */
  get isFedHere(): boolean {
    for (const { feeds } of this.thread.answerQueues) if (feeds === this.identity) return true;
    return false;
  }

  get isClosed(): boolean {
    return Atomics.load(this.words, Word.closed) !== 0;
  }

  get isEmpty(): boolean {
    return this.#packets.isEmpty;
  }

  get queuedBytes(): number {
    return this.#packets.used;
  }

  /** This thread's seat, taken at the first need. @throws AlpcError ERR_ALPC_QUOTA_EXCEEDED; ERR_ALPC_CLOSED when the thread has left */
  get seat(): number {
    if (this.#seat >= 0) return this.#seat;
    if (this.#hasLeft) throw new AlpcError('ERR_ALPC_CLOSED', 'completion port: this thread has left it');
    this.#seat = this.seats.take(this.#me);
    if (this.#seat < 0) {
      this.reap();
      this.#seat = this.seats.take(this.#me);
      if (this.#seat < 0) throw new AlpcError('ERR_ALPC_QUOTA_EXCEEDED', 'completion port: as many threads use it as may');
    }
    return this.#seat;
  }

  get wakeWord(): number {
    return seatAt(this.seat) + Seat.wake;
  }

  // ---- packets -----------------------------------------------------------------------------------------------------

  /** Queues a packet and calls a thread for it. False when there is no room, beside what is kept for the lane whose turn it is; a lane that is named waits for its own turn then, and is poked when there is some. */
  push(fields: readonly number[], data: MessageData | undefined, dataLength: number, lane = -1): boolean {
    const pushed = this.#locked(() => {
      const { first } = this.#starved;
      if (this.#packets.push(fields, data, dataLength, first < 0 || first === lane ? 0 : KEPT)) {
        Atomics.add(this.words, Word.packets, 1);
        this.seats.callOne();
        if (first >= 0 && lane >= 0) this.#starved.remove(lane);
        if (first >= 0 && first === lane) this.#pokeStarved(); // what was kept for it is for the next
        return true;
      }
      if (lane >= 0) this.#starved.add(lane);
      return false;
    });
    this.goRound();
    return pushed;
  }

  /** The lane no longer waits for room. */
  giveUpTurn(lane: number): void {
    if (!this.#starved.has(lane)) return;
    this.#locked(() => this.#starved.remove(lane));
    this.#pokeStarved(); // what was kept for it is for the next
  }

  /**
   * The thread is done with what it had, and takes the next packets if there is a place for it. Without any it waits from now on, if
   * `waits`: then it is called by its wake word, whose value the caller must have read before. Before a thread goes to work it lets the owner of the ports
   * have the core, if few packets are left.
   */
  take(max: number, waits: boolean): Packet[] | 'closed' {
    const { seat, words, seats } = this;
    this.#moveIn();
    const taken: { fields: Int32Array; data: Buffer }[] = [];
    let letsOwnerCome = false;
    const closed = this.#locked(() => {
      const waitedAlready = seats.get(seat) === SeatState.waiting; // and only looked around: it keeps its turn
      seats.set(seat, SeatState.outside);
      if (this.isClosed) return true;
      if (seats.hasPlace) this.#takeSome(max, taken);
      if (taken.length > 0) {
        seats.set(seat, SeatState.running);
        Atomics.add(words, Word.dequeued, taken.length);
        Atomics.store(words, Word.peak, Math.max(Atomics.load(words, Word.peak), seats.running));
        if (!this.#packets.isEmpty) seats.callOne();
        letsOwnerCome = this.#isOwnerBehind && !this.#packets.hasMoreThan(PACKETS_AHEAD * seats.running);
      } else if (waitedAlready && waits) seats.set(seat, SeatState.waiting);
      else if (waits) seats.wait(seat);
      return false;
    });
    if (closed) return 'closed';
    this.#pokeStarved();
    if (letsOwnerCome) yieldProcessor();
    return taken.map(({ fields, data }) => packetOf(this, fields, data));
  }

  /** The thread neither works nor waits any more; what it was called for is for another. */
  quit(): void {
    if (this.#seat < 0 || this.seats.get(this.#seat) === SeatState.outside) return;
    this.#locked(() => {
      this.seats.set(this.#seat, SeatState.outside);
      if (!this.#packets.isEmpty) this.seats.callOne();
    });
  }

  /** The thread may be one whose `dequeue` waits: it could not come while it blocks. */
  sleep(): void {
    const state = this.#seat < 0 ? SeatState.outside : this.seats.get(this.#seat);
    if (state === SeatState.outside || state === SeatState.blocked) return;
    this.#locked(() => {
      this.seats.set(this.#seat, SeatState.blocked);
      if (!this.#packets.isEmpty) this.seats.callOne();
    });
  }

  /** There may be more running than should for a while: then nothing is handed out. */
  wake(): void {
    if (this.#seat < 0 || this.seats.get(this.#seat) !== SeatState.blocked) return;
    this.#locked(() => {
      if (!this.isAwaited) return this.seats.set(this.#seat, SeatState.running);
      this.seats.wait(this.#seat);
      if (!this.#packets.isEmpty) this.seats.callOne();
    });
  }

  /** Gives the seat back: the thread needs it no more. */
  leave(): void {
    this.#hasLeft = true;
    clearTimeout(this.#round);
    this.#round = undefined;
    if (thisPlace() === this) takePlace(undefined);
    if (this.#seat < 0) return;
    this.quit();
    this.#bury(this.#seat, this.#me);
    this.#seat = -1;
  }

  close(): void {
    Atomics.store(this.words, Word.closed, 1);
    for (let seat = this.seats.used - 1; seat >= 0; seat--) this.seats.ring(seat);
    for (let lane = 0; lane < MAX_LANES; lane++) this.poke(lane);
  }

  /** Declines the requests that no thread has taken, and drops all other packets. */
  declineQueued(): void {
    const lanes = new Set<number>();
    this.#locked(() => {
      const { fields } = this.#packets;
      this.#packets.begin();
      while (this.#packets.next()) {
        if (fields[Field.kind] !== Kind.request) continue;
        const lane = fields[Field.lane]!;
        if (this.requests.orphanQueued(lane, fields[Field.token]!, fields[Field.generation]!)) lanes.add(lane);
      }
      for (const lane of lanes) Atomics.store(this.words, laneAt(lane) + Lane.orphans, 1);
      this.#packets.commit();
    });
    for (const lane of lanes) this.poke(lane);
    this.#pokeStarved();
  }

  set concurrency(count: number) {
    this.#locked(() => {
      Atomics.store(this.words, Word.concurrency, count);
      if (!this.#packets.isEmpty) this.seats.callOne();
    });
  }

  // ---- answers -----------------------------------------------------------------------------------------------------

  /** From now on this thread holds the request, if anybody does. */
  takeOver(lane: number, token: number, generation: number): void {
    if (!this.#hasLeft) this.requests.claim(lane, token, generation, TokenState.held, this.seat);
  }

  /** Hands an answer to the owner of the lane, who gives it. 'answered' when somebody has done so before. */
  answer(lane: number, token: number, generation: number, ok: boolean, data: MessageData | undefined, dataLength: number): ReplyOutcome | 'answered' {
    if (this.#hasLeft) return 'canceled'; // it was declined when this thread left
    const claimed = this.requests.claim(lane, token, generation, TokenState.answered, this.seat);
    if (typeof claimed === 'string') return claimed;
    const at = laneAt(lane);
    const queue = this.laneQueue(lane);
    const lock = this.#laneLocks[lane]!;
    for (;;) {
      if (!this.requests.isClaimed(lane, token, claimed)) return 'canceled';
      const room = Atomics.load(this.words, at + Lane.room);
      lock.lock(this.#me);
      const pushed = queue.push([token, generation, ok ? ANSWER_OK : 0], data, dataLength);
      lock.unlock();
      if (pushed) break;
      this.poke(lane);
      for (const own of this.thread.answerQueues) own.drain(); // who owns the other lane may wait for room in one of this thread's, here or at another completion port
      if (this.#isOwn(lane)) continue;
      this.sleep();
      const outcome = Atomics.wait(this.words, at + Lane.room, room, ROUND);
      this.wake();
      if (outcome === 'timed-out') this.reap();
    }
    this.poke(lane);
    this.#answeredTo = lane;
    return 'sent';
  }

  /** Something is to be done by the owner of the lane. */
  poke(lane: number): void {
    Atomics.add(this.words, laneAt(lane) + Lane.wake, 1);
    Atomics.notify(this.words, laneAt(lane) + Lane.wake);
  }

  laneQueue(lane: number): SharedQueue {
    return (this.#lanes[lane] ??= new SharedQueue(this.memory, laneAt(lane) + Lane.head, laneBytesAt(lane, this.words[Word.packetBytes]!), LANE_BYTES));
  }

  // ---- threads that ended ------------------------------------------------------------------------------------------

  /** Looks after threads that ended without leaving. How many there were. */
  reap(): number {
    let count = 0;
    for (let seat = this.seats.used - 1; seat >= 0; seat--) {
      const thread = this.seats.threadOf(seat);
      if (seat === this.#seat || thread === 0 || isThreadAlive(thread)) continue;
      this.#bury(seat, thread);
      count++;
    }
    return count;
  }

  /** Looks after them now and then, as long as there is work that one of them may have held up. */
  goRound(): void {
    if (this.#round !== undefined) return;
    this.#round = setTimeout(() => {
      this.#round = undefined;
      if (this.isClosed && (this.own?.outstanding ?? 0) === 0) return;
      this.reap();
      const waits = this.own !== undefined && this.#starved.has(this.own.lane);
      if (this.own !== undefined && (this.isClosed || waits)) this.poke(this.own.lane); // nobody else tells it of callers that give up
      if (!this.isEmpty || waits || (this.own?.outstanding ?? 0) > 0) this.goRound();
    }, ROUND).unref();
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  /** This thread's number in the kernel. */
  get #me(): number {
    return (this.#thread ||= threadId());
  }

  #locked<T>(work: () => T): T {
    this.#lock.lock(this.#me);
    try {
      return work();
    } finally {
      this.#lock.unlock();
    }
  }

  /** A thread belongs to the completion port that it waited at last. @throws AlpcError ERR_ALPC_INVALID_ARGUMENT while it waits at another one */
  #moveIn(): void {
    const place = thisPlace();
    if (place === this) return;
    if (place instanceof Dispatch && place.isAwaited) throw new AlpcError('ERR_ALPC_INVALID_ARGUMENT', 'completion port: this thread waits in a dequeue of another completion port, and works for one at a time');
    place?.quit();
    takePlace(this);
  }

  #takeSome(max: number, taken: { fields: Int32Array; data: Buffer }[]): void {
    const packets = this.#packets;
    packets.begin();
    while (taken.length < max && packets.next()) {
      const { fields } = packets;
      // A request is held before it leaves the queue: if this thread ends between, it is missed by its token.
      if (fields[Field.kind] === Kind.request && !this.requests.hold(fields[Field.lane]!, fields[Field.token]!, fields[Field.generation]!, this.#seat)) continue;
      taken.push({ fields: fields.slice(), data: Buffer.from(packets.data) });
    }
    packets.commit();
  }

  /**
   * Whether the owner of the ports, in a thread of its own, has not taken the last answer of this thread yet. It may want this thread's core for that, and where
   * it brings the next packets only when there are none left, threads sleep meanwhile that could work (docs/decisions/0016).
   */
  get #isOwnerBehind(): boolean {
    const lane = this.#answeredTo;
    return lane >= 0 && lane !== this.own?.lane && !this.laneQueue(lane).isEmpty;
  }

  /** Whether the lane is this thread's, be it by another object for the same completion port. */
  #isOwn(lane: number): boolean {
    const owner = Atomics.load(this.words, laneAt(lane) + Lane.owner) - 1;
    return owner >= 0 && this.seats.threadOf(owner) === this.#me;
  }

  /** There is more room than before. */
  #pokeStarved(): void {
    if (this.#starved.first < 0) return;
    for (let lane = 0; lane < MAX_LANES; lane++) if (this.#starved.has(lane)) this.poke(lane);
  }

  /** Frees a thread's seat, and what it held. Whoever else found it dead may have done it already, and a new thread sit there. */
  #bury(seat: number, thread: number): void {
    this.#locked(() => {
      if (this.seats.threadOf(seat) !== thread) return;
      this.requests.orphanHeldBy(seat);
      for (let lane = 0; lane < MAX_LANES; lane++) {
        if (Atomics.load(this.words, laneAt(lane) + Lane.owner) !== seat + 1) continue;
        this.#starved.remove(lane);
        this.requests.abandonLane(lane);
      }
      // All owners, not only of what it held: it may have ended after it made room, and before it told who waits. And before its seat is free: who buries may end.
      for (let lane = 0; lane < MAX_LANES; lane++) if (Atomics.load(this.words, laneAt(lane) + Lane.owner) !== 0) this.poke(lane);
      this.seats.free(seat);
      if (!this.#packets.isEmpty) this.seats.callOne();
    });
  }
}
