/**
 * Races for a name: with other servers, for what a dead one left; with another user, who lays things in the way; and with a program
 * that moves directories about. One server gets the name, its own socket stands there, and nothing half made stays.
 */
import assert from 'node:assert/strict';
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import { createDirectory, createPort, removeObject } from '../../src/index.js';
import { bindPortNameSync } from '../../src/objects/index.js';
import { closeDescriptor } from '../../src/platform/system.js';
import { failsWith, until } from '../process/expect.js';
import { times } from '../support/forms.js';
import { settle, takeStock, withLedger } from '../support/ledger.js';
import { type Actor, startActor } from '../support/processes.js';
import { SOCK_SEQPACKET, SOCK_STREAM } from './raw.js';
import type { SquatterNews, SquatterOrder } from './squatter-actor.js';
import { ask, leaveDead, NAME, openRoot, serve, startRacer } from './wanted.js';

withLedger();

const isRoot = process.geteuid!() === 0;
const asRoot = { skip: !isRoot && 'needs root, to make other users' };

test('B31: of two to eight servers that race for the name of a dead one exactly one gets it, and that one is reached there', { timeout: 3_600_000 }, async (t) => {
  const { root, path } = openRoot(t, false);
  const racers = await Promise.all(Array.from({ length: 8 }, () => startRacer(t)));
  for (let round = 0; round < times(60, 2000); round++) {
    const running = racers.slice(0, 2 + (round % 7));
    if (round % 5 !== 4) leaveDead(path, round % 3 === 0 ? SOCK_STREAM : SOCK_SEQPACKET, round % 2 === 0);
    const at = Date.now() + 5;
    const answers = await Promise.all(running.map((racer, index) => racer.ask({ type: 'create', name: NAME, at, blocking: (round + index) % 2 === 0 }, 'created')));
    const winners = running.filter((_, index) => answers[index]!.code === undefined);
    assert.equal(winners.length, 1, `round ${round}: ${JSON.stringify(answers)}`);
    for (const { code, message } of answers) assert.ok(code === undefined || code === 'ERR_ALPC_NAME_IN_USE', message);
    assert.equal(await ask(), winners[0]!.pid, `round ${round}`);
    assert.deepEqual(readdirSync(join(root, 'RPC Control')), ['wanted']);
    await winners[0]!.ask({ type: 'close' }, 'done');
    assert.deepEqual(readdirSync(join(root, 'RPC Control')), []);
  }
});

/** Leftovers of a server that was killed after each step of its start, or of its end. */
const leftovers: Record<string, (path: string, temporary: string) => void> = {
  'nothing': () => {},
  'a socket that was not given its mode': (_, temporary) => {
    leaveDead(temporary, SOCK_SEQPACKET, false);
    chmodSync(temporary, 0); // as the umask may have it
  },
  'a socket that never listened': (_, temporary) => {
    leaveDead(temporary, SOCK_SEQPACKET, false);
    chmodSync(temporary, 0o600);
  },
  'a socket without its name': (_, temporary) => leaveDead(temporary),
  'a name': (path) => leaveDead(path),
  'a name that others may use': (path) => {
    leaveDead(path);
    chmodSync(path, 0o666);
  },
  'a name, and a socket without one': (path, temporary) => {
    leaveDead(path);
    leaveDead(temporary);
  },
  'unfinished things of others': (path, temporary) => {
    leaveDead(path);
    mkdirSync(temporary);
    leaveDead(`${temporary}-0123456789abcdef`);
  },
};

test('B27: whatever a server left when it was killed, the next one starts; of two that start at once, one', { timeout: 3_600_000 }, async (t) => {
  const { root, path } = openRoot(t, false);
  const temporary = join(root, 'RPC Control', `.alpc-${process.geteuid!()}`);
  const before = takeStock();
  for (let restart = 0; restart < times(80, 1000); restart++) {
    const [what, leave] = Object.entries(leftovers)[restart % Object.keys(leftovers).length]!;
    leave(path, temporary);
    const outcomes = await Promise.allSettled([createPort(NAME, { timeout: 60_000 }), createPort(NAME, { timeout: 60_000 })]);
    const [ports, failures] = [outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : [])), outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []))];
    assert.equal(ports.length, 1, `${what}: ${failures.join()}`);
    failsWith('ERR_ALPC_NAME_IN_USE')(failures[0]);
    serve(ports[0]!);
    assert.equal(await ask(), process.pid);
    assert.deepEqual(readdirSync(join(root, 'RPC Control')), ['wanted'], what);
    await ports[0]!.close();
  }
  await settle(before);
});

type Squatter = Actor<SquatterOrder, SquatterNews>;

