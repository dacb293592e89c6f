/** A connection port and one client of it, in this thread: for tests of what travels with messages. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { type AcceptedKind, type ClientPort, connectPort, type ConnectionPort, type CreatePortOptions, createPort, type DatagramMessage, type RequestMessage, type ServerPort } from '../../src/index.js';
import { atEnd } from '../support/at-end.js';
import { temporaryRoot } from '../support/root.js';

export const PAIR_NAME = '\\RPC Control\\pair';

export interface Pair {
  readonly root: string;
  readonly port: ConnectionPort;
  readonly client: ClientPort;
  readonly toClient: ServerPort;
}

/** Both ends take `accepts`, unless their own say otherwise. All is closed at the test's end. */
export async function connectedPair(t: TestContext, accepts: readonly AcceptedKind[], options: CreatePortOptions = {}, clientAccepts = accepts): Promise<Pair> {
  const root = temporaryRoot(t);
  const port = await createPort(PAIR_NAME, { accepts, ...options });
  atEnd(t, () => port.close());
  const client = await connectPort(PAIR_NAME, { accepts: clientAccepts });
  atEnd(t, () => client.close());
  return { root, port, client, toClient: port.connections[0]! };
}

/** The next message, which is a request or a datagram. */
export async function received(port: ConnectionPort): Promise<DatagramMessage | RequestMessage> {
  const message = await port.receive();
  assert.ok(message.type === 'datagram' || message.type === 'request', message.type);
  return message;
}
