/**
 * Limits and quotas of a port: the options, checked, with their defaults. Each side of a connection has its own; the
 * stricter of the two holds for the length of a message.
 */
import { checkInteger, checkOptions, invalidArgument } from '../base/arguments.js';
import { MAX_MESSAGE_LENGTH, RECORD_HEADER } from '../memory/layout.js';
import { DEFAULT_PEER_RING_LENGTH, DEFAULT_RING_LENGTH, isRingLength, MAX_RING_LENGTH, MIN_RING_LENGTH } from '../memory/outbox.js';
import { pageSize } from '../platform/descriptors.js';

export interface PortLimits {
  /** The longest message that this side sends or receives, in bytes, header of 32 included: 64 to 65,535 (the default). */
  maxMessageLength?: number;
  /** Bytes of the ring that this side sends through: a power of two from one page to 64 MiB; 131,072 by default. */
  ringLength?: number;
  /** The longest ring that the peer may send through, in bytes: its memory is charged to who reads it. 4,096 to 64 MiB; 1 MiB by default. */
  peerRingLength?: number;
  /** Messages that may be pending for one connection: requests taken and not yet answered, messages taken from the ring and not yet received, messages that wait for room. 1 to 1,000,000; 4,096 by default. */
  pendingMessages?: number;
  /** The same in bytes: of payload, and of what waits for room with its headers. 1 to 2^31-1; 16 MiB by default. */
  pendingBytes?: number;
  /** Connections that a connection port holds at once. 1 to 1,000,000; 16,384 by default. */
  connections?: number;
  /** Of these, for any one user but the port's own and root. 1 to 1,000,000; a quarter of `connections` by default. */
  connectionsPerUser?: number;
}

export type Limits = Required<PortLimits>;

export function checkLimits(value: PortLimits | undefined): Limits {
  const known = ['maxMessageLength', 'ringLength', 'peerRingLength', 'pendingMessages', 'pendingBytes', 'connections', 'connectionsPerUser'] as const;
  const {
    maxMessageLength = MAX_MESSAGE_LENGTH,
    ringLength = DEFAULT_RING_LENGTH,
    peerRingLength = DEFAULT_PEER_RING_LENGTH,
    pendingMessages = 4096,
    pendingBytes = 16 * 1024 * 1024,
    connections = 16_384,
    connectionsPerUser,
  } = checkOptions(value, 'limits', known);
  const limits: Limits = {
    maxMessageLength: checkInteger(maxMessageLength, 'limits.maxMessageLength', RECORD_HEADER * 2, MAX_MESSAGE_LENGTH),
    ringLength,
    peerRingLength: checkInteger(peerRingLength, 'limits.peerRingLength', MIN_RING_LENGTH, MAX_RING_LENGTH),
    pendingMessages: checkInteger(pendingMessages, 'limits.pendingMessages', 1, 1_000_000),
    pendingBytes: checkInteger(pendingBytes, 'limits.pendingBytes', 1, 2 ** 31 - 1),
    connections: checkInteger(connections, 'limits.connections', 1, 1_000_000),
    connectionsPerUser: connectionsPerUser === undefined ? Math.ceil(connections / 4) : checkInteger(connectionsPerUser, 'limits.connectionsPerUser', 1, 1_000_000),
  };
  if (!isRingLength(limits.ringLength)) throw invalidArgument('limits.ringLength', `a power of two from ${pageSize()} to ${MAX_RING_LENGTH}`, limits.ringLength);
  return limits;
}
