/**
 * Limits and quotas of a port: the options, checked, with their defaults. Each side of a connection has its own; the
 * stricter of the two holds for the length of a message.
 */
import { totalmem } from 'node:os';
import { checkInteger, checkOneOf, checkOptions, invalidArgument } from '../base/arguments.js';
import { acceptBit, Accepts, HANDLE_KINDS, type HandleKind, MAX_HANDLES, MAX_MESSAGE_LENGTH, MAX_VIEWS, RECORD_HEADER } from '../memory/layout.js';
import { type Acceptance, DEFAULT_PEER_RING_LENGTH, DEFAULT_RING_LENGTH, isRingLength, MAX_RING_LENGTH, MIN_RING_LENGTH } from '../memory/outbox.js';
import { pageSize } from '../platform/descriptors.js';
import { SMALLEST_HOLDING } from './holdings.js';

/** What this machine has, or lets this process have. Where nothing is said about that it is 0, or more than there is. */
const MEMORY = Math.min(totalmem(), process.constrainedMemory() || Infinity);

export interface PortLimits {
  /** The longest message that this side sends or receives, in bytes, header of 32 included: 64 to 65,535 (the default). */
  maxMessageLength?: number;
  /** Bytes of the ring that this side sends through: a power of two from one page to 64 MiB; 131,072 by default. */
  ringLength?: number;
  /** The longest ring that the peer may send through, in bytes: its memory is charged to who reads it. 4,096 to 64 MiB; 1 MiB by default. */
  peerRingLength?: number;
  /** Messages that may be pending for one connection: requests taken and not yet answered, messages taken from the ring and not yet received, messages of this side's own, answers not among them, that wait for room. 1 to 1,000,000; 4,096 by default. */
  pendingMessages?: number;
  /** The same in bytes: of payload, and of what waits for room, answers among it, with 256 for each. 1 to 2^31-1; 16 MiB by default. */
  pendingBytes?: number;
  /**
   * Bytes of what waits for room, and of what was taken from the ring and not yet received, for all connections of a connection port; each message counts
   * for 4,096 at least. 4,096 to 2^40; by default what 256 connections may have, 4 GiB, or half of the memory, if that is less.
   */
  pendingBytesPerPort?: number;
  /** Of these, for any one user but the port's own and root. 4,096 to 2^40; a quarter of `pendingBytesPerPort` by default. */
  pendingBytesPerUser?: number;
  /** Connections that a connection port holds at once, as far as the process has mappings for them: five each. 1 to 1,000,000; 16,384 by default. */
  connections?: number;
  /** Of these, for any one user but the port's own and root. 1 to 1,000,000; a quarter of `connections` by default. */
  connectionsPerUser?: number;
  /** Views of the peer that one connection holds at once. 1 to 512; 64 by default. */
  views?: number;
  /** Sections of the peer that one connection maps at once. 1 to 512; 16 by default. A secure view is one, too. */
  sections?: number;
  /** Bytes of these sections, and of those that the port makes itself. 4,096 to 2^36; 1 GiB by default. */
  sectionBytes?: number;
  /** Descriptors of the peer that one connection holds at once, for messages that were not released. 1 to 512; 64 by default. */
  handles?: number;
}

/** What a connection may have limits of its own for: the others are its port's, whatever one connection does. */
export type ConnectionLimits = Omit<PortLimits, (typeof OF_THE_PORT)[number]>;

/** What a port takes with a message; nothing by default. */
export type AcceptedKind = 'secure-view' | 'view' | 'writable-view' | 'security' | 'work' | HandleKind;

export type Limits = Required<PortLimits> & Acceptance;

const OF_THE_CONNECTION = ['maxMessageLength', 'ringLength', 'peerRingLength', 'pendingMessages', 'pendingBytes', 'views', 'sections', 'sectionBytes', 'handles'] as const;
const OF_THE_PORT = ['pendingBytesPerPort', 'pendingBytesPerUser', 'connections', 'connectionsPerUser'] as const;

