/**
 * The server's side of handlers in a thread pool. A relay stands where the handlers of an interface would: it hands calls and streams to
 * the pool, bytes as they came, and sends on what the threads give. The connection stays with the thread that owns the port; so credit, limits,
 * cancellation and context handles are what they are for handlers here.
 *
 * A piece of work goes to whichever thread is free, by a packet of the completion port, and stays there until it is answered. One that brings
 * context handles goes to the thread that has their state. Invariants: a thread that ends ends its work with ERR_ALPC_CANCELED, and takes
 * the state of its handles with it; a handle's rundown runs at most once, on the thread that opened it.
 */
import { randomUUID } from 'node:crypto';
import type { Worker } from 'node:worker_threads';
import { AlpcError } from '../base/errors.js';
import type { ThreadPool } from '../notification/index.js';
import type { RequestMessage } from '../ports/index.js';
import type { Conversation, StreamRelay } from './conversation.js';
import { extraOf, HEADER, Kind, kindOf, numberOf, WINDOW } from './frame.js';
import type { LongItem } from './inflow.js';
import type { Procedure } from './offer.js';
import { type FromPoolThread, own, type PoolWork, TICKET, type ToPoolThread, wordOf } from './pool-words.js';

/** A piece of work that a thread does, or will do. */
interface Work {
  readonly conversation: Conversation;
  /** Undefined of one-way calls. */
  readonly message: RequestMessage | undefined;
  readonly procedure: Procedure;
  readonly posted: PoolWork;
  readonly stream: RelayedStream | undefined;
  worker: Worker | undefined;
  /** It was given to a thread without a packet. */
  readonly isDirect: boolean;
  /** Why it fails, whatever its thread answers. */
  error: AlpcError | undefined;
}

interface HeldHandle {
  readonly worker: Worker;
  readonly conversation: Conversation;
}

export class PoolRelay {
  readonly #pool: ThreadPool;
  readonly #name = randomUUID();
  readonly #adopted = new WeakSet<Worker>();
  readonly #works = new Map<number, Work>();
  readonly #clients = new WeakMap<Conversation, number>();
  readonly #handles = new Map<string, HeldHandle>();
  /** Told of what nobody waits for: of one-way calls and rundowns in threads. */
  #report: ((error: unknown) => void) | undefined;
  #isOver = false;
  #lastNumber = 0;
  #lastClient = 0;

