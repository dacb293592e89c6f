/** Many clients, long values, and races between an answer and those who no longer wait for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bind } from '../../src/rpc/index.js';
import { atEnd } from '../support/at-end.js';
import { times } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';
import { local, remote, type SpoolerClient, until } from './expect.js';
import { Spooler } from './spooler.js';

withLedger();

const MIB = times(16, 100);

test('a thousand clients are served, each its own, and all that they held runs down', { timeout: 120_000 }, async (t) => {
  const { server, journal } = await local(t);
  const clients: SpoolerClient[] = [];
  atEnd(t, () => clients.forEach((client) => client.close()));
  for (let i = 0; i < 1000; i++) clients.push(await bind(Spooler, 'spooler', { portLimits: { ringLength: 4096 } }));
  const handles = await Promise.all(clients.map((client, i) => client.openJob(String(i))));
  const names = await Promise.all(clients.map((client, i) => client.readJob(handles[i]!)));
  assert.deepEqual(names, clients.map((_, i) => String(i)));
  assert.ok(server.connections >= 1000);
  for (const client of clients) client.close();
  await until('all have run down', () => journal.length === 1000);
  assert.equal(new Set(journal).size, 1000);
  await until('one is left', () => server.connections === 1);
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
