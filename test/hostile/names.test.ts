/**
 * Attacks by names: names that are none, directories and links that somebody laid out, things in the place of a port, what the dead
 * leave, and who holds the lock. A server gets its own socket under its own name or an error that says why, and a living
 * server loses its name to nobody. (Races for a name are in name-races.test.ts.)
 */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, closeSync, existsSync, linkSync, lstatSync, mkdirSync, openSync, readdirSync, readFileSync, readlinkSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { connectPort, createDirectory, createPort, createPortSync, createSymbolicLink, queryObject, removeObject, resolveName } from '../../src/index.js';
import { closeDescriptor, libc } from '../../src/platform/system.js';
import { failsWith } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { settle, takeStock, withLedger } from '../support/ledger.js';
import { HandListener, HandPeer } from './peer.js';
import { acceptFrom, bindTo, connectTo, listenAt, makeSocket, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM } from './raw.js';
import { ask, leaveDead, NAME, openRoot, serve, startRacer } from './wanted.js';

withLedger();

const isRoot = process.geteuid!() === 0;
const asRoot = { skip: !isRoot && 'needs root, to make other users' };

// ---- names that are none -------------------------------------------------------------------------------------------

test('B11: a name of no, one, the most, one more, or a million characters is a name or none, to server and client alike', async (t) => {
  openRoot(t, false);
  const before = takeStock();
  const part = (length: number): string => `\\${'n'.repeat(length)}`;
  for (const name of ['', '\\\\', 'RPC Control\\relative', '\\RPC Control\\', '\\RPC Control\\..\\x', '\\RPC Control\\.', '\\RPC Control\\a\0b', '\\RPC Control\\\ud800', `\\RPC Control${part(256)}`, part(255).repeat(17), part(2 ** 20), '\\RPC Control\\.alpc-0']) {
    for (const attempt of [() => createPort(name), () => connectPort(name)]) {
      await assert.rejects(attempt(), failsWith('ERR_ALPC_NAME_INVALID'), name.slice(0, 40));
    }
    assert.throws(() => createPortSync(name), failsWith('ERR_ALPC_NAME_INVALID'));
  }
  await assert.rejects(createPort('\\'), failsWith('ERR_ALPC_NAME_INVALID', /root of the namespace/));
  await assert.rejects(connectPort('\\'), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH'));
  for (const name of ['\\n', `\\RPC Control${part(255)}`, '\\RPC Control\\é', '/RPC Control/with slashes', '\\RPC Control\\-rf *', '\\RPC Control\\\n']) {
    const port = serve(await createPort(name));
    assert.equal(await ask(name), process.pid);
    await port.close();
  }
  await settle(before);
});

test('test 32: a path may be longer than a socket address: 106, 107, 108, 109 bytes, and four thousand', async (t) => {
  const { root } = openRoot(t, false);
  const shortest = join(root, 'RPC Control').length + 1;
  for (const length of [106, 107, 108, 109, shortest + 255]) {
    const name = `\\RPC Control\\${'x'.repeat(length - shortest)}`;
    const port = serve(await createPort(name));
    assert.equal(await ask(name), process.pid);
    await port.close();
  }
  const deep = `\\${'d'.repeat(250)}`.repeat(15);
  createDirectory(deep, { recursive: true });
  const port = serve(await createPort(`${deep}\\port`));
  assert.equal(await ask(`${deep}\\port`), process.pid);
  await port.close();
});

// ---- directories that somebody else laid out -----------------------------------------------------------------------

/** What is wrong with the directory that a port's socket would stand in. */
const badDirectories: Record<string, { lay: (directory: string) => void; why: RegExp; needsRoot?: boolean }> = {
  'is writable for others': { lay: (directory) => chmodSync(directory, 0o777), why: /its mode 777 lets others write to it without the sticky bit/ },
  'is writable for its group': { lay: (directory) => chmodSync(directory, 0o770), why: /its mode 770 lets others write/ },
  "is another user's": { lay: (directory) => chownSync(directory, 4002, 4002), why: /it belongs to user 4002, not to user 0/, needsRoot: true },
};

for (const [what, { lay, why, needsRoot = false }] of Object.entries(badDirectories)) {
  test(`B17: a server does not start in a directory that ${what}: in the root, in its own, or in one above`, needsRoot ? asRoot : {}, async (t) => {
    const { root } = openRoot(t);
    createDirectory('\\RPC Control\\a\\b', { recursive: true });
    for (const bad of [join(root, 'RPC Control/a/b'), join(root, 'RPC Control/a'), root]) {
      const { mode, uid, gid } = lstatSync(bad);
      lay(bad);
      await assert.rejects(createPort('\\RPC Control\\a\\b\\port'), failsWith('ERR_ALPC_ACCESS_DENIED', why), bad);
      assert.throws(() => createPortSync('\\RPC Control\\a\\b\\port'), failsWith('ERR_ALPC_ACCESS_DENIED', why));
      assert.deepEqual(readdirSync(join(root, 'RPC Control/a/b')), []);
      chownSync(bad, uid, gid);
      chmodSync(bad, mode);
    }
    serve(await createPort('\\RPC Control\\a\\b\\port')).closeSync();
  });
}

test('B17: a root that is a symbolic link, a file, or not there to be made is refused', async (t) => {
  const { root } = openRoot(t);
  const at = (name: string): string => join(root, '..', name);
  symlinkSync('root', at('link'));
  symlinkSync('/', at('to-all'));
  writeFileSync(at('file'), '');
  for (const [path, code] of [['link', 'ERR_ALPC_ACCESS_DENIED'], ['link/', 'ERR_ALPC_ACCESS_DENIED'], ['to-all', 'ERR_ALPC_ACCESS_DENIED'], ['file', 'ERR_ALPC_OBJECT_TYPE_MISMATCH'], ['file/below', 'ERR_ALPC_OBJECT_TYPE_MISMATCH']] as const) {
    await assert.rejects(createPort(NAME, { root: at(path) }), failsWith(code), path);
    await assert.rejects(connectPort(NAME, { root: at(path) }), failsWith(code), path);
  }
});

test('B17: a link on the way leads nowhere but into the namespace, and where it leads is what is looked at', async (t) => {
  const { root } = openRoot(t);
  const outside = join(root, '..', 'outside');
  mkdirSync(outside);
  for (const [link, target] of [['out', '../outside'], ['absolute', outside], ['magic', `/proc/${process.pid}/cwd`]] as const) {
    symlinkSync(target, join(root, link));
    await assert.rejects(createPort(`\\${link}\\port`), failsWith('ERR_ALPC_NAME_NOT_FOUND'), link);
  }
  assert.deepEqual(readdirSync(outside), []);
  symlinkSync('../../../../../../..', join(root, 'up')); // which at the top is the top
  const port = await createPort('\\up\\port');
  assert.ok(existsSync(join(root, 'port')));
  await port.close();
  createDirectory('\\shared', { mode: 0o777 });
  createSymbolicLink('\\innocent', '\\shared');
  await assert.rejects(createPort('\\innocent\\port'), failsWith('ERR_ALPC_ACCESS_DENIED', /lets others write/));
  createSymbolicLink('\\a', '\\b');
  createSymbolicLink('\\b', '\\a');
  await assert.rejects(createPort('\\a\\port'), failsWith('ERR_ALPC_NAME_INVALID', /circle/));
});

// ---- things in the place of a port ---------------------------------------------------------------------------------

test('test 31, 32: what stands at the name and is no port stays as it is: neither served at nor connected to', async (t) => {
  const { root, path } = openRoot(t);
  const victim = join(root, 'victim');
  writeFileSync(victim, 'content');
  const { ino } = lstatSync(victim);
  const lays: [lay: () => void, type: RegExp][] = [
    [() => writeFileSync(path, 'content'), /Section/],
    [() => mkdirSync(path), /Directory/],
    [() => symlinkSync('../victim', path), /SymbolicLink/],
    [() => symlinkSync('nowhere', path), /SymbolicLink/],
    [() => linkSync(victim, path), /Section/],
  ];
  for (const [lay, type] of lays) {
    lay();
    const before = lstatSync(path).ino;
    await assert.rejects(createPort(NAME), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH', type));
    assert.throws(() => createPortSync(NAME), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH', type));
    await assert.rejects(connectPort(NAME), (error) => failsWith(readlink(path) === 'nowhere' ? 'ERR_ALPC_NAME_NOT_FOUND' : 'ERR_ALPC_OBJECT_TYPE_MISMATCH')(error));
    assert.equal(lstatSync(path).ino, before);
    removeObject(NAME);
  }
  assert.deepEqual([lstatSync(victim).ino, lstatSync(victim).mode & 0o777, readFileSync(victim, 'utf8')], [ino, 0o644 & ~process.umask(), 'content']);
  serve(await createPort(NAME)).closeSync();
});

function readlink(path: string): string | undefined {
  return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined;
}

test('test 31: another name for a dead port is taken over alone, and another name for a living one is not', async (t) => {
  const { root, path } = openRoot(t);
  const other = join(root, 'RPC Control', 'other');
  leaveDead(other);
  linkSync(other, path);
  const port = serve(await createPort(NAME));
  assert.equal(await ask(), process.pid);
  await assert.rejects(connectPort('\\RPC Control\\other'), failsWith('ERR_ALPC_NAME_NOT_FOUND'));
  linkSync(path, join(root, 'RPC Control', 'hard'));
  assert.equal(await ask('\\RPC Control\\hard'), process.pid, 'the kernel knows it by both');
  await assert.rejects(createPort('\\RPC Control\\hard'), failsWith('ERR_ALPC_NAME_IN_USE'));
  await port.close();
});

test('test 31: a socket of the same name that stands in no file system is neither found nor in the way', async (t) => {
  const { path } = openRoot(t);
  for (const name of [path, NAME, 'wanted']) {
    const abstract = makeSocket();
    const address = Buffer.from(`\0\0\0${name}`);
    address.writeUInt16LE(1, 0);
    assert.equal(libc().bind(abstract, address, address.length), 0);
    listenAt(abstract, 1);
    atEnd(t, () => closeDescriptor(abstract));
  }
  await assert.rejects(connectPort(NAME), failsWith('ERR_ALPC_NAME_NOT_FOUND'));
  const port = serve(await createPort(NAME));
  assert.equal(await ask(), process.pid);
  await port.close();
});

test('test 32: a dead server of any kind of socket, listening once or never, leaves a name that can be taken; a living one keeps it', async (t) => {
  const { path } = openRoot(t);
  for (const type of [SOCK_SEQPACKET, SOCK_STREAM, SOCK_DGRAM]) {
    for (const listened of [true, false]) {
      leaveDead(path, type, listened);
      await assert.rejects(connectPort(NAME), failsWith('ERR_ALPC_NAME_NOT_FOUND'));
      const port = serve(await createPort(NAME));
      assert.equal(await ask(), process.pid);
      await port.close();
    }
  }
  for (const type of [SOCK_SEQPACKET, SOCK_STREAM, SOCK_DGRAM]) {
    const living = makeSocket(type);
    assert.equal(bindTo(living, path), 'ok');
    if (type !== SOCK_DGRAM) listenAt(living, 1);
    const { ino } = lstatSync(path);
    await assert.rejects(createPort(NAME), failsWith('ERR_ALPC_NAME_IN_USE'), `type ${type}`);
    assert.throws(() => removeObject(NAME), failsWith('ERR_ALPC_NAME_IN_USE'));
    assert.equal(lstatSync(path).ino, ino);
    closeDescriptor(living);
    removeObject(NAME);
  }
});

test('test 32: a directory that can not be read or not be written to says so', asRoot, async (t) => {
  const { root } = openRoot(t);
  for (const path of [join(root, '..'), root]) chmodSync(path, 0o755);
  const actor = await startRacer(t);
  await actor.ask({ type: 'become', uid: 4001 }, 'done');
  for (const mode of [0o000, 0o333, 0o755, 0o711]) {
    chmodSync(join(root, 'RPC Control'), mode);
    const { code } = await actor.ask({ type: 'create', name: NAME, at: 0, blocking: true }, 'created');
    assert.equal(code, 'ERR_ALPC_ACCESS_DENIED', mode.toString(8));
  }
  chmodSync(join(root, 'RPC Control'), 0o1777);
  assert.equal((await actor.ask({ type: 'create', name: NAME, at: 0, blocking: true }, 'created')).code, undefined);
  assert.equal(queryObject(NAME).owner.uid, 4001);
  assert.equal(await ask(), actor.pid);
});

test('B32: a server whose backlog is full is alive: its name is neither taken nor removed, and a client waits its turn', async (t) => {
  const { path } = openRoot(t);
  const listener = new HandListener(path, { backlog: 0 });
  atEnd(t, () => listener.close());
  const waiting: number[] = [];
  for (;;) {
    const socket = makeSocket();
    waiting.push(socket);
    libc().fcntl(socket, 4, 0o4000);
    if (connectTo(socket, path) === 'EAGAIN') break;
  }
  const { ino } = lstatSync(path);
  for (let i = 0; i < 20; i++) {
    await assert.rejects(createPort(NAME), failsWith('ERR_ALPC_NAME_IN_USE'));
    assert.throws(() => createPortSync(NAME), failsWith('ERR_ALPC_NAME_IN_USE'));
    assert.throws(() => removeObject(NAME), failsWith('ERR_ALPC_NAME_IN_USE'));
  }
  assert.equal(lstatSync(path).ino, ino);
  await assert.rejects(connectPort(NAME, { timeout: 30 }), failsWith('ERR_ALPC_TIMEOUT'));
  const connecting = connectPort(NAME, { timeout: 20_000 });
  await sleep(20);
  waiting.forEach(closeDescriptor);
  for (let socket = acceptFrom(listener.socket); ; socket = acceptFrom(listener.socket)) {
    if (socket === undefined) {
      await sleep(1);
      continue;
    }
    const peer = HandPeer.server(socket);
    const hello = await peer.answer();
    if (hello === 'end') {
      peer.close(); // one of those who waited
      continue;
    }
    peer.adopt(hello);
    peer.say();
    (await connecting).close();
    peer.close();
    break;
  }
});

// ---- the lock ------------------------------------------------------------------------------------------------------

test('test 33: who holds the lock of a directory delays a server by its timeout and no longer; when it dies the lock is free', async (t) => {
  const { root } = openRoot(t);
  const directory = openSync(join(root, 'RPC Control'), 'r');
  assert.equal(libc().flock(directory, 6), 0);
  await assert.rejects(createPort(NAME, { timeout: 20 }), failsWith('ERR_ALPC_TIMEOUT', /another process holds it/));
  assert.throws(() => createPortSync(NAME, { timeout: 20 }), failsWith('ERR_ALPC_TIMEOUT'));
  const racer = await startRacer(t);
  racer.send({ type: 'create', name: NAME, at: 0, blocking: true }); // and waits
  await sleep(30);
  const creating = createPort(NAME, { timeout: 60_000 });
  creating.catch(() => {});
  await racer.kill();
  closeSync(directory);
  const port = serve(await creating);
  assert.equal(await ask(), process.pid);
  await port.close();
});

test('test 33: whoever locks another directory than the one that has the name has locked nothing', async (t) => {
  const { root } = openRoot(t);
  const path = join(root, 'RPC Control');
  const stale = openSync(path, 'r');
  assert.equal(libc().flock(stale, 6), 0);
  renameSync(path, join(root, 'moved'));
  mkdirSync(path, { mode: 0o700 });
  const port = serve(await createPort(NAME, { timeout: 0 }));
  assert.equal(await ask(), process.pid);
  assert.equal(resolveName(NAME), NAME);
  await port.close();
  assert.deepEqual(readdirSync(join(root, 'moved')), []);
  closeSync(stale);
});
