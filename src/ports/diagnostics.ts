/**
 * What happens on ports, for whoever listens on `node:diagnostics_channel`: the five events that Windows traces for ALPC
 * (send, receive, wait for a reply, wait for a message, unwait; here the two waits are one), and connect and disconnect. Payloads are never published. A channel
 * that nobody listens to costs one property look-up.
 */
import { channel } from 'node:diagnostics_channel';
import { RecordType } from '../memory/layout.js';
import type { Connection } from './connection.js';

export const channels = {
  /** A connection was made: { port, peer, role }. */
  connect: channel('alpc:connect'),
  /** A connection ended, or never came to be, for one side turned the other away: { port, peer, role, reason, error? }. */
  disconnect: channel('alpc:disconnect'),
  /** A message was published: { port, role, type, id, length }. */
  send: channel('alpc:send'),
  /** A message was taken: { port, role, type, id, length }. */
  receive: channel('alpc:receive'),
  /** A thread is about to sleep in a blocking call, unless what it waits for comes just then: { port, role, id }; in a wait for events { role, id, events }. */
  wait: channel('alpc:wait'),
  /** A received view was collected as garbage, and nobody had released it: { port, peer, length }. */
  forgotten: channel('alpc:view-forgotten'),
  /** Received handles were collected as garbage, and nobody had taken or released them: { port, peer, count }. */
  forgottenHandles: channel('alpc:handles-forgotten'),
  /** It is awake: the same. */
  unwait: channel('alpc:unwait'),
} as const;

const NAMES = new Map<number, string>(Object.entries(RecordType).map(([name, type]) => [type, name]));

/** A record was published in the ring. To be asked for only when `send` has subscribers. */
export function tellSend({ portName: port, role }: Connection, type: number, id: number, length: number): void {
  channels.send.publish({ port, role, type: NAMES.get(type), id, length });
}

/** A message was handed to its taker: a receiver, a callback, the call that it answers. To be asked for only when `receive` has subscribers. */
export function tellReceive({ portName: port, role }: Connection, message: { readonly type: string; readonly id: number; readonly dataLength: number }): void {
  channels.receive.publish({ port, role, type: message.type, id: message.id, length: message.dataLength });
}
