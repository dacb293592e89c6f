/**
 * Processes that act in a test: a compiled test module (see actor.ts for its half), started, talked with, and gone at the end.
 *
 *     import type { News, Order } from './counter-actor.js';
 *
 *     test('...', async (t) => {
 *       const actor = startActor<Order, News>(t, new URL('./counter-actor.js', import.meta.url), ['an argument'], { ALPC_SPIN: '0' });
 *       await actor.until('ready');
 *       actor.send({ type: 'count', to: 3 });
 *       const { last } = await actor.until('counted');    // typed; news of other types are kept for other waits
 *       await actor.kill();                               // SIGKILL, until it is gone; the end of the test does it too
 *     });
 *
 * A wait fails as soon as the process is gone, with its exit and its stderr. A process that ends badly (a signal or an exit
 * code) without having been killed and without anybody looking at `ended` fails the test. A process that lives longer than
 * its watchdog allows (60 s; half an hour in the long form) is killed, and the test fails.
 */
import { type ChildProcess, fork } from 'node:child_process';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ActorMessage } from './actor.js';
import { atEnd } from './at-end.js';
import { times } from './forms.js';

export interface ActorEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ActorOptions {
  /** Milliseconds that it may live; by default 60,000, and half an hour in the long form. */
  watchdog?: number;
  uid?: number;
  gid?: number;
  /** Flags of node. */
  execArgv?: string[];
  /** It works in the process's own thread, where the tests run in worker threads too: one that becomes another user, handles signals, kills itself or never comes back to its event loop. */
  thread?: 'main';
}

interface Wait {
  readonly type: string;
  resolve(news: ActorMessage): void;
  reject(error: Error): void;
}

export function startActor<Order extends ActorMessage, News extends ActorMessage>(t: TestContext, module: URL | string, args: readonly string[] = [], env: Record<string, string> = {}, options: ActorOptions = {}): Actor<Order, News> {
  const actor = new Actor<Order, News>(module, args, env, options);
  atEnd(t, () => actor.finish());
  started.set(t, [...startedIn(t), String(module)]);
  return actor;
}

const started = new WeakMap<TestContext, readonly string[]>();

/** The modules of the processes that the test has started: whatever still runs at its end is killed. */
export function startedIn(t: TestContext): readonly string[] {
  return started.get(t) ?? [];
}

export class Actor<Order extends ActorMessage = ActorMessage, News extends ActorMessage = ActorMessage> {
  readonly child: ChildProcess;
  readonly #name: string;
  readonly #news: News[] = [];
  readonly #waits = new Set<Wait>();
  readonly #ended: Promise<ActorEnd>;
  #end: ActorEnd | undefined;
  #output = '';
  #expected = false;
  #complaint: string | undefined;

  constructor(module: URL | string, args: readonly string[], env: Record<string, string>, options: ActorOptions) {
    const path = fileURLToPath(module);
    this.#name = path.slice(path.lastIndexOf('/') + 1);
    const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
    const { watchdog = times(60_000, 30 * 60_000), execArgv: flags = [], thread, ...identity } = options;
    const preload = thread === 'main' ? undefined : process.env['ALPC_TEST_PRELOAD']; // see in-worker.ts
    const execArgv = preload === undefined ? flags : [...flags, `--import=${preload}`];
    this.child = fork(path, args, { env: { ...inherited, ...env }, execArgv, stdio: ['ignore', 'pipe', 'pipe', 'ipc'], serialization: 'advanced', ...identity });
    for (const stream of [this.child.stdout!, this.child.stderr!]) stream.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    this.child.on('message', (news) => this.#take(news as News));
    const timer = setTimeout(() => this.#bite(watchdog), watchdog);
    this.#ended = new Promise((resolve) => {
      // 'close' comes after 'exit', when the output has been read to its end.
      this.child.once('close', (code, signal) => {
        clearTimeout(timer);
        this.#end = { code, signal };
        for (const wait of this.#waits) wait.reject(this.#gone(wait.type));
        this.#waits.clear();
        resolve(this.#end);
      });
      this.child.on('error', (error) => (this.#complaint = `could not be started or killed: ${error.message}`));
    });
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** What it wrote to stdout and stderr. */
  get output(): string {
    return this.#output;
  }

  /** How it ended. Whoever asks takes any end for a good one. */
  get ended(): Promise<ActorEnd> {
    this.#expected = true;
    return this.#ended;
  }

  /** Resolves when it has ended, whatever the end. Whoever only looks does not take it for a good one. */
  get gone(): Promise<ActorEnd> {
    return this.#ended;
  }

  send(order: Order): void {
    this.child.send(order, () => {}); // whether it was still there, the next wait tells
  }

  /** The next news of this type, come or to come. */
  until<K extends News['type']>(type: K): Promise<Extract<News, { type: K }>> {
    const at = this.#news.findIndex((news) => news.type === type);
    if (at >= 0) return Promise.resolve(this.#news.splice(at, 1)[0] as Extract<News, { type: K }>);
    if (this.#end !== undefined) return Promise.reject(this.#gone(type));
    return new Promise((resolve, reject) => {
      this.#waits.add({ type, resolve: resolve as (news: ActorMessage) => void, reject });
    });
  }

  /** Sends an order and waits for the news that answers it. */
  ask<K extends News['type']>(order: Order, answer: K): Promise<Extract<News, { type: K }>> {
    const wait = this.until(answer);
    this.send(order);
    return wait;
  }

  /** A signal, SIGSTOP or SIGCONT say. */
  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Ends it, at once and without its doing by default, and waits until it is gone. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<ActorEnd> {
    this.#expected = true;
    if (this.#end === undefined) this.child.kill(signal);
    return this.#ended;
  }

  /** The end of the test: the process is gone, and a bad end that nobody looked at is told. */
  async finish(): Promise<void> {
    const wasRunning = this.child.exitCode === null && this.child.signalCode === null;
    if (wasRunning) this.child.kill('SIGKILL');
    const { code, signal } = await this.#ended;
    if (this.#complaint !== undefined) throw new Error(`actor ${this.#name} ${this.#complaint}${this.#report()}`);
    if (!wasRunning && !this.#expected && (code !== 0 || signal !== null)) throw new Error(`actor ${this.#name} ended by itself (${signal ?? `exit code ${code}`})${this.#report()}`);
  }

  #take(news: News): void {
    for (const wait of this.#waits) {
      if (wait.type !== news.type) continue;
      this.#waits.delete(wait);
      wait.resolve(news);
      return;
    }
    this.#news.push(news);
  }

  #bite(milliseconds: number): void {
    this.#complaint = `was still running after ${milliseconds} ms and was killed by its watchdog`;
    this.child.kill('SIGKILL');
  }

  #gone(type: string): Error {
    const how = this.#complaint ?? `ended (${this.#end!.signal ?? `exit code ${this.#end!.code}`})`;
    return new Error(`actor ${this.#name} ${how} before it told '${type}'${this.#report()}`);
  }

  #report(): string {
    const unread = this.#news.length === 0 ? '' : `\nnews that nobody waited for: ${JSON.stringify(this.#news)}`;
    return `${unread}${this.#output === '' ? '' : `\nits output:\n${this.#output}`}`;
  }
}