  constructor(pool: ThreadPool) {
    this.#pool = pool;
    for (const worker of pool.workers) this.#adopt(worker);
    pool.on('thread', (worker) => this.#adopt(worker));
    pool.on('close', () => {
      this.#isOver = true;
      this.#fail(undefined);
    });
    pool.setMaxListeners(0); // one for each interface that is left to it
  }

  /** Hands a call or a one-way call over; `long` is its input when that is in no frame. @throws AlpcError ERR_ALPC_QUOTA_EXCEEDED, ERR_ALPC_CONTEXT_MISMATCH, ERR_ALPC_BAD_VALUE */
  call(conversation: Conversation, message: RequestMessage | undefined, procedure: Procedure, frame: Buffer, long: Buffer | undefined): void {
    this.#begin(conversation, message, procedure, frame, long, undefined);
  }

  /** Hands a stream over; what the relay says hears what else comes for it. @throws as `call` */
  stream(conversation: Conversation, message: RequestMessage, procedure: Procedure, frame: Buffer, long: Buffer | undefined): StreamRelay {
    const takesItems = procedure.method.kind === 'stream' && procedure.method.items !== undefined;
    const stream = new RelayedStream(conversation, takesItems, (word) => this.#tell(this.#works.get(number)?.worker, word), (error) => this.#break(number, error));
    const number = this.#begin(conversation, message, procedure, frame, long, stream);
    stream.number = number;
    return stream;
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  #begin(conversation: Conversation, message: RequestMessage | undefined, procedure: Procedure, frame: Buffer, long: Buffer | undefined, stream: RelayedStream | undefined): number {
    if (this.#isOver) throw new AlpcError('ERR_ALPC_CANCELED', `${procedure.offer.interface}: the thread pool that serves it has been closed`);
    this.#report = (error) => conversation.terms.report(error);
    const ownLong = long === undefined ? undefined : own(long); // first of all: the thread is to find the handles in it that it was chosen for
    const holder = this.#holderOf(conversation, frame, ownLong === undefined ? undefined : Buffer.from(ownLong.buffer));
    const number = (this.#lastNumber = (this.#lastNumber + 1) >>> 0);
    const { pid, uid, gid, groups } = conversation.port.peer;
    const { interface: of } = procedure.offer;
    const posted: PoolWork = { number, interface: of.name, uuid: of.uuid, method: procedure.name, client: this.#clientOf(conversation), caller: { pid, uid, gid, groups }, frame: own(frame), long: ownLong, maxDataLength: conversation.port.maxDataLength };
    const work: Work = { conversation, message, procedure, posted, stream, worker: undefined, isDirect: holder !== undefined, error: undefined };
    if (holder === undefined) this.#offer(number);
    this.#works.set(number, work);
    if (holder !== undefined) this.#give(work, holder);
    if (message !== undefined) {
      conversation.terms.figures.active++;
      message.signal.addEventListener('abort', () => this.#giveUp(number, 'the caller gave up'), { once: true });
    }
    return number;
  }

  /** Says to the threads that there is work. */
  #offer(number: number): void {
    this.#pool.completions.post({ data: `${TICKET} ${this.#name} ${number}` });
  }

  #give(work: Work, worker: Worker): void {
    work.worker = worker;
    if (work.isDirect) this.#pool.keep(worker, 'works', 1);
    this.#tell(worker, { is: 'work', work: work.posted });
    if (work.stream !== undefined) work.stream.begun();
  }

  /** The thread that has the state behind the context handles of an input; undefined when it brings none that are known. */
  #holderOf(conversation: Conversation, frame: Buffer, long: Buffer | undefined): Worker | undefined {
    if (conversation.handles.size === 0) return undefined;
    const { codec } = conversation.terms;
    let holder: Worker | undefined;
    for (const { id } of codec.handlesIn(frame, long)) {
      const held = this.#handles.get(id);
      if (held?.conversation !== conversation) continue;
      if (holder !== undefined && holder !== held.worker) throw new AlpcError('ERR_ALPC_CONTEXT_MISMATCH', 'the context handles of one call have their states in different threads of the pool: ask for them in calls of their own, or open them in one call');
      holder = held.worker;
    }
    return holder;
  }

  #clientOf(conversation: Conversation): number {
    let client = this.#clients.get(conversation);
    if (client === undefined) this.#clients.set(conversation, (client = ++this.#lastClient));
    return client;
  }

  #giveUp(number: number, why: string): void {
    const work = this.#works.get(number);
    if (work === undefined) return;
    if (work.worker === undefined) this.#end(work); // no thread has begun it, and none will
    else this.#tell(work.worker, { is: 'give-up', number, why });
  }

  #break(number: number, error: AlpcError): void {
    const work = this.#works.get(number);
    if (work === undefined) return;
    work.error = error;
    this.#giveUp(number, error.message);
  }

