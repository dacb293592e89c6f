/**
 * What travels with the messages of one connection besides their bytes, both ways. A message says in its header which attributes it has;
 * they stand behind the header, and descriptors come in packets of their own. A connection that never sees any pays for nothing.
 *
 * A bad attribute fails the whole send: all is checked and prepared before the record is written, and undone when it is not.
 */
import { AlpcError } from '../base/errors.js';
import { Attribute, attributesLength, attributeStart, HandleWords, ProtocolViolation, RECORD_HEADER } from '../memory/layout.js';
import { DIRECT_ROW, ReleaseWriter } from '../memory/releases.js';
import { SystemError, translate } from '../platform/system.js';
import { AccessToken } from './access-token.js';
import { Arrival } from './arrival.js';
import { Attachment, type AttachmentPart } from './attachment.js';
import type { AttributeFigures, SendOptions } from './communication-port.js';
import type { Connection } from './connection.js';
import { DirectMessages, ReceivedDirect } from './direct.js';
import { DescriptorPackets } from './descriptor-packets.js';
import { IncomingHandles, type ReceivedHandles } from './incoming-handles.js';
import { IncomingViews } from './incoming-views.js';
import type { Limits } from './limits.js';
import { checkHandles, checkView } from './message-arguments.js';
import { OutgoingHandles } from './outgoing-handles.js';
import { OutgoingViews } from './outgoing-views.js';
import type { ReceivedView } from './received-view.js';
import { attachReserve, ResourceReserve, ResourceReserves } from './resource-reserve.js';
import { attachSecurity, ReceivedSecurity, SecurityContexts } from './security.js';
import { attachWork, receiveWork } from './work-ticket.js';

/** Their descriptors go ahead of the record, on the socket. */
const NEED_DESCRIPTORS = Attribute.view | Attribute.handle;
const NO_VIEWS = { heldViews: 0, mappedBytes: 0, forgottenViews: 0 } as const;
const NO_HANDLES = { heldHandles: 0, forgottenHandles: 0 } as const;

/** There is each part from its first use on. */
export class MessageAttributes {
  readonly #connection: Connection;
  readonly #limits: Limits;
  #contexts: SecurityContexts | undefined;
  #directMessages: DirectMessages | undefined;
  #directTeller: ReleaseWriter | undefined;
  #reserves: ResourceReserves | undefined;
  #token: AccessToken | undefined;
  #packets: DescriptorPackets | undefined;
  #incomingViews: IncomingViews | undefined;
  #outgoingViews: OutgoingViews | undefined;
  #incomingHandles: IncomingHandles | undefined;
  #outgoingHandles: OutgoingHandles | undefined;

  constructor(connection: Connection, limits: Limits) {
    this.#connection = connection;
    this.#limits = limits;
  }

