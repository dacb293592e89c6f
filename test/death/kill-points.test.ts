/** The kill points themselves: that they are where they must be, and that the library holds none of them. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { isMainThread } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';
import { libc, libuv } from '../../src/platform/system.js';
import { withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import { temporaryRoot } from '../support/root.js';
import type { Form, Part } from './dialogue.js';
import type { News, Order } from './dialogue-actor.js';
import { FILE_CALLS } from './kill-points.js';
import { classesOf, groupsOf } from './point-classes.js';

withLedger();

const SRC = fileURLToPath(new URL('../../../src', import.meta.url));

test('in use there are no kill points: the functions that the library calls are those of the C library and of libuv, and nothing stands before them', () => {
  for (const [name, call] of Object.entries({ ...libc(), ...libuv() })) assert.match(Function.prototype.toString.call(call), /\[native code\]/, name);
  const others = { ...Object.getOwnPropertyDescriptors(Atomics), ...Object.getOwnPropertyDescriptors(Object.getPrototypeOf(Uint8Array.prototype) as object) } as Record<string, PropertyDescriptor>;
  for (const name of ['store', 'compareExchange', 'set']) assert.match(Function.prototype.toString.call(others[name]!.value), /\[native code\]/, name);
});

test('every function of node:fs that the library calls has its points', () => {
  const used = new Set<string>();
  for (const path of readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts') && !/^(?:explorer|cli)\//.test(name))) { // inspectors hold nothing that others need
    const found = /import \{([^}]*)\} from 'node:fs'/.exec(readFileSync(join(SRC, path), 'utf8'));
    for (const name of found?.[1]!.split(',') ?? []) if (!/\btype\b|constants/.test(name)) used.add(name.trim());
  }
  for (const name of ['watch', 'close']) used.delete(name); // no system call at a moment of the caller's choice
  assert.deepEqual([...used].filter((name) => !FILE_CALLS.includes(name)), []);
  assert.ok(used.size > 5);
});

test("a connection's life passes points before and after every call, and the same in the same places", async (t) => {
  const [servers, clients] = await lifeOf(t, 'blocking');
  for (const trace of [servers, clients]) {
    assert.equal(new Set(trace).size, trace.length, 'a name is unique');
    assert.deepEqual(trace.filter((_, index) => index % 2 === 0).map((point) => point.replace(/before$/, 'after')), trace.filter((_, index) => index % 2 === 1));
  }
  const has = (trace: readonly string[], ...points: string[]): void => {
    for (const point of points) assert.ok(trace.includes(point), `${point} is not in ${trace.join(', ')}`);
  };
  has(servers, 'create: bind 1 before', 'create: listen 1 after', 'create: renameat2 1 before', 'accept: accept4 1 after', 'accept: sendmsg 1 before');
  has(servers, 'receive: store head 1 after', 'reply: store tail 1 before', 'leave: store state 1 after', 'leave: unlinkat 1 before');
  has(clients, 'connect: connect 1 before', 'connect: sendmsg 1 after', 'connect: recvmsg 1 before', 'connect: store state 1 before');
  // The steps of sending: a place in the ring, the header, the payload, the tail, a look at the other's sleep, the bell.
  has(clients, 'send: copy 1 before', 'send: copy 1 after', 'send: store tail 1 before', 'send: store tail 1 after', 'send: poll 1 before', 'receive: store head 1 before');
  assert.ok([...servers, ...clients].some((point) => /: send \d before/.test(point)), 'a bell was rung');
});

test('where it is awaited, the polls of the event loop have their points too', { skip: !isMainThread && 'a worker thread, which has no polls of its own: see loop-watch.ts' }, async (t) => {
  for (const trace of await lifeOf(t, 'awaited')) {
    for (const call of ['uv_poll_init', 'uv_poll_start', 'uv_close']) assert.ok(trace.some((point) => point.includes(`: ${call} 1 `)), `${call} is not in ${trace.join(', ')}`);
  }
});

test('points between which nobody else can see anything are one class', () => {
  const trace = ['c: open 1', 'c: connect 1', 'c: fstat 1', 's: copy 1', 's: store tail 1', 's: copy 2', 's: store tail 2'].flatMap((call) => [`${call} before`, `${call} after`]);
  assert.deepEqual(classesOf(trace).map(({ behind, points }) => [behind, points.length]), [
    ['c: beginning', 3],
    ['c: connect', 3],
    ['s: beginning', 1],
    ['s: copy', 2],
    ['s: store tail', 2],
    ['s: copy', 2],
    ['s: store tail', 1],
  ]);
  assert.deepEqual(groupsOf(trace).map((points) => points.length), [3, 3, 1, 7]);
});

/** What a server and its client pass, in a connection that nobody dies in. */
async function lifeOf(t: TestContext, form: Form): Promise<[servers: string[], clients: string[]]> {
  const root = temporaryRoot(t);
  const [server, client] = ['server', 'client'].map(() => startActor<Order, News>(t, new URL('./dialogue-actor.js', import.meta.url)));
  const common = { root, name: '\\RPC Control\\points', form, spin: false } as const;
  const order = (part: Part): Order => ({ type: 'play', part, look: false });
  await Promise.all([server!.until('ready'), client!.until('ready')]);
  server!.send(order({ ...common, half: 'server', leads: true }));
  await server!.until('listening');
  client!.send(order({ ...common, half: 'client', leads: false }));
  return [(await server!.until('played')).trace, (await client!.until('played')).trace];
}
