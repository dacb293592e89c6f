/**
 * Who somebody is. The kernel says it once, when the connection is made; nothing that happens afterwards, to the process, to its
 * number, to its socket or to its user, changes whom the other side takes it for. Who is not known is let in by nobody.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, fstatSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { connectPort, connectPortSync, createPort } from '../../src/index.js';
import { libc } from '../../src/platform/system.js';
import { startObjectActor, order } from '../objects/support.js';
import { failsWith, until } from '../process/expect.js';
import { stop } from '../process/serving.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { type Actor, type ActorOptions, startActor } from '../support/processes.js';
import { temporaryRoot } from '../support/root.js';
import { turnsUntil } from '../support/turns.js';
import { serve } from './meeting.js';
import { HandListener, HandPeer, KIND, REASON, RECORD_TYPE } from './peer.js';
import { answers, reportOf, startServer } from './serving.js';
import { listen, NAME, openStage, openTrap, type Stage, type Told } from './stage.js';
import type { StrangerNews, StrangerOrder } from './stranger-actor.js';

withLedger();

const isRoot = process.geteuid!() === 0;
const asRoot = { skip: !isRoot && 'needs root, to make other users' };
const EVERYONE = { security: { allow: [{ user: 'everyone' }] } };
/** Two users that own nothing. */
const [ALICE, BOB] = [{ uid: 4001, gid: 4001 }, { uid: 4002, gid: 4002 }];

type Stranger = Actor<StrangerOrder, StrangerNews>;

async function startStranger(t: TestContext, identity: ActorOptions = {}): Promise<Stranger> {
  const actor = startActor<StrangerOrder, StrangerNews>(t, new URL('./stranger-actor.js', import.meta.url), [], {}, { ...identity, thread: 'main' });
  await actor.until('done');
  return actor;
}

async function tellTo(stranger: Stranger, given: StrangerOrder): Promise<void> {
  assert.equal((await stranger.ask(given, 'done')).outcome, 'ok');
}

/** A root that other users can reach. */
function openRoot(t: TestContext): string {
  const root = temporaryRoot(t, { leftovers: true });
  for (const path of [dirname(root), root]) chmodSync(path, 0o755);
  return root;
}

function letIn(path: string): void {
  chmodSync(dirname(path), 0o755);
  chmodSync(dirname(dirname(path)), 0o755);
  chmodSync(dirname(dirname(dirname(path))), 0o755);
}

/** A socket that `stranger` connected to the stage, in the hands of this process. */
async function takeOver(stage: Pick<Stage, 'path' | 'peer'>, stranger: Stranger): Promise<HandPeer> {
  const path = `${dirname(dirname(stage.path))}/hand-over`;
  const listener = new HandListener(path);
  chmodSync(path, 0o777);
  await tellTo(stranger, { type: 'connect', path: stage.path });
  await tellTo(stranger, { type: 'handOver', path });
  const way = await listener.accept();
  const packet = await way.hear();
  assert.ok(packet !== 'end');
  way.close();
  listener.close();
  rmSync(path);
  const peer = stage.peer();
  peer.socket = packet.descriptors[0]!;
  return peer;
}

for (const [what, options, outcome] of [
  ['is turned away for what it was', {}, /^accessDenied 4001$/],
  ['is let in for what it was, and is gone', EVERYONE, /^died 4001$|^$/],
  ['is asked about for what it was, and is gone', { ...EVERYONE, connect: 'ask' }, /^died 4001$|^$/],
] as const) {
  test(`B13: a client that died before it was looked at ${what}, and is taken for nobody else`, asRoot, async (t) => {
    const root = openRoot(t);
    const server = await startServer(t, { options }, { root });
    chmodSync(join(root, 'RPC Control'), 0o755);
    chmodSync(server.path, 0o666); // what the security descriptor says comes second
    const alice = await startStranger(t, ALICE);
    const goOn = await stop(server);
    await tellTo(alice, { type: 'connect', path: server.path });
    await tellTo(alice, { type: 'hello' });
    await alice.kill();
    goOn();
    await answers();
    const { told, senders } = await reportOf(server);
    const lines = told.filter((line) => !line.startsWith('disconnected 0'));
    assert.match(lines.join('\n'), outcome);
    assert.deepEqual([...new Set(senders)], [`${process.pid} 0`]);
  });
}

