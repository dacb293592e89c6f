/**
 * Those who connect and say nothing. So many of one user may stand at a port's door, and so many in all; who is one too many is told so
 * at once, costs nothing that stays, and takes no place from another user. A place is free again as soon as somebody speaks, leaves
 * or is shown out. And however many come at once, those who are in are served between them.
 *
 * The clock goes a hundred times slower here, so that on a busy machine nobody is shown out before it is meant.
 */
import assert from 'node:assert/strict';
import { type ChannelListener, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { test, type TestContext } from 'node:test';
import { connectPort, type ConnectionPort, createPort } from '../../src/index.js';
import { closeDescriptor } from '../../src/platform/system.js';
import { failsWith, numbers, tally, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { takeStock, settle, withLedger } from '../support/ledger.js';
import { type Actor, startActor } from '../support/processes.js';
import { turnsUntil } from '../support/turns.js';
import { noOtherUsers, sharedRoot, USERS } from '../support/users.js';
import type { News as CrowdNews, Order as CrowdOrder } from './crowd-actor.js';
import { RECORD_TYPE, REASON } from './peer.js';
import { connectTo, makeSocket } from './raw.js';
import type { News, Order } from './silent-actor.js';
import { NAME as STAGE, openStage } from './stage.js';

withLedger();

/** Newcomers that may stand without a word, of one user and of all, as src/ports/reception.ts has it. */
const SILENT = { ofUser: 256, ofAll: 1024 };
const PATIENCE = 10_000;
/** Newcomers that are taken in between two looks at the others, by the same file. */
const ACCEPTS_AT_ONCE = 8;
/** So that a wait without end is a failure: by this clock none ends of itself. */
const LIMIT = 60_000;
const NAME = '\\RPC Control\\door';
const [HOSTILE, POLITE] = USERS;

/** A clock that goes slowly, and on by as much as is said. */
function slowClock(t: TestContext): (milliseconds: number) => void {
  const now = performance.now.bind(performance);
  const begun = now();
  let ahead = 0;
  const clock = t.mock.method(performance, 'now', () => begun + ahead + (now() - begun) / 100);
  atEnd(t, () => clock.mock.restore());
  return (milliseconds) => void (ahead += milliseconds);
}

interface Door {
  readonly port: ConnectionPort;
  /** Who was turned away since it was asked last: '12 of 54322: quota'. */
  turnedAway(): Record<string, number>;
  readonly silent: Actor<Order, News>;
  /** How many of the silent user's sockets heard what, in the order of their coming. */
  heard(): Promise<(number | 'nothing')[]>;
  /** A client of the library, of that user, tries to connect: what became of it. */
  tries(uid: number): Promise<string>;
}

async function openDoor(t: TestContext): Promise<Door> {
  const root = sharedRoot(t);
  const port = await createPort(NAME, { security: { allow: [{ user: 'everyone' }] } });
  atEnd(t, () => port.close());
  const away: string[] = [];
  port.on('message', () => {});
  port.on('refuse', ({ uid }, reason) => away.push(`${reason} ${uid}`));
  const start = <O extends { type: string }, N extends { type: string }>(module: string, uid: number, ...args: string[]): Actor<O, N> => startActor<O, N>(t, new URL(module, import.meta.url), args, {}, { uid, gid: uid });
  const silent = start<Order, News>('./silent-actor.js', HOSTILE, join(root, 'RPC Control', 'door'));
  const proper = Object.fromEntries([HOSTILE, POLITE].map((uid) => [uid, start<CrowdOrder, CrowdNews>('./crowd-actor.js', uid)]));
  return {
    port,
    silent,
    turnedAway: () => tally(away.splice(0)),
    heard: async () => (await silent.ask({ type: 'listen' }, 'heard')).each,
    tries: async (uid) => {
      const { count, refusals } = await proper[uid]!.ask({ type: 'connect', name: NAME, times: 1 }, 'connected');
      await proper[uid]!.ask({ type: 'leave' }, 'left');
      return count === 1 ? 'in' : Object.keys(refusals).join();
    },
  };
}

test('of one user so many may stand without a word: those beyond are refused with quota and nothing is left of them, another user is let in meanwhile, and so is the port\'s own', { skip: noOtherUsers, timeout: LIMIT }, async (t) => {
  slowClock(t);
  const door = await openDoor(t);
  await door.silent.ask({ type: 'come', times: SILENT.ofUser }, 'came');
  assert.equal(await door.tries(POLITE), 'in');
  assert.deepEqual(tally((await door.heard()).map(String)), { nothing: SILENT.ofUser }, 'as many as may stand do');
  const before = takeStock();
  await door.silent.ask({ type: 'come', times: 44 }, 'came');
  await until('the others were sent away', async () => (await door.heard()).at(-1) !== 'nothing');
  assert.deepEqual(await door.heard(), numbers(300).map((i) => (i < SILENT.ofUser ? 'nothing' : REASON.quota)), 'who came first stays');
  assert.deepEqual(door.turnedAway(), { [`quota ${HOSTILE}`]: 44 });
  assert.equal(await door.tries(HOSTILE), 'ERR_ALPC_QUOTA_EXCEEDED', 'whoever it is of that user: it is not known yet what it will say');
  assert.equal(await door.tries(POLITE), 'in');
  (await connectPort(NAME)).close();
  await until('both have left', () => door.port.connections.length === 0);
  await settle(before);
  assert.deepEqual(door.turnedAway(), { [`quota ${HOSTILE}`]: 1 });
});

test('a place at the door is free again when somebody leaves, speaks or is shown out, and no more than once', { skip: noOtherUsers, timeout: LIMIT }, async (t) => {
  const goOn = slowClock(t);
  const door = await openDoor(t);
  const standing = async (count: number): Promise<void> => {
    await until(`${count} stand`, async () => (await door.heard()).filter((heard) => heard === 'nothing').length === count);
  };
  /** All the places can be taken, and none beside them. */
  const fills = async (left: number): Promise<void> => {
    await door.silent.ask({ type: 'come', times: left + 1 }, 'came');
    await until('the one too many was sent away', async () => (await door.heard()).at(-1) === REASON.quota);
    await standing(SILENT.ofUser);
    assert.deepEqual(door.turnedAway(), { [`quota ${HOSTILE}`]: 1 });
  };
  await fills(SILENT.ofUser);
  await door.silent.ask({ type: 'leave', times: 1 }, 'left');
  await until('its place is free', async () => (await door.tries(HOSTILE)) === 'in'); // who spoke takes none
  door.turnedAway();
  await fills(1);
  await door.silent.ask({ type: 'leave', times: 100 }, 'left');
  await until('their places are free', async () => (await door.tries(HOSTILE)) === 'in');
  door.turnedAway();
  await fills(100);
  goOn(PATIENCE);
  assert.throws(() => door.port.receiveSync({ timeout: 0 }), failsWith('ERR_ALPC_TIMEOUT'));
  await until('all are shown out', async () => (await door.heard()).every((heard) => heard !== 'nothing'));
  assert.deepEqual(door.turnedAway(), { [`protocol ${HOSTILE}`]: SILENT.ofUser });
  await fills(SILENT.ofUser);
});

test('of all users together so many may stand without a word, the port\'s own among them: who is in is served, and the others are let in when these have gone', { timeout: LIMIT }, async (t) => {
  slowClock(t);
  const stage = await openStage(t);
  await stage.survives(async () => {
    const sockets: number[] = [];
    atEnd(t, () => sockets.splice(0).forEach(closeDescriptor));
    for (let i = 0; i < SILENT.ofAll + 10; i++) {
      const fd = makeSocket();
      sockets.push(fd);
      assert.equal(connectTo(fd, stage.path), 'ok');
      if (i % 8 === 7) await stage.honest.request('in between'); // and takes them in, so that the backlog never fills
    }
    await turnsUntil(() => stage.told.length === 10);
    for (let i = 0; i < 10; i++) await stage.drops('quota');
    assert.equal((await stage.honest.request('served')).data.toString(), 'served');
    await assert.rejects(connectPort(STAGE), failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
    await stage.drops('quota');
    sockets.splice(0).forEach(closeDescriptor);
  });
  assert.deepEqual(stage.told, [], 'who left without a word is no offender');
});

for (const form of ['on', 'receiveSync'] as const) {
  test(`of a burst of newcomers a few are let in at a time, and between them a server that receives by ${form} takes the messages of those who are in`, { timeout: LIMIT }, async (t) => {
    const stage = await openStage(t);
    await stage.survives(async () => {
      const journal: ('newcomer' | 'message')[] = [];
      const note: ChannelListener = (message) => void ((message as { role: string }).role === 'server' && journal.push('newcomer'));
      const established = await stage.guest();
      /** There is always one more. */
      const say = (): void => void (journal.length < 10_000 && established.send({ type: RECORD_TYPE.datagram, data: 'served?' }));
      const heard = (): void => {
        journal.push('message');
        say();
      };
      if (form === 'on') stage.port.on('message', (message) => void (message.type === 'datagram' && heard()));
      const newcomers = numbers(8 * ACCEPTS_AT_ONCE).map(() => stage.peer());
      subscribe('alpc:connect', note);
      atEnd(t, () => unsubscribe('alpc:connect', note));
      for (const newcomer of newcomers) {
        assert.equal(newcomer.connect(stage.path), 'ok');
        newcomer.say();
      }
      assert.deepEqual(journal, [], 'all of them wait at the door');
      say();
      const areIn = (): boolean => journal.filter((entry) => entry === 'newcomer').length === newcomers.length;
      if (form === 'on') await turnsUntil(areIn);
      else while (!areIn()) if (stage.port.receiveSync().type === 'datagram') heard();
      unsubscribe('alpc:connect', note);
      const runs = journal.join(' ').match(/newcomer( newcomer)*/g)!.map((run) => run.split(' ').length);
      t.diagnostic(`let in ${runs.join(', ')} at a time, with ${journal.length - newcomers.length} messages between`);
      assert.ok(Math.max(...runs) <= ACCEPTS_AT_ONCE, runs.join());
      for (const peer of [established, ...newcomers]) {
        peer.close();
        await stage.drops('died');
      }
    });
  });
}
