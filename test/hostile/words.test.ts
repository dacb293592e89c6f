/**
 * The shared words of a peer: each is read once, checked, and then used, and whatever it says, what follows is either what
 * would follow if it were true or the end of that connection, for a breach of the protocol. Nothing else, and nobody else.
 */
import assert from 'node:assert/strict';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AlpcError, type ClientPort, connectPort, type Section, type SendOptions } from '../../src/index.js';
import { randomFrom } from '../memory/support.js';
import { insteadOfLoad, Watch } from '../memory/watch.js';
import { nameOf, tally, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { ATTRIBUTE, CONTROL, type HandPeer, PAGE, RECORD_TYPE, RETRACTED, STATE, WAIT_PAGE } from './peer.js';
import { connectionOf, NAME, serve, serveByHand } from './meeting.js';

withLedger();

// ---- one read for one decision ----------------------------------------------------------------------------------------

test('6, B25: in no step of a port is a word of its peer read twice: not one of a record, and those of the protocol once for each record and each look', async (t) => {
  const { connect } = serveByHand(t);
  const [client, hand] = await connect({ spin: false, limits: { ringLength: PAGE } }, { ringLength: 4 * PAGE });
  const watch = new Watch(t);
  watch.on(connectionOf(client).link.peer, 'peer');
  const random = randomFrom(6);
  const types = [RECORD_TYPE.request, RECORD_TYPE.reply, RECORD_TYPE.datagram, RECORD_TYPE.cancel, RECORD_TYPE.request | RETRACTED];
  const steps: (() => unknown)[] = [
    () => client.tryReceive(),
    () => client.tryReceive(),
    () => client.tryPost(Buffer.alloc(random(1000))),
    () => void client.request('x', { timeout: 1000, signal: random(2) === 0 ? AbortSignal.abort() : new AbortController().signal }).catch(() => {}),
    () => void client.post(Buffer.alloc(random(2000)), { timeout: 1 }).catch(() => {}),
    () => attempt(() => client.requestSync('', { timeout: 0 })),
    () => attempt(() => client.postSync(Buffer.alloc(3000), { timeout: 0 })),
    () => attempt(() => client.receiveSync({ timeout: 0 })),
  ];
  let reads = 0;
  for (let i = 0; i < 2000; i++) {
    const type = types[random(types.length)]!;
    for (let count = random(4); count > 0; count--) hand.send({ type, messageId: 1 + random(50), data: Buffer.alloc(random(300), i) });
    if (random(3) === 0) while (hand.take() !== undefined);
    const before = passed(hand);
    watch.take();
    steps[random(steps.length)]!();
    const log = watch.take();
    const records = passed(hand) - before;
    const counts = tally(log);
    for (const [line, count] of Object.entries(counts)) if (count > (line.startsWith('peer load ') ? 2 * records + 8 : 1)) assert.fail(`${line}: ${count} times in a step of ${records} records`);
    assert.deepEqual(log.filter((line) => line.startsWith('peer get ') && Number(line.slice(9)) < PAGE / 4), [], 'figures of the control page are for inspectors');
    assert.deepEqual(log.filter((line) => !/^peer (get|load) /.test(line)), []);
    reads += log.length;
    if (i % 50 === 0) await sleep(2);
  }
  assert.ok(reads > 10_000, `${reads} reads`);
  assert.equal(client.closed, false);
});

// ---- every look at a shared word may meet a lie -----------------------------------------------------------------------

/** Values that are not the true one. */
const LIES: Record<string, (truth: number) => number> = {
  'four off': (truth) => truth ^ 4,
  'a record further': (truth) => truth + 32,
  'a ring further': (truth) => truth + PAGE,
  'negative': (truth) => truth ^ 0x80000000,
  'zero': () => 0,
};

/** Bytes of a section that has room for one view. */
const SHARED = PAGE;
/** Of a peer that takes what is shared. */
const TAKES = { accepts: 2 | (1 << 8), maxViews: 4, maxSections: 2, maxSectionKiB: 64, maxHandles: 4 } as const;

/** Everything that a client can do with a peer, in one go; how it ended, in words. Whatever the peer says, nothing here waits for long. */
async function conversation(client: ClientPort, hand: HandPeer, file: number): Promise<string[]> {
  const outcomes: string[] = [];
  const note = async (call: () => unknown): Promise<void> => {
    try {
      await call();
      outcomes.push('done');
    } catch (error) {
      outcomes.push(AlpcError.is(error) ? error.code : `${nameOf(error)}: ${String(error)}`);
    }
  };
  const soon = { timeout: 2 };
  hand.send({ data: 'a datagram' });
  await note(() => client.tryReceive());
  hand.send({ type: RECORD_TYPE.reply, messageId: 1, data: 'an answer in advance' });
  await note(() => client.request('awaited', soon));
  hand.send({ type: RECORD_TYPE.reply, messageId: 2, data: 'another' });
  await note(() => client.requestSync('blocking', soon));
  await note(() => client.requestSync('nobody answers', soon));
  // A circle: the peer's thread says that it waits for this one.
  hand.setWait('onLow', fstatSync(hand.theirPage!.fd).ino);
  hand.setWait('connectionLow', fstatSync(hand.theirOutbox!.fd).ino);
  hand.setWait('sequence', 1);
  await note(() => client.requestSync('in a circle', soon));
  hand.setWait('sequence', 2);
  hand.send({ attributes: ATTRIBUTE.direct, data: Buffer.from(Int32Array.of(1, 0).buffer) });
  await note(() => client.tryReceive()); // and tells of it
  await share(client, hand, file, note);
  // No room: a post, a blocking post, a call that is given up, and then room.
  for (let sent = true; sent; ) sent = client.tryPost(Buffer.alloc(400)) === 'sent';
  const waiting = note(() => client.post(Buffer.alloc(1000), { timeout: 100 }));
  const given = note(() => client.request('given up', { signal: AbortSignal.timeout(1) }));
  await note(() => client.postSync(Buffer.alloc(500), soon));
  await given;
  await sleep(6); // long enough to rest
  hand.set('head', hand.theirs('tail')); // all read, without a look: what stands there may have been overwritten, by its own fault
  hand.ring();
  await waiting;
  hand.send({ type: RECORD_TYPE.request, messageId: 7, data: 'a request' });
  await note(() => client.receive(soon).then((message) => message.type === 'request' && message.reply('answered')));
  await note(() => client.receiveSync(soon));
  hand.set('state', STATE.closed);
  hand.hangUp();
  await until('the end is seen', () => client.closed);
  await note(() => client.request('too late'));
  return outcomes;
}

/** What is shared, and comes back: a view, a descriptor and a direct message in one; then a wait for the view's region. */
async function share(client: ClientPort, hand: HandPeer, file: number, note: (call: () => unknown) => Promise<void>): Promise<void> {
  let made: Section | undefined;
  await note(() => (made = client.createSection(SHARED)));
  const section = made;
  if (section === undefined) return; // it is the end already
  const sharing = (): SendOptions => ({ view: section.createView(SHARED), autoRelease: true, handles: [file], direct: () => {} });
  const giveBack = (count: number): void => {
    hand.outbox.words[CONTROL.releases / 4 + count - 1] = count;
    hand.set('released', count);
    hand.outbox.words[CONTROL.tellings / 4 + count - 1] = count;
    hand.set('told', count);
    hand.set('handlesDone', count);
  };
  for (let count = 1; count <= 3; count++) {
    await note(() => client.tryPost('shared', sharing()));
    if (count < 3) giveBack(count);
  }
  const region = note(() => section.waitForView(SHARED, { timeout: 20 }));
  giveBack(3);
  hand.ring();
  await region;
}

const EXPECTED = /^(done|ERR_ALPC_(TIMEOUT|DEADLOCK|DISCONNECTED|CLOSED|CANCELED|MESSAGE_LOST|QUOTA_EXCEEDED|PROTOCOL)|TimeoutError: .*)$/;

test('B25: the peer lies once, at each single look at a shared word in turn: every call settles, and the connection goes on or is ended with its reason', async (t) => {
  const { connect } = serveByHand(t);
  const options = { spin: false, limits: { ringLength: PAGE } };
  const file = openSync('/proc/self/exe', 'r');
  atEnd(t, () => closeSync(file));
  let lieAt = Infinity;
  let lie = LIES['zero']!;
  let looks = 0;
  let words: Int32Array | undefined;
  const [seen, seenWaits] = [new Set<number>(), new Set<number>()];
  insteadOfLoad(t, (load, array, index) => {
    const truth = load(array, index);
    if (words === undefined) return truth;
    if (array === words) seen.add(index);
    else if (array.length === PAGE / 4) seenWaits.add(index); // a wait page; this thread's own is never read
    else return truth;
    return ++looks === lieAt ? lie(truth) | 0 : truth;
  });
  const run = async (): Promise<{ outcomes: string[]; reason: string }> => {
    looks = 0;
    const [client, hand] = await connect(options, { words: TAKES });
    const ended = new Promise<string>((resolve) => void client.once('close', (reason) => resolve(reason)));
    words = connectionOf(client).link.peer.words;
    const outcomes = await conversation(client, hand, file);
    words = undefined;
    hand.close();
    return { outcomes, reason: await ended };
  };
  const honest = await run();
  assert.equal(honest.reason, 'disconnected', honest.outcomes.join());
  const looked = (table: Record<string, number>, indexes: Set<number>): string[] => Object.keys(table).filter((word) => indexes.has(table[word]! / 4));
  assert.deepEqual(looked(CONTROL, seen), ['tail', 'head', 'dataSleep', 'spaceSleep', 'state', 'viewSleep', 'released', 'handlesDone', 'told']);
  assert.deepEqual(looked(WAIT_PAGE, seenWaits), ['sequence', 'onLow', 'onHigh', 'connectionLow', 'connectionHigh', 'messageId']);
  t.diagnostic(honest.outcomes.join());
  const most = looks;
  assert.ok(most > 30, `${most} looks`);
  const reasons: string[] = [];
  for (lieAt = 1; lieAt <= most; lieAt++) {
    for (const [name, value] of Object.entries(LIES)) {
      lie = value;
      const { outcomes, reason } = await run();
      for (const outcome of outcomes) assert.match(outcome, EXPECTED, `look ${lieAt}: ${name}`);
      reasons.push(reason);
    }
  }
  assert.deepEqual(Object.keys(tally(reasons)).toSorted(), ['disconnected', 'protocol']);
});

// ---- tails ----------------------------------------------------------------------------------------------------------

/** What the page says of a tail: what was published by it is there to be read, or the peer has broken the rules. */
function isBelieved(tail: number, head: number, ringLength: number): boolean {
  return (tail & 7) === 0 && (tail - head) >>> 0 <= ringLength;
}

test('4, B35: each bit of a tail, flipped, and wild ones: one message or none is read, and then it is the end of that connection alone', async (t) => {
  const { port, ends, peer } = await serve(t);
  await using honest = await connectPort(NAME);
  const random = randomFrom(4);
  const tails = [...Array.from({ length: 32 }, (_, bit) => 64 ^ (1 << bit)), ...Array.from({ length: 150 }, () => random(2 ** 32) | 0), 2 ** 31 - 8, -8, PAGE, PAGE + 8].filter((tail) => tail !== 0); // 0: nothing is there
  const got: string[] = [];
  port.on('message', (message) => message.type === 'datagram' && got.push(message.data.toString()));
  for (const [i, tail] of tails.entries()) {
    const hostile = await peer();
    hostile.write({ data: 'this message of 32 bytes is good' });
    hostile.set('tail', tail);
    hostile.ring();
    const delivered = isBelieved(tail, 0, hostile.ringLength) && tail >>> 0 >= 64;
    await until('it is dropped', () => ends.length === i + 1);
    assert.deepEqual([got.splice(0), ends[i]], [delivered ? ['this message of 32 bytes is good'] : [], 'protocol'], `tail ${tail}`);
    assert.equal(hostile.theirs('state'), STATE.protocol);
    hostile.close();
  }
  assert.equal(honest.tryPost('honest'), 'sent');
  await until('others are served', () => got.length === 1);
});

test('B35: a record that says it has 2^31 bytes, or any other length it can not have, is refused at once, whatever stands behind it', async (t) => {
  const { port, ends, peer } = await serve(t, { limits: { maxMessageLength: 1000 } });
  port.on('message', (message) => assert.equal(message.type, 'port-closed'));
  const lengths = [0, 1, 31, 1001, PAGE, PAGE + 1, 65_535, 65_536, 2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 40, 2 ** 32 - 1, 2 ** 32 - 32];
  for (const [i, length] of lengths.entries()) {
    const hostile = await peer();
    const before = process.memoryUsage().arrayBuffers;
    hostile.write({ length });
    hostile.publish(PAGE);
    await until('it is dropped', () => ends.length === i + 1);
    assert.ok(process.memoryUsage().arrayBuffers - before < 2 ** 20, 'no memory was taken for what it says');
    hostile.close();
  }
  assert.deepEqual(ends, lengths.map(() => 'protocol'));
});

/** Records that the library has sent and received. */
function passed(hand: HandPeer): number {
  return hand.theirs('sentMessages') + hand.theirs('receivedMessages');
}

function attempt(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    return error;
  }
}
