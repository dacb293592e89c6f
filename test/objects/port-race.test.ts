/**
 * Who gets a name when many want it, and what is left when they are killed: with real processes, which begin together at a
 * moment on the clock. Each round's winner is asked for by a client, whom the kernel tells which process listens.
 */
import assert from 'node:assert/strict';
import { chmodSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bindPortNameSync, createDirectory, openPort } from '../../src/objects/index.js';
import { peerCredentials } from '../../src/platform/credentials.js';
import { Descriptor } from '../../src/platform/directory.js';
import { addressOfSocketFile } from '../../src/platform/listener.js';
import { closeDescriptor } from '../../src/platform/system.js';
import { connectSocket, createSeqpacketSocket } from '../../src/platform/unix-socket.js';
import { times } from '../support/forms.js';
import { startActor } from '../support/processes.js';
import type { Answer } from './object-actor.js';
import { failsWith, isRoot, type ObjectActor, order, startObjectActor, testInRoot } from './support.js';
import { withLedger } from '../support/ledger.js';

withLedger();

const NAME = '\\RPC Control\\wanted';
const ROUNDS = times(24, 240);
const KILLS = times(8, 80);

/** The process that listens at a name. */
function serverOf(name: string, root: string): number {
  using port = new Descriptor(openPort(name, { root }).fd);
  using socket = new Descriptor(createSeqpacketSocket());
  assert.equal(connectSocket(socket.fd, addressOfSocketFile(port.fd)), 'connected');
  return peerCredentials(socket.fd).pid;
}

testInRoot(`of ten processes that race for one name exactly one gets it, in each of ${ROUNDS} rounds, whatever became of the last winner`, async (root, t) => {
  const actors = Array.from({ length: 10 }, () => startObjectActor(t));
  await Promise.all(actors.map((actor) => order(actor, { type: 'ready' })));
  for (let round = 0; round < ROUNDS; round++) {
    const at = Date.now() + 10;
    const answers = await Promise.all(actors.map((actor, index) => order(actor, { type: 'bind', name: NAME, root, at, how: (round + index) % 2 === 0 ? 'blocking' : 'awaited' })));
    const winners = actors.filter((_, index) => answers[index]!.done);
    assert.equal(winners.length, 1, `round ${round}: ${JSON.stringify(answers)}`);
    for (const answer of answers) if (!answer.done) assert.equal(answer.code, 'ERR_ALPC_NAME_IN_USE', answer.message);
    const winner = winners[0]!;
    assert.equal(serverOf(NAME, root), winner.pid);
    assert.deepEqual(readdirSync(join(root, 'RPC Control')), ['wanted']);
    if (round % 3 === 0) assert.deepEqual(await order(winner, { type: 'remove' }), { done: true, removed: true });
    else if (round % 3 === 1) await order(winner, { type: 'close' });
    else {
      await winner.kill();
      const next = (actors[actors.indexOf(winner)] = startObjectActor(t));
      await order(next, { type: 'ready' });
    }
  }
});

const KILL_POINTS = ['lock', 'bind', 'chmod', 'listen', 'rename', 'unlock', 'remove-lock', 'remove-unlink'];

for (const point of KILL_POINTS) {
  for (const over of ['a free name', 'a dead name']) {
    testInRoot(`a server killed after '${point}' over ${over} keeps nobody from the name`, async (root, t) => {
      createDirectory('\\RPC Control\\sub', { root });
      const name = '\\RPC Control\\sub\\wanted';
      if (over === 'a dead name') closeDescriptor(bindPortNameSync(name, { root }).fd);
      const actor = startActor(t, new URL('./half-made-actor.js', import.meta.url), [join(root, 'RPC Control/sub'), 'wanted', point]);
      assert.deepEqual(await actor.ended, { code: null, signal: 'SIGKILL' }, actor.output);
      const port = bindPortNameSync(name, { root });
      assert.equal(serverOf(name, root), process.pid);
      assert.deepEqual(readdirSync(join(root, 'RPC Control/sub')), ['wanted']);
      assert.ok(port.removeSync());
      closeDescriptor(port.fd);
    });
  }
}

testInRoot('while processes that make and give back one name are killed at any moment, the name is never stuck and never shared', async (root, t) => {
  const actors: ObjectActor[] = [];
  const start = async (): Promise<void> => {
    const actor = startObjectActor(t);
    await order(actor, { type: 'ready' });
    actor.send({ type: 'churn', name: NAME, root });
    actors.push(actor);
  };
  let owned = 0;
  await Promise.all([start(), start(), start()]);
  for (let kill = 0; kill < KILLS; kill++) {
    await sleep(Math.random() * 5);
    const victim = actors.shift()!;
    assert.equal((await victim.kill()).signal, 'SIGKILL', victim.output); // and not an error of its own before
    try {
      const port = bindPortNameSync(NAME, { root, timeout: 60_000 });
      assert.equal(serverOf(NAME, root), process.pid);
      assert.ok(port.removeSync({ timeout: 60_000 }), 'our name is still ours');
      closeDescriptor(port.fd);
      owned++;
    } catch (error) {
      failsWith('ERR_ALPC_NAME_IN_USE')(error);
    }
    await start();
  }
  for (const actor of actors) assert.equal((await actor.kill()).signal, 'SIGKILL', actor.output);
  assert.ok(owned > 0);
  const port = bindPortNameSync(NAME, { root });
  assert.deepEqual(readdirSync(join(root, 'RPC Control')), ['wanted']);
  closeDescriptor(port.fd);
});

if (isRoot) {
  testInRoot("another user's port is neither replaced nor judged without leave, in a directory that all may write to", async (root, t) => {
    createDirectory('\\shared', { root, mode: 0o1777 });
    for (const path of ['..', '.']) chmodSync(join(root, path), 0o755);
    const [alice, bob] = [startObjectActor(t, { uid: 4001, gid: 4001 }), startObjectActor(t, { uid: 4002, gid: 4002 })];
    const bind = (actor: ObjectActor, name: string, mode: number): Promise<Answer> => order(actor, { type: 'bind', name, root, how: 'blocking', mode });
    const refused = (answer: Answer, code: string, message: RegExp): void => {
      assert.ok(!answer.done, 'it is refused');
      assert.equal(answer.code, code);
      assert.match(answer.message, message);
    };
    assert.deepEqual(await bind(alice, '\\shared\\closed', 0o600), { done: true });
    refused(await bind(bob, '\\shared\\closed', 0o600), 'ERR_ALPC_ACCESS_DENIED', /port of user 4001, and its permissions/);
    assert.deepEqual(await bind(alice, '\\shared\\open', 0o666), { done: true });
    refused(await bind(bob, '\\shared\\open', 0o666), 'ERR_ALPC_NAME_IN_USE', /whose server lives/);
    await order(alice, { type: 'close' });
    refused(await bind(bob, '\\shared\\open', 0o666), 'ERR_ALPC_ACCESS_DENIED', /left by another user's dead server/);
    assert.deepEqual(readdirSync(join(root, 'shared')).toSorted(), ['closed', 'open']);
    assert.deepEqual(await bind(alice, '\\shared\\open', 0o666), { done: true }, 'its own user may');
    await alice.kill();
    closeDescriptor(bindPortNameSync('\\shared\\open', { root }).fd);
  });
}