test('B13: a newcomer whose identity the kernel does not tell is turned away, and is taken for nobody', async (t) => {
  const stage = await openStage(t, EVERYONE);
  await stage.survives(async () => {
    for (const option of [17, 59]) {
      const getsockopt = libc().getsockopt.bind(libc());
      const failing = t.mock.method(libc(), 'getsockopt', (...given: Parameters<typeof getsockopt>) => (given[2] === option ? -1 : getsockopt(...given)));
      const peer = stage.peer();
      peer.connect(stage.path);
      peer.say();
      const answer = await peer.answer();
      failing.mock.restore();
      assert.ok(answer !== 'end' && answer.kind === KIND.refusal && answer.reason === REASON.accessDenied);
      peer.close();
      await stage.drops('accessDenied', undefined, { pid: 0, uid: 65_534 });
    }
  });
});

test("a wait page that somebody else's process passes on as its own makes no circle: the one whose page it is gets its answer", async (t) => {
  const { port, path, peer } = await serve(t);
  const victim = await peer();
  victim.send({ type: RECORD_TYPE.request, messageId: 1, data: 'who asks and sleeps' });
  const asked = await port.receive();
  assert.ok(asked.type === 'request');
  victim.setWait('onLow', fstatSync(victim.theirPage!.fd).ino);
  victim.setWait('connectionLow', fstatSync(victim.outbox.fd).ino);
  victim.setWait('messageId', 1);
  victim.setWait('sequence', 1);

  const stranger = await startStranger(t);
  const passesOn = await takeOver({ path, peer: () => HandPeer.client({ page: victim.page }) }, stranger);
  atEnd(t, () => passesOn.close());
  passesOn.say();
  const welcome = await passesOn.answer();
  assert.ok(welcome !== 'end' && welcome.kind === KIND.welcome);
  passesOn.adopt(welcome);
  const connection = port.connections.find(({ peer: { pid } }) => pid === stranger.pid)!;
  assert.throws(() => connection.requestSync('who answers nothing', { timeout: 50 }), failsWith('ERR_ALPC_TIMEOUT'));
  assert.equal(victim.take(), undefined, 'nobody answered for this side');

  // The control: of the process whose page it is, the same is a circle.
  await peer({ page: victim.page });
  assert.throws(() => port.connections.at(-1)!.requestSync('who sleeps for its own call'), failsWith('ERR_ALPC_DEADLOCK'));
  assert.equal(victim.take()!.status, 2, 'deadlock');
});

/** Starts root's processes until one has this number. How to end that one; undefined when the system does not let that be. */
async function recycle(pid: number): Promise<(() => Promise<unknown>) | undefined> {
  for (let tries = 0; tries < 50; tries++) {
    try {
      writeFileSync('/proc/sys/kernel/ns_last_pid', String(pid - 1));
    } catch {
      return undefined;
    }
    const child = spawn('sleep', ['60']);
    const ended = once(child, 'close');
    const end = (): Promise<unknown> => (child.kill(), ended);
    if (child.pid === pid) return end;
    await end();
  }
  return undefined;
}

