/**
 * The asking half of a conversation: binds interfaces, makes calls, opens streams. An awaited call and a blocking one are the same frames, and
 * differ in how they wait.
 */
import { checkSignal, checkTimeout } from '../base/arguments.js';
import { type Deadline, deadlineAfter, timeLeft } from '../base/deadline.js';
import { AlpcError } from '../base/errors.js';
import type { CommunicationPort, ReplyMessage } from '../ports/index.js';
import type { CallOptions, ItemsOptions, SyncCallOptions } from './client-types.js';
import type { Conversation, OpenStream } from './conversation.js';
import { describeFault, faultError } from './faults.js';
import { extraOf, Flag, flagsOf, HEADER, Kind, kindOf, numberOf, timeoutToWire, header } from './frame.js';
import { Inflow } from './inflow.js';
import { checksOf, type Interface, type Method, type MethodChecks } from './interface.js';
import { Outflow } from './outflow.js';
import { partLength } from './transfers.js';

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
    let frame: Buffer;
    try {
      frame = this.#frame(Kind.call, bound, 0, options?.timeout, input);
    } catch (error) {
      return Promise.reject(error);
    }
    const deadline = deadlineOf(options);
    if (frame.length > this.#port.maxDataLength) return this.#callLong(bound, Buffer.from(frame), options, deadline);
    return this.#port.request(frame, options).then((reply) => {
      const memory = this.#conversation.terms.codec.memoryOf(reply);
      return isPlain(bound, memory, reply) ? this.#valueOf(memory, reply) : this.#result(bound, reply.data, options, deadline);
    });
  }

  callSync(bound: BoundMethod, input: unknown, options?: SyncCallOptions): unknown {
    const frame = this.#frame(Kind.call, bound, 0, options?.timeout, input);
    const deadline = deadlineOf(options);
    const reply = frame.length > this.#port.maxDataLength ? this.#callLongSync(Buffer.from(frame), deadline) : this.#port.requestSync(frame, options);
    const memory = this.#conversation.terms.codec.memoryOf(reply);
    return isPlain(bound, memory, reply) ? this.#valueOf(memory, reply) : this.#resultSync(bound, reply.data, deadline);
  }

  async oneWay(bound: BoundMethod, input: unknown, options?: CallOptions): Promise<void> {
    const frame = this.#oneWayFrame(bound, input);
    await this.#port.post(frame, options);
  }

  oneWaySync(bound: BoundMethod, input: unknown, options?: SyncCallOptions): void {
    this.#port.postSync(this.#oneWayFrame(bound, input), options);
  }

  stream(bound: BoundMethod, input: unknown, options: Partial<ItemsOptions<unknown>> = {}): Inflow {
    const conversation = this.#conversation;
    const { codec } = conversation.terms;
    const timeout = checkTimeout(options.timeout, 'options.timeout');
    const signal = checkSignal(options.signal, 'options.signal');
    signal?.throwIfAborted();
    const number = (this.#lastStream = (this.#lastStream + 1) >>> 0);
    const frame = this.#frame(Kind.stream, bound, number, timeout, input);
    const inflow = new Inflow(codec, bound.checks.output, {
      credit: (bytes) => conversation.tell(Kind.credit, Flag.opener, number, bytes),
      stop: () => conversation.isEnded || conversation.tell(Kind.stop, Flag.opener, number),
      over: () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', giveUp);
      },
    });
    const takesItems = bound.method.kind === 'stream' && bound.method.items !== undefined && options.items !== undefined;
    const stream: OpenStream = { inflow, outflow: takesItems ? new Outflow(this.#port, codec, Flag.opener, number) : undefined, abort: undefined };
    conversation.open(conversation.mine, number, stream);
    const giveUp = (): void => inflow.cancel(signal?.aborted === true ? signal.reason : new AlpcError('ERR_ALPC_TIMEOUT', `${bound.what} did not end within ${timeout} ms`));
    const timer = timeout === Infinity ? undefined : setTimeout(giveUp, timeout);
    signal?.addEventListener('abort', giveUp, { once: true });
    this.#port.request(frame).then(
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
    if (kindOf(data) !== Kind.response) throw this.#fault(String(of), data);
    const value = this.#conversation.terms.codec.value(data) as { procedures?: unknown } | null;
    const procedures: unknown = value?.procedures;
    const names = Object.keys(of.methods);
    const isList = Array.isArray(procedures) && procedures.length === names.length && procedures.every((number) => Number.isInteger(number) && number >= -1 && number < 65_536);
    if (!isList) throw new AlpcError('ERR_ALPC_PROTOCOL', `${this.#port}: the answer to a bind does not number the methods of ${of}`);
    const bound = new Map(
      names.map((name, i) => {
        const method = of.methods[name]!;
        return [name, { name, method, checks: checksOf(of, name, method), procedure: (procedures as number[])[i]!, what: `${of.name}.${name}` }];
      }),
    );
    this.#bound.set(of, bound);
    return bound;
  }

  #frame(kind: number, bound: BoundMethod, number: number, timeout: number | undefined, input: unknown): Buffer {
    if (bound.procedure < 0) throw new AlpcError('ERR_ALPC_UNKNOWN_METHOD', `${this.#port}: the other side has no method ${bound.what} of this kind`);
    const frame = this.#conversation.terms.codec.frame(kind, 0, bound.procedure, number, timeoutToWire(timeout), input);
    if (kind !== Kind.call && frame.length > this.#port.maxDataLength) {
      throw new AlpcError('ERR_ALPC_MESSAGE_TOO_LONG', `${bound.what}: the input has ${frame.length - HEADER} bytes; for a ${bound.method.kind} method at most ${partLength(this.#port.maxDataLength)} fit`);
    }
    return frame;
  }

  #oneWayFrame(bound: BoundMethod, input: unknown): Buffer {
    return this.#frame(Kind.oneWay, bound, 0, undefined, input);
  }

  #finish(bound: BoundMethod, number: number, stream: OpenStream, data: Buffer): void {
    let error: unknown;
    try {
      if (kindOf(data) !== Kind.response) error = this.#fault(bound.what, data);
    } catch (bad) {
      error = bad;
    }
    stream.total = kindOf(data) === 0 ? 0 : numberOf(data);
    stream.inflow!.finish(stream.total, error);
    this.#conversation.forgetIfDone(number, stream);
  }

  #sendItems(number: number, outflow: Outflow, items: ItemsOptions<unknown>['items']): void {
    const conversation = this.#conversation;
    outflow.pump(items).then(
      () => outflow.isStopped || conversation.tell(Kind.end, Flag.opener, number),
      (error: unknown) => conversation.isEnded || outflow.isStopped || conversation.post(Buffer.from(conversation.terms.codec.frame(Kind.end, Flag.opener | Flag.faulty, 0, number, 0, describeFault(error, conversation.terms.hasStacks)))),
    );
  }

  #result(bound: BoundMethod, data: Buffer, options: CallOptions | undefined, deadline: Deadline): unknown {
    if (kindOf(data) !== Kind.response) throw this.#fault(bound.what, data);
    const { output } = bound.checks;
    if ((flagsOf(data) & Flag.long) !== 0) return this.#pull(data, options, deadline).then((value) => (output === undefined ? value : output(value)));
    const value = this.#conversation.terms.codec.value(data);
    return output === undefined ? value : output(value);
  }

  #resultSync(bound: BoundMethod, data: Buffer, deadline: Deadline): unknown {
    if (kindOf(data) !== Kind.response) throw this.#fault(bound.what, data);
    const { codec } = this.#conversation.terms;
    const value = (flagsOf(data) & Flag.long) === 0 ? codec.value(data) : this.#pullSync(data, deadline);
    const checked = bound.checks.output === undefined ? value : bound.checks.output(value);
    if (!(checked instanceof Promise)) return checked;
    checked.catch(() => {});
    throw new AlpcError('ERR_ALPC_INVALID_ARGUMENT', `${bound.what}: the output's schema is asynchronous, and a blocking call can't wait for it`);
  }

  #fault(what: string, data: Buffer): Error {
    if (kindOf(data) !== Kind.fault) return new AlpcError('ERR_ALPC_PROTOCOL', `${this.#port}: ${what} was answered by something else than an answer`);
    const flags = flagsOf(data);
    return faultError(this.#conversation.terms.codec.value(data), (flags & Flag.declared) !== 0 ? 'declared' : (flags & Flag.system) !== 0 ? 'system' : 'remote', what);
  }

  // ---- values that do not fit into one message ---------------------------------------------------------------------

  async #callLong(bound: BoundMethod, frame: Buffer, options: CallOptions | undefined, deadline: Deadline): Promise<unknown> {
    this.#conversation.terms.codec.trim();
    const number = this.#conversation.transfers.nextNumber();
    try {
      for (const part of this.#parts(frame, number)) this.#expectResponse((await this.#port.request(part, until(deadline, options))).data, bound.what);
    } catch (error) {
      if (!this.#port.closed) this.#conversation.tell(Kind.drop, Flag.opener, number);
      throw error;
    }
    const reply = await this.#port.request(longCall(frame, number), until(deadline, options));
    return this.#result(bound, reply.data, options, deadline);
  }

  #callLongSync(frame: Buffer, deadline: Deadline): ReplyMessage {
    this.#conversation.terms.codec.trim();
    const number = this.#conversation.transfers.nextNumber();
    try {
      for (const part of this.#parts(frame, number)) this.#expectResponse(this.#port.requestSync(part, until(deadline)).data, 'a long call');
    } catch (error) {
      if (!this.#port.closed) this.#conversation.tell(Kind.drop, Flag.opener, number);
      throw error;
    }
    return this.#port.requestSync(longCall(frame, number), until(deadline));
  }

  *#parts(frame: Buffer, number: number): Generator<Buffer> {
    const total = frame.length - HEADER;
    const length = partLength(this.#port.maxDataLength);
    for (let at = HEADER; at < frame.length; at += length) yield Buffer.concat([header(Kind.push, 0, 0, number, total), frame.subarray(at, at + length)]);
  }

  async #pull(data: Buffer, options: CallOptions | undefined, deadline: Deadline): Promise<unknown> {
    const { bytes, number } = this.#roomFor(data);
    try {
      for (let at = 0; at < bytes.length; ) at = this.#place(bytes, at, (await this.#port.request(header(Kind.pull, 0, 0, number, at), until(deadline, options))).data);
    } catch (error) {
      if (!this.#port.closed) this.#conversation.tell(Kind.drop, 0, number);
      throw error;
    }
    return this.#conversation.terms.codec.value(bytes, 0);
  }

  #pullSync(data: Buffer, deadline: Deadline): unknown {
    const { bytes, number } = this.#roomFor(data);
    try {
      for (let at = 0; at < bytes.length; ) at = this.#place(bytes, at, this.#port.requestSync(header(Kind.pull, 0, 0, number, at), until(deadline)).data);
    } catch (error) {
      if (!this.#port.closed) this.#conversation.tell(Kind.drop, 0, number);
      throw error;
    }
    return this.#conversation.terms.codec.value(bytes, 0);
  }

  #roomFor(data: Buffer): { bytes: Buffer; number: number } {
    const { valueLength } = this.#conversation.terms.limits;
    const length = extraOf(data);
    const number = numberOf(data);
    if (length <= valueLength) return { bytes: Buffer.allocUnsafeSlow(length), number };
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
    if (kindOf(data) !== Kind.response) throw this.#fault(what, data);
  }
}

/** Most answers: a value, all of it here, and nothing that checks it. */
function isPlain({ checks }: BoundMethod, memory: Buffer, { start, dataLength }: ReplyMessage): boolean {
  return checks.output === undefined && kindOf(memory, start, dataLength) === Kind.response && (flagsOf(memory, start) & Flag.long) === 0;
}

function deadlineOf(options: SyncCallOptions | undefined): Deadline {
  return options?.timeout === undefined ? Infinity : deadlineAfter(options.timeout);
}

function until(deadline: Deadline, options?: CallOptions): CallOptions {
  return { ...options, timeout: timeLeft(deadline) };
}

function longCall(frame: Buffer, number: number): Buffer {
  return header(Kind.call, Flag.long, frame.readUInt16LE(2), number, extraOf(frame));
}
