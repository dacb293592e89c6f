/** The wait page: one thread says on whom it is blocked, another reads it, at any moment, and gets the truth or nothing. */
import assert from 'node:assert/strict';
import { fstatSync, readFileSync } from 'node:fs';
import { mock, test, type TestContext } from 'node:test';
import { MAGIC, PROTOCOL_VERSION, ProtocolViolation, WAIT_PAGE_FIELDS, WaitPageWords as W } from '../../src/memory/layout.js';
import { checkPeerWaitPage, PeerWaitPage, WaitPage } from '../../src/memory/wait-page.js';
import { Arena } from '../../src/platform/arena.js';
import { duplicateDescriptor } from '../../src/platform/descriptors.js';
import { createMemoryFile, sealMemoryFile } from '../../src/platform/memory-file.js';
import { libc, SystemError } from '../../src/platform/system.js';
import { thisThread } from '../../src/ports/thread.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { PAGE } from './support.js';

withLedger();

function makePages(t: TestContext): { own: WaitPage; seen: PeerWaitPage } {
  const { arena } = thisThread();
  const own = new WaitPage(arena, 4711);
  const fd = duplicateDescriptor(own.fd);
  const seen = new PeerWaitPage(arena, fd, checkPeerWaitPage(fd));
  atEnd(t, () => {
    seen.close();
    own.close();
  });
  return { own, seen };
}

const isOpen = (fd: number): boolean => libc().fcntl(fd, 1, 0) >= 0;

test('a thread that is not blocked says nothing', (t) => {
  const { own, seen } = makePages(t);
  assert.equal(seen.read(), undefined);
  own.publish(5, 6, 7);
  own.withdraw();
  assert.equal(seen.read(), undefined);
});

test('a blocked thread says on which thread, on which connection and for which message, with numbers of any size', (t) => {
  const { own, seen } = makePages(t);
  for (const [thread, connection, messageId] of [[1, 2, 3], [2 ** 31, 2 ** 32 - 1, -1], [2 ** 32, 2 ** 33 + 5, 2 ** 31 - 1], [2 ** 53 - 1, 2 ** 52, -(2 ** 31)]] as const) {
    own.publish(thread, connection, messageId);
    const { sequence, ...rest } = seen.read()!;
    assert.deepEqual(rest, { thread, connection, messageId });
    assert.equal(sequence & 1, 1);
    assert.deepEqual(seen.read(), { sequence, ...rest });
    own.withdraw();
  }
});

test('each wait has a number of its own, so that a reader knows one from the next', (t) => {
  const { own, seen } = makePages(t);
  const numbers = Array.from({ length: 50 }, () => {
    own.publish(1, 2, 3);
    const { sequence } = seen.read()!;
    own.withdraw();
    return sequence;
  });
  assert.equal(new Set(numbers).size, 50);
});

test('a page that changes while it is read says nothing, whichever word it changes at', (t) => {
  const { own, seen } = makePages(t);
  own.publish(1, 2, 3);
  const { load } = Atomics;
  let loads = 0;
  let changeAt = 0;
  const watched = mock.method(Atomics, 'load', ((words: Int32Array, index: number) => {
    const value = load(words, index);
    if (++loads === changeAt) {
      own.withdraw();
      own.publish(100, 200, 300);
    }
    return value;
  }) as typeof Atomics.load);
  atEnd(t, () => watched.mock.restore());
  assert.notEqual(seen.read(), undefined);
  const total = loads;
  for (changeAt = 1; changeAt < total; changeAt++) {
    loads = 0;
    assert.equal(seen.read(), undefined, `changed after load ${changeAt} of ${total}`);
  }
  loads = 0;
  changeAt = total + 1;
  assert.equal(seen.read()!.thread, 100);
});

test('its number is stored last, through Atomics like every word that others go by', (t) => {
  const { own } = makePages(t);
  const order: number[] = [];
  const { store } = Atomics;
  const watched = mock.method(Atomics, 'store', ((words: Int32Array, index: number, value: number) => {
    order.push(index);
    return store(words, index, value);
  }) as typeof Atomics.store);
  atEnd(t, () => watched.mock.restore());
  own.publish(1, 2, 3);
  const atomic = WAIT_PAGE_FIELDS.filter((field) => 'atomic' in field).map((field) => field.offset / 4);
  assert.deepEqual(order.toSorted((a, b) => a - b), atomic);
  assert.equal(order.at(-1), W.sequence);
});