/** @param accepts what the port takes: bits of `Accepts` */
export function checkLimits(value: PortLimits | undefined, accepts = 0): Limits {
  const {
    maxMessageLength = MAX_MESSAGE_LENGTH,
    ringLength = DEFAULT_RING_LENGTH,
    peerRingLength = DEFAULT_PEER_RING_LENGTH,
    pendingMessages = 4096,
    pendingBytes = 16 * 1024 * 1024,
    pendingBytesPerPort,
    pendingBytesPerUser,
    connections = 16_384,
    connectionsPerUser,
    views = 64,
    sections = 16,
    sectionBytes = 2 ** 30,
    handles = 64,
  } = checkOptions(value, 'limits', [...OF_THE_CONNECTION, ...OF_THE_PORT]);
  const ofOne = {
    pendingMessages: checkInteger(pendingMessages, 'limits.pendingMessages', 1, 1_000_000),
    pendingBytes: checkInteger(pendingBytes, 'limits.pendingBytes', 1, 2 ** 31 - 1),
  };
  const perPort = pendingBytesPerPort === undefined ? pendingBytesOfAll(ofOne) : checkInteger(pendingBytesPerPort, 'limits.pendingBytesPerPort', SMALLEST_HOLDING, 2 ** 40);
  const limits: Limits = {
    maxMessageLength: checkInteger(maxMessageLength, 'limits.maxMessageLength', RECORD_HEADER * 2, MAX_MESSAGE_LENGTH),
    ringLength,
    peerRingLength: checkInteger(peerRingLength, 'limits.peerRingLength', MIN_RING_LENGTH, MAX_RING_LENGTH),
    ...ofOne,
    pendingBytesPerPort: perPort,
    pendingBytesPerUser: pendingBytesPerUser === undefined ? Math.ceil(perPort / 4) : checkInteger(pendingBytesPerUser, 'limits.pendingBytesPerUser', SMALLEST_HOLDING, 2 ** 40),
    connections: checkInteger(connections, 'limits.connections', 1, 1_000_000),
    connectionsPerUser: connectionsPerUser === undefined ? Math.ceil(connections / 4) : checkInteger(connectionsPerUser, 'limits.connectionsPerUser', 1, 1_000_000),
    views: checkInteger(views, 'limits.views', 1, MAX_VIEWS),
    sections: checkInteger(sections, 'limits.sections', 1, MAX_VIEWS),
    sectionBytes: checkInteger(sectionBytes, 'limits.sectionBytes', 4096, 2 ** 36),
    handles: checkInteger(handles, 'limits.handles', 1, MAX_HANDLES),
    accepts,
  };
  if (!isRingLength(limits.ringLength)) throw invalidArgument('limits.ringLength', `a power of two from ${pageSize()} to ${MAX_RING_LENGTH}`, limits.ringLength);
  return limits;
}

/** What a connection is accepted with: limits that are not given are its port's. */
export function checkConnectionLimits(value: ConnectionLimits | undefined, limits: Limits): Limits {
  if (value === undefined) return limits;
  const { accepts, ...ofPort } = limits;
  const given = Object.entries(checkOptions(value, 'limits', OF_THE_CONNECTION)).filter(([, limit]) => limit !== undefined);
  return checkLimits({ ...ofPort, ...Object.fromEntries(given) }, accepts);
}

/** Whatever a port's clients do, the process has the other half. */
function pendingBytesOfAll({ pendingMessages, pendingBytes }: Pick<Limits, 'pendingMessages' | 'pendingBytes'>): number {
  return Math.min(256 * Math.max(pendingBytes, SMALLEST_HOLDING * pendingMessages), Math.floor(MEMORY / 2));
}

const HANDLES = Object.fromEntries((Object.keys(HANDLE_KINDS) as HandleKind[]).map((kind) => [kind, acceptBit(kind)])) as Record<HandleKind, number>;
const ACCEPTED: Record<AcceptedKind, number> = {
  ...HANDLES,
  security: Accepts.security,
  work: Accepts.work,
  'secure-view': Accepts.secureViews,
  view: Accepts.secureViews | Accepts.views,
  'writable-view': Accepts.secureViews | Accepts.views | Accepts.writableViews,
};

/** The `accepts` option, as bits of `Accepts`. */
export function checkAccepts(value: readonly AcceptedKind[] | undefined): number {
  if (value === undefined) return 0;
  if (!Array.isArray(value)) throw invalidArgument('options.accepts', 'an array of kinds', value);
  return Array.from(value as AcceptedKind[]).reduce((bits, kind) => bits | ACCEPTED[checkOneOf(kind, 'options.accepts[]', Object.keys(ACCEPTED) as AcceptedKind[])], 0);
}
