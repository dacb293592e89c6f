/**
 * Bells as a weapon: more of them than anybody reads, none where one is due, on sockets that are shut on one side, and from a
 * peer that does nothing else. To ring never waits and raises no signal; to be rung costs the ringer as much as the rung.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { isMainThread } from 'node:worker_threads';
import { connectPort, removeObject, type ServerPort } from '../../src/index.js';
import { libc } from '../../src/platform/system.js';
import { thisThread } from '../../src/ports/thread.js';
import { outcomeOf } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { times } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import { turn, turnsUntil } from '../support/turns.js';
import { HandListener, RECORD_TYPE } from './peer.js';
import { makePair, SOCK_STREAM } from './raw.js';
import type { RingingNews, RingingOrder } from './ringing-actor.js';
import { reportOf, startServer } from './serving.js';
import { NAME, openStage, type Stage } from './stage.js';

withLedger();

/** The server's end of the connection that was made last. */
function lastOf(stage: Stage): ServerPort {
  return stage.port.connections.at(-1)!;
}

/** Nothing is looked after any more. */
async function quiet(attention: { readonly turns: number }): Promise<void> {
  for (let turns = attention.turns - 1; turns !== attention.turns; await sleep(100)) turns = attention.turns;
}

const RINGS = times(2 ** 15, 2 ** 20);

test(`test 16: ${RINGS} bells that nobody reads hold up nobody: to ring is no wait and no error, and each message is there`, { timeout: 600_000 }, async (t) => {
  const stage = await openStage(t);
  await stage.survives(async () => {
    const peer = await stage.guest();
    const port = lastOf(stage);
    const rung = peer.theirs('bellsRung');
    for (let i = 0; i < RINGS; i++) {
      peer.set('dataSleep', 2 * i + 1); // asleep, anew each time
      assert.equal(port.tryPost('ring'), 'sent');
      const record = peer.take();
      assert.ok(record !== undefined && record.data.toString() === 'ring');
      if (i % 4096 === 0) await stage.honest.request('meanwhile');
    }
    assert.equal(peer.theirs('bellsRung') - rung, RINGS);
    peer.close();
    await stage.drops('died');
  });
});

test('test 16: a socket full of bells wakes its server twice and no more, others are served meanwhile, and then all is quiet', async (t) => {
  const stage = await openStage(t);
  await stage.survives(async () => {
    const peer = await stage.guest();
    const { attention } = thisThread();
    await quiet(attention);
    const waits = t.mock.method(libc(), 'epoll_wait');
    let bells = 0;
    while (peer.ring() === 'ok') bells++;
    assert.ok(bells > 100);
    await quiet(attention);
    const woken = waits.mock.calls.filter(({ result }) => result! > 0).length;
    waits.mock.restore();
    assert.ok(woken >= 1 && woken <= 2, `${bells} bells woke it ${woken} times`);
    while (peer.ring() === 'ok');
    const before = attention.turns;
    assert.equal((await stage.honest.request('in between')).data.toString(), 'in between');
    assert.ok(attention.turns - before < bells, 'it did not wait for the last of them');
    await quiet(attention);
    const settled = attention.turns;
    await sleep(200);
    assert.equal(attention.turns, settled);
    peer.send({ type: RECORD_TYPE.request, messageId: 1, data: 'heard all the same' });
    assert.equal((await peer.receive()).data.toString(), 'heard all the same');
    peer.close();
    await stage.drops('died');
  });
});

test('a bell that is rung for a message is read with one system call and no more', async (t) => {
  await startServer(t);
  await using client = await connectPort(NAME, { spin: false });
  await client.request('warm');
  const reads = [t.mock.method(libc(), 'recv'), t.mock.method(libc(), 'recvmsg')];
  for (let call = 0; call < 200; call++) {
    client.requestSync('blocking');
    await client.request('awaited');
  }
  const count = reads.reduce((sum, { mock }) => sum + mock.callCount(), 0);
  for (const { mock } of reads) mock.restore();
  assert.ok(count > 0 && count <= 400 + 20, `${count} reads for 400 answers`);
});

test('test 16, 20: while one client does nothing but ring, the loop is never held up for long, and others are answered', async (t) => {
  const server = await startServer(t);
  const ringer = startActor<RingingOrder, RingingNews>(t, new URL('./ringing-actor.js', import.meta.url));
  await using honest = await connectPort(NAME);
  await honest.request('warm');
  // A machine that is busy with other things holds up any loop: so one quiet moment of several is asked for.
  let longest = Infinity;
  let answered = 0;
  let bells = 0;
  for (let attempt = 0; attempt < 20 && longest >= 50; attempt++) {
    await ringer.ask({ type: 'ring', path: server.path, milliseconds: 300 }, 'ringing');
    await reportOf(server);
    const rang = ringer.until('rang');
    const over = { now: false };
    void rang.then(() => (over.now = true));
    while (!over.now) {
      assert.equal((await honest.request('answered?')).data.toString(), 'answered?');
      answered++;
    }
    bells += (await rang).bells;
    longest = Math.min(longest, (await reportOf(server)).longest);
  }
  t.diagnostic(`${bells} bells, ${answered} calls answered meanwhile, the loop stood for ${longest.toFixed(1)} ms at most`);
  assert.ok(longest < 50, `${longest} ms`);
  assert.ok(bells > 100 && answered > 10);
});