  get packets(): DescriptorPackets {
    return (this.#packets ??= new DescriptorPackets(this.#connection));
  }

  /** Views that go to the peer. */
  get outgoing(): OutgoingViews {
    return (this.#outgoingViews ??= new OutgoingViews(this.#connection));
  }

  /** Everything that the kernel says of the peer. */
  get token(): AccessToken {
    return (this.#token ??= new AccessToken(this.#connection));
  }

  /** Security contexts of this side. */
  get contexts(): SecurityContexts {
    return (this.#contexts ??= new SecurityContexts(this.#connection));
  }

  /** Room that this side keeps for messages that must find it. */
  get reserves(): ResourceReserves {
    return (this.#reserves ??= new ResourceReserves(this.#connection));
  }

  /** Whether messages that were received hold views or descriptors. */
  get holdsAny(): boolean {
    return (this.#incomingViews?.figures.heldViews ?? 0) + (this.#incomingHandles?.figures.heldHandles ?? 0) > 0;
  }

  get figures(): AttributeFigures {
    this.#outgoingViews?.collect();
    this.#outgoingHandles?.collect();
    return {
      viewsOut: this.#outgoingViews?.count ?? 0,
      ...(this.#incomingViews?.figures ?? NO_VIEWS),
      handlesOut: this.#outgoingHandles?.count ?? 0,
      ...(this.#incomingHandles?.figures ?? NO_HANDLES),
      reservedBytes: this.#reserves?.bytes ?? 0,
    };
  }

  /**
   * Whether there is room now for a message with these. Descriptors go ahead of their record, and a secure view is frozen for good: where
   * nobody waits for room that is asked for first. True for what is too long: `attach` says so. @throws AlpcError ERR_ALPC_INVALID_ARGUMENT
   */
  mayAttach(options: SendOptions, dataLength: number): boolean {
    if (options.reserve instanceof ResourceReserve) return !options.reserve.isOutOn(this.#connection);
    const bits = bitsOf(options);
    const length = dataLength + attributesLength(bits)!;
    return (bits & NEED_DESCRIPTORS) === 0 || length > this.#connection.maxDataLength || this.#connection.outbound.hasRoom(length);
  }

  /**
   * What is to travel with a message, checked and prepared: it must be sent or undone. Undefined for nothing.
   * @throws AlpcError ERR_ALPC_INVALID_ARGUMENT, ERR_ALPC_MESSAGE_TOO_LONG, and what the parts' `attach` throw; then nothing is prepared
   */
  attach(options: SendOptions, dataLength: number): Attachment | undefined {
    const view = checkView(options);
    const handles = checkHandles(options);
    const { security, workOnBehalfOf, reserve, direct } = options;
    const bits = bitsOf(options);
    if (bits === 0 && reserve === undefined) return undefined;
    const connection = this.#connection;
    const length = attributesLength(bits)!;
    if (dataLength + length > connection.maxDataLength) {
      throw new AlpcError('ERR_ALPC_MESSAGE_TOO_LONG', `${connection}: a payload of ${dataLength} bytes and ${view === undefined ? 'attributes' : 'a view'} (${length}) do not fit into a message of at most ${connection.maxDataLength + RECORD_HEADER} bytes, header included`);
    }
    if (view !== undefined && !view.view.region.section.goesThrough(connection)) throw new AlpcError('ERR_ALPC_INVALID_ARGUMENT', `${connection}: ${view.view} is of another port's section, which is meant for that port's peers`);
    const parts: AttachmentPart[] = [];
    try {
      if (reserve !== undefined) parts.push(attachReserve(connection, reserve, dataLength + length, (bits & NEED_DESCRIPTORS) !== 0));
      if (security !== undefined) parts.push(attachSecurity(connection, security));
      if (workOnBehalfOf !== undefined) parts.push(attachWork(connection, workOnBehalfOf));
      if (direct !== undefined) parts.push((this.#directMessages ??= new DirectMessages(connection)).attach(direct));
      // A view comes last: a secure one is frozen by that.
      if (handles !== undefined) parts.push((this.#outgoingHandles ??= new OutgoingHandles(connection)).attach(handles));
      if (view !== undefined) parts.push(this.outgoing.attach(view.view, view.autoRelease));
      return new Attachment(parts, reserve !== undefined);
    } catch (error) {
      for (const part of parts) part.undo?.();
      throw error;
    }
  }

  /** What came with the record at hand. Undefined when this process has no room for it: then the connection has ended. @throws ProtocolViolation */
  receive(): Arrival | undefined {
    let handles: ReceivedHandles | undefined;
    try {
      const { attributes, block } = this.#connection.link.reader;
      if (attributes === Attribute.view) return new Arrival(this.#receiveView(block), undefined, undefined, undefined, undefined); // what is most often there, alone
      const security = this.#receive(Attribute.security, (block) => new ReceivedSecurity(block, this.#limits.accepts));
      const direct = this.#receive(Attribute.direct, (block) => new ReceivedDirect(this.#connection, (this.#directTeller ??= new ReleaseWriter(this.#connection.link.own, DIRECT_ROW)), block));
      const work = this.#receive(Attribute.work, (block) => receiveWork(this.#connection, block, this.#limits.accepts));
      handles = this.#receive(Attribute.handle, (block) => this.#receiveHandles(block));
      return new Arrival(this.#receive(Attribute.view, (block) => this.#receiveView(block)), handles, security, work, direct);
    } catch (error) {
      handles?.release();
      this.#endForWant(error);
      return undefined;
    }
  }

  /** The peer will not use what a packet of descriptors brought: it closed the section, or gave up a message. */
  forget(section: number, packet: number): void {
    if (this.#limits.accepts === 0) throw new ProtocolViolation('a section is forgotten that this side did not take');
    const handles = this.packets.discard(packet);
    if (handles > 0) this.#handles.tellDone(handles);
    this.#incomingViews?.forgetSection(section);
  }

  /** Sees what the peer has released, and which messages it has taken. Whether there was anything. */
  collect(): boolean {
    const views = this.#outgoingViews?.collect() === true;
    return this.#directMessages?.collect() === true || views;
  }

  /** Asks to be rung when the peer tells of anything of that. False: it has. */
  arm(): boolean {
    const { link } = this.#connection;
    link.armForViews();
    if (this.#outgoingViews?.hasNews() !== true && this.#directMessages?.hasNews() !== true) return true;
    link.disarmForViews();
    return false;
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
    this.#incomingViews?.drop();
    this.#incomingHandles?.drop();
  }

  /** The connection has ended, its memory is still there. */
  end(peerReadsOn: boolean): void {
    this.#directMessages?.end();
    this.#outgoingViews?.end(peerReadsOn);
    this.#outgoingHandles?.end();
    this.#incomingViews?.end();
    this.#packets?.close();
  }

  get #handles(): IncomingHandles {
    return (this.#incomingHandles ??= new IncomingHandles(this.#connection, this.#limits));
  }

  /** What one attribute of the record at hand says, if it is there. */
  #receive<T>(bit: number, read: (block: Int32Array) => T): T | undefined {
    const { attributes, block } = this.#connection.link.reader;
    if ((attributes & bit) === 0) return undefined;
    const start = attributeStart(attributes, bit);
    return read(start === 0 ? block : block.subarray(start));
  }

  #receiveHandles(block: Int32Array): ReceivedHandles {
    const count = block[HandleWords.count]!;
    return this.#handles.receive(this.packets.claim(block[HandleWords.packet]!), count);
  }

  #receiveView(block: Int32Array): ReceivedView {
    this.#incomingViews ??= new IncomingViews(this.#connection, this.#limits);
    return this.#incomingViews.receive(block);
  }

  /** This process has no room for what the peer may send: the connection can't go on. Passes on what is anything else. */
  #endForWant(error: unknown): void {
    if (!(error instanceof SystemError)) throw error;
    this.#connection.endForWant(translate(error, String(this.#connection)) as Error);
  }
}

/** The attributes that a message with these has. @throws AlpcError ERR_ALPC_INVALID_ARGUMENT */
function bitsOf(options: SendOptions): number {
  const { view, security, direct, workOnBehalfOf } = options;
  const bit = (attribute: number, value: unknown): number => (value === undefined ? 0 : attribute);
  return bit(Attribute.view, view) | bit(Attribute.handle, checkHandles(options)) | bit(Attribute.security, security) | bit(Attribute.direct, direct) | bit(Attribute.work, workOnBehalfOf);
}
