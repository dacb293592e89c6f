/**
 * The dialogue in which somebody dies: everything that a connection can be used for, once each, as two halves. Each half is
 * told in stages, which name the kill points (kill-points.ts); a half whose other half is gone goes on to its end, so that
 * every call is seen to settle, those of later stages too.
 *
 *   client: connect  send  share    call     receive       reply     leave
 *   server: create   accept  receive  share  reply  send  call     leave
 *
 * What is shared is a view, which comes back when the server has released it, and a file.
 *
 * The server waits for messages of anybody. So a server that outlives its client goes on until a witness has come, who asks
 * whether it is alive, and has left again.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { type ClientPort, connectPort, connectPortSync, type ConnectionPort, createPort, createPortSync, type Message, type ReplyMessage, type RequestMessage, type RequestOptions, type ServerPort } from '../../src/ports/index.js';
import { blockFor, nameOf, numbers } from '../process/expect.js';

export type Half = 'client' | 'server';
export type Form = 'blocking' | 'awaited';

export interface Part {
  readonly half: Half;
  readonly form: Form;
  readonly spin: boolean;
  readonly root: string;
  readonly name: string;
  /** The one who ends the connection. */
  readonly leads: boolean;
}

/** One call: what became of it, and when, in ms on the clock that all processes share. */
export interface Step {
  readonly stage: string;
  readonly outcome: string;
  readonly began: number;
  readonly settled: number;
}

/** The monotonic clock of the machine, in milliseconds. */
export function clock(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** What a half tells while it goes on. */
export interface Ear {
  stage(name: string): void;
  listening(): void;
}

const LIMITS = { ringLength: 4096 };
const MUCH = Buffer.alloc(1500, 'much');
/** Milliseconds for which the server does not read, so that the client has to wait for room. */
const PAUSE = 3;
const SHARED_BYTES = 16_384;

export async function play(part: Part, ear: Ear): Promise<Step[]> {
  const steps = new Steps(ear);
  await (part.half === 'client' ? new ClientHalf(part, steps).play() : new ServerHalf(part, steps, ear).play());
  return steps.taken;
}

/** The calls made so far. */
class Steps {
  readonly taken: Step[] = [];
  readonly #ear: Ear;

  constructor(ear: Ear) {
    this.#ear = ear;
  }

  /** Makes a call, and notes how it settles. Undefined when it fails. */
  async take<T>(stage: string, call: () => T | Promise<T>, describe: (result: T) => string = () => 'done'): Promise<T | undefined> {
    this.#ear.stage(stage);
    return this.#note(stage, call, describe);
  }

  /** Makes a call and does not wait for it; what has become of it is noted some time. */
  start(stage: string, call: () => Promise<unknown>): Promise<unknown> {
    return this.#note(stage, call, () => 'done');
  }

  /** Something that came by itself. */
  told(stage: string, outcome: string): void {
    const now = clock();
    this.taken.push({ stage, outcome, began: 0, settled: now });
  }

  async #note<T>(stage: string, call: () => T | Promise<T>, describe: (result: T) => string): Promise<T | undefined> {
    const began = clock();
    try {
      const called = call();
      const result = called instanceof Promise ? await called : called; // a blocking call settles here and now
      this.taken.push({ stage, outcome: describe(result), began, settled: clock() });
      return result;
    } catch (error) {
      this.taken.push({ stage, outcome: nameOf(error), began, settled: clock() });
      return undefined;
    }
  }
}

class ClientHalf {
  readonly #part: Part;
  readonly #steps: Steps;

  constructor(part: Part, steps: Steps) {
    this.#part = part;
    this.#steps = steps;
  }

  async play(): Promise<void> {
    const { root, name, form, spin, leads } = this.#part;
    const steps = this.#steps;
    const blocking = form === 'blocking';
    const options = { root, data: 'life', limits: LIMITS, spin };
    const port = await steps.take('connect', () => (blocking ? connectPortSync(name, options) : connectPort(name, options)));
    if (port === undefined) return;
    const outstanding = blocking ? [] : numbers(3).map(() => steps.start('outstanding', () => port.request('hold')));
    const post = (data: Uint8Array | string): Promise<unknown> => steps.take('send', () => (blocking ? port.postSync(data) : port.post(data)));
    await post('datagram');
    await post('pause');
    for (const _ of numbers(4)) await post(MUCH);
    await this.#share(port);
    await this.#call(port, 'call', 'question');
    await this.#receiveUntil(port, 'server asks', (request) => steps.take('reply', () => request.reply('answer of the client'), String));
    if (leads) await steps.take('leave', () => port.close());
    else {
      await this.#receiveUntil(port);
      await this.#call(port, 'after', 'is anybody there');
      await this.#receive(port, 'after');
      port.close();
    }
    await Promise.all(outstanding);
  }

