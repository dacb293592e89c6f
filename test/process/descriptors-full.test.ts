/**
 * A table of descriptors that is full: of a client that connects, of a server that accepts, of either while it receives the
 * other's. Whoever can't be connected is told by a typed error, at the side that can do something about it; who is connected
 * already is served as ever; nothing goes round and round meanwhile; and with room all is as before.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pageSize } from '../../src/platform/descriptors.js';
import { type ClientPort, connectPort, connectPortSync, createPort, type View } from '../../src/ports/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { type Actor, startActor } from '../support/processes.js';
import type { News, Order } from './actors/crammed.js';
import { failsWith, numbers, outcomeOf, until } from './expect.js';
import { NAME, ownRoot, startServer } from './serving.js';

withLedger();

/** More than any connect or accept needs at once. */
const PLENTY = 16;

const startCrammed = (t: TestContext): Actor<Order, News> => startActor<Order, News>(t, new URL('./actors/crammed.js', import.meta.url));
const descriptorsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

const mappingsOf = (pid: number): number => readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n').filter((line) => line.includes('/memfd:alpc')).length;

/** How many descriptors a process holds when nothing is on its way any more: some are closed by a thread of Node's pool, a moment later. */
async function atRest(pid: number): Promise<number> {
  for (let last = -1, same = 0; ; ) {
    const now = descriptorsOf(pid);
    same = now === last ? same + 1 : 0;
    if (same === 10) return now;
    last = now;
    await sleep(10);
  }
}

async function connected(t: TestContext): Promise<ClientPort> {
  const client = await connectPort(NAME);
  atEnd(t, () => client.close());
  return client;
}

for (const how of ['blocking', 'awaited'] as const) {
  test(`a client without descriptors (${how}) gets ERR_ALPC_INSUFFICIENT_RESOURCES with the errno, whichever it lacks; its old connection goes on, and with room it is connected`, async (t) => {
    ownRoot(t);
    const server = await startServer(t);
    const actor = startCrammed(t);
    assert.equal((await actor.ask({ type: 'connect', how }, 'tried')).outcome, 'in');
    const [before, ofServer] = [await atRest(actor.pid), await atRest(server.pid)];
    const outcomes: string[] = [];
    const failed = new Set<string>();
    for (const room of numbers(PLENTY)) {
      await actor.ask({ type: 'fill', room }, 'filled');
      const full = descriptorsOf(actor.pid);
      const { outcome, errno, syscall } = await actor.ask({ type: 'connect', how }, 'tried');
      outcomes.push(outcome);
      if (outcome === 'in') break;
      assert.deepEqual([outcome, errno], ['ERR_ALPC_INSUFFICIENT_RESOURCES', 'EMFILE']);
      failed.add(syscall);
      assert.equal(descriptorsOf(actor.pid), full, `nothing is left of an attempt with room for ${room}`);
      assert.equal((await actor.ask({ type: 'call', text: `echo ${room}` }, 'settled')).outcome, `${room}`);
    }
    assert.equal(outcomes.at(-1), 'in');
    assert.ok(failed.size >= 3, `it failed at several steps: ${[...failed].join(', ')}`);
    await actor.ask({ type: 'fill', room: Infinity }, 'filled');
    await until('of all attempts two connections are left', () => descriptorsOf(server.pid) === ofServer + 1 && descriptorsOf(actor.pid) <= before + 8); // in a worker a watch takes some, too
  });
}

