/** Many clients, long values, and races between an answer and those who no longer wait for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bind } from '../../src/rpc/index.js';
import { atEnd } from '../support/at-end.js';
import { times } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import type { News, Order } from './crowd-actor.js';
import { local, remote, until } from './expect.js';
import { Spooler } from './spooler.js';

withLedger();

const MIB = times(16, 100);

test('a thousand clients of several processes are served, each its own, and all that they held runs down, however they go', { timeout: 120_000 }, async (t) => {
  const { server, journal } = await local(t);
  const actors = Array.from({ length: 5 }, (_, i) => startActor<Order, News>(t, new URL('./crowd-actor.js', import.meta.url), [String(200 * i), '200']));
  for (const actor of actors) await actor.until('ready');
  assert.equal(server.connections, 1001);
  for (const actor of actors) actor.send({ type: 'read' });
  const names: string[] = [];
  for (const actor of actors) names.push(...(await actor.until('read')).names);
  assert.deepEqual(names, Array.from({ length: 1000 }, (_, i) => String(i)));
  assert.deepEqual(journal, []);
  for (const actor of actors.slice(2)) actor.send({ type: 'close' });
  await Promise.all([...actors.slice(0, 2).map((actor) => actor.kill()), ...actors.slice(2).map((actor) => actor.until('closed'))]);
  await until('one is left', () => server.connections === 1);
  await until('all have run down', () => journal.length >= 1000);
  assert.equal(journal.length, 1000);
  assert.equal(new Set(journal).size, 1000);
});

test(`${MIB} MiB go there and come back, awaited and blocking`, { timeout: 120_000 }, async (t) => {
  await remote(t, ['spooler', 'long values', String(128 * 1024 * 1024)]);
  const client = await bind(Spooler, 'spooler', { limits: { valueLength: 128 * 1024 * 1024 } });
  atEnd(t, () => client.close());
  const bytes = Buffer.alloc(MIB * 1024 * 1024);
  for (let i = 0; i < bytes.length; i += 4096) bytes.writeUInt32LE(i, i);
  assert.ok(bytes.equals((await client.echo(bytes)) as Uint8Array));
  assert.ok(bytes.equals(client.echo.sync(bytes) as Uint8Array));
});

test('a call settles once, whether its answer, its time or its signal comes first', { timeout: 300_000 }, async (t) => {
  const { client, journal } = await local(t);
  let answered = 0;
  let gaveUp = 0;
  for (let i = 0; i < times(200, 10_000); i++) {
    const controller = new AbortController();
    const calls = [client.wait(i % 3, { timeout: 1 + (i % 3) }), client.wait(i % 2, { signal: controller.signal }), client.add([i, i], { signal: controller.signal })];
    setTimeout(() => controller.abort(), i % 3);
    for (const result of await Promise.allSettled(calls)) result.status === 'fulfilled' ? answered++ : gaveUp++; // oxlint-disable-line no-unused-expressions
    assert.equal(await client.add([i, 1]), i + 1);
  }
  assert.ok(answered > 0 && gaveUp > 0, `${answered} ${gaveUp}`);
  journal.length = 0;
});

test('streams that are abandoned half way, hundreds of them, leave nothing behind', async (t) => {
  const { client, journal } = await local(t, { limits: { streams: 16 } });
  for (let i = 0; i < 100; i++) {
    let seen = 0;
    for await (const _ of client.count({ to: 5000 })) if (++seen > i % 40) break;
    if (i % 10 === 0) for await (const _ of client.upper('', { items: ['a', 'b', 'c'] })) break;
  }
  await until('all generators have ended', () => journal.filter((line) => line === 'count is over').length === 100);
  assert.equal(await client.add([1, 2]), 3);
});
