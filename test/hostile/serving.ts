/** Starting the server that stands in a process of its own (server-actor.ts), and what tests ask of it. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { connectPort } from '../../src/index.js';
import { type Actor, type ActorOptions, startActor } from '../support/processes.js';
import { temporaryRoot } from '../support/root.js';
import type { Report, ServerArguments, ServerNews, ServerOrder } from './server-actor.js';
import { NAME } from './stage.js';

export type Server = Actor<ServerOrder, ServerNews> & { readonly path: string };

/** `root` is where its name goes; a new one, if it is not said. */
export async function startServer(t: TestContext, args: Partial<ServerArguments> = {}, { root = temporaryRoot(t, { leftovers: true }), ...identity }: ActorOptions & { root?: string } = {}): Promise<Server> {
  const actor = startActor<ServerOrder, ServerNews>(t, new URL('./server-actor.js', import.meta.url), [JSON.stringify({ name: NAME, ...args })], { ALPC_ROOT: root }, identity);
  await actor.until('ready');
  return Object.assign(actor, { path: join(root, 'RPC Control', 'stage') });
}

/** What it was told since the last report, and what it holds. */
export function reportOf(server: Server): Promise<Report> {
  return server.ask({ type: 'report' }, 'report');
}

/** A new client is let in and answered. */
export async function answers(): Promise<void> {
  await using client = await connectPort(NAME);
  assert.equal((await client.request('still there?')).data.toString(), 'still there?');
}
