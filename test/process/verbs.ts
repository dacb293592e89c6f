/**
 * What the servers of these tests do, told by the request itself: 'verb argument'. So a test reads as a dialogue, and the
 * same server serves in a process of its own (actors/server.ts), in a worker thread, or in the test's own thread.
 *
 *   echo x           answers x                        hold x       keeps it, unanswered
 *   who              answers who asks, as the kernel says: 'uid gid groups'
 *   context          answers its portContext          release      answers all that are held, last first, then itself
 *   later ms x       answers x after a while          stall f x    stops its thread until the file f is there
 *   push n x         posts 'x 0' ... to the client,   decline      answers with `cancel`
 *                    then answers                     journal n    answers with what was seen so far, from entry n on, a
 *                                                                  page of it as JSON; is not in the journal itself
 *   nothing          answers with nothing, and is not in the journal; nor is a datagram of that text, nor
 *                    the datagram 'chew', which takes the server longer to take than a client to send
 *   large n          answers with n bytes             die, last x  ends its process by SIGKILL; by process.exit, once it
 *                                                                  has answered x
 *   detach x         calls the client back with x, and answers at once; the outcome comes into the journal as 'called back'
 *   ask how x        sends the client request x       call n x     calls the client back with 'call n-1 x' until n is 0,
 *                    and answers with the outcome                  then answers x; blocking
 *   callback how x   the same as a callback
 */
import { existsSync } from 'node:fs';
import type { Message, RequestMessage } from '../../src/ports/index.js';
import { blockFor, outcomeOf, outcomeOfSync } from './expect.js';

function chew(): void {
  const end = performance.now() + 0.03;
  while (performance.now() < end);
}

/** Entries of the journal that fit into a message. */
export const PAGE = 200;

/** One thing that the server saw or did. */
export interface Entry {
  /** A message's type, or 'answered'. */
  readonly what: string;
  readonly text: string;
  readonly context?: unknown;
  readonly sequence?: number;
  /** Of an answer: what `reply` said. Of a `port-closed`: its reason. */
  readonly outcome?: string;
  /** Of a `canceled`: whether the request's signal had aborted. */
  readonly aborted?: boolean;
}

export class Verbs {
  readonly journal: Entry[] = [];
  readonly held: RequestMessage[] = [];

  readonly handle = (message: Message): void => {
    const text = message.data.toString();
    if (text.startsWith('journal ') && message.type === 'request') {
      const from = Number(text.split(' ')[1]);
      return void message.reply(JSON.stringify(this.journal.slice(from, from + PAGE)));
    }
    if (text === 'nothing') return message.type === 'request' ? void message.reply('') : undefined;
    if (text === 'chew') return chew();
    this.#note(message, text);
    if (message.type === 'request') this.#act(message, text);
  };

  #note(message: Message, text: string): void {
    const context = message.type === 'connection-request' ? undefined : message.portContext;
    const entry = { what: message.type, text, ...(context === undefined ? {} : { context }), sequence: message.sequence };
    if (message.type === 'canceled') this.journal.push({ ...entry, text: message.request.data.toString(), aborted: message.request.signal.aborted });
    else if (message.type === 'port-closed') this.journal.push({ ...entry, outcome: message.reason });
    else this.journal.push(entry);
  }

  #act(message: RequestMessage, text: string): void {
    const [verb, argument = '', ...rest] = text.split(' ');
    const all = text.slice(verb!.length + 1);
    const last = rest.join(' ');
    switch (verb) {
      case 'echo':
        return this.#answer(message, all);
      case 'who':
        return this.#answer(message, `${message.sender.uid} ${message.sender.gid} ${message.sender.groups.join(',')}`);
      case 'context':
        return this.#answer(message, String(message.portContext));
      case 'hold':
        return void this.held.push(message);
      case 'release':
        for (const request of this.held.splice(0).toReversed()) this.#answer(request, request.data.toString());
        return this.#answer(message, 'released');
      case 'later':
        return void setTimeout(() => this.#answer(message, last), Number(argument));
      case 'stall':
        while (!existsSync(argument)) blockFor(1);
        return this.#answer(message, last);
      case 'large':
        return this.#outcome(message, message.reply(Buffer.alloc(Number(argument), 0x61)));
      case 'die':
        return void process.kill(process.pid, 'SIGKILL');
      case 'last':
        this.#answer(message, all);
        return process.exit();
      case 'push':
        for (let index = 0; index < Number(argument); index++) message.port.tryPost(`${last} ${index}`);
        return this.#answer(message, 'pushed');
      case 'decline':
        return this.#outcome(message, message.cancel());
      case 'ask':
        if (argument === 'blocking') return this.#answer(message, outcomeOfSync(() => message.port.requestSync(last)));
        return void outcomeOf(message.port.request(last)).then((outcome) => this.#answer(message, outcome));
      case 'detach':
        void outcomeOf(message.callback(all)).then((outcome) => this.journal.push({ what: 'called back', text: all, outcome }));
        return this.#answer(message, 'detached');
      case 'callback':
        if (argument === 'blocking') return this.#answer(message, outcomeOfSync(() => message.callbackSync(last)));
        return void outcomeOf(message.callback(last)).then((outcome) => this.#answer(message, outcome));
      case 'call':
        if (argument === '0') return this.#answer(message, last);
        return this.#answer(message, outcomeOfSync(() => message.callbackSync(`call ${Number(argument) - 1} ${last}`, { onCallback: this.handle })));
      default:
        throw new Error(`no server of these tests knows '${text}'`);
    }
  }

  #answer(message: RequestMessage, text: string): void {
    this.#outcome(message, message.reply(text));
  }

  #outcome(message: RequestMessage, outcome: string): void {
    this.journal.push({ what: 'answered', text: message.data.toString(), outcome });
  }
}
