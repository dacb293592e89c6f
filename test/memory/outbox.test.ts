/**
 * Outboxes: memory that its owner writes and its peer can only read. What a peer hands over as its outbox is looked at
 * first, and refused in words that say what is wrong; whatever happens, no descriptor and no mapping is left.
 */
import assert from 'node:assert/strict';
import { fstatSync, openSync, readFileSync, readlinkSync } from 'node:fs';
import { mock, test, type TestContext } from 'node:test';
import { Control, ProtocolViolation } from '../../src/memory/layout.js';
import { DEFAULT_RING_LENGTH, isRingLength, MAX_RING_LENGTH, Outbox } from '../../src/memory/outbox.js';
import { thisThread } from '../../src/ports/thread.js';
import { Arena } from '../../src/platform/arena.js';
import { duplicateDescriptor } from '../../src/platform/descriptors.js';
import { createMemoryFile, sealMemoryFile } from '../../src/platform/memory-file.js';
import { libc, SystemError } from '../../src/platform/system.js';
import { createSocketPair } from '../../src/platform/unix-socket.js';
import { closeDescriptor } from '../../src/platform/system.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { turnsUntil } from '../support/turns.js';
import { makeLinks, makeSides, PAGE, pattern, take } from './support.js';

withLedger();

const isOpen = (fd: number): boolean => libc().fcntl(fd, 1, 0) >= 0;
const protections = (name: string): string[] => Array.from(readFileSync('/proc/self/maps', 'utf8').matchAll(new RegExp(`^\\S+ (\\S+) .*/memfd:${name} `, 'gm')), (match) => match[1]!);

function created(t: TestContext, ringLength: number): Outbox {
  const outbox = Outbox.create(thisThread().arena, 'alpc:test', ringLength, 0);
  atEnd(t, () => outbox.close());
  return outbox;
}

test('its owner may write it, its peer may only read it, and both call it by the same number', (t) => {
  const { a, b } = makeSides(t);
  assert.deepEqual(protections('alpc:a').toSorted(), ['r--s', 'r--s', 'rw-s', 'rw-s'], 'the ring is mapped twice in a row, so each side has two mappings');
  assert.equal(b.peer.inode, a.own.inode);
  assert.equal(a.own.inode, fstatSync(a.own.fd).ino);
  assert.notEqual(a.own.inode, b.own.inode);
});

test('what its owner writes its peer reads, and the ring goes on behind its end where it began', (t) => {
  const { a, b } = makeSides(t, 2 * PAGE);
  const { ringStart, ringLength } = a.own;
  const data = pattern(100, 5);
  a.own.bytes.set(data, ringStart + ringLength - 40);
  assert.deepEqual(Buffer.from(b.peer.bytes.subarray(ringStart + ringLength - 40, ringStart + ringLength + 60)), data);
  assert.deepEqual(Buffer.from(b.peer.bytes.subarray(ringStart, ringStart + 60)), data.subarray(40));
  a.own.words[Control.ownerPid] = 1234567;
  assert.equal(b.peer.words[Control.ownerPid], 1234567);
});

test('its descriptor can go while the mapping stays', (t) => {
  const outbox = created(t, PAGE);
  const { fd } = outbox;
  assert.match(readlinkSync(`/proc/self/fd/${fd}`), /memfd:alpc:test/);
  outbox.closeDescriptor();
  outbox.closeDescriptor();
  assert.equal(isOpen(fd), false);
  outbox.words[Control.lateReplies] = 3;
  assert.equal(outbox.words[Control.lateReplies], 3);
});

test('a closed one shows zeros, may be closed again, and lets its memory go', (t) => {
  const { a, b } = makeSides(t);
  const before = thisThread().arena.inUse;
  a.own.bytes.fill(255, a.own.ringStart);
  for (const outbox of [a.own, b.peer]) {
    outbox.close();
    outbox.close();
    assert.equal(outbox.bytes.length, 0);
  }
  assert.ok(b.peer.words.every((word) => word === 0));
  assert.equal(thisThread().arena.inUse, before - 2);
  assert.deepEqual(protections('alpc:a'), []);
});

test('what is still written to a closed one is seen nowhere, and by no other connection', (t) => {
  const { a, b } = makeLinks(t);
  const other = makeLinks(t);
  for (const link of [a, b, other.a, other.b]) link.close();
  assert.equal(a.send(3, 1, 0, 0, undefined, 0), false);
  a.armForData();
  a.own.words[Control.state] = 2;
  for (const link of [a, b, other.a, other.b]) {
    assert.equal(take(link.reader), undefined);
    assert.ok(link.peer.words.every((word) => word === 0));
  }
});

