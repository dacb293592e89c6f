/**
 * The work list: a second port, `\RPC Control\worklist`, where clients report what they have counted and get the next file.
 *
 * One request does both, "this is what I found, what is next?", so there is no moment at which a file is finished and not
 * reported. A file is therefore always in one of three places: on the list, in the hand of one client, or done. When a
 * client dies, the port receives what that client had still sent, then `port-closed`; what it holds then goes back on the list.
 * That is all it takes to lose nothing and to count nothing twice.
 *
 * The port is made with `connect: 'ask'`: each newcomer is announced by a message, and is accepted or turned away. Here only
 * processes that were started for the job get in, known by the process id that the kernel gives. What `accept` is given as
 * `context` comes back as `message.portContext` with each message of that client.
 */
import { type ConnectionPort, type ConnectionRequestMessage, createPort, type PortClosedMessage, type RequestMessage } from '../../src/index.js';
import type { HistogramData } from './histogram.js';

export const WORK_LIST = '\\RPC Control\\worklist';

/** What a client found out about a file. */
export interface Report {
  readonly bytes: number;
  readonly words: number;
  /** How long its calls to the server took. */
  readonly times: HistogramData;
}

/** What a client sends, as JSON: a report, but for its first request. */
export interface Ask {
  readonly report?: Report;
}

/** What it gets: the next file, or none when all is done. */
export interface Task {
  readonly file?: string;
}

/** Who works through the list, and wants to know what happens. */
export interface Foreman<Client> {
  /** How many clients must be there before the first file is given out, so that all begin at once. */
  readonly clients: number;
  /** The client that this process is; undefined for a stranger. */
  clientOf(pid: number): Client | undefined;
  /** A client has been let in. */
  onJoin(client: Client): void;
  /** A file is done. */
  onReport(client: Client, report: Report): void;
  /** A client died; `file` is what it had in hand. */
  onDeath(client: Client, file: string | undefined): void;
}

/** One connection: which client it is, and what it has in hand. */
interface Hand<Client> {
  readonly client: Client;
  file?: string | undefined;
}

export class WorkList<Client> {
  readonly #port: ConnectionPort;
  #foreman: Foreman<Client> | undefined;
  /** What is to be given out, the next one at the end. */
  #files: string[] = [];
  #hands = new Set<Hand<Client>>();
  /** Requests that are not answered yet, because there is nothing to give out at the moment. */
  #waiting: RequestMessage[] = [];
  #begun = false;
  done = 0;
  total = 0;

  static async open<Client>(): Promise<WorkList<Client>> {
    return new WorkList(await createPort(WORK_LIST, { connect: 'ask' }));
  }

  private constructor(port: ConnectionPort) {
    this.#port = port;
    port.on('message', (message) => {
      if (message.type === 'connection-request') this.#decide(message);
      else if (message.type === 'request') this.#serve(message, message.portContext as Hand<Client>);
      else if (message.type === 'port-closed') this.#takeBack(message, message.portContext as Hand<Client>);
    });
  }

  /** Begins with a list of files, and the clients that this foreman knows. */
  begin(files: readonly string[], foreman: Foreman<Client>): void {
    this.#files = [...files].toReversed();
    this.#foreman = foreman;
    this.#begun = false;
    this.done = 0;
    this.total = files.length;
  }

  /** Whether this client has a file in hand. */
  isBusy(client: Client): boolean {
    for (const hand of this.#hands) if (hand.client === client && hand.file !== undefined) return true;
    return false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#port.close();
  }

  #decide(message: ConnectionRequestMessage): void {
    const client = this.#foreman?.clientOf(message.sender.pid);
    if (client === undefined) return message.reject({ data: 'this list is for the clients of one job' });
    const hand: Hand<Client> = { client };
    if (message.accept({ context: hand }) === undefined) return; // it died while it waited to be let in
    this.#hands.add(hand);
    this.#foreman!.onJoin(client);
  }

  #serve(message: RequestMessage, hand: Hand<Client>): void {
    const { report } = JSON.parse(message.data.toString()) as Ask;
    if (report !== undefined) {
      hand.file = undefined;
      this.done++;
      this.#foreman!.onReport(hand.client, report);
    }
    this.#waiting.push(message);
    this.#giveOut();
  }

  /** Answers whoever can be answered now. A blocked client stays blocked until then, with no time of anybody used for it. */
  #giveOut(): void {
    this.#begun ||= this.#waiting.length === this.#foreman!.clients;
    if (!this.#begun) return;
    while (this.#waiting.length > 0 && (this.#files.length > 0 || this.done === this.total)) {
      const message = this.#waiting.shift()!;
      const file = this.#files.pop();
      (message.portContext as Hand<Client>).file = file;
      const task: Task = file === undefined ? {} : { file };
      message.reply(JSON.stringify(task));
    }
  }

  #takeBack(message: PortClosedMessage, hand: Hand<Client>): void {
    this.#hands.delete(hand);
    this.#waiting = this.#waiting.filter((waiting) => waiting.portContext !== hand);
    if (message.reason === 'died') this.#foreman!.onDeath(hand.client, hand.file);
    if (hand.file === undefined) return;
    this.#files.push(hand.file);
    this.#giveOut();
  }
}
