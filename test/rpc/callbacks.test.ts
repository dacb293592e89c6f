/** Calls from the server to its caller, also while the caller blocks; and context handles, whose rundown runs once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectPort } from '../../src/index.js';
import { bind, bindSync, ContextHandle, implement } from '../../src/rpc/index.js';
import { Codec } from '../../src/rpc/codec.js';
import { HEADER, Kind, kindOf } from '../../src/rpc/frame.js';
import { DEFAULT_BOUNDS } from '../../src/rpc/value-encoder.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import { failsWith, local, remote, until } from './expect.js';
import type { News, Order } from './holder-actor.js';
import { Progress, Spooler } from './spooler.js';

withLedger();

const codec = new Codec(DEFAULT_BOUNDS);

function progress(notes: string[] = []) {
  return implement(Progress, {
    report: (i) => `seen ${i}`,
    later: async (i) => {
      await Promise.resolve();
      return `seen ${i} later`;
    },
    note: (text) => void notes.push(text),
  });
}

test('a handler calls its caller back while that awaits', async (t) => {
  const { client } = await local(t, {}, { callbacks: [progress()] });
  assert.deepEqual(await client.withProgress({ count: 3, how: 'awaited' }), ['seen 0', 'seen 1', 'seen 2']);
  assert.deepEqual(await client.withProgress({ count: 2, how: 'later' }), ['seen 0 later', 'seen 1 later']);
});

test('a handler calls its caller back while that blocks, awaited and blocking itself', async (t) => {
  await remote(t);
  const client = bindSync(Spooler, 'spooler', { callbacks: [progress()] });
  atEnd(t, () => client.close());
  assert.deepEqual(client.withProgress.sync({ count: 3, how: 'awaited' }), ['seen 0', 'seen 1', 'seen 2']);
  assert.deepEqual(client.withProgress.sync({ count: 3, how: 'blocking' }), ['seen 0', 'seen 1', 'seen 2']);
  assert.deepEqual(await client.withProgress({ count: 3, how: 'blocking' }), ['seen 0', 'seen 1', 'seen 2']);
});

test('a callback that would need the event loop of a caller that blocks is refused at once', async (t) => {
  await remote(t);
  const client = bindSync(Spooler, 'spooler', { callbacks: [progress()] });
  atEnd(t, () => client.close());
  assert.throws(() => client.withProgress.sync({ count: 1, how: 'later' }), /its event loop does not turn/);
  assert.deepEqual(await client.withProgress({ count: 1, how: 'later' }), ['seen 0 later']);
});

test('a handler sends its caller one-way calls, in their order, while that awaits', async (t) => {
  const notes: string[] = [];
  await remote(t);
  const client = await bind(Spooler, 'spooler', { callbacks: [progress(notes)] });
  atEnd(t, () => client.close());
  for (const how of ['noted', 'noted blocking'] as const) {
    assert.deepEqual(await client.withProgress({ count: 3, how }), ['sent 0', 'sent 1', 'sent 2']);
    await until('all have come', () => notes.length === 3);
    assert.deepEqual(notes.splice(0), ['note 0', 'note 1', 'note 2']);
  }
});

test('one-way calls to a caller that blocks are handled when its event loop turns again', async (t) => {
  const notes: string[] = [];
  await remote(t);
  const client = bindSync(Spooler, 'spooler', { callbacks: [progress(notes)] });
  atEnd(t, () => client.close());
  assert.deepEqual(client.withProgress.sync({ count: 3, how: 'noted' }), ['sent 0', 'sent 1', 'sent 2']);
  assert.deepEqual(notes, []);
  await until('all have come', () => notes.length === 3);
  assert.deepEqual(notes, ['note 0', 'note 1', 'note 2']);
});

test('a one-way callback that fails is told to the caller that serves it, and nobody else', async (t) => {
  const errors: unknown[] = [];
  const failing = implement(Progress, {
    report: String,
    later: async (i) => String(i),
    note: () => {
      throw new Error('of the callback');
    },
  });
  const { client } = await local(t, {}, { callbacks: [failing], onError: (error) => errors.push(error) });
  assert.deepEqual(await client.withProgress({ count: 1, how: 'noted' }), ['sent 0']);
  await until('it is told', () => errors.length > 0);
  assert.deepEqual(errors.map(String), ['Error: of the callback']);
});

test('a caller that serves no callbacks is not asked', async (t) => {
  const { client } = await local(t);
  await assert.rejects(client.withProgress({ count: 1, how: 'awaited' }), /serves no callbacks/);
});

test('a context handle names a state of one client, until it is closed', async (t) => {
  const { client, journal } = await local(t);
  const handle = await client.openJob('first');
  assert.ok(handle instanceof ContextHandle);
  assert.equal(await client.readJob(handle), 'first');
  using other = await bind(Spooler, 'spooler');
  await assert.rejects(other.readJob(handle), failsWith('ERR_ALPC_CONTEXT_MISMATCH'));
  assert.equal(await client.closeJob(handle), 'first');
  await assert.rejects(client.readJob(handle), failsWith('ERR_ALPC_CONTEXT_MISMATCH'));
  await assert.rejects(client.readJob('no handle' as unknown as ContextHandle), failsWith('ERR_ALPC_CONTEXT_MISMATCH'));
  assert.deepEqual(journal, []);
});

test('when a client closes, what it holds runs down, once', async (t) => {
  const { client, journal, server } = await local(t);
  for (const name of ['a', 'b', 'c']) await client.openJob(name);
  client.close();
  await until('all have run down', () => journal.length === 3);
  await server.close();
  assert.deepEqual(journal.toSorted(), ['run down: a', 'run down: b', 'run down: c']);
});

test('when the server closes, what its clients hold runs down, once', async (t) => {
  const { client, journal, server } = await local(t);
  await client.openJob('a');
  await server.close();
  assert.deepEqual(journal, ['run down: a']);
  client.close();
  await server.close();
  assert.deepEqual(journal, ['run down: a']);
});

test('when a client is killed, what it holds runs down, once', async (t) => {
  const { journal, server } = await local(t);
  const actor = startActor<Order, News>(t, new URL('./holder-actor.js', import.meta.url));
  await actor.until('holds');
  await actor.kill();
  await until('it has run down', () => journal.length > 0);
  await server.close();
  assert.deepEqual(journal, ['run down: held']);
});

test('when a client exits without a close, what it holds runs down, once', async (t) => {
  const { journal, server } = await local(t);
  const actor = startActor<Order, News>(t, new URL('./holder-actor.js', import.meta.url));
  await actor.until('holds');
  actor.send({ type: 'exit' });
  await actor.ended;
  await until('it has run down', () => journal.length > 0);
  await server.close();
  assert.deepEqual(journal, ['run down: held']);
});

test('when a client is dropped since it breaks the rules, what it holds runs down, once', async (t) => {
  const { client, journal, server } = await local(t);
  const port = await connectPort('\\RPC Control\\spooler');
  atEnd(t, () => port.close());
  const { data } = await port.request(codec.frame(Kind.bind, 0, 0, 0, 0, { name: 'spooler', version: '1.2', methods: [['openJob', 'call']] }));
  const [openJob] = (codec.value(data) as { procedures: number[] }).procedures;
  for (const name of ['a', 'b']) assert.equal(kindOf((await port.request(codec.frame(Kind.call, 0, openJob!, 0, 0xffff_ffff, name))).data), Kind.response);
  assert.deepEqual(journal, []);
  port.tryPost(Buffer.alloc(HEADER - 1)); // shorter than a header
  await until('it is dropped, and all has run down', () => port.closed && journal.length === 2);
  assert.equal(await client.add([1, 2]), 3);
  await server.close();
  assert.equal(journal.length, 2);
  assert.deepEqual(new Set(journal), new Set(['run down: a', 'run down: b']));
});

test('a client holds no more handles than the limit', async (t) => {
  const { client } = await local(t, { limits: { handles: 2 } });
  await client.openJob('a');
  await client.openJob('b');
  await assert.rejects(client.openJob('c'), failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
});
