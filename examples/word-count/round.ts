/**
 * One round: four clients work through the whole list together, each in a process of its own, until every file is done.
 *
 * If a client is killed, another one is started in its place. The round sees to it that this happens: half way it
 * kills one itself, with SIGKILL, at which a process gets no chance to say or to clean up anything. You may kill more of them
 * from another terminal; the totals stay right. A client that ends by itself before all is done has found something wrong:
 * that is an error, and the job ends with it.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { relative } from 'node:path';
import { Histogram } from './histogram.js';
import type { Processes } from './processes.js';
import type { Screen } from './screen.js';
import type { Totals } from './words.js';
import type { Foreman, Report, WorkList } from './work-list.js';

/** How a client calls: see client.ts. */
export type Kind = 'blocking' | 'awaited' | 'socket';

/** One of the four; the process behind it may change. */
export class Client {
  child: ChildProcess | undefined;
  starts = 0;

  constructor(
    readonly number: number,
    readonly kind: Kind,
  ) {}

  toString(): string {
    return `client ${this.number} (${this.kind}, pid ${this.child?.pid})`;
  }
}

/** What a round came to. */
export interface Outcome {
  readonly totals: Totals;
  /** How long the calls took, by kind. */
  readonly times: ReadonlyMap<Kind, Histogram>;
}

export interface RoundOptions {
  /** For the line that tells how far it is. */
  readonly title: string;
  /** Where the files are; only to show shorter names. */
  readonly directory: string;
  readonly files: readonly string[];
  /** Bytes of text in a piece. */
  readonly pieceLength: number;
  readonly kinds: readonly Kind[];
  /** The number of the client to kill half way, counted from 1. */
  readonly kill?: number;
  /** The socket server's path, for clients of that kind. */
  readonly socket?: string;
}

export class Round implements Foreman<Client> {
  readonly #options: RoundOptions;
  readonly #list: WorkList<Client>;
  readonly #processes: Processes;
  readonly #screen: Screen;
  readonly #clients: Client[];
  readonly #times = new Map<Kind, Histogram>();
  #victim: Client | undefined;
  #bytes = 0;
  #words = 0;

  constructor(list: WorkList<Client>, processes: Processes, screen: Screen, options: RoundOptions) {
    this.#options = options;
    this.#list = list;
    this.#processes = processes;
    this.#screen = screen;
    this.#clients = options.kinds.map((kind, i) => new Client(i + 1, kind));
    this.#victim = this.#clients.find((client) => client.number === options.kill);
    for (const kind of options.kinds) this.#times.set(kind, new Histogram());
  }

  async run(): Promise<Outcome> {
    this.#list.begin(this.#options.files, this);
    await Promise.all(this.#clients.map((client) => this.#keepRunning(client)));
    return { totals: { files: this.#list.done, bytes: this.#bytes, words: this.#words }, times: this.#times };
  }

  /** Starts a client's process, and another one whenever it was killed. Resolves when it ends because all is done. */
  async #keepRunning(client: Client): Promise<void> {
    this.#start(client);
    for (;;) {
      const [code, signal] = (await once(client.child!, 'exit')) as [number | null, string | null];
      if (code === 0) return;
      if (signal !== 'SIGKILL') throw new Error(`${client} ended before all was done (${code ?? signal})`);
      this.#start(client);
    }
  }

  #start(client: Client): void {
    const { pieceLength, socket } = this.#options;
    client.starts++;
    const args = [String(pieceLength), client.kind, ...(socket === undefined ? [] : [socket])];
    client.child = this.#processes.start(`client ${client.number}`, 'client.js', ...args);
  }

  /** Kills the client that was chosen, if it has a file in hand; once. */
  #kill(): void {
    const victim = this.#victim;
    if (victim === undefined || !this.#list.isBusy(victim)) return;
    this.#victim = undefined;
    this.#screen.say(`  main: ${victim} is killed with SIGKILL, with a file in hand`);
    victim.child!.kill('SIGKILL');
  }

  // ---- what the work list tells ------------------------------------------------------------------------------------

  get clients(): number {
    return this.#clients.length;
  }

  clientOf(pid: number): Client | undefined {
    return this.#clients.find((client) => client.child?.pid === pid);
  }

  onJoin(client: Client): void {
    if (client.starts > 1) this.#screen.say(`  main: client ${client.number} is replaced by pid ${client.child!.pid}`);
  }

  onReport(client: Client, report: Report): void {
    this.#bytes += report.bytes;
    this.#words += report.words;
    this.#times.get(client.kind)!.merge(report.times);
    this.#screen.progress(this.#options.title, this.#list.done, this.#list.total);
    // The one to be killed is not the one that reports, so it has been at its file for a while.
    if (client !== this.#victim && this.#list.done * 2 >= this.#list.total) this.#kill();
  }

  onDeath(client: Client, file: string | undefined): void {
    const work = file === undefined ? 'it had nothing in hand' : `${relative(this.#options.directory, file)} goes back on the list`;
    this.#screen.say(`  work list: client ${client.number} died; ${work}`);
  }
}