  #tell(worker: Worker | undefined, word: ToPoolThread): void {
    worker?.postMessage({ alpcRpc: this.#name, word }); // oxlint-disable-line unicorn/require-post-message-target-origin
  }

  /** A thread that is there already may be told as a new one still. */
  #adopt(worker: Worker): void {
    if (this.#adopted.has(worker)) return;
    this.#adopted.add(worker);
    worker.setMaxListeners(0);
    worker.on('message', (told: unknown) => {
      const worded = wordOf<FromPoolThread>(told, this.#name);
      if (worded !== undefined) this.#hear(worker, worded.word);
    });
    worker.on('exit', () => this.#fail(worker));
  }

  #hear(worker: Worker, word: FromPoolThread): void {
    if (word.is === 'failed') return this.#report?.(new Error(word.error));
    const work = this.#works.get(word.number);
    switch (word.is) {
      case 'take':
        if (work === undefined || work.worker !== undefined) return this.#tell(worker, { is: 'gone', number: word.number });
        return this.#give(work, worker);
      case 'answer':
        return work === undefined ? undefined : this.#answer(work, Buffer.from(word.frame.buffer), word.runs);
      case 'frame':
        return work?.stream?.send(Buffer.from(word.frame.buffer));
      case 'send-long':
        if (work?.stream === undefined) return;
        return void work.stream.sendLong(word.flags, Buffer.from(word.frame.buffer), word.runs);
      case 'opened':
        return this.#open(worker, work, word.id);
      case 'closed':
        return this.#close(word.id);
      default:
        work?.conversation.drop(new AlpcError('ERR_ALPC_PROTOCOL', `${work.conversation.port}: ${word.what}`));
    }
  }

  #answer(work: Work, frame: Buffer, runs: readonly Uint8Array[]): void {
    this.#end(work);
    if (work.message === undefined) return;
    const { serving } = work.conversation;
    if (work.error === undefined) serving.relay(work.message, frame, runs);
    else serving.refuse(work.message, work.error, work.stream?.sent);
  }

  #end(work: Work): void {
    if (!this.#works.delete(work.posted.number)) return;
    if (work.isDirect && work.worker !== undefined) this.#pool.keep(work.worker, 'works', -1);
    if (work.message !== undefined) work.conversation.terms.figures.active--;
    if (work.stream !== undefined) {
      work.stream.over();
      work.conversation.close(work.conversation.theirs, numberOf(Buffer.from(work.posted.frame.buffer)));
    }
  }

  /** A thread has opened a context handle. It is the connection's from now on: its end runs it down. */
  #open(worker: Worker, work: Work | undefined, id: string): void {
    const runDown = (): void => {
      this.#close(id);
      this.#tell(worker, { is: 'run-down', id });
    };
    if (work === undefined || work.conversation.isEnded) return this.#tell(worker, { is: 'run-down', id });
    try {
      work.conversation.handles.adopt(id, this, runDown);
      this.#handles.set(id, { worker, conversation: work.conversation });
      this.#pool.keep(worker, 'held', 1);
    } catch (error) {
      work.error = error as AlpcError; // more than the client may hold
      this.#tell(worker, { is: 'run-down', id });
    }
  }

  #close(id: string): void {
    const held = this.#handles.get(id);
    if (held === undefined) return;
    this.#handles.delete(id);
    held.conversation.handles.forget(id);
    this.#pool.keep(held.worker, 'held', -1);
  }

  /** A thread has ended, or (undefined) all have. What it had begun fails; what no thread has taken is offered anew, for its packet may be lost. */
  #fail(worker: Worker | undefined): void {
    for (const work of this.#works.values()) {
      if (worker !== undefined && work.worker === undefined) this.#offerAnew(work);
      else if (work.worker === worker) this.#cut(work);
    }
    for (const [id, held] of this.#handles) if (held.worker === worker) this.#close(id);
  }

  #offerAnew(work: Work): void {
    try {
      this.#offer(work.posted.number);
    } catch {
      this.#cut(work);
    }
  }

  #cut(work: Work): void {
    const { message, conversation, stream, procedure } = work;
    this.#end(work);
    if (message !== undefined) conversation.serving.refuse(message, new AlpcError('ERR_ALPC_CANCELED', `${procedure.offer.interface.name}.${procedure.name}: the thread that served it has ended`), stream?.sent);
  }
}

