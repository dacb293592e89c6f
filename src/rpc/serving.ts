/**
 * The answering half of a conversation. What comes is looked up, allowed, decoded, checked, handled and answered, in this order, and any step
 * may end it with a fault. A handler that answers at once is answered for at once; one that gives a promise, when that settles.
 */
import { AlpcError, type AlpcErrorCode } from '../base/errors.js';
import type { View } from '../memory/view.js';
import type { RequestMessage } from '../ports/index.js';
import { CallContext, type ContextHost, NotHere } from './call-context.js';
import { callbackClient } from './binding.js';
import type { ContextHandle } from './context-handle.js';
import type { Client } from './client-types.js';
import type { Codec } from './codec.js';
import type { Conversation, OpenStream } from './conversation.js';
import { describeFault, Fault } from './faults.js';
import { extraOf, Flag, flagsOf, FOREVER, header, HEADER, Kind, kindOf, numberOf, procedureOf } from './frame.js';
import { Inflow } from './inflow.js';
import type { Interface, Methods } from './interface.js';
import { joinLarge } from './large-values.js';
import { admit, type Offer, type Procedure } from './offer.js';
import { Outflow, type Source } from './outflow.js';
import { partLength } from './transfers.js';

/** What a handler may throw to be told as this library's own: anything else of a handler is its own affair. */
const PASSED_ON: readonly AlpcErrorCode[] = ['ERR_ALPC_CONTEXT_MISMATCH', 'ERR_ALPC_ACCESS_DENIED', 'ERR_ALPC_QUOTA_EXCEEDED'];

export class Serving implements ContextHost {
  readonly #conversation: Conversation;
  readonly #allowed = new Set<Offer>();

  constructor(conversation: Conversation) {
    this.#conversation = conversation;
  }

  serve(message: RequestMessage, isBlocked: boolean): void {
    try {
      const memory = this.#conversation.terms.codec.memoryOf(message);
      const kind = kindOf(memory, message.start, message.dataLength);
      if (kind === Kind.call) return this.#call(message, memory, message.start, isBlocked);
      const { data } = message;
      switch (kind) {
        case Kind.stream:
          if (isBlocked) throw busy();
          void this.#stream(message, data);
          break;
        case Kind.bind:
          this.#bind(message, data);
          break;
        case Kind.push:
          this.#conversation.transfers.push(numberOf(data), extraOf(data), data.subarray(HEADER));
          message.reply(header(Kind.response, 0, 0, 0, 0));
          break;
        case Kind.pull: {
          const part = this.#conversation.transfers.pull(numberOf(data), extraOf(data), partLength(this.#conversation.port.maxDataLength));
          message.reply(Buffer.concat([header(Kind.response, 0, 0, 0, 0), part]));
          break;
        }
        default:
          throw new AlpcError('ERR_ALPC_PROTOCOL', 'this is a server of RPC, and what came is no call');
      }
    } catch (error) {
      this.refuse(message, error);
    }
  }

