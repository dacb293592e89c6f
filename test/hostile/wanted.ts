/** What the tests of names share: a root, a port that says who serves it, what the dead leave, and servers that race. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { connectPort, type ConnectionPort, namespaceRoot } from '../../src/index.js';
import { closeDescriptor } from '../../src/platform/system.js';
import { times } from '../support/forms.js';
import { type Actor, startActor } from '../support/processes.js';
import { temporaryRoot } from '../support/root.js';
import { bindTo, listenAt, makeSocket, SOCK_DGRAM, SOCK_SEQPACKET } from './raw.js';
import type { RacingNews, RacingOrder } from './racing-actor.js';

export const NAME = '\\RPC Control\\wanted';

/** A root with its directories in it, and where the name stands on disk. */
export function openRoot(t: TestContext, leftovers = true): { root: string; path: string } {
  const root = temporaryRoot(t, { leftovers });
  namespaceRoot();
  return { root, path: join(root, 'RPC Control', 'wanted') };
}

export function serve(port: ConnectionPort): ConnectionPort {
  return port.on('message', (message) => message.type === 'request' && message.reply(String(process.pid)));
}

/** Who answers at the name. */
export async function ask(name = NAME): Promise<number> {
  await using client = await connectPort(name, { timeout: 20_000 });
  return Number((await client.request('who?')).data.toString());
}

/** What is left of a server written by hand that died: a socket file at which nobody listens. */
export function leaveDead(path: string, type = SOCK_SEQPACKET, listened = true): void {
  const socket = makeSocket(type);
  assert.equal(bindTo(socket, path), 'ok');
  if (listened && type !== SOCK_DGRAM) assert.equal(listenAt(socket, 1), 'ok');
  closeDescriptor(socket);
}

export type Racer = Actor<RacingOrder, RacingNews>;

export async function startRacer(t: TestContext): Promise<Racer> {
  const actor = startActor<RacingOrder, RacingNews>(t, new URL('./racing-actor.js', import.meta.url), [], {}, { watchdog: times(100_000, 3_600_000), thread: 'main' });
  await actor.until('done');
  return actor;
}