test("B14, B16: a socket that one process connected and another uses is the first one's, when that is gone, and when root has its number", asRoot, async (t) => {
  const stage = await openStage(t, EVERYONE);
  letIn(stage.path);
  const senders: string[] = [];
  stage.port.on('message', (message) => message.type === 'request' && senders.push(`${message.data} ${message.sender.pid} ${message.sender.uid} ${message.sender.gid} ${message.sender.groups.join()}`));
  const who = { pid: 0, uid: ALICE.uid };
  await stage.survives(async () => {
    const alice = await startStranger(t, ALICE);
    who.pid = alice.pid;
    const peer = await takeOver(stage, alice);
    peer.say();
    const answer = await peer.answer();
    assert.ok(answer !== 'end' && answer.kind === KIND.welcome);
    peer.adopt(answer);
    const ask = async (data: string): Promise<void> => {
      peer.send({ type: RECORD_TYPE.request, messageId: 1, data });
      await peer.receive();
    };
    await ask('used by root');
    await alice.kill();
    await ask('while it is gone');
    const end = await recycle(who.pid);
    if (end !== undefined) {
      await ask('while root has its number');
      const { peer: seen } = stage.port.connections.find((connection) => connection.peer.pid === who.pid)!;
      assert.equal(seen.command, 'sleep', 'the name of a command is no identity');
      assert.equal(seen.uid, ALICE.uid);
      await end();
    } else t.diagnostic('this system does not let a number be used again by will');
    peer.close();
    await stage.drops('died', undefined, who);
  });
  const id = `${who.pid} 4001 4001`;
  const asked = senders.filter((line) => !line.startsWith('still') && !line.startsWith('and for'));
  assert.deepEqual(asked.map((line) => line.trim()), ['used by root', 'while it is gone', 'while root has its number'].slice(0, asked.length).map((text) => `${text} ${id}`));
  assert.ok(asked.length >= 2);
});

test('B16: what a stranger may not do, a socket that it connected and root uses may not do', asRoot, async (t) => {
  const stage = await openStage(t);
  letIn(stage.path);
  chmodSync(stage.path, 0o666);
  await stage.survives(async () => {
    const alice = await startStranger(t, ALICE);
    const peer = await takeOver(stage, alice);
    await alice.kill();
    const answer = await peer.answer();
    assert.ok(answer !== 'end' && answer.reason === REASON.accessDenied);
    peer.close();
    await stage.drops('accessDenied', undefined, { pid: alice.pid, uid: ALICE.uid });
  });
});

test('B14: who becomes another user or leaves its groups after it connected is who it was', asRoot, async (t) => {
  const stage = await openStage(t, EVERYONE);
  letIn(stage.path);
  await stage.survives(async () => {
    const stranger = await startStranger(t);
    const peer = await takeOver(stage, stranger);
    await tellTo(stranger, { type: 'become', uid: BOB.uid, groups: [7] });
    await stranger.kill();
    peer.say();
    await peer.answer().then((answer) => answer !== 'end' && peer.adopt(answer));
    const { peer: seen } = stage.port.connections.find((connection) => connection.peer.pid === stranger.pid)!;
    assert.deepEqual([seen.uid, seen.groups.includes(7)], [0, false]);
    peer.close();
    await stage.drops('died', undefined, { pid: stranger.pid, uid: 0 });
  });
});

test('B15: each side asks the kernel once who the other is, and keeps the answer', async (t) => {
  const stage = await openStage(t, { connect: 'ask' });
  await stage.survives(async () => {
    const calls = t.mock.method(libc(), 'getsockopt');
    const client = await connectPort(NAME);
    const server = stage.port.connections.at(-1)!;
    const [ofServer, ofClient] = [client.peer, server.peer];
    for (let i = 0; i < 20; i++) await client.request('x');
    assert.equal(client.peer, ofServer);
    assert.equal(server.peer, ofClient);
    assert.equal(calls.mock.calls.filter(({ arguments: [, , option] }) => option === 17).length, 2);
    calls.mock.restore();
    client.close();
    await stage.drops('disconnected');
  });
});

