/**
 * Awaited calls: the promise is settled by whoever reads the reply, by the timeout, by the signal, or by the connection's end,
 * and by the first of them alone. Nothing here waits: the record goes into the ring, or into the queue for it, and then the
 * event loop goes on. blocking.ts is the same for a thread that waits.
 *
 * A call that is alone looks for its reply before the event loop turns: a peer that is awake answers sooner than a turn takes.
 */
import type { MessageData } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { AdaptiveSpin } from '../memory/adaptive-spin.js';
import { RecordType } from '../memory/layout.js';
import { yieldProcessor } from '../platform/poller.js';
import { Outgoing, type Patience, PendingCall } from './calls.js';
import type { RequestOptions } from './communication-port.js';
import type { Connection } from './connection.js';
import type { ReplyMessage } from './message.js';
import { type CheckedRequestOptions, checkRequestOptions } from './message-arguments.js';
import { copyOf } from './outbound.js';
import type { Attachment } from './attachment.js';
import type { Spin } from './spin-options.js';

/** Looks at memory while replies are awaited, before or in a turn of the event loop: a few microseconds, while it pays. */
const LOOKS_FOR_REPLIES = 300;
/** Awaited calls that may be answered before the event loop must turn. */
const IN_A_ROW = 64;

/** Sends a request. The promise settles once; whatever is wrong is its rejection. */
export function requestAwaited(connection: Connection, data: MessageData, options: RequestOptions | undefined, callbackId: number): Promise<ReplyMessage> {
  const call = new PendingCall();
  let attachment: Attachment | undefined;
  try {
    const dataLength = connection.prepare(data);
    const checked = checkRequestOptions(options, 'awaited');
    checked.signal?.throwIfAborted();
    attachment = options === undefined ? undefined : connection.attributes.attach(options, dataLength);
    start(connection, call, data, dataLength, checked, callbackId, attachment);
  } catch (error) {
    // What threw may have been read on the way, a callback, with the request in the peer's hands: nobody waits for the answer any more.
    if (connection.calls.take(call.id) !== undefined) connection.outbound.cancelRequest(call.id, call.position, call.outgoing);
    attachment?.undo();
    call.reject(error);
  }
  return connection.calls.promiseOf(call);
}

/** Queues a datagram that found no room. Resolves when it is in the ring. */
export function postAwaited(connection: Connection, data: MessageData, dataLength: number, timeout: number, signal: AbortSignal | undefined, attachment: Attachment | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (connection.state !== 'open') throw connection.closedError();
    signal?.throwIfAborted(); // by who was told of a direct message on the way: it does not say so again
    connection.outbound.checkQuota(dataLength);
    let timer: NodeJS.Timeout | undefined;
    const settle = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    const outgoing = new Outgoing(
      RecordType.datagram, 0, 0, 0, copyOf(data), dataLength,
      () => { settle(); resolve(); },
      (error) => { settle(); reject(error); },
      attachment,
    );
    const withdraw = (error: Error): void => {
      connection.outbound.withdraw(outgoing);
      outgoing.failed!(error);
    };
    const onAbort = (): void => withdraw(signal!.reason as Error);
    if (timeout !== Infinity) timer = setTimeout(() => withdraw(new AlpcError('ERR_ALPC_TIMEOUT', `${connection}: there was no room for a message within ${timeout} ms`)), timeout).unref(); // it is the port that keeps the process
    signal?.addEventListener('abort', onAbort, { once: true });
    connection.outbound.enqueue(outgoing);
  });
}

/** Looks for the replies that one connection awaits, a little longer than once, for as long as that pays. */
export class Lookout {
  readonly #connection: Connection;
  readonly #looks: AdaptiveSpin;
  /** Calls that were answered before the event loop turned on from its `#turn`th turn. */
  #answeredAtOnce = 0;
  #turn = 0;

  constructor(connection: Connection, spin: Spin) {
    this.#connection = connection;
    this.#looks = new AdaptiveSpin(spin.linger > 0 ? LOOKS_FOR_REPLIES : 0);
  }

