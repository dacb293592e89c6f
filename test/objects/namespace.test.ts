import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readlinkSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bindPortNameSync, createDirectory, createSessionDirectories, createSymbolicLink, listDirectory, namespaceRoot, openPort, queryObject, readSymbolicLink, resolveName, type RootOptions, walkNamespace, type WalkOptions } from '../../src/objects/index.js';
import { closeDescriptor } from '../../src/platform/system.js';
import { failsWith, order, startObjectActor, testInRoot } from './support.js';
import { withLedger } from '../support/ledger.js';

withLedger();

const modeOf = (path: string): number => statSync(path).mode & 0o7777;

testInRoot('a directory is made where it is named, with either separator', (root) => {
  createDirectory('\\RPC Control\\one', { root });
  createDirectory('/RPC Control/two', { root });
  assert.deepEqual(readdirSync(join(root, 'RPC Control')).toSorted(), ['one', 'two']);
});

testInRoot("a directory's mode is exact when it is given, and follows the umask when it is not", (root) => {
  const before = process.umask(0o077);
  try {
    createDirectory('\\closed', { root });
    createDirectory('\\open', { root, mode: 0o1777 });
  } finally {
    process.umask(before);
  }
  assert.equal(modeOf(join(root, 'closed')), 0o700);
  assert.equal(modeOf(join(root, 'open')), 0o1777);
});

