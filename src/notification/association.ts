/**
 * One port's association with a completion port: it takes the port's messages and makes packets of them, as long as there is room.
 * What finds none stays where it is, in the rings, and its senders feel it; a thread that makes room says so.
 *
 * Requests need a token each. One that finds none stands aside, and the messages behind it go on: among them are those that tell of callers who gave
 * up, and so give tokens back. Where too many stand aside, those that come are declined.
 *
 * Connection requests are not made packets: who is let in is decided by the thread that owns the port, from its ordinary queue.
 */
import type { CommunicationPort, ConnectionMessage, Message, RequestMessage } from '../ports/index.js';
import type { Divertible, Feed } from '../ports/diversion.js';
import { Fifo } from '../ports/fifo.js';
import type { Dispatch } from './dispatch.js';
import type { Lane } from './lane.js';
import { TOKENS } from './completion-memory.js';
import { END_REASONS, Kind } from './packet.js';

/** Messages of one port in one turn of the event loop. */
const BATCH = 64;
/** Requests that stood aside and go on, before another port's may. */
const SHARE = 64;
/** Requests of one port that wait for a token. */
const MOST_ASIDE = TOKENS;

export class Association {
  readonly #dispatch: Dispatch;
  readonly #lane: Lane;
  readonly #key: number;
  readonly #feed: Feed<Message>;
  readonly #ordinary = new Fifo<Message>();
  readonly #connections = new WeakMap<CommunicationPort, number>();
  readonly #requests = new WeakSet<RequestMessage>();
  /** Found no room, and was the last that was taken. */
  #stuck: Message | undefined;
  /** Found no token, in their order. */
  readonly #aside = new Fifo<RequestMessage>();
  /** Either has found no room: no message passes it, for a smaller one would take what it needs. */
  #waitsForRoom = false;
  #ended = false;
  #isClosed = false;

  /** @throws AlpcError ERR_ALPC_ALREADY_SET, ERR_ALPC_CLOSED */
  constructor(dispatch: Dispatch, lane: Lane, port: Divertible<Message>, key: number) {
    this.#dispatch = dispatch;
    this.#lane = lane;
    this.#key = key;
    this.#feed = port.divert({
      wants: () => !this.#ended && !this.#waitsForRoom,
      arrived: () => this.#forwardSome(),
      takeOrdinary: () => this.#ordinary.shift(),
      hasOrdinary: () => this.#ordinary.length > 0,
      over: () => this.#close(),
      needsLoop: true,
    });
    this.#feed.demand();
  }

  owns(request: RequestMessage): boolean {
    return this.#requests.has(request);
  }

  /** There may be room again, or a token. Whether there was. */
  goOn(): boolean {
    if (this.#ended) return false;
    const waited = this.#waitsForRoom;
    this.#waitsForRoom = false;
    let any = this.#forwardAside();
    if (this.#stuck !== undefined && !this.#waitsForRoom && this.#forward(this.#stuck)) {
      this.#stuck = undefined;
      any = true;
    }
    if (!waited || this.#waitsForRoom) return any;
    this.#lane.leaveLine(this); // also when what waited has been given up
    this.#feed.demand();
    return true;
  }

  /** Whether all that had been sent to the port has become packets. Looks into every ring, not only of those whose bells have been heard. */
  lookWhetherDrained(): boolean {
    if (this.#ended) return true;
    if (this.#stuck !== undefined || this.#aside.length > 0) return false;
    this.#feed.attend();
    this.#feed.demand();
    return !this.#feed.hasMessages();
  }

  /** The port receives as before. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#feed.release([...this.#aside.clear(), ...(this.#stuck === undefined ? [] : [this.#stuck]), ...this.#ordinary.clear()]);
    this.#stuck = undefined;
    this.#lane.leaveLine(this);
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  #forwardSome(): boolean {
    let count = 0;
    while (count < BATCH && !this.#waitsForRoom) {
      const message = this.#feed.take();
      if (message === undefined) break;
      if (this.#ended) { // by whoever was called while it was read
        this.#letGo(message);
        break;
      }
      count++;
      if (!this.#forward(message)) this.#stuck = message;
    }
    if (count > 0) this.#lane.watch();
    return count > 0;
  }

  /** One that is no packet any more: the port's receivers have it, if there is a port. */
  #letGo(message: Message): void {
    if (!this.#isClosed) this.#feed.release([message]);
    else if (message.type !== 'connection-request') message.release();
  }

  /** False when there is no room. */
  #forward(message: Message): boolean {
    if (message.type === 'connection-request') {
      this.#ordinary.push(message);
      this.#feed.demand();
      return true;
    }
    if (message.type === 'request') return this.#forwardRequest(message);
    if (message.type !== 'canceled') return this.#push(message, 0, 0, message.type === 'port-closed' ? END_REASONS.indexOf(message.reason) : 0);
    if (this.#aside.remove(message.request)) {
      message.request.release(); // nobody sees it
      return true;
    }
    const was = this.#lane.giveUp(message.request);
    if (was === 'held' && !this.#push(message, 0, 0, 0)) return false;
    this.#lane.forget(message.request);
    return true;
  }

  #forwardRequest(request: RequestMessage): boolean {
    if (this.#aside.length === 0) {
      const outcome = this.#issue(request);
      if (outcome !== 'no token') return outcome === 'done';
    }
    if (this.#aside.length < MOST_ASIDE) this.#aside.push(request);
    else {
      request.cancel();
      request.release();
    }
    return true;
  }

  /** Whether any of them went on. */
  #forwardAside(): boolean {
    let count = 0;
    for (let next = this.#aside.peek(); next !== undefined && count < SHARE && this.#issue(next) === 'done'; next = this.#aside.peek()) {
      this.#aside.shift();
      count++;
    }
    return count > 0;
  }

  #issue(request: RequestMessage): 'done' | 'no token' | 'no room' {
    if (!request.isPending) {
      request.release(); // given up while it waited
      return 'done';
    }
    const issued = this.#lane.issue(request);
    if (issued === undefined) return 'no token';
    this.#requests.add(request);
    if (this.#push(request, issued.token, issued.generation, request.port.maxDataLength)) return 'done';
    this.#lane.withdraw(issued.token);
    return 'no room';
  }

  #push(message: ConnectionMessage, token: number, generation: number, detail: number): boolean {
    const { pid, uid, gid } = message.sender;
    const callbackId = message.type === 'request' ? message.callbackId : 0;
    const fields = [Kind[message.type], this.#key, this.#lane.lane, token, generation, message.id, callbackId, message.sequence, this.#connectionOf(message.port), pid, uid, gid, detail];
    if (!this.#lane.isTurnOf(this) || !this.#dispatch.push(fields, message.data, message.dataLength, this.#lane.lane)) {
      this.#waitsForRoom = true;
      this.#lane.standInLine(this);
      return false;
    }
    this.#lane.leaveLine(this);
    message.giveBackData();
    message.release(); // packets carry bytes alone, and nobody here would release its view
    return true;
  }

  #connectionOf(port: CommunicationPort): number {
    let number = this.#connections.get(port);
    if (number === undefined) this.#connections.set(port, (number = this.#lane.nextConnection()));
    return number;
  }

  #close(): void {
    this.#ended = this.#isClosed = true;
    this.#stuck = undefined;
    this.#aside.clear();
    this.#lane.remove(this);
  }
}