for (const [form, thread] of [['on', 'main'], ['receiveSync', 'main'], ['on', 'worker']] as const) {
  test(`a server without descriptors (${form}, ${thread}) refuses newcomers with ERR_ALPC_QUOTA_EXCEEDED, serves its old clients, rests between, and lets newcomers in when it has room`, async (t) => {
    ownRoot(t);
    const server = startCrammed(t);
    await server.ask({ type: 'serve', form, thread }, 'serving');
    const old = await connected(t);
    assert.equal(old.requestSync('echo warm').data.toString(), 'warm');
    let rooms = 0;
    for (const room of numbers(PLENTY)) {
      await server.ask({ type: 'fill', room }, 'filled');
      const full = descriptorsOf(server.pid);
      let isIn = false;
      for (const connect of [() => Promise.resolve().then(() => connectPortSync(NAME)), () => connectPort(NAME)]) {
        const newcomer = await connect().catch(failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
        if (newcomer !== true) {
          isIn = true;
          newcomer.close();
        }
        assert.equal(old.requestSync(`echo blocking ${room}`).data.toString(), `blocking ${room}`);
        assert.equal(await outcomeOf(old.request(`echo awaited ${room}`)), `awaited ${room}`);
      }
      if (isIn) break;
      rooms++;
      assert.equal(descriptorsOf(server.pid), full, `nothing is left of a newcomer for whom there was room for ${room}`);
    }
    assert.ok(rooms >= 2 && rooms < PLENTY, `newcomers were refused with room for 0 to ${rooms - 1}`);
    await server.ask({ type: 'fill', room: 0 }, 'filled');
    const { milliseconds } = await server.ask({ type: 'measure', milliseconds: 1000 }, 'used');
    assert.ok(milliseconds < 300, `${milliseconds} ms of processor time in a second without newcomers`);
    await server.ask({ type: 'fill', room: Infinity }, 'filled');
    assert.equal((await connected(t)).requestSync('echo in').data.toString(), 'in');
  });
}

for (const [form, kind] of [['on', 'writable-view'], ['receiveSync', 'secure-view']] as const) {
  test(`a server without descriptors (${form}) to which a section is sent (${kind}) ends that connection with the quota's reason, keeps nothing of it, serves the others, and takes sections when it has room`, async (t) => {
    ownRoot(t);
    const server = startCrammed(t);
    await server.ask({ type: 'serve', form, thread: 'main', accepts: [kind] }, 'serving');
    const old = await connected(t);
    const viewFor = (client: ClientPort): View => client.createSection(pageSize(), kind === 'secure-view' ? { secure: true } : { writable: true }).createView(pageSize());
    const before = [await atRest(server.pid), mappingsOf(server.pid)];
    const outcomes: string[] = [];
    for (const room of numbers(PLENTY)) {
      const client = await connected(t);
      const view = viewFor(client);
      await server.ask({ type: 'fill', room }, 'filled');
      outcomes.push(await outcomeOf(client.request('echo seen', { view })));
      assert.equal(old.requestSync(`echo old ${room}`).data.toString(), `old ${room}`);
      await server.ask({ type: 'fill', room: Infinity }, 'filled');
      if (outcomes.at(-1) === 'seen') break;
      assert.equal(outcomes.at(-1), 'ERR_ALPC_DISCONNECTED');
      const last = await client.receive();
      assert.ok(last.type === 'port-closed' && last.reason === 'quota');
      assert.deepEqual([client.closed, view.released], [true, true]);
      await until(`nothing is left of a section for which there was room for ${room}`, () => descriptorsOf(server.pid) === before[0] && mappingsOf(server.pid) === before[1]);
    }
    assert.ok(outcomes.length >= 2 && outcomes.at(-1) === 'seen', outcomes.join(', '));
    assert.equal(await outcomeOf(old.request('echo again', { view: viewFor(old) })), 'again');
  });
}

for (const how of ['blocking', 'awaited'] as const) {
  test(`a client without descriptors (${how}) to which a section comes with an answer loses that connection with ERR_ALPC_DISCONNECTED and the cause; the server's memory comes back, its other connection goes on, and with room it is answered`, async (t) => {
    ownRoot(t);
    const port = await createPort(NAME);
    atEnd(t, () => port.close());
    const ends: string[] = [];
    port.on('disconnect', (_, reason) => ends.push(reason));
    const section = port.createSection(pageSize()); // of one region
    port.on('message', (message) => {
      if (message.type === 'request') message.reply(message.data, message.data.toString() === 'view' ? { view: section.createView(pageSize()), autoRelease: true } : {});
    });
    const actor = startCrammed(t);
    assert.equal((await actor.ask({ type: 'connect', how }, 'tried')).outcome, 'in');
    const call = { type: 'call', text: 'view', on: 'last', ...(how === 'blocking' ? { how } : {}) } as const;
    const before = [await atRest(actor.pid), mappingsOf(actor.pid)];
    const outcomes: string[] = [];
    for (const room of numbers(PLENTY)) {
      assert.equal((await actor.ask({ type: 'connect', how, accepts: ['view'] }, 'tried')).outcome, 'in');
      await actor.ask({ type: 'fill', room }, 'filled');
      const { outcome, cause, text } = await actor.ask(call, 'settled');
      outcomes.push(outcome);
      assert.equal((await actor.ask({ type: 'call', text: `old ${room}` }, 'settled')).outcome, `old ${room}`);
      await actor.ask({ type: 'fill', room: Infinity }, 'filled');
      if (outcome === 'view') break;
      assert.deepEqual([outcome, cause], ['ERR_ALPC_DISCONNECTED', 'ERR_ALPC_INSUFFICIENT_RESOURCES']);
      assert.match(text, /was dropped before it answered, for want of room for what it sent/);
      await until('the server has heard of it', () => ends.length === outcomes.length);
      assert.equal(section.free, pageSize());
      await until(`nothing is left of a section for which there was room for ${room}`, () => descriptorsOf(actor.pid) === before[0] && mappingsOf(actor.pid) === before[1]);
    }
    assert.ok(outcomes.length >= 2 && outcomes.at(-1) === 'view', outcomes.join(', '));
    assert.deepEqual(new Set(ends), new Set(['quota']));
  });
}

test('a server that can neither take a newcomer in nor send it away lets it wait, goes not round and round, and takes it in when it has room', async (t) => {
  ownRoot(t);
  const server = startCrammed(t);
  await server.ask({ type: 'serve without a reserve' }, 'serving');
  await server.ask({ type: 'fill', room: 0 }, 'filled');
  await assert.rejects(connectPort(NAME, { timeout: 300 }), failsWith('ERR_ALPC_TIMEOUT'));
  const newcomer = connectPort(NAME);
  const { milliseconds } = await server.ask({ type: 'measure', milliseconds: 1000 }, 'used');
  assert.ok(milliseconds < 300, `${milliseconds} ms of processor time in a second with a newcomer at the door`);
  await server.ask({ type: 'end of the shortage' }, 'filled');
  const client = await newcomer;
  assert.equal(client.requestSync('echo at last').data.toString(), 'at last');
  client.close();
  await sleep(0);
});
