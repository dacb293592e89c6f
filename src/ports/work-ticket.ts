/**
 * The ticket of work on behalf of somebody: through a chain of servers it says for whom the work began, and carries a W3C trace context. It is
 * for accounts, logs and traces, and never an authority: who handed it on could have written any name.
 *
 * Whom a ticket names at its first step is the kernel's word, put in by the receiver; the sender of a fresh ticket can't name anybody. From the
 * second step on it is the word of whoever handed it on, and `hops` says so.
 */
import { checkOptions, invalidArgument } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { Accepts, Attribute, Control, ProtocolViolation, WORK_LENGTH, WorkWords as W } from '../memory/layout.js';
import type { AttachmentPart } from './attachment.js';
import type { Connection } from './connection.js';

const MAX_HOPS = 255;
const HAS_TRACE = 0x100;
/** version, trace id, parent id, flags */
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

export interface WorkTicketOptions {
  /** A W3C trace context: `00-<32 hex digits>-<16>-<2>`. */
  traceparent?: string;
}

/** For whom work is done. */
export class WorkTicket {
  /** The process for which the work began: known to the kernel when `hops` is 1, told by who handed it on when it is more; 0 for this process's own. */
  readonly pid: number;
  readonly uid: number;
  /** Connections that it has come through. */
  readonly hops: number;
  readonly traceparent: string | undefined;

  /** Engine room: made by `createWorkTicket`, or comes with a message. */
  constructor(pid: number, uid: number, hops: number, traceparent: string | undefined) {
    this.pid = pid;
    this.uid = uid;
    this.hops = hops;
    this.traceparent = traceparent;
  }

  /** The same with another trace context: that of this process's own span. @throws AlpcError ERR_ALPC_INVALID_ARGUMENT */
  withTraceparent(traceparent: string): WorkTicket {
    return new WorkTicket(this.pid, this.uid, this.hops, checkTraceparent(traceparent, 'traceparent'));
  }
}

/** A ticket of this process's own, to begin with. @throws AlpcError ERR_ALPC_INVALID_ARGUMENT */
export function createWorkTicket(options?: WorkTicketOptions): WorkTicket {
  const { traceparent } = checkOptions(options, 'options', ['traceparent']);
  return new WorkTicket(0, 0, 0, traceparent === undefined ? undefined : checkTraceparent(traceparent, 'options.traceparent'));
}

/** @throws AlpcError ERR_ALPC_INVALID_ARGUMENT, ERR_ALPC_NOT_ACCEPTED, ERR_ALPC_QUOTA_EXCEEDED */
export function attachWork(connection: Connection, ticket: unknown): AttachmentPart {
  if (!(ticket instanceof WorkTicket) || !canBe(ticket)) throw invalidArgument('options.workOnBehalfOf', 'a ticket: one that came with a message, or of createWorkTicket(), which names nobody yet', ticket);
  if ((connection.link.peer.words[Control.accepts]! & Accepts.work) === 0) {
    throw new AlpcError('ERR_ALPC_NOT_ACCEPTED', `${connection}: the peer (${connection.peer}) takes no tickets; it must say so in its option 'accepts'`);
  }
  if (ticket.hops > MAX_HOPS) throw new AlpcError('ERR_ALPC_QUOTA_EXCEEDED', `${connection}: the ticket has come through ${ticket.hops} connections, and goes no further`);
  const block = Buffer.alloc(WORK_LENGTH);
  block.writeInt32LE(ticket.pid | 0, W.pid * 4);
  block.writeInt32LE(ticket.uid | 0, W.uid * 4);
  block.writeInt32LE(ticket.hops, W.hops * 4);
  const [, traceId, spanId, flags] = TRACEPARENT.exec(ticket.traceparent ?? '') ?? [];
  if (traceId !== undefined) {
    block.writeInt32LE(HAS_TRACE | Number.parseInt(flags!, 16), W.trace * 4);
    block.write(traceId, W.traceId * 4, 'hex');
    block.write(spanId!, W.spanId * 4, 'hex');
  }
  return { attribute: Attribute.work, words: Int32Array.from({ length: WORK_LENGTH / 4 }, (_, index) => block.readInt32LE(index * 4)) };
}

/** The ticket that came with a message. @throws ProtocolViolation */
export function receiveWork(connection: Connection, words: Int32Array, accepts: number): WorkTicket {
  if ((accepts & Accepts.work) === 0) throw new ProtocolViolation('a ticket came, which this side does not take');
  const block = Buffer.from(Int32Array.from(words.subarray(0, WORK_LENGTH / 4)).buffer);
  const [pid, uid, hops, trace] = [block.readUInt32LE(W.pid * 4), block.readUInt32LE(W.uid * 4), block.readUInt32LE(W.hops * 4), block.readUInt32LE(W.trace * 4)];
  if (hops > MAX_HOPS || (hops === 0 && (pid !== 0 || uid !== 0)) || (trace & ~0x1ff) !== 0) throw new ProtocolViolation(`a ticket names process ${pid} after ${hops} steps, with trace flags 0x${trace.toString(16)}`);
  const hex = (at: number, length: number): string => block.toString('hex', at * 4, at * 4 + length);
  const traceparent = (trace & HAS_TRACE) === 0 ? undefined : `00-${hex(W.traceId, 16)}-${hex(W.spanId, 8)}-${(trace & 0xff).toString(16).padStart(2, '0')}`;
  if (traceparent !== undefined && !isTraceparent(traceparent)) throw new ProtocolViolation('a ticket has a trace context of zeros');
  const { peer } = connection;
  return hops === 0 ? new WorkTicket(peer.pid, peer.uid, 1, traceparent) : new WorkTicket(pid, uid, hops + 1, traceparent);
}

/** What the peer would take for a breach: anybody can make an object of the class, with any name in it. */
function canBe({ pid, uid, hops, traceparent }: WorkTicket): boolean {
  const isName = [pid, uid].every((id) => Number.isInteger(id) && id >= 0 && id < 2 ** 32);
  return isName && Number.isInteger(hops) && hops >= 0 && (hops > 0 || (pid === 0 && uid === 0)) && (traceparent === undefined || isTraceparent(traceparent));
}

function checkTraceparent(value: unknown, name: string): string {
  if (typeof value === 'string' && isTraceparent(value)) return value;
  throw invalidArgument(name, 'a W3C trace context, 00-<32 hexadecimal digits>-<16>-<2>', value);
}

/** Ids of zeros are none. */
function isTraceparent(value: string): boolean {
  const [, traceId, spanId] = TRACEPARENT.exec(value) ?? [];
  return traceId !== undefined && !/^0*$/.test(traceId) && !/^0*$/.test(spanId!);
}
