/**
 * What happens on ports, for whoever listens on `node:diagnostics_channel`: the five events that Windows traces for ALPC
 * (send, receive, wait, unwait, and what ends them), and connect and disconnect. Payloads are never published. A channel
 * that nobody listens to costs one property look-up.
 */
import { channel } from 'node:diagnostics_channel';

export const channels = {
  /** A connection was made: { port, peer, role }. */
  connect: channel('alpc:connect'),
  /** A connection ended: { port, peer, reason, error? }. */
  disconnect: channel('alpc:disconnect'),
  /** A message was published: { port, type, id, length }. */
  send: channel('alpc:send'),
  /** A message was taken: { port, type, id, length }. */
  receive: channel('alpc:receive'),
  /** A thread goes to sleep in a blocking call: { port, id }. */
  wait: channel('alpc:wait'),
  /** It woke: { port, id }. */
  unwait: channel('alpc:unwait'),
} as const;