test('test 20: flags that a peer sets on descriptors that it was sent change nothing for who sent them', async (t) => {
  const stage = await openStage(t);
  await stage.survives(async () => {
    const peer = await stage.guest();
    const F_SETFL = 4;
    for (const fd of [peer.socket, peer.theirOutbox!.fd, peer.theirPage!.fd, peer.outbox.fd]) {
      for (const flags of [0, 0o4000, 0o2000, 0o20000, 0o26000]) libc().fcntl(fd, F_SETFL, flags); // non-blocking, appending, asynchronous: with and without
      libc().flock(fd, 2);
    }
    while (peer.ring() === 'ok');
    for (let i = 0; i < 100; i++) assert.equal(lastOf(stage).tryPost(`message ${i}`), 'sent');
    await stage.serves();
    for (let i = 0; i < 100; i++) assert.equal((await peer.receive()).data.toString(), `message ${i}`);
    peer.close();
    await stage.drops('died');
  });
});

/** Ends that are half an end. */
const halves: Record<string, { shut: number; ends: boolean }> = { 'for reading': { shut: 0, ends: false }, 'for writing': { shut: 1, ends: true }, 'both ways': { shut: 2, ends: true } };

for (const [how, { shut, ends }] of Object.entries(halves)) {
  test(`test 20: a client that shuts its socket ${how} ${ends ? 'is gone' : 'hears no bells, and is a client all the same'}`, async (t) => {
    const stage = await openStage(t);
    await stage.survives(async () => {
      const peer = await stage.guest();
      peer.set('dataSleep', 1);
      libc().shutdown(peer.socket, shut);
      assert.equal(lastOf(stage).tryPost('rung for'), 'sent');
      await stage.serves();
      if (!ends) {
        assert.equal(peer.take()!.data.toString(), 'rung for');
        peer.send({ type: RECORD_TYPE.request, messageId: 1, data: 'still asked' });
        while (peer.peek() === undefined) await turn();
        assert.equal(peer.take()!.data.toString(), 'still asked');
        peer.close();
      }
      await stage.drops('died');
      peer.close();
    });
  });
}

test('B29: to ring, to answer and to refuse somebody who is gone raises no SIGPIPE', { skip: !isMainThread && 'a worker thread, which signals are not told to' }, async (t) => {
  let signals = 0;
  const note = (): void => void signals++;
  process.on('SIGPIPE', note); // Node ignores it otherwise
  atEnd(t, () => process.off('SIGPIPE', note));
  const stage = await openStage(t, { connect: 'ask' });
  const [a, b] = makePair(SOCK_STREAM);
  libc().close(b);
  assert.equal(libc().send(a, Uint8Array.of(0), 1, 0x40), -1); // the control: without MSG_NOSIGNAL
  libc().close(a);
  await turnsUntil(() => signals > 0);
  assert.equal(signals, 1);
  const sends = [t.mock.method(libc(), 'send'), t.mock.method(libc(), 'sendmsg')];
  await stage.survives(async () => {
    for (let round = 0; round < 20; round++) {
      const rung = await stage.guest();
      const port = lastOf(stage);
      rung.set('dataSleep', 1);
      rung.hangUp();
      assert.equal(port.tryPost('to nobody'), 'sent');
      const asked = await outcomeOf(port.request('to nobody either'));
      assert.equal(asked, 'ERR_ALPC_MESSAGE_LOST');
      rung.close();
      await stage.drops('died');
      for (const bad of [true, false]) {
        const refused = stage.peer();
        refused.connect(stage.path);
        refused.say(bad ? Uint8Array.of(1) : refused.packet());
        refused.close();
      }
      await stage.drops('protocol', /too short/);
    }
  });
  const listener = new HandListener(stage.path.replace(/stage$/, 'trap'));
  const [client, peer] = await Promise.all([connectPort('\\RPC Control\\trap'), listener.serve()]);
  peer.set('dataSleep', 1);
  peer.hangUp();
  assert.equal(client.tryPost('to a server that is gone'), 'sent');
  client.close();
  peer.close();
  listener.close();
  removeObject('\\RPC Control\\trap');
  await sleep(20);
  assert.equal(signals, 1);
  // Not every kind of socket raises it; so it is looked whether each send says that none is wanted.
  for (const { mock } of sends) {
    assert.ok(mock.calls.length > 20);
    assert.ok(mock.calls.every((call) => (Number(call.arguments.at(-1)) & 0x4000) !== 0));
    mock.restore();
  }
});
