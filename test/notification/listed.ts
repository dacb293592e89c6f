/** A port and its clients, all of this process, for the tests of completion lists. */
import type { TestContext } from 'node:test';
import { type ClientPort, connectPort, type ConnectionPort, createPort, type CreatePortOptions, type Message } from '../../src/index.js';
import { numbers } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { temporaryRoot } from '../support/root.js';
import { turnsUntil } from '../support/turns.js';

/** The port that `open` makes. */
export const NAME = '\\RPC Control\\list';

/** The port and so many clients, all connected, in a namespace of the test's own. */
export async function open(t: TestContext, clients: number, options: CreatePortOptions = {}): Promise<{ port: ConnectionPort; clients: ClientPort[] }> {
  temporaryRoot(t);
  const port = await createPort(NAME, options);
  atEnd(t, () => port.close());
  const connected = await Promise.all(numbers(clients).map(() => connectPort(NAME)));
  for (const client of connected) atEnd(t, () => client.close());
  await turnsUntil(() => port.connections.length === clients);
  return { port, clients: connected };
}

/** What the messages say, in their order. */
export function texts(messages: readonly Message[]): string[] {
  return messages.map((message) => String(message.data));
}
