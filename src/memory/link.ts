/**
 * A link: both outboxes of a connection and the socket between them, seen from one side. It knows how to publish,
 * consume, ring and prepare for sleep; what the records mean is for the ports to say.
 *
 * The socket is rung only for a peer that said that it sleeps. Everything else is memory.
 */
import type { MessageData } from '../base/arguments.js';
import { ringBell } from '../platform/unix-socket.js';
import { Ringer, Sleeper } from './doorbell.js';
import { Control } from './layout.js';
import type { Outbox } from './outbox.js';
import { RingReader, RingWriter } from './ring.js';

export class Link {
  readonly own: Outbox;
  readonly peer: Outbox;
  readonly writer: RingWriter;
  readonly reader: RingReader;
  /** Whether the last record found the peer asleep. */
  rang = false;
  /** A bell could not be rung, for want of memory in the kernel: until it is, this side must not rest. */
  owesBell = false;
  /** That has just happened: somebody must see to it. */
  onBellOwed: () => void = () => {};
  readonly #socket: number;
  readonly #forData: Sleeper;
  readonly #forSpace: Sleeper;
  readonly #peerForData: Ringer;
  readonly #peerForSpace: Ringer;
  /** There are these from the first wait for a view on, of one side or the other. */
  #forViews: Sleeper | undefined;
  #peerForViews: Ringer | undefined;
  #bells = 0;

  /** `socket` is where the peer's bell hangs; it belongs to the caller. `maxMessageLength` is this side's limit for what it reads. */
  constructor(own: Outbox, peer: Outbox, socket: number, maxMessageLength: number) {
    this.own = own;
    this.peer = peer;
    this.#socket = socket;
    this.writer = new RingWriter(own, peer);
    this.reader = new RingReader(own, peer, maxMessageLength);
    this.#forData = new Sleeper(own, Control.dataSleep);
    this.#forSpace = new Sleeper(own, Control.spaceSleep);
    this.#peerForData = new Ringer(peer, Control.dataSleep);
    this.#peerForSpace = new Ringer(peer, Control.spaceSleep);
  }

  /** Publishes a record and wakes the peer if it sleeps. False when there is no room. */
  send(type: number, messageId: number, callbackId: number, status: number, data: MessageData | undefined, dataLength: number, attributes?: number, block?: Int32Array): boolean {
    if (!this.writer.write(type, messageId, callbackId, status, data, dataLength, attributes, block)) return false;
    this.rang = this.#peerForData.owes();
    if (this.rang) this.#ring(this.#peerForData);
    return true;
  }

  /** Done with the record that `reader.next` found; wakes a peer that waits for room. */
  release(): void {
    if (this.reader.release() && this.#peerForSpace.owes()) this.#ring(this.#peerForSpace);
  }

  /** Prepares to sleep until the peer publishes. False: something is there already, stay awake. */
  armForData(): boolean {
    this.reader.publish(); // whoever looks for a circle of sleepers asks what has been consumed
    this.#forData.arm();
    if (!this.reader.hasData()) return true;
    this.#forData.disarm();
    return false;
  }

  /** Prepares to sleep until there is room to go on with `dataLength` bytes. False: there is already. */
  armForSpace(dataLength: number): boolean {
    this.#forSpace.arm();
    if (!this.writer.hasRoomToGoOn(dataLength)) return true;
    this.#forSpace.disarm();
    return false;
  }

  /** The socket where the peer's bell hangs: packets of descriptors go there too. */
  get bellSocket(): number {
    return this.#socket;
  }

  /** To be called after a view was released: wakes a peer that waits for one. */
  ringForViews(): void {
    this.#peerForViews ??= new Ringer(this.peer, Control.viewSleep);
    if (this.#peerForViews.owes()) this.#ring(this.#peerForViews);
  }

  /** Prepares to sleep until the peer releases a view. Look once more then. */
  armForViews(): void {
    this.#forViews ??= new Sleeper(this.own, Control.viewSleep);
    this.#forViews.arm();
  }

  disarmForViews(): void {
    this.#forViews?.disarm();
  }

  /** Rings what could not be rung. True when nothing is owed any more. */
  payBells(): boolean {
    this.owesBell = false;
    for (const ringer of [this.#peerForData, this.#peerForSpace, this.#peerForViews]) if (!this.owesBell && ringer?.owes() === true) this.#ring(ringer);
    return !this.owesBell;
  }

  disarm(): void {
    this.#forData.disarm();
  }

  disarmForSpace(): void {
    this.#forSpace.disarm();
  }

  get isArmed(): boolean {
    return this.#forData.isArmed;
  }

  /**
   * Lets go of the memory of both sides. The socket is its owner's to close. Whoever still holds the link finds an empty ring to read
   * and a full one to write to: the memory may be another connection's by then.
   */
  close(): void {
    this.own.close();
    this.peer.close();
    this.writer.close();
    this.reader.close();
  }

  /** A full socket means that the peer has bells unread, a gone one that it needs none: both are as good as rung. */
  #ring(ringer: Ringer): void {
    if (ringBell(this.#socket) !== 'failed') this.own.words[Control.bellsRung] = ++this.#bells;
    else {
      ringer.failed();
      this.owesBell = true;
      this.onBellOwed();
    }
  }
}
