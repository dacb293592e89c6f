/**
 * Direct messages: their sender hears when the message has been taken, without an answer. It stands between a datagram, of which nothing is
 * heard, and a request, which somebody must answer.
 *
 * The sender gives the message a number; the receiver's library writes that number into its own memory as its program gets the message, and
 * rings if the sender sleeps. So the event itself never leaves its owner, who sets it: a peer can't touch it, and can tell of nothing that it
 * was not sent. A message that is dropped (a request that was taken back, a late reply) is told of, too; so each number comes back once.
 */
import { invalidArgument } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { throwApart } from '../base/uncaught.js';
import { Attribute, DIRECT_FIELDS, DirectWords, DROPPED, MAX_DIRECT, ProtocolViolation } from '../memory/layout.js';
import { DIRECT_ROW, ReleaseReader, type ReleaseWriter } from '../memory/releases.js';
import type { AttachmentPart } from './attachment.js';
import type { Connection } from './connection.js';

/** How a direct message ended: its receiver's program got it, or nobody will. */
export type DirectOutcome = 'taken' | 'lost';

/** What is told: an event, or anything else that can be set, when the message has been taken; a function, how it ended. */
export type DirectTarget = { set(): unknown } | ((outcome: DirectOutcome) => void);

/** Those of one side that have not been told of yet. */
export class DirectMessages {
  readonly #connection: Connection;
  readonly #tellings: ReleaseReader;
  readonly #out = new Map<number, { readonly target: DirectTarget; isSent: boolean }>();
  #last = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#tellings = new ReleaseReader(connection.link.peer, DIRECT_ROW);
  }

  /** @throws AlpcError ERR_ALPC_INVALID_ARGUMENT, ERR_ALPC_QUOTA_EXCEEDED */
  attach(target: DirectTarget): AttachmentPart {
    const connection = this.#connection;
    if (typeof target !== 'function' && typeof (target as { set?: unknown } | null)?.set !== 'function') throw invalidArgument('options.direct', 'an event or a function', target);
    this.collect();
    if (this.#out.size >= MAX_DIRECT) throw new AlpcError('ERR_ALPC_QUOTA_EXCEEDED', `${connection}: the peer (${connection.peer}) has not taken ${this.#out.size} direct messages, and more can't be told of`);
    const number = this.#nextNumber();
    const words = new Int32Array(DIRECT_FIELDS.length);
    words[DirectWords.number] = number;
    const out = { target, isSent: false };
    this.#out.set(number, out);
    const sent = (): void => {
      out.isSent = true;
      connection.outbound.viewWaits++;
      connection.wake();
    };
    return { attribute: Attribute.direct, words, sent, undo: () => void this.#out.delete(number) };
  }

  hasNews(): boolean {
    return this.#tellings.hasNews();
  }

  /** Tells of those that the peer has told of. Whether there were any. */
  collect(): boolean {
    if (this.#connection.state !== 'open' || !this.#tellings.hasNews()) return false;
    try {
      this.#hear();
    } catch (error) {
      this.#connection.violate(error);
    }
    return true;
  }

  /** The connection has ended, its memory is still there: what has not been taken is lost. */
  end(): void {
    try {
      this.#hear();
    } catch (error) {
      if (!(error instanceof ProtocolViolation)) throw error; // it has ended anyway
    }
    for (const [number, { isSent }] of this.#out) if (isSent) this.#settle(number, 'lost');
  }

  /** @throws ProtocolViolation */
  #hear(): void {
    this.#tellings.take(this.#out.size, (telling) => {
      const number = telling & ~DROPPED;
      if (this.#out.get(number)?.isSent !== true) throw new ProtocolViolation(`the peer tells of direct message ${number}, which it does not have`);
      this.#settle(number, (telling & DROPPED) === 0 ? 'taken' : 'lost');
    });
  }

  #settle(number: number, outcome: DirectOutcome): void {
    const { target } = this.#out.get(number)!;
    this.#out.delete(number);
    this.#connection.outbound.viewWaits--;
    if (typeof target === 'function') setImmediate(target, outcome); // it may do as it likes, and throw: nothing here stands half done
    else if (outcome === 'taken') set(target);
  }

  #nextNumber(): number {
    do this.#last = (this.#last % 0x7fffffff) + 1;
    while (this.#out.has(this.#last));
    return this.#last;
  }
}

/** A direct message that came: its sender waits to hear of it, once. */
export class ReceivedDirect {
  readonly #connection: Connection;
  readonly #teller: ReleaseWriter;
  readonly #number: number;
  #isTold = false;

  /** @throws ProtocolViolation */
  constructor(connection: Connection, teller: ReleaseWriter, block: Int32Array) {
    this.#connection = connection;
    this.#teller = teller;
    this.#number = block[DirectWords.number]!;
    if (this.#number <= 0) throw new ProtocolViolation(`a direct message has the number ${this.#number}`);
  }

  /** The program has got it, or nobody will. The first word counts. */
  tell(isTaken: boolean): void {
    if (this.#isTold || this.#connection.state !== 'open') return;
    this.#isTold = true;
    this.#teller.release(isTaken ? this.#number : this.#number | DROPPED);
    this.#connection.link.ringForViews();
  }
}

/** An event that its owner has closed meanwhile is nobody's to wait for. What else `set` throws is for its author: here a connection may be half way through its end. */
function set(target: { set(): unknown }): void {
  try {
    target.set();
  } catch (error) {
    if (!AlpcError.is(error) || error.code !== 'ERR_ALPC_CLOSED') throwApart(error);
  }
}
