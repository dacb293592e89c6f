/**
 * What is tried with system calls that fail, in the main thread and in a worker: one operation each, in a namespace where a
 * server serves already. An operation either succeeds or ends with a typed error; afterwards nothing of it is left, and the
 * next one, with no failure, succeeds.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { AlpcError } from '../../src/base/errors.js';
import { closeDescriptor } from '../../src/platform/system.js';
import { type ClientPort, connectPort, connectPortSync, createPort, createPortSync, createUnconnectedPort, type UnconnectedPort } from '../../src/ports/index.js';
import { Injection } from '../support/injection.js';
import { settle, takeStock } from '../support/ledger.js';
import { turn } from '../support/turns.js';
import { numbers } from './expect.js';
import { NAME } from './serving.js';
import { Verbs } from './verbs.js';

const OTHER = '\\RPC Control\\other';
const PATIENCE = 10_000;
const SMALL = { limits: { ringLength: 4096 } };
const TAKES = ['view', 'section'] as const;
const SIZE = 5000;

async function useClient(client: ClientPort): Promise<void> {
  try {
    assert.equal((await client.request('echo awaited')).data.toString(), 'awaited');
    await client.post('posted');
    assert.equal(client.tryReceive(), undefined);
  } finally {
    client.close();
  }
}

/** Sections, whole and by views of both kinds, that a port sends to itself. */
async function share(port: UnconnectedPort): Promise<void> {
  try {
    for (const secure of [false, true]) {
      using section = port.createSection(2 * SIZE, { secure });
      using view = section.createView(SIZE);
      view.bytes.fill(7);
      const call = port.request('echo shared', { view, handles: secure ? [] : [section] });
      await look(port, call);
      assert.equal((await call).data.toString(), 'shared');
    }
  } finally {
    port.close();
  }
}

/** Receives what it sent, and answers. */
async function look(port: UnconnectedPort, call: Promise<unknown>): Promise<void> {
  const message = await Promise.race([port.receive(), call.then(() => undefined)]);
  if (message?.type === 'port-closed') return; // and the call says why
  assert.ok(message?.type === 'request', message?.type);
  assert.ok(message.view!.bytes.every((byte) => byte === 7));
  for (const index of numbers(message.handles.length)) closeDescriptor(message.handles.take(index, 'section'));
  message.reply('shared', { unmapExisting: true });
}

/** A server in this thread may be asked without blocking only. */
export const SCENARIOS = {
  'createPort and close': async () => {
    const port = await createPort(OTHER);
    await port.close();
  },
  'createPortSync and closeSync': async () => {
    const port = createPortSync(OTHER);
    await turn();
    port.closeSync();
  },
  'createUnconnectedPort and a call': async () => {
    using port = createUnconnectedPort(SMALL);
    port.on('message', new Verbs().handle);
    assert.equal((await port.request('echo itself')).data.toString(), 'itself');
  },
  'connectPort and a call, to a server in this thread': async () => useClient(await connectPort(NAME, SMALL)),
  'connectPort and a call, to another process': async () => useClient(await connectPort(`${NAME} elsewhere`, SMALL)),
  'connectPortSync and a blocking call, to another process': async () => {
    const client = connectPortSync(`${NAME} elsewhere`, SMALL);
    try {
      assert.equal(client.requestSync('echo blocking').data.toString(), 'blocking');
      assert.equal(client.requestSync('later 3 asleep').data.toString(), 'asleep');
    } finally {
      client.close();
    }
  },
  'sections and views of a port that talks with itself': async () => share(createUnconnectedPort({ ...SMALL, accepts: TAKES })),
} as const satisfies Record<string, () => Promise<void>>;

export type Scenario = keyof typeof SCENARIOS;

/** What an operation may end with when a call of it fails, on this side or on the server's. */
const TYPED = ['ERR_ALPC_INSUFFICIENT_RESOURCES', 'ERR_ALPC_ACCESS_DENIED', 'ERR_ALPC_QUOTA_EXCEEDED', 'ERR_ALPC_DISCONNECTED'];

/** Tries a scenario with each of its calls failing in each way; how often which outcome came of it. @throws Error that names the call and what is wrong */
export async function tryAll(scenario: Scenario): Promise<Record<string, number>> {
  const port = await createPort(NAME, SMALL);
  try {
    port.on('message', new Verbs().handle);
    const run = SCENARIOS[scenario];
    await run(); // opens what is opened once and kept
    await settled();
    let stock = takeStock();
    const outcomes: Record<string, number> = {};
    const wrong: string[] = [];
    // How many calls there are differs from run to run, so it goes on until one was not reached.
    for (let index = 0; ; index++) {
      const plain = await attempt(run, index, 'none');
      assert.equal(plain.outcome, 'as ever');
      if (index >= plain.journal.length) break;
      for (const errno of Injection.errnosOf(plain.journal[index]!)) {
        const { outcome, journal } = await attempt(run, index, errno);
        const what = `${scenario}, ${journal.slice(Math.max(0, index - 3), index + 1).join(', ')}`;
        if (!TYPED.includes(outcome) && outcome !== 'as ever') wrong.push(`${what}: ${outcome}`);
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
        try {
          await run();
          await settle(stock);
        } catch (error) {
          wrong.push(`${what}: afterwards ${inspect(error)}`);
          stock = takeStock();
        }
      }
    }
    if (wrong.length > 0) throw new Error(`${wrong.length} of ${Object.values(outcomes).reduce((sum, count) => sum + count)} failures are not as they must be:\n${wrong.join('\n')}`);
    return outcomes;
  } finally {
    await port.close();
  }
}

/** Runs it with one call failing: how it ended, and the journal of its calls. */
async function attempt(run: () => Promise<void>, index: number, errno: string): Promise<{ outcome: string; journal: string[] }> {
  using injection = new Injection();
  injection.failAt(index, errno);
  const outcome = await Promise.race([
    run().then(
      () => 'as ever',
      (error: unknown) => (AlpcError.is(error) ? error.code : inspect(error)),
    ),
    sleep(PATIENCE, 'still not settled', { ref: false }),
  ]);
  await settled();
  return { outcome, journal: injection.journal };
}

/** The server in this thread has had its turns. */
async function settled(): Promise<void> {
  for (let turns = 0; turns < 5; turns++) await turn();
}
