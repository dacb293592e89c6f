/** What the floor below gives to this one: directories by descriptor, the lock, addresses of sockets. */
import assert from 'node:assert/strict';
import { closeSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Descriptor, fileKind, hasErrno, listOf, makeDirectory, OPEN, openAbsolute, openBeneath, readLink, renameIn, sameFile, statIn, statOf } from '../../src/platform/directory.js';
import { lockDirectory, runAwaited, runBlocking, type Steps } from '../../src/platform/file-lock.js';
import { addressOfSocketFile, bindIn, listenOn, MAX_SOCKET_PATH, probeSocket, unixAddress } from '../../src/platform/listener.js';
import { createSeqpacketSocket } from '../../src/platform/unix-socket.js';
import { testInRoot } from './support.js';
import { withLedger } from '../support/ledger.js';

withLedger();

const withErrno = (...names: string[]) => (error: unknown): boolean => hasErrno(error, ...names);

test('a socket address holds at most 107 bytes of path', () => {
  for (const length of [1, 106, MAX_SOCKET_PATH]) {
    const address = unixAddress('x'.repeat(length));
    assert.deepEqual([...address.subarray(0, 3), address.length, address.at(-1)], [1, 0, 120, length + 3, 0]);
  }
  for (const length of [108, 109]) assert.throws(() => unixAddress('x'.repeat(length)), withErrno('ENAMETOOLONG'));
  assert.throws(() => unixAddress('é'.repeat(54)), withErrno('ENAMETOOLONG'), 'counted in bytes');
  for (const path of ['', 'a\0b']) assert.throws(() => unixAddress(path), withErrno('EINVAL'));
});

testInRoot('a descriptor is closed once, and not at all when it was handed over', (root) => {
  mkdirSync(root);
  const handed = openAbsolute(root, OPEN.path);
  const fd = handed.take();
  handed[Symbol.dispose]();
  assert.ok(statOf(fd).isDirectory());
  closeSync(fd);
  const kept = openAbsolute(root, OPEN.path);
  kept[Symbol.dispose]();
  kept[Symbol.dispose]();
  assert.equal(kept.fd, -1);
});

testInRoot('every way of opening is closed at exec', (root) => {
  mkdirSync(root);
  for (const flags of Object.values(OPEN)) {
    using top = openAbsolute(root, flags);
    using below = openBeneath(top.fd, '.', flags);
    for (const { fd } of [top, below]) assert.match(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'), /^flags:\s+0?\d*2\d{6}$/m);
  }
});

testInRoot('a lookup stays beneath its root, and links start there', (root) => {
  mkdirSync(join(root, 'a'), { recursive: true });
  symlinkSync('/a', join(root, 'absolute'));
  symlinkSync('../../..', join(root, 'a/up'));
  using top = openAbsolute(root, OPEN.directory);
  const at = (path: string): bigint => {
    using found = openBeneath(top.fd, path, OPEN.path);
    return statOf(found.fd).ino;
  };
  assert.equal(at('absolute'), at('a'));
  assert.equal(at('a/up'), at('.'));
  assert.equal(at('../../a'), at('a'));
  using link = openBeneath(top.fd, 'absolute', OPEN.link);
  assert.equal(readLink(link.fd), '/a');
  assert.equal(readLink(top.fd, 'absolute'), '/a');
  assert.throws(() => openBeneath(top.fd, 'a/none', OPEN.path), withErrno('ENOENT'));
  assert.throws(() => openAbsolute(join(root, 'absolute'), OPEN.directory), withErrno('ENOTDIR'), 'a last link is not followed');
});

testInRoot('a rename without leave to replace leaves what is there', (root) => {
  mkdirSync(root);
  for (const name of ['a', 'b']) writeFileSync(join(root, name), name);
  using top = openAbsolute(root, OPEN.directory);
  assert.throws(() => renameIn(top.fd, 'a', 'b', false), withErrno('EEXIST'));
  renameIn(top.fd, 'a', 'c', false);
  renameIn(top.fd, 'b', 'c', true);
  assert.deepEqual(readdirSync(root), ['c']);
  assert.equal(readFileSync(join(root, 'c'), 'utf8'), 'b');
});

testInRoot('a listing gives names and kinds, a question about one name what it is', (root) => {
  mkdirSync(root);
  using top = openAbsolute(root, OPEN.directory);
  makeDirectory(top.fd, 'd', 0o700);
  symlinkSync('d', join(root, 'l'));
  assert.deepEqual(listOf(top.fd).toSorted((a, b) => (a.name < b.name ? -1 : 1)), [{ name: 'd', kind: 'directory' }, { name: 'l', kind: 'link' }]);
  assert.equal(fileKind(statIn(top.fd, 'l')!), 'link');
  assert.equal(statIn(top.fd, 'none'), undefined);
  assert.ok(!sameFile(statIn(top.fd, 'd')!, statIn(top.fd, 'l')!));
  assert.throws(() => makeDirectory(top.fd, 'd', 0o700), withErrno('EEXIST'));
});

testInRoot('a socket file is dead until its server listens, alive then, and dead when the server has closed it', (root) => {
  mkdirSync(root);
  using top = openAbsolute(root, OPEN.directory);
  const socket = new Descriptor(createSeqpacketSocket());
  bindIn(socket.fd, top.fd, 's');
  using file = openBeneath(top.fd, 's', OPEN.link);
  assert.equal(probeSocket(file.fd), 'dead');
  listenOn(socket.fd, 1);
  assert.equal(probeSocket(file.fd), 'alive');
  socket[Symbol.dispose]();
  assert.equal(probeSocket(file.fd), 'dead');
  assert.ok(addressOfSocketFile(file.fd).length < MAX_SOCKET_PATH);
});

testInRoot('the lock has one holder, and goes on to the next when the holder closes it', (root) => {
  mkdirSync(root);
  using second = openAbsolute(root, OPEN.read);
  {
    using first = openAbsolute(root, OPEN.read);
    assert.equal(runBlocking(lockDirectory(first.fd, Infinity)), true);
    assert.equal(runBlocking(lockDirectory(second.fd, performance.now() + 10)), false);
  }
  assert.equal(runBlocking(lockDirectory(second.fd, 0)), true);
});

test('steps that are broken off clean up, in either way of running them', async () => {
  const cleaned: string[] = [];
  function* steps(name: string, failing: boolean): Steps<string> {
    try {
      for (let pause = 0; pause < 3; pause++) yield 1;
      if (failing) throw new Error(name);
      yield* endless();
      return name;
    } finally {
      cleaned.push(name);
    }
  }
  function* endless(): Steps<void> {
    for (;;) yield 1;
  }
  assert.throws(() => runBlocking(steps('blocking', true)), /blocking/);
  await assert.rejects(runAwaited(steps('awaited', true)), /awaited/);
  await assert.rejects(runAwaited(steps('aborted', false), AbortSignal.timeout(20)), { name: 'TimeoutError' });
  assert.deepEqual(cleaned, ['blocking', 'awaited', 'aborted']);
});