test('it says whose it is, and a peer can only read it', (t) => {
  const { own, seen } = makePages(t);
  assert.equal(seen.inode, own.inode);
  assert.equal(own.inode, fstatSync(own.fd).ino);
  const page = readFileSync(`/proc/self/fd/${own.fd}`);
  assert.equal(page.length, PAGE);
  assert.deepEqual([W.magic, W.version, W.ownerPid, W.ownerTid].map((word) => page.readInt32LE(word * 4)), [MAGIC, PROTOCOL_VERSION, process.pid, 4711]);
  const protections = Array.from(readFileSync('/proc/self/maps', 'utf8').matchAll(new RegExp(`^\\S+ (\\S+) \\S+ \\S+ ${own.inode} `, 'gm')), (match) => match[1]!);
  assert.deepEqual(protections.toSorted(), ['r--s', 'rw-s']);
});

test("what is no wait page is refused in words and closed; what is one stays open for whoever maps it", (t) => {
  const { own } = makePages(t);
  const unsealed = createMemoryFile('alpc:wait', PAGE);
  const long = createMemoryFile('alpc:wait', 2 * PAGE);
  sealMemoryFile(long);
  for (const [fd, why] of [[unsealed, /refused: seals are/], [long, /refused: size is 8192, expected 4096/], [98_765, /refused: not a memory file/]] as const) {
    assert.throws(() => checkPeerWaitPage(fd), (error) => error instanceof ProtocolViolation && why.test(error.message));
    assert.equal(isOpen(fd), false);
  }
  const good = duplicateDescriptor(own.fd);
  assert.equal(checkPeerWaitPage(good), own.inode);
  assert.equal(isOpen(good), true);
  const page = new PeerWaitPage(thisThread().arena, good, own.inode);
  assert.equal(isOpen(good), false, 'the mapping needs it no longer');
  page.close();
});

for (const call of ['memfd_create', 'ftruncate', 'mmap', 'fcntl'] as const) {
  test(`when ${call} fails, making a wait page fails with it and leaves nothing behind`, () => {
    const arena = new Arena();
    new WaitPage(arena, 1).close();
    const failing = mock.method(libc(), call, () => -1, { times: 1 });
    assert.throws(() => new WaitPage(arena, 1), (error) => error instanceof SystemError && error.syscall === call);
    failing.mock.restore();
    assert.equal(arena.inUse, 0);
  });
}

test('a lie on a page is read as it stands: numbers, and nothing that could be touched', (t) => {
  const { arena } = thisThread();
  const fd = createMemoryFile('alpc:wait', PAGE);
  const slot = arena.map(fd, [{ offset: 0, length: PAGE }], true);
  sealMemoryFile(fd);
  const words = new Int32Array(slot.buffer, slot.offset, PAGE / 4).fill(-1);
  const page = new PeerWaitPage(arena, fd, 1);
  atEnd(t, () => {
    page.close();
    arena.unmap(slot);
  });
  assert.deepEqual(page.read(), { sequence: -1, thread: 2 ** 64, connection: 2 ** 64, messageId: -1 });
  words.fill(0);
  assert.equal(page.read(), undefined);
});

test('the page of a peer that was let go shows a thread that is awake, whoever has its memory now', (t) => {
  const { arena } = thisThread();
  const blocked = (): { own: WaitPage; seen: PeerWaitPage } => {
    const own = new WaitPage(arena, 1);
    own.publish(2, 3, 4);
    const seen = new PeerWaitPage(arena, duplicateDescriptor(own.fd), own.inode);
    atEnd(t, () => own.close());
    return { own, seen };
  };
  const { seen } = blocked();
  assert.equal(seen.read()?.messageId, 4);
  seen.close();
  const other = blocked();
  atEnd(t, () => other.seen.close());
  assert.equal(other.seen.read()?.messageId, 4);
  assert.equal(seen.read(), undefined);
});
