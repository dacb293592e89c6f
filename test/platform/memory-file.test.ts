/**
 * Memory files: which descriptors of a peer are taken, and what a peer can do with one of ours. The rule: it may be read,
 * and by no means be written, resized or emptied under a reader.
 */
import assert from 'node:assert/strict';
import { closeSync, constants, fstatSync, mkdtempSync, openSync, readlinkSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Arena } from '../../src/platform/arena.js';
import { pageSize } from '../../src/platform/descriptors.js';
import { createMemoryFile, inodeOf, inspectMemoryFile, sealMemoryFile } from '../../src/platform/memory-file.js';
import { check, closeDescriptor, lastErrno, libc } from '../../src/platform/system.js';
import { createSocketPair } from '../../src/platform/unix-socket.js';
import { withLedger } from '../support/ledger.js';
import { atEnd } from '../support/at-end.js';
import { grow, protect, punchHole, writeAt, zeroRange } from './raw.js';

withLedger();

const SIZE = 4 * pageSize();
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;
const ALL_SEALS = 0x17;
const MFD_ALLOW_SEALING = 2;
const O_PATH = 0o10000000;

/** A memory file made by hand, with these seals. */
function fileWith(t: TestContext, seals: number, size = SIZE, flags = MFD_ALLOW_SEALING): number {
  const fd = check('memfd_create', libc().memfd_create('alpc:by-hand', flags));
  atEnd(t, () => closeDescriptor(fd));
  check('ftruncate', libc().ftruncate(fd, size));
  if (seals !== 0) check('fcntl', libc().fcntl(fd, F_ADD_SEALS, seals));
  return fd;
}

function reopened(t: TestContext, fd: number, flags: number): number {
  const again = openSync(`/proc/self/fd/${fd}`, flags);
  atEnd(t, () => closeSync(again));
  return again;
}

test('of the 32 subsets of seals exactly one is taken: sealed, not to grow, not to shrink, no future writer', (t) => {
  for (let seals = 0; seals < 32; seals++) {
    const fd = fileWith(t, seals);
    const found = inspectMemoryFile(fd, SIZE);
    if (seals === ALL_SEALS) assert.equal(found, inodeOf(fd));
    else assert.match(String(found), new RegExp(`^seals are 0x${seals.toString(16)}, expected 0x17$`));
  }
});

test('a file that is sealed against execution too is taken: some systems seal every memory file so', (t) => {
  const MFD_NOEXEC_SEAL = 8;
  const probe = libc().memfd_create('alpc:probe', MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  if (probe < 0) return t.skip(`this kernel makes none (${lastErrno()})`);
  closeDescriptor(probe);
  const fd = fileWith(t, ALL_SEALS, SIZE, MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  assert.equal(libc().fcntl(fd, F_GET_SEALS, 0), ALL_SEALS | 0x20);
  assert.equal(inspectMemoryFile(fd, SIZE), inodeOf(fd));
});

test('a file of another size is refused, be it by a byte', (t) => {
  for (const size of [0, 1, SIZE - 1, SIZE + 1, SIZE - pageSize(), SIZE + pageSize(), 2 * SIZE, 2 ** 40]) {
    assert.equal(inspectMemoryFile(fileWith(t, ALL_SEALS, size), SIZE), `size is ${size}, expected ${SIZE}`);
  }
});

test('what is no memory file is refused: files, pipes, devices, directories, sockets, numbers that are not open', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'alpc-test-'));
  atEnd(t, () => rmSync(directory, { recursive: true }));
  const file = join(directory, 'file');
  writeFileSync(file, Buffer.alloc(SIZE));
  const onTmpfs = join('/dev/shm', `alpc-test-${process.pid}`);
  writeFileSync(onTmpfs, Buffer.alloc(SIZE));
  atEnd(t, () => rmSync(onTmpfs));
  const sockets = createSocketPair();
  atEnd(t, () => sockets.forEach(closeDescriptor));
  for (const path of [file, onTmpfs, directory, '/dev/zero', '/dev/null', '/proc/self/maps']) {
    const fd = openSync(path, 'r');
    assert.match(String(inspectMemoryFile(fd, SIZE)), /^(not a memory file|seals are 0x1, expected 0x17)$/, path);
    closeSync(fd);
  }
  for (const fd of [...sockets, -1, 9999, 2 ** 31 - 1]) assert.equal(inspectMemoryFile(fd, SIZE), 'not a memory file', String(fd));
});

