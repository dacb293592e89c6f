/**
 * The requests of this side that wait for their reply: awaited ones in a table by id, blocking ones on a stack (a thread can
 * block again inside a callback). Each settles exactly once: with its reply, its timeout, its signal, or the connection's end.
 */
import type { MessageData } from '../base/arguments.js';
import type { AlpcError } from '../base/errors.js';
import { Control } from '../memory/layout.js';
import { type Figures, LatencyMeter, UNSEEN } from './latency-meter.js';
import type { ReplyMessage, RequestMessage } from './message.js';
import type { Attachment } from './attachment.js';

const { requests: REQUESTS, settledRequests: SETTLED_REQUESTS } = Control;

/** A record that waits for room in the ring. Holds a copy of the data. */
export class Outgoing {
  constructor(
    readonly type: number,
    readonly messageId: number,
    readonly callbackId: number,
    readonly status: number,
    readonly data: MessageData | undefined,
    readonly dataLength: number,
    /** Told when it is in the ring. */
    readonly sent?: (position: number) => void,
    /** Told when it never will be. */
    readonly failed?: (error: Error) => void,
    readonly attachment?: Attachment,
  ) {}

  /** Bytes behind the header. */
  get length(): number {
    return this.attachment === undefined ? this.dataLength : this.dataLength + this.attachment.byteLength;
  }
}

export type OnCallback = (message: RequestMessage) => void;

/** What ends an awaited request before its reply: its timeout, its signal. */
export interface Patience {
  readonly timer: NodeJS.Timeout | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: () => void;
}

type Resolve = (reply: ReplyMessage) => void;
type Reject = (error: unknown) => void;

/** Anything may be thrown, and be the reason of a signal: undefined, too. */
const NOT_REJECTED = Symbol('not rejected');

/** An awaited request. Every word of it is garbage of each call. */
export class PendingCall {
  /** Where its record begins in the ring; undefined while it waits for room. */
  position: number | undefined;
  outgoing: Outgoing | undefined;
  patience: Patience | undefined;
  onCallback: OnCallback | undefined;
  #reply: ReplyMessage | undefined;
  #error: unknown = NOT_REJECTED;
  #resolve: Resolve | undefined;
  #reject: Reject | undefined;
  id = 0;

