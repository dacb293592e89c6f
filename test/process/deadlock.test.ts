/**
 * Two threads that block on each other: both calls end with ERR_ALPC_DEADLOCK at once, whoever came first, on one connection
 * or on two, and both ports stay usable. No call has a timeout here: a circle that nobody saw would hang the test.
 *
 * And no false alarms: calls that cross are no circle when both sides answer what comes while they wait.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { createSymbolicLink, removeObject } from '../../src/objects/index.js';
import { type ClientPort, connectPort, connectPortSync, type ConnectionPort, createPort, createUnconnectedPort, type ServerPort } from '../../src/ports/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { cross, failsWith, numbers, outcomeOf, outcomeOfSync } from './expect.js';
import { type ClientActor, journalOf, linesOf, NAME, ownRoot, startClient, startServer } from './serving.js';
import { FORMS } from './taking.js';
import { Verbs } from './verbs.js';

withLedger();

const THEIRS = '\\RPC Control\\theirs';

interface Pair {
  readonly port: ConnectionPort;
  /** This side's end of the connection that the actor made to `port`. */
  readonly theirs: ServerPort;
  /** This side's own connection to the actor's port. */
  readonly ours: ClientPort;
  readonly actor: ClientActor;
}

/** Two processes, each a server and the other's client, both at their event loops. */
async function startPair(t: TestContext): Promise<Pair> {
  ownRoot(t, { kills: true }); // the client that listens
  const port = await createPort(NAME);
  atEnd(t, () => port.close());
  port.on('message', new Verbs().handle);
  const actor = startClient(t);
  await actor.ask({ type: 'listen', name: THEIRS }, 'listening');
  actor.send({ type: 'connect', name: NAME });
  const [theirs] = (await once(port, 'connect')) as [ServerPort];
  await actor.until('connected');
  const ours = await connectPort(THEIRS);
  atEnd(t, () => ours.close());
  return { port, theirs, ours, actor };
}

for (const form of FORMS) {
  test(`a server that receives by ${form} and calls its blocked client, who answers nothing: both get ERR_ALPC_DEADLOCK and go on`, async (t) => {
    ownRoot(t);
    await startServer(t, { form });
    await using client = await connectPort(NAME);
    for (const round of numbers(20)) {
      assert.throws(() => client.requestSync(`ask blocking ${round}`), failsWith('ERR_ALPC_DEADLOCK'));
      assert.equal(client.requestSync(`echo ${round}`).data.toString(), `${round}`);
      assert.equal((await client.request(`echo again ${round}`)).data.toString(), `again ${round}`);
    }
    const journal = linesOf(await journalOf(client));
    // The server's own call ended too: it went on to answer, though nobody waited for that any more.
    assert.equal(journal.filter((line) => line.startsWith('answered ask blocking')).length, 20);
    assert.equal(client.tryReceive(), undefined);
    assert.deepEqual([client.info().pendingRequests, client.info().unansweredRequests], [0, 0]);
  });
}

test('two processes that block on each other, each as the client of the other: both get ERR_ALPC_DEADLOCK and go on', async (t) => {
  const { ours, actor } = await startPair(t);
  for (const round of numbers(20)) {
    actor.send({ type: 'call', text: 'echo theirs', how: 'blocking' });
    // This thread does not take the actor's request: sooner or later both block.
    let outcome = '';
    while (outcome !== 'ERR_ALPC_DEADLOCK') {
      outcome = outcomeOfSync(() => ours.requestSync(`echo ours ${round}`));
      assert.ok(outcome === 'ERR_ALPC_DEADLOCK' || outcome === `ours ${round}`, outcome);
    }
    assert.equal((await actor.until('settled')).outcome, 'ERR_ALPC_DEADLOCK');
    assert.equal(await outcomeOf(ours.request('echo after')), 'after');
    actor.send({ type: 'call', text: 'echo after', how: 'awaited' });
    assert.equal((await actor.until('settled')).outcome, 'after');
  }
});

test('two processes that block on each other over one connection: both get ERR_ALPC_DEADLOCK and go on', async (t) => {
  const { theirs, actor } = await startPair(t);
  await actor.ask({ type: 'serve' }, 'serving');
  for (const round of numbers(20)) {
    actor.send({ type: 'call', text: 'echo theirs', how: 'blocking' });
    let outcome = '';
    while (outcome !== 'ERR_ALPC_DEADLOCK') {
      outcome = outcomeOfSync(() => theirs.requestSync(`echo ours ${round}`));
      assert.ok(outcome === 'ERR_ALPC_DEADLOCK' || outcome === `ours ${round}`, outcome);
    }
    assert.equal((await actor.until('settled')).outcome, 'ERR_ALPC_DEADLOCK');
    assert.equal(await outcomeOf(theirs.request('echo after')), 'after');
    actor.send({ type: 'call', text: 'echo after', how: 'awaited' });
    assert.equal((await actor.until('settled')).outcome, 'after');
  }
});

