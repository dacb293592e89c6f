/**
 * Attacks by descriptors: too many, at the wrong moment, that nobody reads, that take a minute to close, or when this process has
 * no number left for one more. Whatever comes, each is closed, none is given to anybody who should not have it, and no
 * thread that serves waits for any.
 */
import assert from 'node:assert/strict';
import { chmodSync as chmod, closeSync, fstatSync, mkdtempSync, openSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import { AlpcError, connectPort, createPort, type ServerPort } from '../../src/index.js';
import { closeDescriptor } from '../../src/platform/system.js';
import { randomFrom } from '../memory/support.js';
import { failsWith, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { times } from '../support/forms.js';
import { settle, takeStock, withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { turn, turnsUntil } from '../support/turns.js';
import { disarm, makeLingering } from './lingering.js';
import { connectionOf } from './meeting.js';
import { ATTRIBUTE, HandPeer, KIND, PAGE, REASON, RECORD_TYPE } from './peer.js';
import { PROTOCOL_SEALS, receiveRaw, sendRaw } from './raw.js';
import { NAME, openStage, openTrap } from './stage.js';
import { answers, reportOf, startServer } from './serving.js';

withLedger();

const isRoot = process.geteuid!() === 0;
/** Seconds that a descriptor takes to close; who had to wait for one would be seen on any machine. */
const LONG = 60;

function stranger(t: TestContext): HandPeer {
  const peer = HandPeer.client();
  atEnd(t, () => peer.close());
  return peer;
}

test('B3: descriptors that come with bells are refused by the kernel or closed, and the bell is a bell', async (t) => {
  const stage = await openStage(t);
  await stage.survives(async () => {
    const peer = await stage.guest();
    for (const count of [1, 2, 253]) {
      const outcome = sendRaw(peer.socket, Uint8Array.of(0), Array.from({ length: count }, () => peer.outbox.fd));
      assert.ok(outcome === 'ok' || outcome === 'EPERM', outcome);
      peer.send({ type: RECORD_TYPE.request, messageId: count, data: 'heard' });
      assert.equal((await peer.receive()).data.toString(), 'heard');
    }
    peer.close();
    await stage.drops('died');
  });
});

test('B4: what a server sends to a client that never reads it is let go when the client goes', async (t) => {
  const stage = await openStage(t);
  await stage.survives(async () => {
    const peers = Array.from({ length: 200 }, () => stage.peer());
    for (const peer of peers) {
      assert.equal(peer.connect(stage.path), 'ok');
      peer.say();
    }
    await turnsUntil(() => stage.port.connections.length === 201);
    await stage.serves();
    for (const peer of peers) peer.close();
    for (const _ of peers) await stage.drops('died');
  });
});

test('B4: where the kernel takes no more descriptors in flight, who comes next is refused for the quota and told so, and let in when the others are gone', { skip: !isRoot && 'needs root, to make an ordinary user' }, async (t) => {
  const root = temporaryRoot(t, { leftovers: true });
  await (await createPort(NAME)).close();
  for (const path of ['..', '.']) chmod(join(root, path), 0o755);
  chmod(join(root, 'RPC Control'), 0o1777);
  const server = await startServer(t, { options: { security: { allow: [{ user: 'everyone' }] } } }, { root, uid: 4001, gid: 4001 });
  await server.ask({ type: 'limit', descriptors: 256 }, 'done');
  const hoarders: HandPeer[] = [];
  for (let i = 0; i < 140; i++) {
    const peer = stranger(t);
    peer.connect(server.path);
    peer.say();
    hoarders.push(peer);
  }
  const { told } = await until('somebody is refused', async () => {
    const seen = await reportOf(server);
    return seen.told.length > 0 ? seen : undefined;
  });
  assert.ok(told.every((line) => /^quota 0 connection port .*: sendmsg: ETOOMANYREFS/.test(line)), told.join('\n'));
  await assert.rejects(connectPort(NAME), failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
  for (const peer of hoarders) peer.close();
  await until('there is room again', () => connectPort(NAME).then((client) => (client.close(), true), () => false));
  await answers();
});

test('B6: a hello whose descriptors were all taken away on its way is refused for want of room, and only that one', async (t) => {
  const server = await startServer(t);
  await using honest = await connectPort(NAME);
  const peer = stranger(t);
  await server.ask({ type: 'limit', descriptors: 128 }, 'done');
  assert.equal(peer.connect(server.path), 'ok');
  await honest.request('it has come in');
  await server.ask({ type: 'fill', free: 0 }, 'done');
  peer.say();
  const answer = await peer.answer();
  assert.ok(answer !== 'end' && answer.kind === KIND.refusal && answer.reason === REASON.quota);
  assert.equal((await honest.request('served')).data.toString(), 'served');
  await server.ask({ type: 'empty' }, 'done');
  const { told } = await reportOf(server);
  assert.equal(told.length, 1);
  assert.match(told[0]!, new RegExp(`^quota ${process.geteuid!()} connection port .*: recvmsg: EMFILE`));
  await answers();
});

test('B8: with no descriptor left newcomers are sent away one by one, old clients are served, nothing spins, and with room again newcomers are let in', async (t) => {
  const server = await startServer(t);
  await using honest = await connectPort(NAME);
  await answers();
  await sleep(50);
  const before = await reportOf(server);
  await server.ask({ type: 'limit', descriptors: 128 }, 'done');
  for (const free of [0, 1, 2, 3]) {
    await server.ask({ type: 'fill', free }, 'done');
    const peers = Array.from({ length: 40 }, () => stranger(t));
    for (const peer of peers) {
      assert.equal(peer.connect(server.path), 'ok');
      peer.say();
    }
    const reasons: (number | 'end' | 'welcome')[] = [];
    for (const peer of peers) {
      const answer = await peer.answer();
      reasons.push(answer === 'end' ? 'end' : answer.kind === KIND.welcome ? 'welcome' : answer.reason);
      if (answer !== 'end') answer.descriptors.forEach(closeDescriptor);
    }
    assert.ok(reasons.filter((reason) => reason === REASON.quota).length >= 40 - free && !reasons.includes('end'), JSON.stringify(reasons));
    assert.equal((await honest.request('served')).data.toString(), 'served');
    await assert.rejects(connectPort(NAME), failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
    const { cpu } = await reportOf(server);
    await sleep(300);
    assert.ok((await reportOf(server)).cpu - cpu < 150_000, 'it rests');
    for (const peer of peers) peer.close();
    await server.ask({ type: 'empty' }, 'done');
    await answers();
  }
  await answers();
  await until('all is as before', async () => {
    const after = await reportOf(server);
    return after.descriptors === before.descriptors && after.mappings === before.mappings;
  });
});

/** That it was done long before anything that lingers would have let it. */
async function withoutWaiting(action: () => unknown): Promise<void> {
  const before = performance.now();
  await action();
  const took = performance.now() - before;
  assert.ok(took < LONG * 500, `it took ${Math.round(took)} ms`);
}

/** Sends them, and lets go of them: whoever closes them now is the last. */
function handOver(socket: number, packet: Uint8Array, descriptors: readonly number[], own: readonly number[] = []): string {
  const outcome = sendRaw(socket, packet, [...own, ...descriptors]);
  descriptors.forEach(outcome === 'ok' ? closeDescriptor : disarm);
  return outcome;
}

test('test 20, B4: descriptors that take a minute to close hold up nobody, in a hello, behind it, or with a bell', async (t) => {
  const stage = await openStage(t, { connect: 'ask' });
  await stage.survives(() => withoutWaiting(async () => {
    const lingering = await makeLingering(t, 7, LONG);
    const first = stage.peer();
    first.connect(stage.path);
    handOver(first.socket, first.packet(), lingering.take(2));
    assert.equal((await first.answer() as { reason: number }).reason, REASON.protocol);
    first.close();
    await stage.drops('protocol', /outbox is refused: not a memory file/);
    // In front of a hello that is not good, and beside the two that are expected.
    const second = stage.peer();
    second.connect(stage.path);
    handOver(second.socket, second.packet(), lingering.take(1), [second.outbox.fd, second.page.fd]);
    assert.equal((await second.answer() as { reason: number }).reason, REASON.protocol);
    second.close();
    await stage.drops('protocol', /carries 3 descriptors/);
    // Behind a good hello, before it was welcomed.
    const third = stage.peer();
    third.connect(stage.path);
    third.say();
    handOver(third.socket, Uint8Array.of(0), lingering.take(1));
    const answer = await third.answer();
    assert.ok(answer !== 'end' && answer.kind === KIND.refusal && answer.reason === REASON.protocol);
    third.close();
    await stage.drops('protocol', /went on talking before it was welcomed/);
    const fourth = await stage.guest();
    handOver(fourth.socket, Uint8Array.of(0), lingering.take(1));
    await stage.serves();
    handOver(fourth.socket, Uint8Array.of(0), lingering.take(1));
    fourth.close();
    await stage.drops('died');
    await lingering.close();
  }));
});

test('B4: what a newcomer sent that is sent away unread, its descriptors, holds up nobody; nor does what waits at the door of a port that closes', async (t) => {
  const stage = await openStage(t, { limits: { connections: 2 } });
  await stage.survives(() => withoutWaiting(async () => {
    const lingering = await makeLingering(t, 4, LONG);
    const guest = await stage.guest();
    for (let i = 0; i < 2; i++) {
      const peer = stage.peer();
      peer.connect(stage.path);
      peer.say(new Uint8Array(0));
      handOver(peer.socket, peer.packet(), lingering.take(1));
      peer.say(new Uint8Array(0), []);
      handOver(peer.socket, new Uint8Array(0), lingering.take(1));
      assert.equal((await peer.answer() as { reason: number }).reason, REASON.quota);
      peer.close();
      await stage.drops('quota');
    }
    guest.close();
    await stage.drops('died');
    await lingering.close();
  }));
  const late = stage.peer();
  const lingering = await makeLingering(t, 2, LONG);
  late.connect(stage.path);
  handOver(late.socket, late.packet(), lingering.take(2));
  await withoutWaiting(() => stage.port.closeSync());
  assert.equal((await late.answer() as { reason: number }).reason, REASON.closed);
});

test('B4: a client too waits for no descriptor that a server sends, whatever it answers', async (t) => {
  const { listener } = openTrap(t);
  const before = takeStock();
  const lingering = await makeLingering(t, 4, LONG);
  for (const answer of [
    (peer: HandPeer) => handOver(peer.socket, peer.packet(), lingering.take(1), [peer.outbox.fd]),
    (peer: HandPeer) => handOver(peer.socket, peer.packet({ kind: KIND.refusal, reason: REASON.rejected }), lingering.take(1)),
    (peer: HandPeer) => {
      peer.say();
      handOver(peer.socket, Uint8Array.of(0), lingering.take(1));
    },
    (peer: HandPeer) => handOver(peer.socket, new Uint8Array(0), lingering.take(1)),
  ]) {
    await withoutWaiting(async () => {
      const connecting = assert.rejects(connectPort(NAME), AlpcError);
      const peer = await listener.accept();
      const hello = await peer.answer();
      if (hello !== 'end') peer.adopt(hello);
      answer(peer);
      await connecting;
      peer.close();
    });
  }
  await lingering.close();
  await settle(before);
});

/** What a server hands out: files and sections, each for one client, and none for any other. */
class HandedOut {
  readonly #folder = mkdtempSync(join(tmpdir(), 'alpc-handed-'));
  /** Whose each file is, by their inode numbers, and each section, which its first receiver names. */
  readonly #owners = new Map<number, HandPeer>();
  files = 0;
  sections = 0;

  /** Sends the peer a file, or a view of a section. What it has room for no more is not sent. */
  give(port: ServerPort, peer: HandPeer, what: 'file' | 'section'): void {
    const file = openSync(join(this.#folder, String(this.#owners.size)), 'w+');
    const section = port.createSection(PAGE);
    this.#owners.set(fstatSync(file).ino, peer);
    try {
      port.tryPost('', what === 'file' ? { handles: [file] } : { view: section.createView(64), autoRelease: true });
    } catch (error) {
      assert.ok(failsWith('ERR_ALPC_QUOTA_EXCEEDED')(error));
    }
    section.close();
    closeSync(file);
  }

  /** Reads all that came on the peer's socket. */
  check(peer: HandPeer): void {
    for (let heard = receiveRaw(peer.socket); typeof heard !== 'string'; heard = receiveRaw(peer.socket)) {
      for (const fd of heard.descriptors) {
        const [name, { ino }] = [readlinkSync(`/proc/self/fd/${fd}`), fstatSync(fd)];
        const isFile = name.startsWith(`${this.#folder}/`);
        if (isFile) this.files++;
        else {
          assert.match(name, /^\/memfd:alpc:.* \(deleted\)$/);
          assert.ok(!this.#owners.has(ino), 'a section comes once');
          this.#owners.set(ino, peer);
          this.sections++;
        }
        assert.equal(this.#owners.get(ino), peer, `${name} is this one's`);
        closeDescriptor(fd);
      }
    }
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }
}

/** Sends the server a section of its own, as the protocol says. */
function giveSection(peer: HandPeer, number: number): void {
  sendRaw(peer.socket, Buffer.from(Int32Array.of(4, number, 1, 1, 8).buffer), [peer.outbox.fd]);
  peer.send({ attributes: ATTRIBUTE.handle, data: Buffer.from(Int32Array.of(number, 1).buffer) });
}

test('B5: whoever connects, talks, shares and leaves in whatever order, each client gets its own two descriptors, what it was sent, and no other, and none is left', async (t) => {
  const stage = await openStage(t, { limits: { ringLength: 4096 }, accepts: ['section'] });
  stage.port.on('message', (message) => void (message.type === 'datagram' && message.release()));
  const handedOut = new HandedOut();
  atEnd(t, () => handedOut.remove());
  const random = randomFrom(4711);
  const outboxes = new Set<number>();
  const pages = new Set<number>();
  const look = (descriptors: readonly number[]): void => {
    assert.equal(descriptors.length, 2);
    const [outbox, page] = descriptors.map((fd) => ({ name: readlinkSync(`/proc/self/fd/${fd}`), inode: fstatSync(fd).ino }));
    assert.equal(outbox!.name, `/memfd:alpc:${NAME} (deleted)`);
    assert.equal(page!.name, '/memfd:alpc:wait (deleted)');
    assert.ok(!outboxes.has(outbox!.inode), 'nobody else has that outbox');
    outboxes.add(outbox!.inode);
    pages.add(page!.inode);
  };
  await stage.survives(async () => {
    const peers: { peer: HandPeer; step: number; given: number }[] = [];
    for (let round = 0; round < times(1500, 100_000); round++) {
      const at = random(12);
      const actor = peers[at];
      if (actor === undefined) {
        peers.push({ peer: HandPeer.client({ words: { accepts: 2 | (1 << 8), maxViews: 64, maxSections: 64, maxSectionKiB: 4096, maxHandles: 64 } }), step: 0, given: 0 });
        continue;
      }
      const { peer } = actor;
      if (random(6) === 0) {
        peers.splice(at, 1);
        if (random(2) === 0) peer.set('state', 2);
        peer.close();
        continue;
      }
      if (actor.step === 0) {
        assert.equal(peer.connect(stage.path), 'ok');
        actor.step = 1;
      } else if (actor.step === 1) {
        peer.say();
        actor.step = 2;
      } else if (actor.step === 2) {
        const answer = await peer.answer();
        assert.ok(answer !== 'end' && answer.kind === KIND.welcome);
        look(answer.descriptors);
        peer.adopt(answer);
        assert.equal(peer.theirOutbox!.seals & PROTOCOL_SEALS, PROTOCOL_SEALS);
        actor.step = 3;
      } else {
        const server = stage.port.connections.find((port) => connectionOf(port).inode === fstatSync(peer.outbox.fd).ino);
        const moves = [
          () => peer.ring(),
          () => peer.send({ type: RECORD_TYPE.request, messageId: round, data: 'x' }),
          () => peer.send({ data: 'y' }),
          () => peer.take(),
          () => server !== undefined && handedOut.give(server, peer, 'file'),
          () => server !== undefined && handedOut.give(server, peer, 'section'),
          () => handedOut.check(peer),
          () => giveSection(peer, ++actor.given),
        ];
        moves[random(moves.length)]!();
      }
      if (random(5) === 0) await turn();
      if (random(40) === 0) {
        const { connections } = stage.port;
        const victim = connections[random(connections.length)]!;
        if (victim !== connections[0]) victim.disconnect();
        for (const { peer: other, step } of peers.slice()) {
          if (step < 3 || other.theirs('state') === 1) continue;
          peers.splice(peers.findIndex((entry) => entry.peer === other), 1);
          other.close();
        }
      }
    }
    for (const { peer } of peers) peer.close();
    await turnsUntil(() => stage.port.connections.length === 1);
    await sleep(20);
    assert.deepEqual(stage.told.filter(({ reason }) => !['died', 'disconnected', 'closed'].includes(reason)), []);
    stage.told.length = 0;
    stage.traced.length = 0;
  });
  assert.ok(outboxes.size > 50 && pages.size === 1, `${outboxes.size} outboxes`);
  assert.ok(handedOut.files > 20 && handedOut.sections > 20, `${handedOut.files} files and ${handedOut.sections} sections came`);
});
