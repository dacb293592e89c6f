/**
 * Answers to the peer's requests: a reply, or why there is none. Each request has one outcome, whoever gives it and when; an answer goes into the
 * ring at once or waits for room, and a peer that asks and does not read its answers is over its quota.
 */
import { checkBoolean, checkOptions, type MessageData } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { RecordType, ReplyStatus } from '../memory/layout.js';
import type { Attachment } from './attachment.js';
import { Outgoing } from './calls.js';
import type { ReplyOptions } from './communication-port.js';
import type { Connection } from './connection.js';
import { PLACE_ANSWERED, type ReplyOutcome, type RequestMessage } from './message.js';
import { REPLY_OPTIONS, checkMessage } from './message-arguments.js';
import { copyOf } from './outbound.js';

export function reply(connection: Connection, request: RequestMessage, data: MessageData, options?: ReplyOptions): ReplyOutcome {
  const dataLength = checkMessage(data, connection.maxDataLength, connection);
  if (options === undefined) return settle(connection, request, ReplyStatus.ok, data, dataLength);
  const given = checkOptions(options, 'options', REPLY_OPTIONS);
  const unmaps = given.unmapExisting !== undefined && checkBoolean(given.unmapExisting, 'options.unmapExisting');
  const attachment = request.place < 0 || connection.state !== 'open' ? undefined : connection.attributes.attach(given, dataLength);
  if (request.place === PLACE_ANSWERED) attachment?.undo(); // by who was told of a direct message on the way: what it was to go with is refused
  else if (unmaps) request.release(); // before the answer: whoever gets it can use the region again
  const outcome = settle(connection, request, ReplyStatus.ok, data, dataLength, attachment);
  if (outcome !== 'sent') attachment?.undo();
  return outcome;
}

export function decline(connection: Connection, request: RequestMessage): ReplyOutcome {
  return settle(connection, request, ReplyStatus.canceled, undefined, 0);
}

/** Sends an answer, or keeps it until there is room. */
export function answer(connection: Connection, messageId: number, callbackId: number, status: number, data: MessageData | undefined, dataLength: number, attachment?: Attachment): ReplyOutcome {
  const { outbound } = connection;
  if (outbound.transmit(RecordType.reply, messageId, callbackId, status, data, dataLength, attachment)) {
    connection.thread.attention.answered();
    return 'sent';
  }
  if (connection.state !== 'open' || connection.inbound.isDraining) return 'disconnected';
  if (!outbound.mayAnswerWait(attachment === undefined ? dataLength : dataLength + attachment.byteLength)) {
    // The peer asks and does not read the answers, or all of its user's connections do: it is over its quota, and its calls must settle all the same.
    connection.endForWant();
    return 'disconnected';
  }
  outbound.enqueue(new Outgoing(RecordType.reply, messageId, callbackId, status, copyOf(data), dataLength, undefined, undefined, attachment));
  return 'sent';
}

function settle(connection: Connection, request: RequestMessage, status: number, data: MessageData | undefined, dataLength: number, attachment?: Attachment): ReplyOutcome {
  if (request.place < 0) {
    if (request.place === PLACE_ANSWERED) throw new AlpcError('ERR_ALPC_REPLY_MISMATCH', `${connection}: request ${request.id} has been answered already`);
    return connection.state === 'open' ? 'canceled' : 'disconnected';
  }
  connection.inbound.unanswered.remove(request);
  request.place = PLACE_ANSWERED;
  const outcome = answer(connection, request.id, request.callbackId, status, data, dataLength, attachment);
  connection.inbound.unanswered.tell();
  return outcome;
}
