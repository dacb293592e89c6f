/**
 * What the thread does that owns associated ports: it drains their connections into packets, remembers the requests by their tokens, and
 * gives the answers that the threads hand back. All of it is done on its event loop, where the ports live; no other thread touches a ring.
 *
 * A lane rests like a port: it looks at the queue of answers once more, and then waits for its wake word, without a thread's blocking.
 */
import { AlpcError } from '../base/errors.js';
import type { RequestMessage } from '../ports/index.js';
import { type Attentive, Linger } from '../ports/attention.js';
import { Fifo } from '../ports/fifo.js';
import type { AnswerQueue } from '../ports/thread.js';
import type { Association } from './association.js';
import { generationOf, Lane as LaneWord, laneAt, MAX_LANES, stateOf, tokenAt, TOKENS, TokenState, tokenWord } from './completion-memory.js';
import type { Dispatch } from './dispatch.js';
import type { SharedQueue } from './shared-queue.js';

/** Answers given in one turn of the event loop. */
const BATCH = 256;

export class Lane implements Attentive, AnswerQueue {
  readonly linger = new Linger(0);
  readonly lane: number;
  readonly #dispatch: Dispatch;
  readonly #queue: SharedQueue;
  readonly #associations: Association[] = [];
  /** Where the next round begins. */
  #next = 0;
  /** Those that found no room. The first comes next; until it has found some, no other of this lane queues anything. */
  readonly #line: Association[] = [];
  /** They go round: one that is free is used last, so that its generation, which has an end, lasts long beyond any answer that comes late. */
  readonly #free = new Fifo<number>();
  readonly #requests: (RequestMessage | undefined)[] = [];
  readonly #tokens = new Map<RequestMessage, number>();
  #lastConnection = 0;
  /** The wake word as it was before the last look: who poked since then has made room, or a token, that the look may have missed. */
  #seen = 0;
  #waits = false;
  #over = false;