/** A stream whose handler is in a thread: what comes is held against the credit here, and sent on. */
class RelayedStream implements StreamRelay {
  number = 0;
  readonly #conversation: Conversation;
  readonly #takesItems: boolean;
  readonly #tell: (word: ToPoolThread) => void;
  readonly #fail: (error: AlpcError) => void;
  /** What came before a thread had the work. */
  #early: ToPoolThread[] | undefined = [];
  #received = 0;
  #granted = 0;
  #sent = 0;
  #isOver = false;
  /** Long items of which the thread has not said that they are done with. */
  readonly #long: { readonly until: number; readonly done: () => void }[] = [];

  constructor(conversation: Conversation, takesItems: boolean, tell: (word: ToPoolThread) => void, fail: (error: AlpcError) => void) {
    this.#fail = fail;
    this.#conversation = conversation;
    this.#takesItems = takesItems;
    this.#tell = tell;
  }

  /** Bytes of items that were sent to the client, modulo 2^32. */
  get sent(): number {
    return this.#sent >>> 0;
  }

  /** A thread has the work. */
  begun(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const word of early) this.#tell(word);
  }

  // ---- from the client ---------------------------------------------------------------------------------------------

  hear(frame: Buffer): boolean {
    if (kindOf(frame) === Kind.items) {
      this.#received += frame.length - HEADER;
      if (!this.#takesItems || this.#received - this.#granted > WINDOW) return false;
    }
    this.#pass(frame, undefined);
    return true;
  }

  hearLong(frame: Buffer, item: LongItem): boolean {
    const isWithin = this.#takesItems && this.#received - this.#granted < WINDOW;
    this.#received += item.length;
    if (isWithin) {
      const done = this.#conversation.transfers.charge(item.length);
      if (done === undefined) this.#fail(new AlpcError('ERR_ALPC_QUOTA_EXCEEDED', `an item of ${item.length} bytes does not fit beside what the streams of this client have not read (the limit 'valueLength')`));
      else {
        this.#long.push({ until: this.#received, done });
        this.#pass(frame, own(item.bytes));
      }
    }
    item.release();
    return isWithin;
  }

  giveUp(why: string): void {
    this.#say({ is: 'give-up', number: this.number, why });
  }

  // ---- from the thread ---------------------------------------------------------------------------------------------

  send(frame: Buffer): void {
    if (this.#isOver || this.#conversation.isEnded) return;
    const kind = kindOf(frame);
    if (kind === Kind.items) this.#sent += frame.length - HEADER;
    else if (kind === Kind.credit) {
      this.#granted += extraOf(frame);
      while (this.#long.length > 0 && this.#long[0]!.until <= this.#granted) this.#long.shift()!.done();
    } else if (kind === Kind.stop) this.#granted = Infinity; // what comes is dropped
    this.#conversation.post(frame);
  }

  async sendLong(flags: number, frame: Buffer, runs: readonly Uint8Array[]): Promise<void> {
    const { way } = this.#conversation;
    const streamNumber = numberOf(frame);
    const before = this.#sent;
    this.#sent += extraOf(frame);
    try {
      const isSent = await way.sendLong(flags, streamNumber, frame, runs, () => this.#isOver || this.#conversation.isEnded);
      if (!isSent) this.#sent = before;
      this.#tell({ is: 'long-sent', number: this.number, isSent, error: undefined });
    } catch (error) {
      this.#sent = before;
      this.#tell({ is: 'long-sent', number: this.number, isSent: false, error: (error as Error).message });
    }
  }

  over(): void {
    this.#isOver = true;
    for (const { done } of this.#long.splice(0)) done();
  }

  #pass(frame: Buffer, long: Uint8Array | undefined): void {
    if (this.#granted === Infinity && (long !== undefined || kindOf(frame) === Kind.items)) return;
    this.#say({ is: 'frame', number: this.number, frame: own(frame), long });
  }

  #say(word: ToPoolThread): void {
    if (this.#early === undefined) this.#tell(word);
    else this.#early.push(word);
  }
}
