/**
 * The packets of the handshake, as bytes in and decisions out: the hello and its answers.
 * Nothing here touches a descriptor. Everything that is read comes from a peer: bounded before it is believed.
 *
 * A doorbell is a packet of one byte, and never parsed. docs/protocol.md has the drawing.
 */
import { untrustedNumber, within } from '../base/untrusted.js';
import { MAGIC, MAX_DATA_LENGTH, MAX_MESSAGE_LENGTH, PROTOCOL_VERSION, ProtocolViolation, RECORD_HEADER } from '../memory/layout.js';
import { isRingLength } from '../memory/outbox.js';

export const PACKET_HEADER = 32;
export const MAX_PACKET = PACKET_HEADER + MAX_DATA_LENGTH;

const KINDS = { hello: 1, welcome: 2, refusal: 3 } as const;
type Kind = keyof typeof KINDS;

/** Why a connection is refused. The numbers are the protocol's. */
export const Reason = { none: 0, rejected: 1, accessDenied: 2, quota: 3, protocol: 4, closed: 5, version: 6, ringTooLong: 7 } as const;
export type ReasonName = keyof typeof Reason;

export interface HandshakePacket {
  readonly kind: Kind;
  readonly version: number;
  readonly ringLength: number;
  readonly maxMessageLength: number;
  readonly reason: ReasonName;
  readonly data: Buffer;
}

export function encodePacket(kind: Kind, fields: { ringLength?: number; maxMessageLength?: number; reason?: ReasonName; data?: Uint8Array }): Buffer {
  const data = fields.data ?? new Uint8Array(0);
  const packet = Buffer.alloc(PACKET_HEADER + data.length);
  packet.writeUInt32LE(MAGIC, 0);
  packet.writeUInt32LE(PROTOCOL_VERSION, 4);
  packet.writeUInt32LE(KINDS[kind], 8);
  packet.writeUInt32LE(fields.ringLength ?? 0, 12);
  packet.writeUInt32LE(fields.maxMessageLength ?? 0, 16);
  packet.writeUInt32LE(Reason[fields.reason ?? 'none'], 20);
  packet.writeUInt32LE(data.length, 24);
  packet.set(data, PACKET_HEADER);
  return packet;
}

/** @throws ProtocolViolation that says which field is wrong */
export function decodePacket(bytes: Uint8Array): HandshakePacket {
  if (bytes.length < PACKET_HEADER) throw new ProtocolViolation(`a packet of ${bytes.length} bytes is too short for its header of ${PACKET_HEADER}`);
  const packet = Buffer.from(bytes);
  if (packet.readUInt32LE(0) !== MAGIC) throw new ProtocolViolation('a packet does not begin with ALPC');
  const kindNumber = packet.readUInt32LE(8);
  const kind = (Object.keys(KINDS) as Kind[]).find((name) => KINDS[name] === kindNumber);
  if (kind === undefined) throw new ProtocolViolation(`a packet is of unknown kind ${kindNumber}`);
  const dataLength = within(untrustedNumber(packet.readUInt32LE(24)), 0, MAX_DATA_LENGTH);
  if (dataLength === undefined || dataLength !== packet.length - PACKET_HEADER) throw new ProtocolViolation(`a packet's data length does not fit its ${packet.length} bytes`);
  const ringLength = packet.readUInt32LE(12);
  const maxMessageLength = packet.readUInt32LE(16);
  const version = packet.readUInt32LE(4);
  if ((kind === 'hello' || kind === 'welcome') && version === PROTOCOL_VERSION) {
    if (!isRingLength(ringLength)) throw new ProtocolViolation(`a ring of ${ringLength} bytes is not allowed`);
    if (within(untrustedNumber(maxMessageLength), RECORD_HEADER, MAX_MESSAGE_LENGTH) === undefined) throw new ProtocolViolation(`messages of up to ${maxMessageLength} bytes are not allowed`);
  }
  const reasonNumber = packet.readUInt32LE(20);
  const reason = (Object.keys(Reason) as ReasonName[]).find((name) => Reason[name] === reasonNumber) ?? 'none';
  return { kind, version, ringLength, maxMessageLength, reason, data: packet.subarray(PACKET_HEADER) };
}
