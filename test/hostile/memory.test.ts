/**
 * What a peer may try with memory that two share. Its own it may write, and nothing else: it can't be cut off, emptied or made
 * larger under a reader. The other side's it may read, and nothing else. (What may stand in it is for other tests.)
 */
import assert from 'node:assert/strict';
import { closeSync, constants, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { connectPort } from '../../src/index.js';
import { check, libc, SystemError } from '../../src/platform/system.js';
import { adviseRemoval, grow, type Outcome, protect, punchHole, writeAt, zeroRange } from '../platform/raw.js';
import { until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { times } from '../support/forms.js';
import { settle, takeStock, withLedger } from '../support/ledger.js';
import { HandPeer, PAGE, RECORD_TYPE } from './peer.js';
import { HandFile, PROTOCOL_SEALS, SEAL } from './raw.js';
import { startServer } from './serving.js';
import { NAME, openStage, openTrap } from './stage.js';

withLedger();

/** The outcome of a call of Node's, in the same words. */
function attempt(action: () => unknown): Outcome {
  try {
    action();
    return 'ok';
  } catch (error) {
    return error instanceof SystemError ? error.errno : (error as NodeJS.ErrnoException).code!;
  }
}

/** Through another descriptor of the same file. */
function through<T>(fd: number, flags: number, action: (fd: number) => T): T {
  const again = openSync(`/proc/self/fd/${fd}`, flags);
  try {
    return action(again);
  } finally {
    closeSync(again);
  }
}

/** Ways to take memory away, or to give it another size, with a descriptor alone. */
const attacks: Record<string, (fd: number, size: number) => Outcome> = {
  'cut to nothing': (fd) => attempt(() => ftruncateSync(fd, 0)),
  'cut in half': (fd, size) => attempt(() => ftruncateSync(fd, size / 2)),
  'cut by a byte': (fd, size) => attempt(() => ftruncateSync(fd, size - 1)),
  'made larger': (fd, size) => attempt(() => ftruncateSync(fd, size + PAGE)),
  'grown by allocation': (fd, size) => grow(fd, 2 * size),
  'emptied by a hole': (fd, size) => punchHole(fd, 0, size),
  'emptied in its middle': (fd, size) => punchHole(fd, size / 4, size / 2),
  'zeroed': (fd, size) => zeroRange(fd, 0, size),
  'sealed further': (fd) => attempt(() => check('fcntl', libc().fcntl(fd, 1033, SEAL.write))),
};

test('test 8: the attacks are some: without seals they succeed', () => {
  for (const [what, attack] of Object.entries(attacks)) {
    const file = HandFile.make(2 * PAGE, { seals: 0, mapped: false });
    if (what !== 'zeroed') assert.equal(attack(file.fd, file.size), 'ok', what); // which this file system does not do
    file.close();
  }
});

for (const [how, flags] of [['the descriptor that was sent', undefined], ['one opened anew for reading and writing', constants.O_RDWR], ['one opened anew for writing', constants.O_WRONLY]] as const) {
  test(`test 8: while a server reads a client's memory it can't be cut off, made larger, emptied or sealed further, by ${how}`, async (t) => {
    const server = await startServer(t);
    const before = await server.ask({ type: 'report' }, 'report');
    const peer = HandPeer.client({ ringLength: 2 * PAGE });
    atEnd(t, () => peer.close());
    await peer.greet(server.path);
    const { fd, size } = peer.outbox;
    const tries = times(500, 3400); // of each of three ways: ten thousand
    for (let i = 0; i < tries; i++) {
      const [what, attack] = Object.entries(attacks)[i % Object.keys(attacks).length]!;
      const file = i % 2 === 0 ? peer.outbox : peer.page;
      peer.send({ type: RECORD_TYPE.request, messageId: i + 1, data: `before ${i}` });
      const outcome = flags === undefined ? attack(file.fd, file.size) : through(file.fd, flags, (again) => attack(again, file.size));
      assert.notEqual(outcome, 'ok', what);
      assert.notEqual(adviseRemoval(peer.outbox.address, size), 'ok', 'emptied through its mapping');
      const reply = await peer.receive();
      assert.deepEqual([reply.messageId, reply.data.toString()], [i + 1, `before ${i}`]);
    }
    assert.ok(fd >= 0);
    peer.close();
    await using honest = await connectPort(NAME);
    assert.equal((await honest.request('still there?')).data.toString(), 'still there?');
    const told: string[] = [];
    const { mappings } = await until('the end of the one is told, which may come after the answer to the other', async () => {
      const report = await server.ask({ type: 'report' }, 'report');
      told.push(...report.told);
      return told.length > 0 ? report : undefined;
    });
    assert.deepEqual(told, [`died ${process.geteuid!()}`]);
    assert.ok(mappings <= before.mappings + 6, 'those of one connection');
    server.send({ type: 'end' });
    assert.deepEqual(await server.ended, { code: 0, signal: null }, server.output);
  });
}

test('test 8: a client that cuts its outbox off while it is looked at is refused, or its outbox is sealed by then', async (t) => {
  const server = await startServer(t);
  const outcomes = new Set<string>();
  for (let i = 0; i < times(300, 10_000); i++) {
    const outbox = HandFile.make(2 * PAGE, { seals: 0, mapped: false });
    const peer = HandPeer.client({ outbox });
    atEnd(t, () => peer.close());
    peer.connect(server.path);
    peer.say();
    // Another process reads the hello now: cut and seal at any moment of its looking.
    for (let spin = Math.random() * 20_000; spin > 0; spin--);
    if (i % 2 === 0) outbox.truncate(0);
    outbox.seal(PROTOCOL_SEALS);
    if (i % 2 === 1) outbox.truncate(0);
    const answer = await peer.answer();
    assert.ok(answer !== 'end');
    outcomes.add(String(answer.kind));
    if (answer.descriptors.length === 2) peer.adopt(answer);
    peer.close();
  }
  await using honest = await connectPort(NAME);
  assert.equal((await honest.request('still there?')).data.toString(), 'still there?');
  assert.ok(outcomes.has('3'), [...outcomes].join());
});

/** Ways to write into memory of the other side, with its descriptor and a mapping of it for reading. */
function scribbles(file: HandFile): Record<string, () => Outcome> {
  const { fd, size, address } = file;
  const bytes = Buffer.alloc(64, 0xff);
  return {
    'written to': () => writeAt(fd, bytes, 0),
    'written to by Node': () => attempt(() => writeSync(fd, bytes, 0, 64, 128)),
    'written to by another descriptor': () => through(fd, constants.O_RDWR, (again) => writeAt(again, bytes, 0)),
    'written to by a descriptor for writing': () => through(fd, constants.O_WRONLY, (again) => writeAt(again, bytes, 0)),
    'mapped for writing': () => attempt(() => check('mmap', libc().mmap(0, size, 3, 1, fd, 0))),
    'mapped for writing by another descriptor': () => through(fd, constants.O_RDWR, (again) => attempt(() => check('mmap', libc().mmap(0, size, 3, 1, again, 0)))),
    'made writable where it is mapped': () => protect(address, size, 3),
    'emptied through its mapping': () => adviseRemoval(address, size),
    ...Object.fromEntries(Object.entries(attacks).map(([what, attack]) => [what, () => attack(fd, size)])),
    ...Object.fromEntries(Object.entries(attacks).map(([what, attack]) => [`${what} by another descriptor`, () => through(fd, constants.O_RDWR, (again) => attack(again, size))])),
  };
}

function assertUntouched(file: HandFile): void {
  const before = Buffer.from(file.bytes);
  for (const [how, scribble] of Object.entries(scribbles(file))) {
    assert.notEqual(scribble(), 'ok', how);
    assert.ok(before.equals(file.bytes), how);
  }
  const seen = Buffer.alloc(file.size);
  assert.equal(readSync(file.fd, seen, 0, file.size, 0), file.size);
  assert.ok(before.equals(seen));
}

test("test 9: a client can not write to its server's outbox or wait page, by any of two dozen ways", async (t) => {
  const stage = await openStage(t);
  await stage.survives(async () => {
    const peer = await stage.guest();
    peer.send({ type: RECORD_TYPE.request, messageId: 1, data: 'something to stand there' });
    await peer.receive();
    for (const file of [peer.theirOutbox!, peer.theirPage!]) assertUntouched(file);
    peer.send({ type: RECORD_TYPE.request, messageId: 2, data: 'it goes on' });
    assert.equal((await peer.receive()).data.toString(), 'it goes on');
    peer.close();
    await stage.drops('died');
  });
});

test("test 9: nor can a server to its client's", async (t) => {
  const { listener } = openTrap(t);
  const before = takeStock();
  const [client, peer] = await Promise.all([connectPort(NAME), listener.serve()]);
  atEnd(t, () => [client, peer].forEach((end) => end.close()));
  const call = client.request('something to stand there');
  await peer.receive();
  for (const file of [peer.theirOutbox!, peer.theirPage!]) assertUntouched(file);
  peer.send({ type: RECORD_TYPE.reply, messageId: 1, data: 'it goes on' });
  assert.equal((await call).data.toString(), 'it goes on');
  client.close();
  peer.close();
  await settle(before);
});
