/** Starting the actors of these tests, each in a namespace of the test's own, and what a test asks of them. */
import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import type { ClientPort } from '../../src/ports/index.js';
import { type Actor, startActor, startedIn } from '../support/processes.js';
import { temporaryRoot } from '../support/root.js';
import type { News as ClientNews, Order as ClientOrder } from './actors/client.js';
import type { News as ServerNews, Order as ServerOrder, ServerArguments } from './actors/server.js';
import { until } from './expect.js';
import { type Entry, PAGE } from './verbs.js';

export type ServerActor = Actor<ServerOrder, ServerNews>;

/**
 * A namespace of this test's own. What a killed process left in it is no fault of the test, so there may be leftovers where it started any but
 * clients, which have no names; a test that kills something else that has says so. In all others every name must be gone at the end.
 */
export function ownRoot(t: TestContext, { kills = false } = {}): string {
  return temporaryRoot(t, { leftovers: () => kills || startedIn(t).some((module) => !module.endsWith('/client.js')) });
}

/** Starts a server that does what its requests say (verbs.ts), and waits until it serves. */
export async function startServer(t: TestContext, args: Partial<ServerArguments> = {}, env: Record<string, string> = {}): Promise<ServerActor> {
  const actor = startActor<ServerOrder, ServerNews>(t, new URL('./actors/server.js', import.meta.url), [JSON.stringify({ name: NAME, form: 'on', ...args })], env);
  await actor.until('ready');
  return actor;
}

/** Stops a process where it stands, until the function that this gives is called. Nothing is read or answered meanwhile. */
export async function stop(actor: { readonly pid: number; signal(signal: NodeJS.Signals): void }): Promise<() => void> {
  actor.signal('SIGSTOP');
  await until('the process is stopped', () => /^State:\tT/m.test(readFileSync(`/proc/${actor.pid}/status`, 'utf8')));
  return () => actor.signal('SIGCONT');
}

export type ClientActor = Actor<ClientOrder, ClientNews>;

/** Starts a client that does what it is ordered. */
export function startClient(t: TestContext, env: Record<string, string> = {}): ClientActor {
  return startActor<ClientOrder, ClientNews>(t, new URL('./actors/client.js', import.meta.url), [], env);
}

/** The name under which the tests' servers serve, but where there are several. */
export const NAME = '\\RPC Control\\server';

/** What the server saw and did so far, in its order. */
export async function journalOf(client: ClientPort): Promise<Entry[]> {
  const journal: Entry[] = [];
  for (;;) {
    const page = JSON.parse((await client.request(`journal ${journal.length}`)).data.toString()) as Entry[];
    journal.push(...page);
    if (page.length < PAGE) return journal;
  }
}

/** The journal, as soon as it says what is waited for. */
export function journalWhen(what: string, client: ClientPort, holds: (journal: Entry[]) => boolean): Promise<Entry[]> {
  return until(what, async () => {
    const journal = await journalOf(client);
    return holds(journal) ? journal : undefined;
  });
}

/** The journal as lines that read well in a failure: 'request echo x', 'answered echo x: sent'. */
export function linesOf(journal: readonly Entry[]): string[] {
  return journal.map(({ what, text, outcome }) => `${what}${text === '' ? '' : ` ${text}`}${outcome === undefined ? '' : `: ${outcome}`}`);
}