  /** Looks, and reads what is there: a turn of the event loop costs more than a hundred looks, and an object of the collector's. Whether there was anything. */
  look(): boolean {
    const { link, inbound } = this.#connection;
    const { reader } = link;
    const budget = this.#looks.next();
    let looks = budget;
    while (looks > 0 && !reader.hasData()) looks--;
    if (looks > 0) this.#looks.paid();
    else if (budget > 0) this.#looks.wasted();
    return inbound.pump();
  }

  /** Whether the reply came before the event loop turned. Only for a call that is alone, and not for ever: the loop must turn. */
  isAnsweredAtOnce(call: PendingCall): boolean {
    const connection = this.#connection;
    const { turns } = connection.thread.attention;
    if (turns !== this.#turn) {
      this.#turn = turns;
      this.#answeredAtOnce = 0;
    }
    if (connection.calls.awaited !== 1 || this.#answeredAtOnce >= IN_A_ROW) return false;
    this.#answeredAtOnce++;
    if (connection.link.rang && !connection.link.reader.hasData()) {
      yieldProcessor();
      if (!connection.link.reader.hasData()) return false;
    }
    if (!this.look() || connection.calls.findPending(call.id) === call) return false;
    if (connection.inbound.queued > 0) connection.wake();
    return true;
  }
}

function start(connection: Connection, call: PendingCall, data: MessageData, dataLength: number, { timeout, signal, onCallback }: CheckedRequestOptions, callbackId: number, attachment: Attachment | undefined): void {
  call.id = connection.calls.nextId();
  call.onCallback = onCallback;
  const { position } = connection.outbound;
  if (connection.outbound.transmit(RecordType.request, call.id, callbackId, 0, data, dataLength, attachment)) call.position = position;
  else queue(connection, call, data, dataLength, callbackId, attachment);
  if (connection.state !== 'open') throw connection.closedError(); // by who was told of the record: nobody would settle the call any more
  connection.calls.add(call);
  if (call.position !== undefined && connection.lookout.isAnsweredAtOnce(call)) return;
  if (timeout !== Infinity || signal !== undefined) call.patience = patienceWith(connection, call, timeout, signal);
  connection.wake();
  if (signal?.aborted === true) call.patience!.onAbort(); // by a callback that was read on the way: it does not say so again
}

function queue(connection: Connection, call: PendingCall, data: MessageData, dataLength: number, callbackId: number, attachment: Attachment | undefined): void {
  if (connection.state !== 'open') throw connection.closedError();
  connection.outbound.checkQuota(dataLength);
  call.outgoing = new Outgoing(RecordType.request, call.id, callbackId, 0, copyOf(data), dataLength, (at) => void (call.position = at), undefined, attachment);
  connection.outbound.enqueue(call.outgoing);
}

/** It is given up after its timeout, and when its signal says so. */
function patienceWith(connection: Connection, call: PendingCall, timeout: number, signal: AbortSignal | undefined): Patience {
  const timedOut = (): Error => new AlpcError('ERR_ALPC_TIMEOUT', `${connection}: request ${call.id} was not answered within ${timeout} ms`);
  const onAbort = (): void => giveUp(connection, call, () => signal!.reason as Error);
  signal?.addEventListener('abort', onAbort, { once: true });
  const timer = timeout === Infinity ? undefined : setTimeout(() => giveUp(connection, call, timedOut), timeout).unref(); // it is the port that keeps the process
  return { timer, signal, onAbort };
}

function giveUp(connection: Connection, call: PendingCall, makeError: () => Error): void {
  try {
    if (connection.state === 'open') connection.inbound.pump(); // the reply may be there already: then it wins
  } finally {
    // Also when a callback threw that was read on the way: that is for whoever called here, and no reason for this call to wait on.
    if (connection.calls.take(call.id) !== undefined) {
      connection.outbound.cancelRequest(call.id, call.position, call.outgoing);
      call.reject(makeError());
    }
  }
}