async function startSquatter(t: TestContext, identity: { uid?: number; gid?: number } = {}): Promise<Squatter> {
  const actor = startActor<SquatterOrder, SquatterNews>(t, new URL('./squatter-actor.js', import.meta.url), [], {}, { watchdog: times(100_000, 3_600_000), ...identity });
  await actor.until('ready');
  return actor;
}

test('test 31: whatever another user lays in the way meanwhile, a server gets a socket of its own under its name, or an error, and no other thing is touched', { ...asRoot, timeout: 3_600_000 }, async (t) => {
  const { root } = openRoot(t);
  for (const path of [join(root, '..'), root]) chmodSync(path, 0o755);
  createDirectory('\\shared', { mode: 0o1777 });
  const foreign = join(root, 'foreign');
  writeFileSync(foreign, 'mine', { mode: 0o600 });
  const before = lstatSync(foreign);
  const bob = await startSquatter(t, { uid: 4002, gid: 4002 });
  await bob.ask({ type: 'squat', directory: join(root, 'shared'), leaf: 'wanted', foreign }, 'running');
  const outcomes: Record<string, number> = {};
  for (let i = 0; i < times(600, 10_000); i++) {
    try {
      const port = bindPortNameSync('\\shared\\wanted', { mode: 0o600 });
      const stat = lstatSync(join(root, 'shared/wanted'), { bigint: true });
      assert.deepEqual([stat.ino, stat.dev, stat.uid, Number(stat.mode) & 0o777, stat.isSocket()], [port.ino, port.dev, 0n, 0o600, true]);
      assert.ok(port.removeSync());
      closeDescriptor(port.fd);
      outcomes['own'] = (outcomes['own'] ?? 0) + 1;
    } catch (error) {
      const { code } = error as { code: string };
      assert.ok(['ERR_ALPC_NAME_IN_USE', 'ERR_ALPC_OBJECT_TYPE_MISMATCH', 'ERR_ALPC_ACCESS_DENIED', 'ERR_ALPC_NAME_NOT_FOUND'].includes(code), String(error));
      outcomes[code] = (outcomes[code] ?? 0) + 1;
    }
    if (i % 50 === 0) await sleep(1);
  }
  bob.send({ type: 'stop' });
  const { succeeded } = await bob.until('stopped');
  t.diagnostic(`${JSON.stringify(outcomes)}, while ${succeeded} things were laid in the way`);
  const after = lstatSync(foreign);
  assert.deepEqual([after.ino, after.mode, after.uid, after.nlink, readFileSync(foreign, 'utf8')], [before.ino, before.mode, 0, 1, 'mine']);
  assert.ok(outcomes['own']! > 0 && succeeded > 0);
  const port = serve(await until('the name is free', () => createPort('\\shared\\wanted').catch(() => undefined)));
  assert.equal(await ask('\\shared\\wanted'), process.pid);
  await port.close();
});

test('test 31: while two directories change places, a port stands in one of them under its name, and nothing half made in any', { timeout: 3_600_000 }, async (t) => {
  const { root } = openRoot(t);
  for (const name of ['\\a', '\\b']) createDirectory(name, { mode: 0o700 });
  const swapper = await startSquatter(t);
  await swapper.ask({ type: 'swap', one: join(root, 'a'), two: join(root, 'b') }, 'running');
  const tally = { removed: 0, moved: 0 };
  for (let i = 0; i < times(600, 10_000); i++) {
    const port = bindPortNameSync('\\a\\wanted', { timeout: 60_000 });
    // They change places between two looks too: so it is looked for until it is found.
    await until('it stands somewhere', () => ['a', 'b'].some((directory) => lstatSync(join(root, directory, 'wanted'), { bigint: true, throwIfNoEntry: false })?.ino === port.ino));
    if (port.removeSync({ timeout: 60_000 })) tally.removed++;
    else {
      tally.moved++; // its directory has another name now, and what it left there is dead
      for (const directory of ['\\a', '\\b']) try { removeObject(`${directory}\\wanted`, { force: true }); } catch { /* it stands in the other, or moved again */ }
    }
    closeDescriptor(port.fd);
    if (i % 50 === 0) await sleep(1);
  }
  swapper.send({ type: 'stop' });
  const { succeeded } = await swapper.until('stopped');
  t.diagnostic(`${JSON.stringify(tally)}, while they changed places ${succeeded} times`);
  assert.ok(succeeded > 100);
  for (const directory of ['a', 'b']) {
    assert.deepEqual(readdirSync(join(root, directory)).filter((name) => name !== 'wanted'), []);
    const name = `\\${directory}\\wanted`;
    const port = serve(await createPort(name));
    assert.equal(await ask(name), process.pid);
    await port.close();
  }
});
