/** Either side is killed in the middle of everything: each call and stream settles, and the survivor holds nothing of the dead. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AlpcError } from '../../src/index.js';
import { bind, implement, Management, RemoteError } from '../../src/rpc/index.js';
import { times } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import { another, local, remote, type SpoolerClient, until } from './expect.js';
import { Progress, Spooler } from './spooler.js';

withLedger();

const LOST = ['ERR_ALPC_MESSAGE_LOST', 'ERR_ALPC_DISCONNECTED', 'ERR_ALPC_NOT_EXECUTED'];

const KINDS = ['call', 'long value', 'callback', 'handle', 'stream down', 'stream both ways', 'one-way'] as const;
type Kind = (typeof KINDS)[number];

/** Everything at once, again and again; `done` is told of what ended well. Fails when one ends otherwise than well or by the server's death. */
async function everything(client: SpoolerClient, done: (what: Kind) => void): Promise<void> {
  const long = new Uint8Array(1_000_000).fill(3);
  const works: Record<Kind, () => Promise<unknown>> = {
    call: () => client.add([1, 2]),
    'long value': () => client.echo(long),
    callback: () => client.withProgress({ count: 3, how: 'awaited' }),
    handle: async () => client.closeJob(await client.openJob('x')),
    'stream down': async () => {
      for await (const _ of client.count({ to: 3000 }));
    },
    'stream both ways': async () => {
      for await (const _ of client.upper('', { items: Array.from({ length: 3000 }, String) }));
    },
    'one-way': () => client.log('line'),
  };
  await Promise.all(
    KINDS.map(async (what) => {
      for (;;) {
        try {
          await works[what]();
          done(what);
        } catch (error) {
          // A handler that lost its caller on the way back says so in words of its own, if it still can.
          assert.ok((AlpcError.is(error) && LOST.includes(error.code)) || error instanceof RemoteError, `${what}: ${String(error)}`);
          if (client.binding.state !== 'open' || AlpcError.is(error)) return;
        }
      }
    }),
  );
}

test('a server that is killed at any moment: all that was going on settles, whatever it was', { timeout: 600_000 }, async (t) => {
  const seen = new Set<Kind>();
  let server = await remote(t);
  for (let round = 0; round < times(KINDS.length, 60); round++) {
    const client = await bind(Spooler, 'spooler', { callbacks: [implement(Progress, { report: String, later: async (i) => String(i), note: () => {} })] });
    const done: Kind[] = [];
    const work = everything(client, (what) => done.push(what));
    const kind = KINDS[round % KINDS.length]!;
    await until(`it is well under way, ${kind} too`, () => done.length > 40 * (round % 10) && done.includes(kind));
    seen.add(kind);
    await server.kill();
    await work;
    client.close();
    server = await another(t);
  }
  assert.equal(seen.size, KINDS.length);
});

test('clients that are killed at any moment: the server goes on, and holds nothing of them', { timeout: 600_000 }, async (t) => {
  const { client, server, journal } = await local(t);
  for (let round = 0; round < times(4, 60); round++) {
    const actor = startActor<never, { type: 'busy' }>(t, new URL('./busy-actor.js', import.meta.url));
    await actor.until('busy');
    await sleep(10 + 23 * (round % 10));
    await actor.kill();
    assert.equal(await client.add([round, 1]), round + 1);
  }
  await until('all connections are gone', () => server.connections === 1);
  using management = await bind(Management, 'spooler');
  await until('no handler is at work', async () => (await management.statistics()).active === 0);
  assert.equal(journal.filter((line) => line === 'run down: busy').length, times(4, 60));
});
