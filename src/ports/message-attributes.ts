/**
 * What travels with the messages of one connection besides their bytes, both ways. A message says in its header which attributes it has;
 * they stand behind the header, and descriptors come in packets of their own. A connection that never sees any pays for nothing.
 *
 * A bad attribute fails the whole send: all is checked and prepared before the record is written, and undone when it is not.
 */
import { AlpcError } from '../base/errors.js';
import { attributesLength, ProtocolViolation, RECORD_HEADER, VIEW_ATTRIBUTE } from '../memory/layout.js';
import { SystemError, translate } from '../platform/system.js';
import type { SendOptions } from './communication-port.js';
import type { Connection } from './connection.js';
import { DescriptorPackets } from './descriptor-packets.js';
import { IncomingViews, type ReceivedView } from './incoming-views.js';
import type { Limits } from './limits.js';
import { checkView } from './message-arguments.js';
import { type Attachment, OutgoingViews } from './outgoing-views.js';

export interface ViewFigures {
  /** Views of this side that the peer has not released. */
  readonly viewsOut: number;
  /** Views of the peer that this side holds. */
  readonly heldViews: number;
  /** Bytes of the peer's sections that are mapped here. */
  readonly mappedBytes: number;
  /** Views of the peer that nobody here released, found by the collector. */
  readonly forgottenViews: number;
}

const VIEW_LENGTH = attributesLength(VIEW_ATTRIBUTE)!;
const NO_VIEWS = { heldViews: 0, mappedBytes: 0, forgottenViews: 0 } as const;

export class MessageAttributes {
  readonly #connection: Connection;
  readonly #limits: Limits;
  #packets: DescriptorPackets | undefined;
  #incoming: IncomingViews | undefined;
  #outgoing: OutgoingViews | undefined;

  constructor(connection: Connection, limits: Limits) {
    this.#connection = connection;
    this.#limits = limits;
  }

  get packets(): DescriptorPackets {
    return (this.#packets ??= new DescriptorPackets(this.#connection));
  }

  /** Views that go to the peer. */
  get outgoing(): OutgoingViews {
    return (this.#outgoing ??= new OutgoingViews(this.#connection));
  }

  get figures(): ViewFigures {
    this.#outgoing?.collect();
    return { viewsOut: this.#outgoing?.count ?? 0, ...(this.#incoming?.figures ?? NO_VIEWS) };
  }

  /**
   * What is to travel with a message, checked and prepared: it must be sent or undone. Undefined for nothing.
   * @throws AlpcError ERR_ALPC_INVALID_ARGUMENT, ERR_ALPC_MESSAGE_TOO_LONG, and what `OutgoingViews.attach` throws
   */
  attach(options: SendOptions, dataLength: number): Attachment | undefined {
    const given = checkView(options);
    if (given === undefined) return undefined;
    const connection = this.#connection;
    const { view, autoRelease } = given;
    if (dataLength + VIEW_LENGTH > connection.maxDataLength) {
      throw new AlpcError('ERR_ALPC_MESSAGE_TOO_LONG', `${connection}: a payload of ${dataLength} bytes and a view (${VIEW_LENGTH}) do not fit into a message of at most ${connection.maxDataLength + RECORD_HEADER} bytes, header included`);
    }
    if (!view.region.section.goesThrough(connection)) throw new AlpcError('ERR_ALPC_INVALID_ARGUMENT', `${connection}: ${view} is of another port's section, which is meant for that port's peers`);
    return this.outgoing.attach(view, autoRelease);
  }

  /** The view that came with the record at hand. Undefined when this process has no room for it: then the connection has ended. @throws ProtocolViolation */
  receive(): ReceivedView | undefined {
    try {
      this.#incoming ??= new IncomingViews(this.#connection, this.#limits);
      return this.#incoming.receive(this.#connection.link.reader.block);
    } catch (error) {
      this.#endForWant(error);
      return undefined;
    }
  }

  /** The peer closed a section, or gave up sending it. */
  forgetSection(id: number, packet: number): void {
    if (this.#limits.accepts === 0) throw new ProtocolViolation('a section is forgotten that this side did not take');
    if (this.#incoming !== undefined) this.#incoming.forgetSection(id, packet);
    else this.packets.discard(packet);
  }

  /** Reads one packet from the socket, where descriptors may come: 1 for a bell, and for descriptors that were put aside. */
  hear(): 1 | 'none' | 'end' {
    try {
      const heard = this.packets.hear();
      return heard === 'none' || heard === 'end' ? heard : 1;
    } catch (error) {
      if (error instanceof ProtocolViolation) this.#connection.violate(error);
      else this.#endForWant(error);
      return 'none';
    }
  }

  /** This side has closed the connection: what was received is released. */
  drop(): void {
    this.#incoming?.drop();
  }

  /** The connection has ended, its memory is still there. */
  end(): void {
    this.#outgoing?.end();
    this.#incoming?.end();
    this.#packets?.close();
  }

  /** This process has no room for what the peer may send: the connection can't go on. Passes on what is anything else. */
  #endForWant(error: unknown): void {
    if (!(error instanceof SystemError)) throw error;
    this.#connection.endForWant(translate(error, String(this.#connection)) as Error);
  }
}
