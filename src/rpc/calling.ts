/**
 * The asking half of a conversation: binds interfaces, makes calls, opens streams. An awaited call and a blocking one are the same frames, and
 * differ in how they wait.
 */
import { checkSignal, checkTimeout } from '../base/arguments.js';
import { type Deadline, deadlineAfter, timeLeft } from '../base/deadline.js';
import { AlpcError } from '../base/errors.js';
import { isListOf } from '../base/untrusted.js';
import type { CommunicationPort, ReplyMessage } from '../ports/index.js';
import type { CallOptions, ItemsOptions, SyncCallOptions } from './client-types.js';
import type { Conversation, OpenStream } from './conversation.js';
import { checkedFault, describeFault } from './faults.js';
import { extraOf, Flag, flagsOf, header, HEADER, Kind, kindOf, numberOf, procedureOf, timeoutToWire } from './frame.js';
import { Inflow } from './inflow.js';
import { checksOf, type Interface, type Method, type MethodChecks } from './interface.js';
import { joinLarge, largeLength, longest, type Packed } from './large-values.js';
import { Outflow } from './outflow.js';
import { partLength, partsOf } from './transfers.js';

/** A method of an interface that was bound on this connection. */
export interface BoundMethod {
  readonly name: string;
  readonly method: Method;
  readonly checks: MethodChecks;
  /** -1 when the other side has none. */
  readonly procedure: number;
  readonly what: string;
}

export type Bound = ReadonlyMap<string, BoundMethod>;

export class Calling {
  readonly #conversation: Conversation;
  readonly #port: CommunicationPort;
  readonly #bound = new Map<Interface, Bound>();
  #lastStream = 0;

  constructor(conversation: Conversation) {
    this.#conversation = conversation;
    this.#port = conversation.port;
  }

  /** What `bind` found before. */
  boundOf(of: Interface): Bound | undefined {
    return this.#bound.get(of);
  }

  async bind(of: Interface, options?: CallOptions): Promise<Bound> {
    return this.#bound.get(of) ?? this.#remember(of, await this.#port.request(this.#bindFrame(of), options));
  }

  bindSync(of: Interface, options?: SyncCallOptions): Bound {
    return this.#bound.get(of) ?? this.#remember(of, this.#port.requestSync(this.#bindFrame(of), options));
  }