  /** Takes a lane for this thread. @throws AlpcError ERR_ALPC_QUOTA_EXCEEDED */
  constructor(dispatch: Dispatch) {
    this.#dispatch = dispatch;
    this.lane = takeLane(dispatch);
    this.#queue = dispatch.laneQueue(this.lane);
    this.#queue.begin();
    while (this.#queue.next()); // answers to one who is gone
    this.#queue.commit();
    for (let token = 0; token < TOKENS; token++) this.#setFree(token);
    this.#tellPorts();
    dispatch.own = this;
    dispatch.thread.answerQueues.add(this);
  }

  /** Requests that threads hold or will. */
  get outstanding(): number {
    return this.#tokens.size;
  }

  get feeds(): number | undefined {
    return this.#hasPorts ? this.#dispatch.identity : undefined;
  }

  add(association: Association): void {
    this.#associations.push(association);
    this.#tellPorts();
    this.watch();
  }

  remove(association: Association): void {
    const at = this.#associations.indexOf(association);
    if (at >= 0) this.#associations.splice(at, 1);
    this.#tellPorts();
    this.leaveLine(association);
    for (const [request, token] of this.#tokens) if (association.owns(request)) this.#settle(token);
    this.watch(); // somebody else may wait for these tokens
  }

  /** Names a connection among all lanes. */
  nextConnection(): number {
    return ((++this.#lastConnection << 3) | this.lane) >>> 0;
  }

  watch(): void {
    this.#dispatch.thread.attention.watch(this);
    this.#dispatch.goRound();
  }

  // ---- room --------------------------------------------------------------------------------------------------------

  /** Whether packets of this one may be queued: those that found no room come before it. */
  isTurnOf(association: Association): boolean {
    return this.#line.length === 0 || this.#line[0] === association;
  }

  /** It found no room. */
  standInLine(association: Association): void {
    if (!this.#line.includes(association)) this.#line.push(association);
  }

  /** It found some, or wants none any more. */
  leaveLine(association: Association): void {
    const at = this.#line.indexOf(association);
    if (at < 0) return;
    this.#line.splice(at, 1);
    if (this.#line.length === 0) this.#dispatch.giveUpTurn(this.lane);
  }

  // ---- tokens ------------------------------------------------------------------------------------------------------

  /** A token for a request, and its generation; undefined when all are in use. */
  issue(request: RequestMessage): { token: number; generation: number } | undefined {
    const token = this.#free.shift();
    if (token === undefined) return undefined;
    const generation = generationOf(Atomics.load(this.#dispatch.words, this.#at(token)));
    Atomics.store(this.#dispatch.words, this.#at(token), tokenWord(generation, TokenState.queued));
    this.#requests[token] = request;
    this.#tokens.set(request, token);
    return { token, generation };
  }

  /** The request could not be queued. */
  withdraw(token: number): void {
    this.#settle(token);
  }

  /** The caller no longer waits. 'held' when a thread works on the answer; otherwise nobody does, or will. */
  giveUp(request: RequestMessage): 'settled' | 'queued' | 'held' {
    const token = this.#tokens.get(request);
    if (token === undefined) return 'settled';
    const { requests, words } = this.#dispatch;
    const generation = generationOf(Atomics.load(words, this.#at(token)));
    if (requests.orphanQueued(this.lane, token, generation)) return 'queued';
    return requests.isHeld(this.lane, token, generation) ? 'held' : 'settled';
  }

  /** What was given up has been told. */
  forget(request: RequestMessage): void {
    const token = this.#tokens.get(request);
    if (token !== undefined) this.#settle(token);
  }

  // ---- attention ---------------------------------------------------------------------------------------------------

  look(): boolean {
    this.#seen = Atomics.load(this.#dispatch.words, laneAt(this.lane) + LaneWord.wake);
    let any = this.#drain(BATCH);
    if (Atomics.exchange(this.#dispatch.words, laneAt(this.lane) + LaneWord.orphans, 0) !== 0) any = this.#declineOrphans() || any;
    if (this.#dispatch.isClosed) this.#shut();
    while (this.#serveWaiting()) any = true;
    this.#tellDrained();
    if (this.#dispatch.isClosed && this.outstanding === 0) this.end();
    return any;
  }

  rest(): boolean {
    if (this.#over) return true;
    const { words } = this.#dispatch;
    const at = laneAt(this.lane);
    if (!this.#queue.isEmpty || Atomics.load(words, at + LaneWord.orphans) !== 0) return false;
    if (this.#dispatch.isClosed && this.#hasPorts) return false;
    if (this.#waits) return true;
    const wait = Atomics.waitAsync(words, at + LaneWord.wake, this.#seen);
    if (!wait.async) return false;
    this.#waits = true;
    void wait.value.then(() => {
      this.#waits = false;
      if (!this.#over) this.#dispatch.thread.attention.hear(this);
    });
    return true;
  }

  attend(): void {}

  /** Gives every answer that is there; for who waits for room in it, or in somebody else's while this thread's own answers wait. */
  drain(): void {
    while (this.#drain(BATCH));
  }

  /** This thread no longer uses the completion port: its ports are as they were before, and what the threads hold is declined. */
  end(): void {
    if (this.#over) return;
    this.drain();
    this.#shut();
    for (const token of this.#tokens.values()) this.#decline(token);
    this.#over = true;
    this.#dispatch.giveUpTurn(this.lane);
    this.#dispatch.own = undefined;
    this.#dispatch.thread.answerQueues.delete(this);
    this.#dispatch.thread.attention.forget(this);
    Atomics.store(this.#dispatch.words, laneAt(this.lane) + LaneWord.owner, 0);
    this.#dispatch.poke(this.lane); // lets go of the wait
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  get #hasPorts(): boolean {
    return this.#associations.length > 0;
  }

  /** Lets each port have its share of the tokens and the room that there are. Who had some last comes last in the next round: however few there are, none has them all. */
  #serveWaiting(): boolean {
    const { length } = this.#associations;
    const begin = this.#next;
    let any = false;
    for (let step = 0; step < length; step++) {
      const at = (begin + step) % length;
      if (this.#associations[at]?.goOn() !== true) continue; // a port may have been closed by whoever was told of something on the way
      this.#next = at + 1;
      any = true;
    }
    return any;
  }

  /** For who has asked since: see drain-question.ts. */
  #tellDrained(): void {
    const { words } = this.#dispatch;
    const at = laneAt(this.lane);
    const asked = Atomics.load(words, at + LaneWord.asked);
    if (asked === Atomics.load(words, at + LaneWord.drained)) return;
    for (const association of this.#associations) if (!association.lookWhetherDrained()) return;
    Atomics.store(words, at + LaneWord.drained, asked);
  }

  #drain(max: number): boolean {
    const { words } = this.#dispatch;
    if (this.#queue.isEmpty) return false;
    this.#queue.begin();
    for (let count = 0; count < max && this.#queue.next(); count++) {
      const [token, generation, ok] = this.#queue.fields as unknown as [number, number, number];
      const request = this.#requests[token];
      if (request === undefined || generationOf(Atomics.load(words, this.#at(token))) !== generation) continue; // given up meanwhile
      this.#settle(token);
      if (ok === 1) request.reply(this.#queue.data);
      else request.cancel();
    }
    this.#queue.commit();
    Atomics.add(words, laneAt(this.lane) + LaneWord.room, 1);
    Atomics.notify(words, laneAt(this.lane) + LaneWord.room);
    return true;
  }

  /** The thread that held them has ended: an answer that it gave before is there already. */
  #declineOrphans(): boolean {
    this.drain();
    let any = false;
    for (const token of this.#tokens.values()) {
      if (stateOf(Atomics.load(this.#dispatch.words, this.#at(token))) !== TokenState.orphaned) continue;
      this.#decline(token);
      any = true;
    }
    return any;
  }

  /** Closed: requests that no thread has are declined, the others may still be answered; the ports receive as before. */
  #shut(): void {
    for (const [request, token] of this.#tokens) if (!request.isPending || stateOf(Atomics.load(this.#dispatch.words, this.#at(token))) === TokenState.queued) this.#decline(token);
    for (const request of this.#tokens.keys()) request.isUnseen = true; // the ports' own receivers don't know it
    for (const association of this.#associations.splice(0)) association.end();
    this.#tellPorts();
  }

  /** For who asks whether all rings are drained: an owner of no ports has none. */
  #tellPorts(): void {
    Atomics.store(this.#dispatch.words, laneAt(this.lane) + LaneWord.ports, this.#associations.length);
  }

  #decline(token: number): void {
    const request = this.#requests[token];
    this.#settle(token);
    if (request?.isPending === true) request.cancel();
  }

  #settle(token: number): void {
    const request = this.#requests[token];
    if (request !== undefined) this.#tokens.delete(request);
    this.#requests[token] = undefined;
    this.#setFree(token);
  }

  #setFree(token: number): void {
    const at = this.#at(token);
    Atomics.store(this.#dispatch.words, at, tokenWord(generationOf(Atomics.load(this.#dispatch.words, at)) + 1, TokenState.free));
    this.#free.push(token);
  }

  #at(token: number): number {
    return tokenAt(this.lane, token);
  }
}

function takeLane(dispatch: Dispatch): number {
  let lane = takeFreeLane(dispatch);
  if (lane < 0 && dispatch.reap() > 0) lane = takeFreeLane(dispatch); // nobody has looked after threads that ended while there was nothing to do
  if (lane >= 0) return lane;
  throw new AlpcError('ERR_ALPC_QUOTA_EXCEEDED', `completion port: the ports of ${MAX_LANES} threads are associated with it already`);
}

function takeFreeLane(dispatch: Dispatch): number {
  const owner = dispatch.seat + 1;
  for (let lane = 0; lane < MAX_LANES; lane++) if (Atomics.compareExchange(dispatch.words, laneAt(lane) + LaneWord.owner, 0, owner) === 0) return lane;
  return -1;
}
