/**
 * A pool's thread, where a relay's work (pool-relay.ts) is done: it takes what a packet offers, runs the handler, and answers by the relay. Streams
 * have the same two ends here as on an event loop; context handles have their states here, and their rundowns run here.
 */
import { parentPort } from 'node:worker_threads';
import { AlpcError } from '../base/errors.js';
import { leavingSignal } from '../notification/pool-terms.js';
import { PeerIdentity } from '../ports/peer-identity.js';
import { CallContext, type ContextHost, NotHere } from './call-context.js';
import type { Codec } from './codec.js';
import { type ContextHandle, HandleTable } from './context-handle.js';
import { faultError } from './faults.js';
import { extraOf, Flag, flagsOf, FOREVER, header, HEADER, Kind, kindOf, numberOf } from './frame.js';
import { Inflow } from './inflow.js';
import { largeLength } from './large-values.js';
import type { OfferTable, Procedure } from './offer.js';
import { type ItemWay, Outflow } from './outflow.js';
import { type FromPoolThread, own, type PoolWork, TICKET, type ToPoolThread, wordOf } from './pool-words.js';
import { failureFrame, isSource, run } from './serving.js';
import type { ValueBounds } from './value-encoder.js';

export interface PoolThreadTerms {
  readonly table: OfferTable;
  readonly codec: Codec;
  readonly hasStacks: boolean;
}

export class PoolThread {
  readonly #terms: PoolThreadTerms;
  readonly #taken = new Map<string, () => void>();
  readonly #jobs = new Map<string, Job>();
  readonly #handles = new HandleTable(Infinity, (error) => this.#tellFailure(error));
  #relay = '';

  /** Outside of a thread it serves nothing. */
  constructor(terms: PoolThreadTerms) {
    this.#terms = terms;
    leavingSignal()?.addEventListener('abort', () => this.#handles.runDown(), { once: true });
    parentPort?.on('message', (told: unknown) => {
      const worded = wordOf<ToPoolThread>(told);
      if (worded !== undefined) this.#hear(worded.alpcRpc, worded.word);
    });
  }

  /** A posted packet: whether it was one of a relay's. Resolves when the work has been done. */
  take(data: Buffer): Promise<void> | undefined {
    const [kind, relay, number] = data.toString('latin1').split(' ');
    if (kind !== TICKET || relay === undefined || parentPort === null) return undefined;
    return new Promise((resolve) => {
      this.#taken.set(`${relay} ${number}`, resolve);
      tell(relay, { is: 'take', number: Number(number) });
    });
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  #hear(relay: string, word: ToPoolThread): void {
    if (word.is === 'run-down') return this.#handles.runDownOne(word.id);
    const key = `${relay} ${word.is === 'work' ? word.work.number : word.number}`;
    if (word.is === 'gone') return this.#done(key);
    if (word.is !== 'work') return this.#jobs.get(key)?.hear(word);
    this.#relay = relay;
    const job = new Job(this.#terms, this.#handles, relay, word.work);
    this.#jobs.set(key, job);
    void job.work().then(() => {
      this.#jobs.delete(key);
      this.#done(key);
    });
  }

  #done(key: string): void {
    this.#taken.get(key)?.();
    this.#taken.delete(key);
  }

  #tellFailure(error: unknown): void {
    tell(this.#relay, { is: 'failed', error: String(error) });
  }
}

/** One call or stream. */
class Job implements ContextHost, ItemWay {
  readonly caller: PeerIdentity;
  readonly maxDataLength: number;
  readonly bounds: ValueBounds;
  readonly #terms: PoolThreadTerms;
  readonly #handles: HandleTable;
  readonly #relay: string;
  readonly #work: PoolWork;
  readonly #frame: Buffer;
  readonly #abort = new AbortController();
  #inflow: Inflow | undefined;
  #outflow: Outflow | undefined;
  #longSent: ((word: { readonly isSent: boolean; readonly error: string | undefined }) => void) | undefined;

  constructor(terms: PoolThreadTerms, handles: HandleTable, relay: string, work: PoolWork) {
    this.caller = new PeerIdentity(work.caller, work.caller.groups);
    this.maxDataLength = work.maxDataLength;
    this.bounds = terms.codec.bounds;
    this.#terms = terms;
    this.#handles = handles;
    this.#relay = relay;
    this.#work = work;
    this.#frame = Buffer.from(work.frame.buffer);
  }

