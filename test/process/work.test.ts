/**
 * Work on behalf of somebody, through a chain of servers that are processes of their own: what the last one knows of the first caller. Where all are
 * in one thread: test/ports/security.test.ts.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { withLedger } from '../support/ledger.js';
import { type Actor, startActor } from '../support/processes.js';
import { noOtherUsers, sharedRoot, USERS } from '../support/users.js';
import type { News as CallerNews, Order as CallerOrder } from './actors/petitioner.js';
import type { News, Order, RelayArguments, Sight } from './actors/relay.js';

withLedger();

const [ONE, TWO, THREE] = ['\\RPC Control\\one', '\\RPC Control\\two', '\\RPC Control\\three'] as const;
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const [SPAN, SPAN_OF_TWO] = ['b7ad6b7169203331', '00f067aa0ba902b7'] as const;

async function startRelay(t: TestContext, args: RelayArguments): Promise<Actor<Order, News>> {
  const relay = startActor<Order, News>(t, new URL('./actors/relay.js', import.meta.url), [JSON.stringify(args)]);
  await relay.until('ready');
  return relay;
}

test('through three servers a ticket names the caller that began and counts the steps, its trace goes on, and a server that claims the work for somebody else is refused by its own side', async (t) => {
  const root = sharedRoot(t);
  // Another user than the servers, where there can be one: what they put in of their own would be seen.
  const caller = noOtherUsers === false ? { uid: USERS[0], gid: USERS[0] } : {};
  const uid = caller.uid ?? process.geteuid!();
  const three = await startRelay(t, { name: THREE, root });
  const two = await startRelay(t, { name: TWO, root, next: THREE, span: SPAN_OF_TWO, victims: [{ pid: process.pid, uid: process.geteuid!() }, { pid: 0, uid: USERS[1] }] });
  const one = await startRelay(t, { name: ONE, root, next: TWO });
  const petitioner = startActor<CallerOrder, CallerNews>(t, new URL('./actors/petitioner.js', import.meta.url), [ONE, root], {}, caller);
  await petitioner.until('ready');
  const { pid } = petitioner;
  for (const flags of ['01', '00', 'a3']) {
    const [began, continued] = [SPAN, SPAN_OF_TWO].map((span) => `00-${TRACE_ID}-${span}-${flags}`) as [string, string];
    const { text } = await petitioner.ask({ type: 'begin', traceparent: began }, 'answered');
    assert.deepEqual(JSON.parse(text) as Sight[], [
      { server: one.pid, sender: pid, ticket: { pid, uid, hops: 1, traceparent: began }, claims: [], strays: 0 },
      { server: two.pid, sender: one.pid, ticket: { pid, uid, hops: 2, traceparent: began }, claims: Array.from({ length: 4 }, () => 'ERR_ALPC_INVALID_ARGUMENT'), strays: 0 },
      { server: three.pid, sender: two.pid, ticket: { pid, uid, hops: 3, traceparent: continued }, claims: [], strays: 0 },
    ]);
  }
});