const PROPER = PAGE + 2 * PAGE;
/** What a peer might hand over in place of a sealed memory file of the right size. */
const impostors: Record<string, [make: () => number, refusal: RegExp]> = {
  'an unsealed memory file': [() => createMemoryFile('alpc:impostor', PROPER), /seals are 0x(20|0), expected 0x17/],
  'a shorter one': [() => sealed(PROPER - 1), /size is 12287, expected 12288/],
  'a longer one': [() => sealed(PROPER + PAGE), /size is 16384, expected 12288/],
  'an empty one': [() => sealed(0), /size is 0/],
  'a device': [() => openSync('/dev/zero', 'r+'), /not a memory file/],
  'a directory': [() => openSync('/', 'r'), /not a memory file/],
  'a socket': [() => socketAlone(), /not a memory file/],
  'a number that is not open': [() => 98_765, /not a memory file/],
  'a descriptor for writing only': [() => reopened(sealed(PROPER), 'wo'), /opened for writing only/],
};

function sealed(size: number): number {
  const fd = createMemoryFile('alpc:impostor', size);
  sealMemoryFile(fd);
  return fd;
}

function socketAlone(): number {
  const [a, b] = createSocketPair();
  closeDescriptor(b);
  return a;
}

function reopened(fd: number, how: 'wo'): number {
  const again = openSync(`/proc/self/fd/${fd}`, how === 'wo' ? 1 : 0);
  closeDescriptor(fd);
  return again;
}

test("a peer's ring of a length that no ring can have is refused, though the file is as long", async () => {
  for (const length of [0, 3 * PAGE, PAGE + 8, 2 * MAX_RING_LENGTH, 2 ** 31]) {
    const fd = sealed(PAGE + length);
    assert.throws(() => Outbox.open(thisThread().arena, fd, length), (error) => error instanceof ProtocolViolation && error.message.includes(`a ring of ${length} bytes is not allowed`));
    await turnsUntil(() => !isOpen(fd));
  }
});

for (const [what, [make, refusal]] of Object.entries(impostors)) {
  test(`${what} is refused as a peer's outbox, in words, and closed`, async () => {
    const fd = make();
    const before = thisThread().arena.inUse;
    assert.throws(() => Outbox.open(thisThread().arena, fd, 2 * PAGE), (error) => error instanceof ProtocolViolation && error.message.startsWith("the peer's outbox is refused: ") && refusal.test(error.message));
    await turnsUntil(() => !isOpen(fd));
    assert.equal(thisThread().arena.inUse, before);
  });
}

test('opening takes the descriptor over: the mapping needs it no longer', (t) => {
  const outbox = created(t, PAGE);
  const fd = duplicateDescriptor(outbox.fd);
  const peer = Outbox.open(thisThread().arena, fd, PAGE);
  assert.equal(isOpen(fd), false);
  assert.equal(peer.words[Control.ringLength], PAGE);
  peer.close();
});

test('a ring is as long as a power of two from one page to 64 MiB', (t) => {
  for (let length = PAGE; length <= MAX_RING_LENGTH; length *= 2) {
    assert.equal(isRingLength(length), true);
    const outbox = created(t, length);
    const peer = Outbox.open(thisThread().arena, duplicateDescriptor(outbox.fd), length);
    outbox.bytes[PAGE + length - 1] = 7;
    assert.equal(peer.bytes[PAGE + 2 * length - 1], 7);
    peer.close();
    outbox.close();
  }
  for (const length of [0, -PAGE, 1, PAGE - 1, PAGE + 1, 3 * PAGE, PAGE / 2, 2 * MAX_RING_LENGTH, 2 ** 32, 2 ** 32 + PAGE, 2 ** 52, Number.NaN, Infinity, 4096.5]) assert.equal(isRingLength(length), false, String(length));
  assert.equal(isRingLength(DEFAULT_RING_LENGTH), true);
});

test('fifty peers, each with the longest ring that there may be, are no more than fifty mappings', (t) => {
  const arena = new Arena();
  const length = MAX_RING_LENGTH;
  for (let i = 0; i < 50; i++) {
    const theirs = Outbox.create(arena, 'alpc:test', length, 0);
    const seen = Outbox.open(arena, duplicateDescriptor(theirs.fd), length);
    atEnd(t, () => [theirs, seen].forEach((outbox) => outbox.close()));
    theirs.bytes[PAGE + length - 1] = i;
    assert.equal(seen.bytes[PAGE + 2 * length - 1], i);
  }
  assert.equal(arena.inUse, 100);
});

for (const call of ['memfd_create', 'ftruncate', 'mmap', 'fcntl'] as const) {
  test(`when ${call} fails, making an outbox fails with it and leaves nothing behind`, () => {
    const { arena } = thisThread();
    created({ after: () => {} } as unknown as TestContext, 4 * PAGE).close(); // so that the slots are there already
    const before = arena.inUse;
    for (let nth = 0; nth < 2; nth++) {
      let calls = 0;
      const original = libc()[call] as (...given: unknown[]) => number;
      // The first mmap of a slot fails, or the second; what tidies up afterwards must work.
      const failing = mock.method(libc(), call, (...given: unknown[]) => (calls++ === nth ? -1 : original(...given)));
      try {
        if (nth === 0 || call === 'mmap') assert.throws(() => Outbox.create(arena, 'alpc:test', 4 * PAGE, 0), (error) => error instanceof SystemError && error.syscall === call);
      } finally {
        failing.mock.restore();
      }
    }
    assert.equal(arena.inUse, before);
    assert.deepEqual(protections('alpc:test'), []);
  });
}