  /** A promise for the outcome that is there already, which costs no more than that; or undefined. */
  get settledPromise(): Promise<ReplyMessage> | undefined {
    if (this.#reply !== undefined) return Promise.resolve(this.#reply);
    if (this.#error !== NOT_REJECTED) return Promise.reject(this.#error);
    return undefined;
  }

  /** From now on its promise is there. */
  promise(resolve: Resolve, reject: Reject): void {
    this.#resolve = resolve;
    this.#reject = reject;
  }

  resolve(reply: ReplyMessage): void {
    if (this.#resolve === undefined) this.#reply = reply;
    else this.#resolve(reply);
  }

  reject(error: unknown): void {
    if (this.#reject === undefined) this.#error = error;
    else this.#reject(error);
  }

  /** Lets go of timer and signal: the call settles now. */
  disarm(): void {
    if (this.patience === undefined) return;
    clearTimeout(this.patience.timer);
    this.patience.signal?.removeEventListener('abort', this.patience.onAbort);
  }
}

/** A blocking request, on the stack of its thread. */
export class BlockedCall {
  reply: ReplyMessage | undefined;
  error: AlpcError | undefined;
  /** Whether its thread has slept for it. */
  slept = false;
  position: number | undefined;
  outgoing: Outgoing | undefined;

  constructor(
    readonly id: number,
    readonly onCallback: OnCallback | undefined,
  ) {}

  get isSettled(): boolean {
    return this.reply !== undefined || this.error !== undefined;
  }
}

/** Ids follow each other, so few calls outstanding at once seldom share a place here; those that do go into a Map. */
const PLACES = 64;

/** All of one connection. */
export class Calls {
  /** Made with the first awaited call: most connections of a server never have one. */
  #places: (PendingCall | undefined)[] | undefined;
  readonly #displaced = new Map<number, PendingCall>();
  #awaited = 0;
  readonly #blocked: BlockedCall[] = [];
  #lastId = 0;
  #wrapped = false;
  #begun = 0;
  #settled = 0;
  readonly #figures: Figures;
  readonly meter: LatencyMeter;
  /** The call whose promise is being made: `new Promise` calls its executor at once, and one for all is a closure less for each. */
  #promised: PendingCall | undefined;
  readonly #execute = (resolve: Resolve, reject: Reject): void => this.#promised!.promise(resolve, reject);

  /** `figures`: where inspectors see how many there are, and how long they take. */
  constructor(figures: Figures = UNSEEN) {
    this.#figures = figures;
    this.meter = new LatencyMeter(figures);
  }

  /** Requests that wait for their reply. */
  get count(): number {
    return this.#awaited + this.#blocked.length;
  }

  get awaited(): number {
    return this.#awaited;
  }

  /** An id that no live request of this connection has; never 0. */
  nextId(): number {
    do {
      this.#lastId = (this.#lastId + 1) | 0;
      if (this.#lastId === 0) this.#wrapped = true;
    } while (this.#lastId === 0 || (this.#wrapped && this.#isLive(this.#lastId)));
    this.meter.begin(this.#lastId);
    return this.#lastId;
  }

  /** Nothing came of the call that got the last number: another one is measured. */
  forgo(): void {
    this.meter.drop(this.#lastId);
  }

  add(call: PendingCall): void {
    this.#places ??= Array.from({ length: PLACES }, () => undefined);
    const place = call.id & (PLACES - 1);
    if (this.#places[place] === undefined) this.#places[place] = call;
    else this.#displaced.set(call.id, call);
    this.#awaited++;
    this.#figures.words[REQUESTS] = ++this.#begun;
  }

  /** The promise of a call's reply; asked for once. */
  promiseOf(call: PendingCall): Promise<ReplyMessage> {
    this.#promised = call;
    const promise = call.settledPromise ?? new Promise(this.#execute);
    this.#promised = undefined;
    return promise;
  }

  block(call: BlockedCall): void {
    this.#blocked.push(call);
    this.#figures.words[REQUESTS] = ++this.#begun;
  }

  unblock(): void {
    const call = this.#blocked.pop();
    if (call?.reply === undefined) this.meter.drop(call?.id ?? 0);
    this.#figures.words[SETTLED_REQUESTS] = ++this.#settled;
  }

  /** The blocking call on top: the one whose callbacks this thread serves. */
  get innermost(): BlockedCall | undefined {
    return this.#blocked[this.#blocked.length - 1];
  }

  findBlocked(id: number): BlockedCall | undefined {
    for (let i = this.#blocked.length - 1; i >= 0; i--) if (this.#blocked[i]!.id === id && !this.#blocked[i]!.isSettled) return this.#blocked[i];
    return undefined;
  }

  findPending(id: number): PendingCall | undefined {
    const call = this.#places?.[id & (PLACES - 1)];
    return call?.id === id ? call : this.#displaced.get(id);
  }

  /** Takes an awaited call out, for whoever settles it. Undefined when it has been settled already. */
  take(id: number): PendingCall | undefined {
    this.meter.drop(id);
    return this.takeAnswered(id);
  }

  /** The same for the one whose reply is there. */
  takeAnswered(id: number): PendingCall | undefined {
    const call = this.findPending(id);
    if (call === undefined) return undefined;
    const place = id & (PLACES - 1);
    if (this.#places![place] === call) this.#places![place] = undefined;
    else this.#displaced.delete(id);
    this.#awaited--;
    this.#figures.words[SETTLED_REQUESTS] = ++this.#settled;
    call.disarm();
    return call;
  }

  /** Settles all of them with one error each. */
  failAll(makeError: () => AlpcError): void {
    const all = [...(this.#places ?? []), ...this.#displaced.values()].filter((call) => call !== undefined);
    for (const { id } of all) this.take(id)?.reject(makeError());
    for (const call of this.#blocked) if (!call.isSettled) call.error = makeError();
  }

  #isLive(id: number): boolean {
    return this.findPending(id) !== undefined || this.#blocked.some((call) => call.id === id);
  }
}