  call(bound: BoundMethod, input: unknown, options?: CallOptions): Promise<unknown> {
    const runs: Uint8Array[] = [];
    let frame: Buffer;
    try {
      frame = this.#frame(Kind.call, bound, 0, options?.timeout, input, runs);
    } catch (error) {
      return Promise.reject(error);
    }
    const deadline = deadlineOf(options);
    if (this.#isLarge(frame, runs)) return this.#callLarge(bound, frame, runs, options, deadline);
    return this.#port.request(frame, options).then((reply) => {
      const memory = this.#conversation.terms.codec.memoryOf(reply);
      return isPlain(bound, memory, reply) ? this.#valueOf(memory, reply) : this.#result(bound, reply, options, deadline);
    });
  }

  callSync(bound: BoundMethod, input: unknown, options?: SyncCallOptions): unknown {
    const runs: Uint8Array[] = [];
    const frame = this.#frame(Kind.call, bound, 0, options?.timeout, input, runs);
    const deadline = deadlineOf(options);
    const reply = this.#isLarge(frame, runs) ? this.#callLargeSync(frame, runs, deadline) : this.#port.requestSync(frame, options);
    const memory = this.#conversation.terms.codec.memoryOf(reply);
    return isPlain(bound, memory, reply) ? this.#valueOf(memory, reply) : this.#resultSync(bound, reply, deadline);
  }

  async oneWay(bound: BoundMethod, input: unknown, options?: CallOptions): Promise<void> {
    const runs: Uint8Array[] = [];
    const frame = this.#frame(Kind.oneWay, bound, 0, undefined, input, runs);
    if (!this.#isLarge(frame, runs)) return this.#port.post(frame, options);
    const packed = this.#pack(bound, frame, runs);
    const sent = this.#port.post(viewed(frame), { ...options, view: packed.view });
    packed.done();
    await sent;
  }

  oneWaySync(bound: BoundMethod, input: unknown, options?: SyncCallOptions): void {
    const runs: Uint8Array[] = [];
    const frame = this.#frame(Kind.oneWay, bound, 0, undefined, input, runs);
    if (!this.#isLarge(frame, runs)) return this.#port.postSync(frame, options);
    const packed = this.#pack(bound, frame, runs);
    try {
      this.#port.postSync(viewed(frame), { ...options, view: packed.view });
    } finally {
      packed.done();
    }
  }

  stream(bound: BoundMethod, input: unknown, options: Partial<ItemsOptions<unknown>> = {}): Inflow {
    const conversation = this.#conversation;
    const { codec } = conversation.terms;
    const timeout = checkTimeout(options.timeout, 'options.timeout');
    const signal = checkSignal(options.signal, 'options.signal');
    signal?.throwIfAborted();
    const number = (this.#lastStream = (this.#lastStream + 1) >>> 0);
    const runs: Uint8Array[] = [];
    const frame = this.#frame(Kind.stream, bound, number, timeout, input, runs);
    const packed = this.#isLarge(frame, runs) ? this.#pack(bound, frame, runs) : undefined;
    const inflow = new Inflow(codec, bound.checks.output, {
      credit: (bytes) => conversation.tell(Kind.credit, Flag.opener, number, bytes),
      stop: () => conversation.isEnded || conversation.tell(Kind.stop, Flag.opener, number),
      over: () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', giveUp);
      },
    });
    const takesItems = bound.method.kind === 'stream' && bound.method.items !== undefined && options.items !== undefined;
    const stream: OpenStream = { inflow, outflow: takesItems ? new Outflow(conversation.way, Flag.opener, number) : undefined, abort: undefined };
    conversation.open(conversation.mine, number, stream);
    const giveUp = (): void => inflow.cancel(signal?.aborted === true ? signal.reason : new AlpcError('ERR_ALPC_TIMEOUT', `${bound.what} did not end within ${timeout} ms`));
    const timer = timeout === Infinity ? undefined : setTimeout(giveUp, timeout);
    signal?.addEventListener('abort', giveUp, { once: true });
    const answered = packed === undefined ? this.#port.request(frame) : this.#port.request(viewed(frame), { view: packed.view });
    packed?.done();
    answered.then(
      ({ data }) => {
        stream.outflow?.stop();
        this.#finish(bound, number, stream, data);
      },
      (error: unknown) => {
        stream.outflow?.stop();
        inflow.cancel(error);
        conversation.close(conversation.mine, number);
      },
    );
    if (stream.outflow !== undefined) this.#sendItems(number, stream.outflow, options.items!);
    return inflow;
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  #valueOf(memory: Buffer, { start, dataLength }: ReplyMessage): unknown {
    return this.#conversation.terms.codec.value(memory, start + HEADER, start + dataLength);
  }

  #bindFrame({ name, version, uuid, methods }: Interface): Buffer {
    const { codec, table } = this.#conversation.terms;
    return codec.frame(Kind.bind, table.offers.length > 0 ? Flag.offers : 0, 0, 0, 0, { name, version, uuid, methods: Object.entries(methods).map(([method, { kind }]) => [method, kind]) });
  }

  #remember(of: Interface, { data }: ReplyMessage): Bound {
    if (kindOf(data) !== Kind.response) throw this.#conversation.faultIn(String(of), data);
    const value = this.#conversation.terms.codec.value(data) as { procedures?: unknown } | null;
    const procedures: unknown = value?.procedures;
    const names = Object.keys(of.methods);
    if (!isListOf(procedures, isProcedure) || procedures.length !== names.length) throw new AlpcError('ERR_ALPC_PROTOCOL', `${this.#port}: the answer to a bind does not number the methods of ${of}`);
    const bound = new Map(
      names.map((name, i) => {
        const method = of.methods[name]!;
        return [name, { name, method, checks: checksOf(of, name, method), procedure: procedures[i]!, what: `${of.name}.${name}` }];
      }),
    );
    this.#bound.set(of, bound);
    return bound;
  }

  #frame(kind: number, bound: BoundMethod, number: number, timeout: number | undefined, input: unknown, runs: Uint8Array[]): Buffer {
    if (bound.procedure < 0) throw new AlpcError('ERR_ALPC_UNKNOWN_METHOD', `${this.#port}: the other side has no method ${bound.what} of this kind`);
    return this.#conversation.terms.codec.frame(kind, 0, bound.procedure, number, timeoutToWire(timeout), input, runs);
  }

  #finish(bound: BoundMethod, number: number, stream: OpenStream, data: Buffer): void {
    let error: unknown;
    try {
      if (kindOf(data) !== Kind.response) error = this.#faultIn(bound, data);
    } catch (bad) {
      error = bad;
    }
    const total = (stream.total = kindOf(data) === 0 ? 0 : numberOf(data));
    if (error instanceof Promise) void error.then((fault) => stream.inflow!.finish(total, fault));
    else stream.inflow!.finish(total, error);
    this.#conversation.forgetIfDone(number, stream);
  }

  #sendItems(number: number, outflow: Outflow, items: ItemsOptions<unknown>['items']): void {
    const conversation = this.#conversation;
    outflow.pump(items).then(
      () => outflow.isStopped || conversation.tell(Kind.end, Flag.opener, number),
      (error: unknown) => conversation.isEnded || outflow.isStopped || conversation.post(Buffer.from(conversation.terms.codec.frame(Kind.end, Flag.opener | Flag.faulty, 0, number, 0, describeFault(error, conversation.terms.hasStacks)))),
    );
  }

  #result(bound: BoundMethod, reply: ReplyMessage, options: CallOptions | undefined, deadline: Deadline): unknown {
    const { output } = bound.checks;
    if (kindOf(reply.data) !== Kind.response) return Promise.resolve(this.#failure(bound, reply)).then((error) => Promise.reject(error));
    if (isLong(reply.data)) return this.#pull(reply.data, options, deadline).then((value) => (output === undefined ? value : output(value)));
    const value = this.#here(bound, reply);
    return output === undefined ? value : output(value);
  }

  #resultSync(bound: BoundMethod, reply: ReplyMessage, deadline: Deadline): unknown {
    if (kindOf(reply.data) !== Kind.response) throw atOnce(this.#failure(bound, reply), `${bound.what}: an error's schema`);
    const value = isLong(reply.data) ? this.#pullSync(reply.data, deadline) : this.#here(bound, reply);
    return bound.checks.output === undefined ? value : atOnce(bound.checks.output(value), `${bound.what}: the output's schema`);
  }

  /** What an answer that is no response says. @throws AlpcError ERR_ALPC_BAD_VALUE */
  #failure(bound: BoundMethod, reply: ReplyMessage): Error | Promise<Error> {
    try {
      return this.#faultIn(bound, reply.data);
    } finally {
      reply.release();
    }
  }

  #faultIn({ what, checks }: BoundMethod, data: Buffer): Error | Promise<Error> {
    return checkedFault(this.#conversation.faultIn(what, data), checks.errors);
  }

  /** The value of a response that is in the message or in its view. */
  #here(bound: BoundMethod, reply: ReplyMessage): unknown {
    const { codec } = this.#conversation.terms;
    const { data, view } = reply;
    try {
      if ((flagsOf(data) & Flag.viewed) === 0) return codec.value(data);
      if (view === undefined) throw new AlpcError('ERR_ALPC_PROTOCOL', `${this.#port}: the answer to ${bound.what} says that it is in a view, and none came with it`);
      return codec.large(view.bytes);
    } finally {
      reply.release();
    }
  }

  // ---- values that do not fit into one message ---------------------------------------------------------------------

  #isLarge(frame: Buffer, runs: readonly Uint8Array[]): boolean {
    return frame.length > this.#port.maxDataLength || runs.length > 0;
  }

  /** For what goes by view or not at all. @throws AlpcError ERR_ALPC_MESSAGE_TOO_LONG */
  #pack({ what, method }: BoundMethod, frame: Buffer, runs: readonly Uint8Array[]): Packed {
    const packed = this.#conversation.large.pack(frame, runs);
    if (packed !== undefined) return packed;
    throw new AlpcError('ERR_ALPC_MESSAGE_TOO_LONG', `${what}: the input has ${largeLength(frame, runs)} bytes and can't go by view; for a ${method.kind} method at most ${partLength(this.#port.maxDataLength)} fit`);
  }

  #callLarge(bound: BoundMethod, frame: Buffer, runs: readonly Uint8Array[], options: CallOptions | undefined, deadline: Deadline): Promise<unknown> {
    const { large, terms } = this.#conversation;
    const packed = large.pack(frame, runs);
    const call = viewed(frame);
    if (packed === undefined) return this.#callInParts(bound, call, joinLarge(frame, runs), options, deadline);
    const answered = this.#port.request(call, { ...until(deadline, options), view: packed.view });
    packed.done();
    terms.codec.trim();
    return answered.then((reply) => this.#result(bound, reply, options, deadline));
  }

  #callLargeSync(frame: Buffer, runs: readonly Uint8Array[], deadline: Deadline): ReplyMessage {
    const { large, terms } = this.#conversation;
    const packed = large.pack(frame, runs);
    const call = viewed(frame);
    if (packed === undefined) return this.#callInPartsSync(call, joinLarge(frame, runs), deadline);
    terms.codec.trim();
    try {
      return this.#port.requestSync(call, { ...until(deadline), view: packed.view });
    } finally {
      packed.done();
    }
  }

  async #callInParts(bound: BoundMethod, call: Buffer, bytes: Buffer, options: CallOptions | undefined, deadline: Deadline): Promise<unknown> {
    const number = this.#conversation.transfers.nextNumber();
    try {
      for (const part of partsOf(bytes, number, this.#port.maxDataLength)) this.#expectResponse((await this.#port.request(part, until(deadline, options))).data, bound.what);
    } catch (error) {
      if (!this.#port.closed) this.#conversation.tell(Kind.drop, Flag.opener, number);
      throw error;
    }
    const reply = await this.#port.request(longCall(call, number), until(deadline, options));
    return this.#result(bound, reply, options, deadline);
  }

  #callInPartsSync(call: Buffer, bytes: Buffer, deadline: Deadline): ReplyMessage {
    const number = this.#conversation.transfers.nextNumber();
    try {
      for (const part of partsOf(bytes, number, this.#port.maxDataLength)) this.#expectResponse(this.#port.requestSync(part, until(deadline)).data, 'a long call');
    } catch (error) {
      if (!this.#port.closed) this.#conversation.tell(Kind.drop, Flag.opener, number);
      throw error;
    }
    return this.#port.requestSync(longCall(call, number), until(deadline));
  }

  async #pull(data: Buffer, options: CallOptions | undefined, deadline: Deadline): Promise<unknown> {
    const { bytes, number } = this.#roomFor(data);
    try {
      for (let at = 0; at < bytes.length; ) at = this.#place(bytes, at, (await this.#port.request(header(Kind.pull, 0, 0, number, at), until(deadline, options))).data);
    } catch (error) {
      if (!this.#port.closed) this.#conversation.tell(Kind.drop, 0, number);
      throw error;
    }
    return this.#conversation.terms.codec.large(bytes);
  }

  #pullSync(data: Buffer, deadline: Deadline): unknown {
    const { bytes, number } = this.#roomFor(data);
    try {
      for (let at = 0; at < bytes.length; ) at = this.#place(bytes, at, this.#port.requestSync(header(Kind.pull, 0, 0, number, at), until(deadline)).data);
    } catch (error) {
      if (!this.#port.closed) this.#conversation.tell(Kind.drop, 0, number);
      throw error;
    }
    return this.#conversation.terms.codec.large(bytes);
  }

  #roomFor(data: Buffer): { bytes: Buffer; number: number } {
    const { valueLength } = this.#conversation.terms.limits;
    const length = extraOf(data);
    const number = numberOf(data);
    if (length <= longest(valueLength)) return { bytes: Buffer.allocUnsafeSlow(length), number };
    this.#conversation.tell(Kind.drop, 0, number);
    throw new AlpcError('ERR_ALPC_BAD_VALUE', `${this.#port}: the answer has ${length} bytes; the limit 'valueLength' here is ${valueLength}`);
  }

  #place(bytes: Buffer, at: number, data: Buffer): number {
    this.#expectResponse(data, 'a long answer');
    const length = data.length - HEADER;
    // As much as a message holds, or the rest: not one byte at a time.
    if (length !== Math.min(partLength(this.#port.maxDataLength), bytes.length - at)) throw new AlpcError('ERR_ALPC_PROTOCOL', `${this.#port}: a part of a long answer does not fit it`);
    bytes.set(data.subarray(HEADER), at);
    return at + length;
  }

  #expectResponse(data: Buffer, what: string): void {
    if (kindOf(data) !== Kind.response) throw this.#conversation.faultIn(what, data);
  }
}

/** Most answers: a value, all of it here, and nothing that checks it. */
function isPlain({ checks }: BoundMethod, memory: Buffer, { start, dataLength }: ReplyMessage): boolean {
  return checks.output === undefined && kindOf(memory, start, dataLength) === Kind.response && (flagsOf(memory, start) & (Flag.long | Flag.viewed)) === 0;
}

/** What a check made, for who can't wait. @throws AlpcError ERR_ALPC_INVALID_ARGUMENT */
function atOnce<T>(checked: T | Promise<T>, what: string): T {
  if (!(checked instanceof Promise)) return checked;
  checked.catch(() => {});
  throw new AlpcError('ERR_ALPC_INVALID_ARGUMENT', `${what} is asynchronous, and a blocking call can't wait for it`);
}

function isProcedure(number: unknown): number is number {
  return Number.isInteger(number) && (number as number) >= -1 && (number as number) < 65_536;
}

function isLong(data: Buffer): boolean {
  return kindOf(data) === Kind.response && (flagsOf(data) & Flag.long) !== 0;
}

function deadlineOf(options: SyncCallOptions | undefined): Deadline {
  return options?.timeout === undefined ? Infinity : deadlineAfter(options.timeout);
}

function until(deadline: Deadline, options?: CallOptions): CallOptions {
  return { ...options, timeout: timeLeft(deadline) };
}

/** The header of a frame whose value goes by view. */
function viewed(frame: Buffer): Buffer {
  return header(kindOf(frame), Flag.viewed, procedureOf(frame), numberOf(frame), extraOf(frame));
}

function longCall(frame: Buffer, number: number): Buffer {
  return header(Kind.call, Flag.long, procedureOf(frame), number, extraOf(frame));
}