  #call(port: ClientPort, stage: string, text: string, options?: RequestOptions): Promise<ReplyMessage | undefined> {
    return this.#steps.take(stage, () => (this.#part.form === 'blocking' ? port.requestSync(text, options) : port.request(text, options)), (reply) => reply.data.toString());
  }

  /** One region, for two views: the second has to wait until the server has released the first. */
  async #share(port: ClientPort): Promise<void> {
    const section = await this.#steps.take('share', () => port.createSection(SHARED_BYTES));
    if (section === undefined) return;
    for (const mark of [1, 2]) {
      const view = await this.#steps.take('share', () => (this.#part.form === 'blocking' ? section.waitForViewSync(SHARED_BYTES) : section.waitForView(SHARED_BYTES)));
      if (view === undefined) break;
      view.bytes.fill(mark);
      await this.#call(port, 'share', 'view', { view, autoRelease: true });
      view.release();
    }
    const file = openSync(process.execPath, 'r');
    await this.#call(port, 'share', 'file', { handles: [file] });
    closeSync(file);
    section.close();
  }

  /** Receives until a request of this text has come, or the last message. */
  async #receiveUntil(port: ClientPort, text?: string, handle?: (request: RequestMessage) => Promise<unknown>): Promise<void> {
    for (;;) {
      const message = await this.#receive(port);
      if (message === undefined || message.type === 'port-closed') return;
      if (message.type === 'request' && message.data.toString() === text) return void (await handle?.(message));
    }
  }

  #receive(port: ClientPort, stage = 'receive'): Promise<Awaited<ReturnType<ClientPort['receive']>> | undefined> {
    return this.#steps.take(stage, () => (this.#part.form === 'blocking' ? port.receiveSync() : port.receive()), (message) => (message.type === 'port-closed' ? `port-closed: ${message.reason}` : message.type));
  }
}

class ServerHalf {
  readonly #part: Part;
  readonly #steps: Steps;
  readonly #ear: Ear;
  readonly #outstanding: Promise<unknown>[] = [];
  #over = false;

  constructor(part: Part, steps: Steps, ear: Ear) {
    this.#part = part;
    this.#steps = steps;
    this.#ear = ear;
  }

  async play(): Promise<void> {
    const { root, name, spin } = this.#part;
    const options = { root, connect: 'ask', limits: LIMITS, spin, accepts: ['view', 'file'] } as const;
    const port = await this.#steps.take('create', () => (this.#blocking ? createPortSync(name, options) : createPort(name, options)));
    if (port === undefined) return;
    this.#ear.stage('accept');
    this.#ear.listening();
    while (!this.#over) await this.#handle(await this.#next(port));
    await this.#steps.take('leave', () => (this.#blocking ? port.closeSync() : port.close()));
    await Promise.all(this.#outstanding);
  }

  get #blocking(): boolean {
    return this.#part.form === 'blocking';
  }

  async #next(port: ConnectionPort): Promise<Message> {
    return this.#blocking ? port.receiveSync() : port.receive();
  }

  async #handle(message: Message): Promise<void> {
    const steps = this.#steps;
    const text = message.data.toString();
    if (message.type === 'connection-request') {
      await steps.take('accept', () => message.accept({ context: text, data: `welcome ${text}` }), (accepted) => (accepted === undefined ? 'gone' : 'accepted'));
      this.#ear.stage('receive');
    } else if (message.portContext === 'witness') {
      if (message.type === 'request') message.reply('alive');
      else this.#over = message.type === 'port-closed';
    } else if (message.type === 'port-closed') {
      this.#steps.told('told', message.reason);
    } else if (message.type === 'datagram' && text === 'pause') blockFor(PAUSE);
    else if (message.type === 'request' && (text === 'view' || text === 'file')) {
      await steps.take('share', () => message.reply(text === 'view' ? lookAt(message) : readFrom(message)), String);
      message.release();
      this.#ear.stage('receive');
    } else if (message.type === 'request' && text === 'question') {
      await steps.take('reply', () => message.reply('answer'), String);
      await this.#turnTo(message.port as ServerPort);
    }
  }

  /** The server's own turn. */
  async #turnTo(client: ServerPort): Promise<void> {
    const steps = this.#steps;
    if (!this.#blocking) this.#outstanding.push(steps.start('outstanding', () => client.request('never answered')));
    await steps.take('send', () => (this.#blocking ? client.postSync('news') : client.post('news')));
    await steps.take('call', () => (this.#blocking ? client.requestSync('server asks') : client.request('server asks')), (reply) => reply.data.toString());
    if (!this.#part.leads) return this.#ear.stage('receive');
    await steps.take('leave', () => client.disconnect());
    this.#over = true;
  }
}

function lookAt({ view }: RequestMessage): string {
  return view!.bytes.every((byte) => byte === view!.bytes[0]) ? 'seen' : 'torn';
}

function readFrom({ handles }: RequestMessage): string {
  const file = handles.take(0);
  try {
    return readSync(file, Buffer.alloc(4)) === 4 ? 'read' : 'empty';
  } finally {
    closeSync(file);
  }
}