test('a descriptor that can not be read through is refused, though the file behind it is good', (t) => {
  const good = fileWith(t, ALL_SEALS);
  assert.equal(inspectMemoryFile(reopened(t, good, O_PATH), SIZE), 'not a memory file');
  assert.equal(inspectMemoryFile(reopened(t, good, constants.O_WRONLY), SIZE), 'opened for writing only');
  assert.equal(inspectMemoryFile(reopened(t, good, constants.O_RDONLY), SIZE), inodeOf(good));
  assert.equal(inspectMemoryFile(reopened(t, good, constants.O_RDWR), SIZE), inodeOf(good));
});

test('a file on huge pages is refused', (t) => {
  const MFD_HUGETLB = 4;
  const huge = 2 ** 21;
  const fd = libc().memfd_create('alpc:huge', MFD_ALLOW_SEALING | MFD_HUGETLB);
  if (fd < 0) return t.skip(`this kernel makes none (${lastErrno()})`);
  atEnd(t, () => closeDescriptor(fd));
  check('ftruncate', libc().ftruncate(fd, huge));
  check('fcntl', libc().fcntl(fd, F_ADD_SEALS, ALL_SEALS));
  assert.equal(inspectMemoryFile(fd, huge), 'not in ordinary memory');
});

test("an own file is taken by the peer's look, is named for inspectors, and is not handed to children", (t) => {
  const fd = createMemoryFile('alpc:\\RPC Control\\spooler', SIZE);
  atEnd(t, () => closeDescriptor(fd));
  assert.notEqual(typeof inspectMemoryFile(fd, SIZE), 'number');
  sealMemoryFile(fd);
  assert.equal(inspectMemoryFile(fd, SIZE), fstatSync(fd).ino);
  assert.equal(readlinkSync(`/proc/self/fd/${fd}`), '/memfd:alpc:\\RPC Control\\spooler (deleted)');
  assert.equal(libc().fcntl(fd, 1, 0) & 1, 1, 'close-on-exec');
  assert.equal(fstatSync(fd).mode & 0o111, 0, 'not executable');
});

test('a name of any length and script is cut to what the kernel takes, between characters', (t) => {
  for (const name of ['', 'a'.repeat(249), 'a'.repeat(250), 'ü'.repeat(200), '日'.repeat(100), `${'a'.repeat(247)}😀b`]) {
    const fd = createMemoryFile(name, pageSize());
    atEnd(t, () => closeDescriptor(fd));
    const shown = readlinkSync(`/proc/self/fd/${fd}`).slice('/memfd:'.length, -' (deleted)'.length);
    assert.ok(name.startsWith(shown), shown);
    assert.ok(Buffer.byteLength(name) <= 249 ? shown === name : Buffer.byteLength(shown) > 245);
  }
});

test('no peer can write to, resize or empty a sealed file, however it opens it; its owner writes on, and its readers see it', (t) => {
  const arena = new Arena();
  const fd = createMemoryFile('alpc:attacked', SIZE);
  atEnd(t, () => closeDescriptor(fd));
  const slot = arena.map(fd, [{ offset: 0, length: SIZE }], true);
  atEnd(t, () => arena.unmap(slot));
  const own = new Uint8Array(slot.buffer, slot.offset, SIZE);
  sealMemoryFile(fd);
  const page = pageSize();
  for (const [round, theirs] of [fd, reopened(t, fd, constants.O_RDWR), reopened(t, fd, constants.O_WRONLY)].entries()) {
    own.fill(7);
    assert.equal(writeAt(theirs, Uint8Array.of(1, 2, 3), 0), 'EPERM');
    assert.equal(punchHole(theirs, 0, page), 'EPERM');
    assert.equal(zeroRange(theirs, 0, page) === 'ok', false);
    assert.equal(grow(theirs, 2 * SIZE), 'EPERM');
    for (const size of [0, page, SIZE - 1, SIZE + 1]) assert.throws(() => check('ftruncate', libc().ftruncate(theirs, size)), { errno: 'EPERM' });
    assert.throws(() => new Arena().map(theirs, [{ offset: 0, length: SIZE }], true), { name: 'SystemError', syscall: 'mmap' });
    assert.throws(() => check('fcntl', libc().fcntl(theirs, F_ADD_SEALS, 8)), { errno: 'EPERM' });
    assert.ok(own.every((byte) => byte === 7));
    own[0] = round;
    const seen = new Uint8Array(1);
    readSync(fd, seen, 0, 1, 0);
    assert.equal(seen[0], round);
  }
});

test('a read-only mapping of a sealed file can not be made writable', (t) => {
  const arena = new Arena();
  const fd = createMemoryFile('alpc:read-only', SIZE);
  atEnd(t, () => closeDescriptor(fd));
  sealMemoryFile(fd);
  const slot = arena.map(fd, [{ offset: 0, length: SIZE }], false);
  atEnd(t, () => arena.unmap(slot));
  assert.equal(protect(slot.address, SIZE, 3), 'EACCES');
});
