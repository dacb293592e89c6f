/**
 * Handles that go to the peer: descriptors in a packet of their own, sent before the record that names it. From then on they are the
 * kernel's, and this side's may be closed. Before anything is sent it is held against what the peer says that it takes, so whoever sends
 * what is not taken hears of it, and nothing is delivered.
 *
 *   SYNC handle.done: the receiver's store says how many it took or closed; the sender's load sees it, and may send as many more.
 */
import { AlpcError } from '../base/errors.js';
import { acceptBit, Attribute, Control, HANDLE_FIELDS, HANDLE_KINDS, HandleWords, MAX_HANDLES, MAX_HANDLES_A_MESSAGE, ProtocolViolation, RecordType } from '../memory/layout.js';
import { closeDescriptor } from '../platform/system.js';
import type { AttachmentPart } from './attachment.js';
import type { Connection } from './connection.js';
import { type HandleToSend, handleToSend, type ReducedHandle, type Sendable } from './handles-to-send.js';

export class OutgoingHandles {
  readonly #connection: Connection;
  /** What the peer takes, as it said when the connection was made. */
  readonly #accepts: number;
  readonly #max: number;
  #sent = 0;
  #done = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
    const { words } = connection.link.peer;
    this.#accepts = words[Control.accepts]!;
    this.#max = Math.min(words[Control.maxHandles]! >>> 0, MAX_HANDLES);
  }

  /** Descriptors that the peer has neither taken nor closed. */
  get count(): number {
    return this.#sent - this.#done;
  }

  /**
   * Sends the descriptors ahead of their record.
   * @throws AlpcError ERR_ALPC_INVALID_ARGUMENT, ERR_ALPC_NOT_ACCEPTED, ERR_ALPC_QUOTA_EXCEEDED, ERR_ALPC_ACCESS_DENIED, ERR_ALPC_INSUFFICIENT_RESOURCES, ERR_ALPC_DISCONNECTED
   */
  attach(values: readonly (Sendable | ReducedHandle)[]): AttachmentPart {
    const handles: HandleToSend[] = [];
    try {
      for (const [index, value] of values.entries()) {
        const handle = handleToSend(value, `options.handles[${index}]`);
        handles.push(handle);
        this.#checkKind(handle, index);
      }
      this.#checkRoom(handles.length);
      return this.#send(handles);
    } finally {
      for (const { fd, isOwned } of handles) if (isOwned) closeDescriptor(fd);
    }
  }

  /** Sees what the peer is done with. The connection ends when that can't be. */
  collect(): void {
    if (this.#connection.state !== 'open') return;
    const news = (Atomics.load(this.#connection.link.peer.words, Control.handlesDone) - this.#done) >>> 0; // SYNC handle.done
    if (news <= this.count) this.#done += news;
    else this.#connection.violate(new ProtocolViolation(`the peer says that it is done with ${news} descriptors, it has ${this.count}`));
  }

  /** The connection has ended: nothing of this side's is out any more. */
  end(): void {
    this.#done = this.#sent;
  }

  #send(handles: readonly HandleToSend[]): AttachmentPart {
    const connection = this.#connection;
    const packet = connection.attributes.packets.send(handles.map(({ fd }) => fd), handles.map(({ kind }) => HANDLE_KINDS[kind]));
    this.#sent += handles.length;
    this.#connection.link.own.words[Control.sentHandles] = this.#sent;
    const words = new Int32Array(HANDLE_FIELDS.length);
    words[HandleWords.packet] = packet;
    words[HandleWords.count] = handles.length;
    const undo = (): void => {
      if (connection.state === 'open') connection.outbound.transmitOrQueue(RecordType.forget, 0, packet, 0, undefined, 0);
    };
    return { attribute: Attribute.handle, words, undo };
  }

  #checkKind({ kind }: HandleToSend, index: number): void {
    if ((this.#accepts & acceptBit(kind)) !== 0) return;
    const connection = this.#connection;
    throw new AlpcError('ERR_ALPC_NOT_ACCEPTED', `${connection}: the peer (${connection.peer}) takes no ${kind}, which options.handles[${index}] is; it must say so in its option 'accepts'`);
  }

  #checkRoom(count: number): void {
    const connection = this.#connection;
    this.collect();
    if (connection.state !== 'open') throw connection.closedError();
    if (count > MAX_HANDLES_A_MESSAGE || this.count + count > this.#max) {
      throw new AlpcError('ERR_ALPC_QUOTA_EXCEEDED', `${connection}: ${count} handles are too many; the peer (${connection.peer}) holds ${this.count} and takes ${this.#max}, a message carries ${MAX_HANDLES_A_MESSAGE}`);
    }
  }
}