test('B15: a server that listens again as somebody else is to its clients who it was when they came', asRoot, async (t) => {
  const root = openRoot(t);
  await (await createPort(NAME)).close();
  const path = join(root, 'RPC Control', 'stage');
  const listener = new HandListener(path);
  atEnd(t, () => listener.close());
  const [client, peer] = await Promise.all([connectPort(NAME, { requiredServer: { uid: 0 } }), listener.serve()]);
  atEnd(t, () => [client, peer].forEach((end) => end.close()));
  const stranger = await startStranger(t);
  const squat = `${path}-2`;
  await tellTo(stranger, { type: 'listen', path: squat });
  const before = connectPort(`${NAME}-2`, { timeout: 2000, requiredServer: { uid: 0 } });
  before.catch(() => {}); // it may be refused while the stranger is asked
  await stranger.ask({ type: 'heard' }, 'heard');
  await assert.rejects(before, failsWith('ERR_ALPC_DISCONNECTED'));
  await tellTo(stranger, { type: 'become', uid: BOB.uid, groups: [] });
  await tellTo(stranger, { type: 'listenAgain' });
  await assert.rejects(connectPort(`${NAME}-2`, { requiredServer: { uid: 0 } }), failsWith('ERR_ALPC_SERVER_MISMATCH', /uid is 4002, required is 0/));
  assert.deepEqual([client.peer.uid, client.peer.pid], [0, process.pid]);
  assert.equal(client.tryPost('to the one that it knows'), 'sent');
});

test("test 30: a squatter at the right name is refused by a client that says who the server must be, and hears not one byte", asRoot, async (t) => {
  const root = openRoot(t);
  await (await createPort(NAME)).close();
  chmodSync(join(root, 'RPC Control'), 0o1777);
  const traced: Told[] = [];
  listen(t, 'client', traced);
  for (const [requiredServer, why] of [[{ uid: 0 }, /uid is 4002, required is 0/], [{ gid: 0 }, /gid is 4002/], [{ pid: 1 }, /pid is/], [{ uid: BOB.uid, gid: 1 }, /gid is 4002, required is 1/]] as const) {
    const bob = await startStranger(t, BOB);
    await tellTo(bob, { type: 'listen', path: join(root, 'RPC Control', 'stage') });
    await assert.rejects(connectPort(NAME, { requiredServer, data: 'the password' }), failsWith('ERR_ALPC_SERVER_MISMATCH', why));
    assert.deepEqual(await bob.ask({ type: 'heard' }, 'heard'), { type: 'heard', bytes: 0 });
    const { reason, pid, uid, error } = traced.pop()!;
    assert.deepEqual([reason, pid, uid], ['serverMismatch', bob.pid, BOB.uid]);
    assert.match(String(error), why);
    await bob.kill();
    await until('its name can be taken', () => (void (libc().unlinkat(-100, join(root, 'RPC Control', 'stage'), 0)), true));
  }
});

test('test 30: the same for a server that is refused at once, in the blocking form', async (t) => {
  const { listener, traced } = openTrap(t);
  assert.throws(() => connectPortSync(NAME, { requiredServer: { uid: process.geteuid!() + 1 }, data: 'secret' }), failsWith('ERR_ALPC_SERVER_MISMATCH'));
  const peer = await listener.accept();
  assert.equal(await peer.hear(), 'end');
  peer.close();
  await turnsUntil(() => traced.length === 1);
});

test('B18: what a user may not do with names it can not have a server of root do for it: each does it with its own rights', asRoot, async (t) => {
  const root = openRoot(t);
  const server = await startServer(t, { options: EVERYONE }, { root });
  chmodSync(join(root, 'RPC Control'), 0o711); // to be passed through, and no more
  const alice = startObjectActor(t, ALICE);
  const refused = { done: false, code: 'ERR_ALPC_ACCESS_DENIED' };
  for (const given of [
    { type: 'list', name: '\\RPC Control', root, at: 0 },
    { type: 'mkdir', name: '\\RPC Control\\mine', root, at: 0, recursive: false },
    { type: 'mkdir', name: '\\mine', root, at: 0, recursive: true },
    { type: 'bind', name: '\\RPC Control\\mine', root, how: 'blocking' },
    { type: 'bind', name: NAME, root, how: 'awaited' },
  ] as const) {
    const answer = await order(alice, given);
    assert.deepEqual({ done: answer.done, code: answer.done ? undefined : answer.code }, refused, given.type);
  }
  const stranger = await startStranger(t, ALICE);
  await tellTo(stranger, { type: 'connect', path: server.path });
  await tellTo(stranger, { type: 'hello' });
  await answers();
  assert.equal((await reportOf(server)).senders.length, 1);
});