  async work(): Promise<void> {
    const { table, codec, hasStacks } = this.#terms;
    const { interface: of, uuid, method, long } = this.#work;
    const kind = kindOf(this.#frame);
    const number = kind === Kind.stream ? numberOf(this.#frame) : undefined;
    let procedure: Procedure | undefined;
    let isRunning = false;
    try {
      procedure = table.procedures.find((one) => one.name === method && one.offer.interface.name === of && one.offer.interface.uuid === uuid);
      if (procedure === undefined) throw new AlpcError('ERR_ALPC_UNKNOWN_METHOD', `the module of the thread pool implements no ${of}.${method}`);
      if (number !== undefined) this.#open(procedure, number); // before anything is awaited: what comes for it must find it
      const timeout = kind === Kind.oneWay ? FOREVER : extraOf(this.#frame);
      const context = new CallContext(this, procedure.offer, timeout === FOREVER ? Infinity : timeout, () => this.#abort.signal);
      const value = long === undefined ? codec.value(this.#frame) : codec.large(Buffer.from(long.buffer));
      const input = procedure.checks.input === undefined ? value : await procedure.checks.input(value);
      isRunning = true;
      const output = await run(procedure, input, context, this.#inflow);
      if (this.#outflow === undefined) this.#answer(output);
      else {
        if (!isSource(output)) throw new TypeError(`the handler of ${procedure.name} returned no iterable`);
        await this.#outflow.pump(output);
        this.#say({ is: 'answer', number: this.#work.number, frame: own(header(Kind.response, 0, 0, this.#outflow.sent, 0)), runs: [] });
      }
    } catch (error) {
      if (kind === Kind.oneWay) this.#say({ is: 'failed', error: String(error) });
      this.#say({ is: 'answer', number: this.#work.number, frame: own(failureFrame(codec, error, isRunning ? procedure : undefined, hasStacks, this.#outflow?.sent ?? 0, this.maxDataLength)), runs: [] });
    } finally {
      this.#inflow?.cancel(undefined);
    }
  }

  hear(word: Exclude<ToPoolThread, { is: 'work' | 'gone' | 'run-down' }>): void {
    if (word.is === 'frame') return this.#hearFrame(Buffer.from(word.frame.buffer), word.long);
    if (word.is === 'long-sent') return this.#longSent?.(word);
    this.#abort.abort(new AlpcError('ERR_ALPC_CANCELED', `${this.#work.interface}.${this.#work.method}: ${word.why}`));
    this.#outflow?.stop();
    this.#inflow?.cancel(undefined);
  }

  // ---- for contexts ------------------------------------------------------------------------------------------------

  openHandle(owner: object, state: unknown, rundown: ((state: never) => unknown) | undefined): ContextHandle {
    const handle = this.#handles.open(this.#ownerOf(owner), state, rundown as ((state: unknown) => unknown) | undefined);
    this.#say({ is: 'opened', number: this.#work.number, id: handle.id });
    return handle;
  }

  useHandle(owner: object, handle: unknown): unknown {
    return this.#handles.use(this.#ownerOf(owner), handle);
  }

  closeHandle(owner: object, handle: unknown): unknown {
    const state = this.#handles.close(this.#ownerOf(owner), handle);
    this.#say({ is: 'closed', number: this.#work.number, id: (handle as ContextHandle).id });
    return state;
  }

  callback(): never {
    return this.callbackSync();
  }

  callbackSync(): never {
    throw new NotHere('callbacks', 'Serve the interface that calls back on the event loop, by implement()');
  }

  // ---- the way of items --------------------------------------------------------------------------------------------

  tryPost(frame: Buffer): 'sent' {
    this.#say({ is: 'frame', number: this.#work.number, frame: own(frame) });
    return 'sent';
  }

  post(frame: Buffer): Promise<void> {
    this.tryPost(frame);
    return Promise.resolve();
  }

  async sendLong(flags: number, stream: number, frame: Buffer, runs: readonly Uint8Array[]): Promise<boolean> {
    const copy = own(frame);
    copy.set(header(Kind.items, flags, 0, stream, largeLength(frame, runs)));
    const sent = new Promise<{ readonly isSent: boolean; readonly error: string | undefined }>((resolve) => (this.#longSent = resolve));
    this.#say({ is: 'send-long', number: this.#work.number, flags, frame: copy, runs: runs.map(own) });
    const { isSent, error } = await sent;
    if (error !== undefined) throw new AlpcError('ERR_ALPC_BAD_VALUE', error);
    return isSent;
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  #open({ method, checks }: Procedure, number: number): void {
    const takesItems = method.kind === 'stream' && method.items !== undefined;
    this.#outflow = new Outflow(this, 0, number);
    if (takesItems) this.#inflow = new Inflow(this.#terms.codec, checks.items, { credit: (bytes) => void this.tryPost(header(Kind.credit, 0, 0, number, bytes)), stop: () => void this.tryPost(header(Kind.stop, 0, 0, number, 0)) });
  }

  #hearFrame(frame: Buffer, long: Uint8Array | undefined): void {
    switch (kindOf(frame)) {
      case Kind.items:
        if (long === undefined) this.#inflow?.push(frame);
        else this.#inflow?.pushLong({ length: long.length, bytes: Buffer.from(long.buffer), release: () => {} });
        break;
      case Kind.end:
        this.#inflow?.finish(this.#inflow.received >>> 0, this.#errorIn(frame));
        break;
      case Kind.credit:
        if (this.#outflow?.credit(extraOf(frame)) === false) this.#say({ is: 'violated', number: this.#work.number, what: 'a stream was given credit for more than was sent' });
        break;
      default:
        this.hear({ is: 'give-up', number: this.#work.number, why: 'the caller wants no more of the stream' });
    }
  }

  #errorIn(frame: Buffer): Error | undefined {
    if ((flagsOf(frame) & Flag.faulty) === 0) return undefined;
    try {
      return faultError(frame.length > HEADER ? this.#terms.codec.value(frame) : undefined, 'remote', 'the source of a stream');
    } catch (bad) {
      return bad as Error;
    }
  }

  #answer(output: unknown): void {
    const runs: Uint8Array[] = [];
    const frame = own(this.#terms.codec.frame(Kind.response, 0, 0, 0, 0, output, runs));
    this.#say({ is: 'answer', number: this.#work.number, frame, runs: runs.map(own) });
  }

  /** A handle is good for one client and one interface. */
  #ownerOf(owner: object): string {
    const { interface: of } = owner as { interface: { name: string; uuid?: string } };
    return `${this.#relay} ${this.#work.client} ${of.name} ${of.uuid ?? ''}`;
  }

  #say(word: FromPoolThread): void {
    tell(this.#relay, word);
  }
}

function tell(relay: string, word: FromPoolThread): void {
  parentPort!.postMessage({ alpcRpc: relay, word }); // oxlint-disable-line unicorn/require-post-message-target-origin
}