  oneWay(frame: Buffer, view: View | undefined): void {
    const { terms } = this.#conversation;
    terms.figures.oneWayCalls++;
    try {
      const procedure = this.#procedure(frame, 'one-way');
      if (procedure.offer.pool !== undefined) return procedure.offer.pool.call(this.#conversation, undefined, procedure, frame, this.#longInput(frame, view));
      const context = new CallContext(this, procedure.offer, Infinity, () => new AbortController().signal);
      const checked = check(procedure.checks.input, this.#input(frame, view));
      const result = checked instanceof Promise ? checked.then((input) => run(procedure, input, context)) : run(procedure, checked, context);
      if (isThenable(result)) result.then(undefined, (error: unknown) => terms.report(error));
    } catch (error) {
      terms.report(error);
    }
  }

  // ---- for relays of thread pools ----------------------------------------------------------------------------------

  /** Answers with what a thread made; `runs` are those of a long value. */
  relay(message: RequestMessage, frame: Buffer, runs: readonly Uint8Array[]): void {
    if (!message.isPending) return;
    if (kindOf(frame) === Kind.fault) this.#conversation.terms.figures.faults++;
    try {
      if (frame.length <= this.#conversation.port.maxDataLength && runs.length === 0) message.reply(frame);
      else this.#answerLarge(message, frame, runs);
    } catch (error) {
      this.refuse(message, error);
    }
  }

  /** This side refuses, or can't: an error of the library's. */
  refuse(message: RequestMessage, error: unknown, number = 0): void {
    this.#fault(message, error, undefined, number);
  }

  // ---- for contexts ------------------------------------------------------------------------------------------------

  get caller(): ContextHost['caller'] {
    return this.#conversation.port.peer;
  }

  openHandle(owner: object, state: unknown, rundown: ((state: never) => unknown) | undefined): ContextHandle {
    if (this.#conversation.isEnded) throw new AlpcError('ERR_ALPC_DISCONNECTED', `${this.#conversation.port}: the caller is gone, and no handle would ever run down`);
    return this.#conversation.handles.open(owner, state, rundown as ((state: unknown) => unknown) | undefined);
  }

  useHandle(owner: object, handle: unknown): unknown {
    return this.#conversation.handles.use(owner, handle);
  }

  closeHandle(owner: object, handle: unknown): unknown {
    return this.#conversation.handles.close(owner, handle);
  }

  async callback<M extends Methods>(of: Interface<M>): Promise<Client<M>> {
    this.#expectOffers(of);
    await this.#conversation.calling.bind(of);
    return callbackClient(this.#conversation, of);
  }

  callbackSync<M extends Methods>(of: Interface<M>): Client<M> {
    this.#expectOffers(of);
    this.#conversation.calling.bindSync(of);
    return callbackClient(this.#conversation, of);
  }

  /** A caller that offers nothing looks for no requests, and would never answer. */
  #expectOffers(of: Interface): void {
    if (!this.#conversation.peerOffers) throw new AlpcError('ERR_ALPC_UNKNOWN_INTERFACE', `${of}: the caller serves no callbacks`);
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  #bind(message: RequestMessage, data: Buffer): void {
    const { terms } = this.#conversation;
    const { offer, request } = terms.table.find(terms.codec.value(data));
    if ((flagsOf(data) & Flag.offers) !== 0) this.#conversation.peerOffers = true;
    const bound = (): void => {
      this.#allowed.add(offer);
      this.#answer(message, { version: offer.interface.version, procedures: terms.table.numbersOf(offer, request) });
    };
    if (offer.security === undefined || this.#allowed.has(offer)) return bound();
    const admitted = admit(offer, this.caller, (error) => terms.report(error));
    if (admitted === undefined) return bound();
    admitted.then(bound, (error: unknown) => this.refuse(message, error));
  }

  #procedure(frame: Buffer, kind: string, at = 0): Procedure {
    const procedure = this.#conversation.terms.table.procedures[procedureOf(frame, at)];
    if (procedure === undefined || procedure.method.kind !== kind) throw new AlpcError('ERR_ALPC_UNKNOWN_METHOD', `there is no ${kind} method of number ${procedureOf(frame, at)}`);
    if (procedure.offer.security !== undefined && !this.#allowed.has(procedure.offer)) throw new AlpcError('ERR_ALPC_ACCESS_DENIED', `${procedure.offer.interface} has not been bound`);
    return procedure;
  }

  /** The input of a call, wherever it is. */
  #input(frame: Buffer, view: View | undefined): unknown {
    const { codec } = this.#conversation.terms;
    const long = this.#longInput(frame, view);
    return long === undefined ? codec.value(frame) : codec.large(long);
  }

  /** The bytes of an input that is not in its frame. */
  #longInput(frame: Buffer, view: View | undefined): Buffer | undefined {
    const flags = flagsOf(frame);
    if ((flags & Flag.long) !== 0) return this.#conversation.transfers.takeArrived(numberOf(frame));
    if ((flags & Flag.viewed) === 0) return undefined;
    if (view === undefined) throw new AlpcError('ERR_ALPC_PROTOCOL', 'a call says that its input is in a view, and none came with it');
    return view.bytes;
  }

  #call(message: RequestMessage, memory: Buffer, at: number, isBlocked: boolean): void {
    const { terms } = this.#conversation;
    const procedure = this.#procedure(memory, 'call', at);
    terms.figures.calls++;
    if (procedure.offer.pool !== undefined) {
      if (isBlocked) throw busy();
      return procedure.offer.pool.call(this.#conversation, message, procedure, message.data, this.#longInput(message.data, message.view));
    }
    const timeout = extraOf(memory, at);
    const value = (flagsOf(memory, at) & (Flag.long | Flag.viewed)) === 0 ? terms.codec.value(memory, at + HEADER, at + message.dataLength) : this.#input(message.data, message.view);
    const context = new CallContext(this, procedure.offer, timeout === FOREVER ? Infinity : timeout, () => message.signal);
    const checked = procedure.checks.input === undefined ? value : procedure.checks.input(value);
    let result: unknown;
    if (checked instanceof Promise) {
      result = checked.then(
        (input) => run(procedure, input, context),
        (error: unknown) => {
          this.refuse(message, error);
          return REFUSED;
        },
      );
    } else {
      try {
        result = run(procedure, checked, context);
      } catch (error) {
        return this.#fail(message, procedure, error);
      }
    }
    if (!isThenable(result)) return this.#answer(message, result);
    if (isBlocked) {
      result.then(undefined, (error: unknown) => terms.report(error));
      return this.refuse(message, busy());
    }
    terms.figures.active++;
    result.then(
      (value) => {
        terms.figures.active--;
        if (value !== REFUSED) this.#answer(message, value);
      },
      (error: unknown) => {
        terms.figures.active--;
        this.#fail(message, procedure, error);
      },
    );
  }

  async #stream(message: RequestMessage, data: Buffer): Promise<void> {
    const conversation = this.#conversation;
    const { terms, theirs } = conversation;
    const number = numberOf(data);
    let procedure: Procedure | undefined;
    let stream: OpenStream | undefined;
    try {
      procedure = this.#procedure(data, 'stream');
      if (theirs.has(number)) throw new AlpcError('ERR_ALPC_PROTOCOL', 'a stream of this number is open');
      if (theirs.size >= terms.limits.streams) throw new AlpcError('ERR_ALPC_QUOTA_EXCEEDED', `${theirs.size} streams are open on this connection (the limit 'streams')`);
      terms.figures.streams++;
      if (procedure.offer.pool !== undefined) {
        const relay = procedure.offer.pool.stream(conversation, message, procedure, data, this.#longInput(data, message.view));
        return conversation.open(theirs, number, { inflow: undefined, outflow: undefined, abort: undefined, relay });
      }
      const takesItems = procedure.method.kind === 'stream' && procedure.method.items !== undefined;
      const inflow = takesItems ? new Inflow(terms.codec, procedure.checks.items, { credit: (bytes) => conversation.tell(Kind.credit, 0, number, bytes), stop: () => conversation.isEnded || conversation.tell(Kind.stop, 0, number) }) : undefined;
      const opened: OpenStream = { inflow, outflow: new Outflow(conversation.way, 0, number), abort: new AbortController() };
      stream = opened;
      conversation.open(theirs, number, opened);
      const timeout = extraOf(data);
      const context = new CallContext(this, procedure.offer, timeout === FOREVER ? Infinity : timeout, () => AbortSignal.any([message.signal, opened.abort!.signal]));
      const input = await check(procedure.checks.input, this.#input(data, message.view));
      let source: unknown;
      try {
        source = await run(procedure, input, context, inflow);
        if (!isSource(source)) throw new TypeError(`the handler of ${procedure.name} returned no iterable`);
        await opened.outflow!.pump(source);
      } catch (error) {
        return this.#fail(message, procedure, error, opened.outflow!.sent);
      }
      message.reply(header(Kind.response, 0, 0, opened.outflow!.sent, 0));
    } catch (error) {
      this.refuse(message, error, stream?.outflow?.sent);
    } finally {
      if (stream !== undefined) {
        stream.inflow?.cancel(undefined);
        conversation.close(theirs, number);
      }
    }
  }

  #answer(message: RequestMessage, value: unknown): void {
    const { terms, port } = this.#conversation;
    if (!message.isPending) return;
    try {
      const runs: Uint8Array[] = [];
      const frame = terms.codec.frame(Kind.response, 0, 0, 0, 0, value, runs);
      if (frame.length <= port.maxDataLength && runs.length === 0) message.reply(frame);
      else this.#answerLarge(message, frame, runs);
    } catch (error) {
      this.refuse(message, error);
    }
  }

  #answerLarge(message: RequestMessage, frame: Buffer, runs: readonly Uint8Array[]): void {
    const { terms, transfers, large } = this.#conversation;
    const packed = large.pack(frame, runs);
    try {
      if (packed !== undefined) return void message.reply(header(Kind.response, Flag.viewed, 0, 0, 0), { view: packed.view });
      const bytes = joinLarge(frame, runs);
      const number = transfers.keep(bytes);
      if (message.reply(header(Kind.response, Flag.long, 0, number, bytes.length)) !== 'sent') transfers.drop(number);
    } finally {
      packed?.done();
      terms.codec.trim();
    }
  }

  /** A handler failed. */
  #fail(message: RequestMessage, procedure: Procedure, error: unknown, number = 0): void {
    this.#fault(message, error, procedure, number);
  }

  #fault(message: RequestMessage, error: unknown, procedure: Procedure | undefined, number: number): void {
    const { terms, port } = this.#conversation;
    terms.figures.faults++;
    if (message.isPending) message.reply(failureFrame(terms.codec, error, procedure, terms.hasStacks, number, port.maxDataLength));
  }
}

/** The answer that tells an error. With a procedure its handler threw it; without, this side refuses, or can't. */
export function failureFrame(codec: Codec, error: unknown, procedure: Procedure | undefined, hasStacks: boolean, number: number, maxDataLength: number): Buffer {
  const isOurs = AlpcError.is(error) && (procedure === undefined || PASSED_ON.includes(error.code) || error instanceof NotHere);
  const isDeclared = error instanceof Fault && procedure !== undefined && procedure.method.kind !== 'one-way' && Object.hasOwn(procedure.method.errors, error.fault);
  const flags = isDeclared ? Flag.declared : isOurs ? Flag.system : 0;
  const wire = describeFault(error, hasStacks && !isOurs);
  try {
    const frame = codec.frame(Kind.fault, flags, 0, number, 0, wire);
    if (frame.length <= maxDataLength) return frame;
  } catch {
    // its data can't travel: it goes without
  }
  const { name, message: text, code } = wire;
  return codec.frame(Kind.fault, flags, 0, number, 0, { name: name.slice(0, 100), message: text.slice(0, 1000), ...(code === undefined ? {} : { code: code.slice(0, 100) }) });
}

/** Answered already. */
const REFUSED = Symbol('refused');

export function run({ handler, interceptors, offer, name }: Procedure, input: unknown, context: CallContext, items?: Inflow): unknown {
  if (interceptors.length === 0) return handler(input, context, items);
  const call = { interface: offer.interface, method: name, input, context };
  const step = (i: number): unknown => (i === interceptors.length ? handler(input, context, items) : interceptors[i]!(call, () => step(i + 1)));
  return step(0);
}

function check(check: ((value: unknown) => unknown) | undefined, value: unknown): unknown {
  return check === undefined ? value : check(value);
}

/** Bytes are asked first: to look for a property that a typed array has not takes longer than all the rest of a call here. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && !ArrayBuffer.isView(value) && 'then' in value && typeof value.then === 'function';
}

export function isSource(value: unknown): value is Source {
  return typeof value === 'object' && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value);
}

function busy(): AlpcError {
  return new AlpcError('ERR_ALPC_DEADLOCK', 'the other side blocks in a call, so its event loop does not turn: only a handler that answers at once can serve it now');
}