testInRoot('a directory whose name is taken is refused, and with recursive is welcome', (root) => {
  createDirectory('\\a\\b\\c', { root, recursive: true });
  assert.throws(() => createDirectory('\\a\\b', { root }), failsWith('ERR_ALPC_NAME_IN_USE', /'\\a\\b'/));
  createDirectory('\\a\\b\\c\\d', { root, recursive: true });
  createDirectory('\\a\\b\\c\\d', { root, recursive: true });
  writeFileSync(join(root, 'file'), '');
  assert.throws(() => createDirectory('\\file', { root, recursive: true }), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH', /'\\file'/));
  assert.throws(() => createDirectory('\\file\\below', { root, recursive: true }), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH', /'\\file'/));
});

testInRoot('a missing directory above is named in the error', (root) => {
  createDirectory('\\a', { root });
  assert.throws(() => createDirectory('\\a\\b\\c\\d', { root }), failsWith('ERR_ALPC_NAME_NOT_FOUND', /'\\a\\b\\c\\d': its part '\\a\\b'/));
  assert.throws(() => createSymbolicLink('\\b\\link', '\\a', { root }), failsWith('ERR_ALPC_NAME_NOT_FOUND', /its part '\\b'/));
});

testInRoot('the root is there, and is not made again', (root) => {
  assert.throws(() => createDirectory('\\', { root }), failsWith('ERR_ALPC_NAME_INVALID', /root of the namespace/));
  createDirectory('\\', { root, recursive: true });
});

testInRoot("a session's directories are made once and stay", (root) => {
  createSessionDirectories(7, { root });
  createSessionDirectories(7, { root });
  assert.deepEqual(listDirectory('\\Sessions\\7', { root }), [
    { name: 'BaseNamedObjects', type: 'Directory' },
    { name: 'Windows', type: 'Directory' },
  ]);
  for (const session of [-1, 1.5, 2 ** 31, '7']) assert.throws(() => createSessionDirectories(session as number, { root }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /argument 'session'/));
  for (const options of [5, [], null, { root, recursive: false }, { root, mode: 0o700 }] as object[]) assert.throws(() => createSessionDirectories(8, options), failsWith('ERR_ALPC_INVALID_ARGUMENT', /argument 'options'/));
});

testInRoot('a symbolic link is stored with slashes, read with backslashes, and absolute targets start at the root of the namespace', (root) => {
  createDirectory('\\real', { root });
  createDirectory('\\real\\deep', { root });
  createSymbolicLink('\\absolute', '\\real', { root });
  createSymbolicLink('\\real\\relative', 'deep', { root });
  assert.equal(readlinkSync(join(root, 'absolute')), '/real');
  assert.equal(readSymbolicLink('\\absolute', { root }), '\\real');
  assert.equal(readSymbolicLink('\\absolute\\relative', { root }), 'deep');
  assert.equal(resolveName('\\absolute\\relative', { root }), '\\real\\deep');
  assert.equal(resolveName('\\', { root }), '\\');
  createDirectory('\\absolute\\relative\\made', { root });
  assert.ok(statSync(join(root, 'real/deep/made')).isDirectory());
  assert.throws(() => readSymbolicLink('\\real', { root }), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH', /'\\real' is an object of type Directory, not SymbolicLink/));
});

testInRoot('nothing that a link says leads out of the namespace', (root) => {
  namespaceRoot({ root });
  symlinkSync('../../../../../../etc', join(root, 'up'));
  symlinkSync('/etc', join(root, 'out'));
  symlinkSync(root, join(root, 'self'));
  symlinkSync('/proc/self/root', join(root, 'magic'));
  for (const name of ['\\up\\passwd', '\\out\\passwd', '\\self\\RPC Control', '\\magic\\etc']) {
    assert.throws(() => queryObject(name, { root }), failsWith('ERR_ALPC_NAME_NOT_FOUND'), name);
  }
  assert.throws(() => listDirectory('\\up', { root }), failsWith('ERR_ALPC_NAME_NOT_FOUND', /a symbolic link to '\.\.\\.*\\etc'/));
});

testInRoot('links that lead in a circle are told as such', (root) => {
  createSymbolicLink('\\a', '\\b', { root });
  createSymbolicLink('\\b', '\\a', { root });
  for (const attempt of [() => listDirectory('\\a', { root }), () => resolveName('\\a', { root }), () => openPort('\\a', { root }), () => createDirectory('\\a\\x', { root })]) {
    assert.throws(attempt, failsWith('ERR_ALPC_NAME_INVALID', /symbolic links lead in a circle/));
  }
  assert.equal(queryObject('\\a', { root }).target, '\\b');
});

testInRoot('each kind of file is an object type', (root) => {
  createSymbolicLink('\\BaseNamedObjects\\link', '\\nowhere', { root });
  const at = (name: string): string => join(root, 'BaseNamedObjects', name);
  writeFileSync(at('section'), 'x');
  execFileSync('mkfifo', [at('event')]);
  createDirectory('\\BaseNamedObjects\\directory', { root });
  const port = bindPortNameSync('\\BaseNamedObjects\\port', { root });
  assert.deepEqual(listDirectory('\\BaseNamedObjects', { root }), [
    { name: 'directory', type: 'Directory' },
    { name: 'event', type: 'Event' },
    { name: 'link', type: 'SymbolicLink', target: '\\nowhere' },
    { name: 'port', type: 'ALPC Port' },
    { name: 'section', type: 'Section' },
  ]);
  for (const { name, type } of listDirectory('\\BaseNamedObjects', { root })) assert.equal(queryObject(`\\BaseNamedObjects\\${name}`, { root }).type, type);
  closeDescriptor(port.fd);
});

testInRoot('an object tells its owner, its permissions and when it was made', (root) => {
  const before = Date.now();
  createDirectory('\\here', { root, mode: 0o751 });
  const { created, ...rest } = queryObject('/here', { root });
  assert.deepEqual(rest, { name: '\\here', type: 'Directory', owner: { uid: process.geteuid!(), gid: statSync(join(root, 'here')).gid }, mode: 0o751 });
  assert.ok(Math.abs(created.getTime() - before) < 60_000);
  assert.equal(queryObject('\\', { root }).type, 'Directory');
});

testInRoot('names that no object can have are not listed', (root) => {
  namespaceRoot({ root });
  mkdirSync(join(root, '.alpc-0'));
  mkdirSync(join(root, 'a\\b'));
  mkdirSync(Buffer.concat([Buffer.from(root), Buffer.from([0x2f, 0xff, 0xfe])]));
  mkdirSync(join(root, '\ufffd'));
  assert.deepEqual(listDirectory('\\', { root }).map(({ name }) => name), ['BaseNamedObjects', 'Callback', 'RPC Control', 'Sessions', '\ufffd']);
});

testInRoot('what is no directory is not listed', (root) => {
  namespaceRoot({ root });
  writeFileSync(join(root, 'file'), '');
  assert.throws(() => listDirectory('\\file', { root }), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH'));
  assert.throws(() => listDirectory('\\file\\x\\y', { root }), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH', /its part '\\file': not a directory/));
  assert.throws(() => listDirectory('\\none', { root }), failsWith('ERR_ALPC_NAME_NOT_FOUND', /'\\none'/));
});

testInRoot('a namespace may be deep and a directory large', (root) => {
  const deep = '\\d'.repeat(500);
  createDirectory(deep, { root, recursive: true });
  assert.equal(resolveName(deep, { root }), deep);
  const names = Array.from({ length: 5000 }, (_, index) => `object-${String(index).padStart(5, '0')}`);
  createDirectory('\\large', { root });
  for (const name of names) writeFileSync(join(root, 'large', name), '');
  assert.deepEqual(listDirectory('\\large', { root }).map(({ name }) => name), names);
});

testInRoot('a name as long as names may be is made and found', (root) => {
  const parts = [...Array.from({ length: 15 }, () => 'x'.repeat(255)), 'y'.repeat(255)];
  const name = `\\${parts.join('\\')}`;
  assert.equal(Buffer.byteLength(name), 4096);
  createDirectory(name, { root, recursive: true });
  assert.equal(queryObject(name, { root }).type, 'Directory');
});

testInRoot('of processes that make one directory exactly one succeeds', async (root, t) => {
  const actors = Array.from({ length: 4 }, () => startObjectActor(t));
  await Promise.all(actors.map((actor) => order(actor, { type: 'ready' })));
  for (let round = 0; round < 20; round++) {
    const at = Date.now() + 15;
    const answers = await Promise.all(actors.map((actor) => order(actor, { type: 'mkdir', name: `\\round-${round}`, root, at, recursive: false })));
    assert.deepEqual(answers.map((answer) => (answer.done ? 'made' : answer.code)).toSorted(), ['ERR_ALPC_NAME_IN_USE', 'ERR_ALPC_NAME_IN_USE', 'ERR_ALPC_NAME_IN_USE', 'made']);
    const again = await Promise.all(actors.map((actor) => order(actor, { type: 'mkdir', name: `\\deep-${round}\\a\\b`, root, at: Date.now() + 15, recursive: true })));
    assert.ok(again.every(({ done }) => done));
  }
});

testInRoot('what the options may be is checked before anything is done', (root) => {
  assert.throws(() => createDirectory('\\x', { root, mode: 0o2777 }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /argument 'mode'/));
  assert.throws(() => createDirectory('\\x', { root, recursive: 1 as unknown as boolean }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /argument 'recursive'/));
  assert.throws(() => createDirectory('\\x', { rot: root } as never), failsWith('ERR_ALPC_INVALID_ARGUMENT', /no option 'rot'/));
  assert.throws(() => listDirectory('\\', { root: 7 as unknown as string }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /argument 'root'/));
  namespaceRoot({ root });
  chmodSync(root, 0o700);
  assert.deepEqual(listDirectory('\\', { root }).length, 4);
});

testInRoot('bad options of whatever looks at objects, or makes a link, are refused by name before anything is looked up or made', (root) => {
  const calls: Record<string, (options: unknown) => unknown> = {
    queryObject: (options) => queryObject('\\missing', options as RootOptions),
    readSymbolicLink: (options) => readSymbolicLink('\\missing', options as RootOptions),
    resolveName: (options) => resolveName('\\missing', options as RootOptions),
    listDirectory: (options) => listDirectory('\\missing', options as RootOptions),
    createSymbolicLink: (options) => createSymbolicLink('\\made', '\\x', options as RootOptions),
    walkNamespace: (options) => [...walkNamespace(options as WalkOptions)],
  };
  for (const [name, call] of Object.entries(calls)) {
    for (const options of [null, 5, 'x', [], { rot: root }]) assert.throws(() => call(options), failsWith('ERR_ALPC_INVALID_ARGUMENT', /^argument 'options'/), `${name} with ${JSON.stringify(options)}`);
    for (const value of [5, null, 'relative', 'a\0b']) assert.throws(() => call({ root: value }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /^argument '(options\.)?root'/), `${name} with root ${JSON.stringify(value)}`);
  }
  for (const from of [5, null, {}]) assert.throws(() => [...walkNamespace({ root, from: from as unknown as string })], failsWith('ERR_ALPC_INVALID_ARGUMENT', /^argument 'from'/));
  assert.ok(!existsSync(root), 'not even the root');
});