test('a thread that calls itself gets ERR_ALPC_DEADLOCK, as client, as server and through an unconnected port', async (t) => {
  ownRoot(t);
  await using port = await createPort(NAME);
  const connected = once(port, 'connect') as Promise<[ServerPort]>;
  await using client = await connectPort(NAME);
  const [toClient] = await connected;
  using itself = createUnconnectedPort();
  for (const self of [client, toClient, itself]) {
    assert.throws(() => self.requestSync('to whom'), failsWith('ERR_ALPC_DEADLOCK', /waits for a peer that waits for this thread itself/));
    assert.equal(self.info().pendingRequests, 0);
  }
  const call = client.request('later');
  const message = await port.receive();
  assert.ok(message.type === 'request' && message.data.toString() === 'later', 'the calls in a circle were taken back');
  message.reply('yes');
  assert.equal(await outcomeOf(call), 'yes');
  while (client.tryPost(Buffer.alloc(1000)) === 'sent');
  assert.throws(() => client.postSync(Buffer.alloc(1000)), failsWith('ERR_ALPC_DEADLOCK', /room that only it can make/));
  assert.equal(itself.requestSync('by a callback', { onCallback: (request) => void request.reply('myself') }).data.toString(), 'myself');
});

test('a thread that connects to its own port and blocks gets ERR_ALPC_DEADLOCK, by any name of it, and connects without blocking', async (t) => {
  ownRoot(t, { kills: true }); // the client that listens
  createSymbolicLink('\\RPC Control\\another', NAME);
  atEnd(t, () => removeObject('\\RPC Control\\another'));
  await using port = await createPort(NAME);
  for (const name of [NAME, '\\RPC Control\\another']) assert.throws(() => connectPortSync(name), failsWith('ERR_ALPC_DEADLOCK', /serves that port/));
  await using client = await connectPort(NAME);
  assert.equal(port.connections.length, 1);
  const actor = startClient(t);
  await actor.ask({ type: 'listen', name: THEIRS }, 'listening');
  using other = connectPortSync(THEIRS); // a port of somebody else answers
  assert.deepEqual([client.closed, other.closed], [false, false]);
});

test('a blocked thread that another awaits is in no circle: the awaiting one answers', async (t) => {
  const { ours, actor } = await startPair(t);
  for (const round of numbers(50)) {
    const awaited = outcomeOf(ours.request(`later 5 ours ${round}`));
    actor.send({ type: 'call', text: 'later 5 theirs', how: 'blocking' });
    assert.deepEqual(await Promise.all([awaited, actor.until('settled').then(({ outcome }) => outcome)]), [`ours ${round}`, 'theirs']);
  }
});

test('blocking calls that cross on one connection, with callbacks on both sides, never take each other for a circle', async (t) => {
  const { theirs, actor } = await startPair(t);
  await actor.ask({ type: 'serve' }, 'serving');
  const verbs = new Verbs();
  for (const text of ['echo x', 'call 1 x', 'call 2 x']) {
    await actor.ask({ type: 'cross', text, count: 1500, callbacks: true }, 'crossing');
    const outcomes = cross(theirs, text, 1500, verbs.handle);
    assert.deepEqual(outcomes, { x: 1500 });
    assert.deepEqual((await actor.until('crossed')).outcomes, { x: 1500 });
  }
  assert.ok(verbs.journal.length > 2000, `they did cross: ${verbs.journal.length} requests came while this side was blocked`);
});

test('blocking calls that cross on two connections end with their reply or with ERR_ALPC_DEADLOCK, thousands of times', async (t) => {
  const { ours, actor } = await startPair(t);
  let mine = 0;
  for (const _ of numbers(10)) {
    await actor.ask({ type: 'cross', text: 'echo x', count: 250, callbacks: false }, 'crossing');
    // In between this thread answers, at its event loop.
    const outcomes: string[] = [];
    while (outcomes.length < 250) {
      outcomes.push(outcomeOfSync(() => ours.requestSync('echo x')));
      if (outcomes.length % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const circles = outcomes.filter((outcome) => outcome === 'ERR_ALPC_DEADLOCK').length;
    assert.equal(outcomes.filter((outcome) => outcome === 'x').length + circles, 250);
    const theirs = (await actor.until('crossed')).outcomes;
    assert.deepEqual(theirs, { ...(circles === 250 ? {} : { x: 250 - circles }), ...(circles === 0 ? {} : { ERR_ALPC_DEADLOCK: circles }) }, 'every circle had two sides');
    mine += circles;
  }
  assert.ok(mine > 0, 'there were circles at all');
});
