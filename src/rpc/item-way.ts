/** How the items of streams get to the other side of a conversation: in datagrams; long ones by view, or in parts where the peer has as many views as it takes. */
import { AlpcError } from '../base/errors.js';
import type { Conversation } from './conversation.js';
import { Flag, header, Kind, kindOf } from './frame.js';
import { joinLarge } from './large-values.js';
import type { ItemWay } from './outflow.js';
import { partsOf } from './transfers.js';
import type { ValueBounds } from './value-encoder.js';

export class PortWay implements ItemWay {
  readonly #conversation: Conversation;
  readonly bounds: ValueBounds;

  constructor(conversation: Conversation) {
    this.#conversation = conversation;
    this.bounds = conversation.terms.codec.bounds;
  }

  get maxDataLength(): number {
    return this.#conversation.port.maxDataLength;
  }

  tryPost(frame: Buffer): 'sent' | 'full' | 'disconnected' {
    return this.#conversation.port.tryPost(frame);
  }

  post(frame: Buffer): Promise<void> {
    return this.#conversation.port.post(frame);
  }

  async sendLong(flags: number, number: number, frame: Buffer, runs: readonly Uint8Array[], isStopped: () => boolean): Promise<boolean> {
    const { large, port } = this.#conversation;
    const packed = large.pack(frame, runs);
    if (packed === undefined) return this.#sendInParts(flags, number, joinLarge(frame, runs), isStopped);
    const sent = port.post(header(Kind.items, flags | Flag.viewed, 0, number, 0), { view: packed.view });
    packed.done();
    await sent.catch(() => {}); // the connection has ended, and with it the stream
    return true;
  }

  async #sendInParts(flags: number, stream: number, bytes: Buffer, isStopped: () => boolean): Promise<boolean> {
    const conversation = this.#conversation;
    const { port, transfers } = conversation;
    const number = transfers.nextNumber();
    for (const part of partsOf(bytes, number, port.maxDataLength)) {
      const answer = await port.request(part).catch(() => undefined);
      if (answer === undefined || port.closed) return false;
      if (kindOf(answer.data) !== Kind.response) {
        const error = conversation.faultIn('an item of a stream', answer.data);
        if (AlpcError.is(error) && error.code === 'ERR_ALPC_QUOTA_EXCEEDED') return false;
        throw error;
      }
      if (!isStopped()) continue;
      conversation.tell(Kind.drop, Flag.opener, number);
      return false;
    }
    await port.post(header(Kind.items, flags | Flag.long, 0, stream, number)).catch(() => {});
    return true;
  }
}
