/** What the tests of RPC have in common: a server and its client, and what is expected of errors. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AlpcError, type AlpcErrorCode } from '../../src/index.js';
import { bind, type BindOptions, type Client, serve, type ServeOptions, type Server } from '../../src/rpc/index.js';
import { atEnd } from '../support/at-end.js';
import { type Actor, startActor } from '../support/processes.js';
import { temporaryRoot } from '../support/root.js';
import type { News, Order } from './spooler-actor.js';
import { Spooler, spooler } from './spooler.js';

export const failsWith = (code: AlpcErrorCode) => (error: unknown) => {
  assert.ok(AlpcError.is(error), String(error));
  assert.equal(error.code, code, error.message);
  return true;
};

export type SpoolerClient = Client<(typeof Spooler)['methods']>;

/** A server in this process, and a client. */
export async function local(t: TestContext, options: ServeOptions = {}, bindOptions: BindOptions = {}): Promise<{ server: Server; client: SpoolerClient; journal: string[] }> {
  temporaryRoot(t);
  const journal: string[] = [];
  const server = await serve(Spooler, spooler(journal), { endpoint: 'spooler', ...options });
  atEnd(t, () => server.close());
  const client = await bind(Spooler, 'ncalrpc:[spooler]', bindOptions);
  atEnd(t, () => client.close());
  return { server, client, journal };
}

/** A server in a process of its own: the only kind that can be called with blocking calls. */
export async function remote(t: TestContext, args: string[] = []): Promise<Actor<Order, News>> {
  temporaryRoot(t, { leftovers: true });
  return another(t, args);
}

/** One more, in the same root. */
export async function another(t: TestContext, args: string[] = []): Promise<Actor<Order, News>> {
  const actor = startActor<Order, News>(t, new URL('./spooler-actor.js', import.meta.url), args);
  await actor.until('ready');
  return actor;
}

export async function until(what: string, is: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (await is()) return;
    await sleep(10);
  }
  assert.fail(what);
}
