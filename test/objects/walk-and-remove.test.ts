import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bindPortNameSync, createDirectory, createSymbolicLink, listDirectory, namespaceRoot, queryObject, removeObject, walkNamespace } from '../../src/objects/index.js';
import { OPEN, openAbsolute } from '../../src/platform/directory.js';
import { lockDirectory, runBlocking } from '../../src/platform/file-lock.js';
import { closeDescriptor } from '../../src/platform/system.js';
import { failsWith, isRoot, order, startObjectActor, testInRoot } from './support.js';
import { withLedger } from '../support/ledger.js';

withLedger();

testInRoot('a walk gives every object with its full name, each directory before what it holds, and follows no link', (root) => {
  createDirectory('\\Sessions\\1', { root });
  createSymbolicLink('\\Sessions\\1\\top', '\\', { root });
  createDirectory('\\RPC Control\\a', { root });
  writeFileSync(join(root, 'RPC Control/a/section'), '');
  assert.deepEqual([...walkNamespace({ root })], [
    { name: '\\BaseNamedObjects', type: 'Directory' },
    { name: '\\Callback', type: 'Directory' },
    { name: '\\RPC Control', type: 'Directory' },
    { name: '\\RPC Control\\a', type: 'Directory' },
    { name: '\\RPC Control\\a\\section', type: 'Section' },
    { name: '\\Sessions', type: 'Directory' },
    { name: '\\Sessions\\1', type: 'Directory' },
    { name: '\\Sessions\\1\\top', type: 'SymbolicLink', target: '\\' },
  ]);
  assert.deepEqual([...walkNamespace({ root, from: '/RPC Control' })].map(({ name }) => name), ['\\RPC Control\\a', '\\RPC Control\\a\\section']);
});

testInRoot('a walk that is broken off leaves nothing open, and one that begins nowhere fails', (root) => {
  for (const { name } of walkNamespace({ root: namespaceRoot({ root }) })) if (name === '\\Callback') break;
  assert.throws(() => [...walkNamespace({ root, from: '\\none' })], failsWith('ERR_ALPC_NAME_NOT_FOUND', /'\\none'/));
});

testInRoot('a directory that goes away during a walk shows as empty', (root) => {
  createDirectory('\\Callback\\x', { root });
  const seen: string[] = [];
  for (const { name } of walkNamespace({ root })) {
    if (name === '\\BaseNamedObjects') rmSync(join(root, 'Callback'), { recursive: true });
    seen.push(name);
  }
  assert.deepEqual(seen, ['\\BaseNamedObjects', '\\Callback', '\\RPC Control', '\\Sessions']);
});

testInRoot('a directory that the user may not read is shown, marked, and does not end the walk', async (root, t) => {
  const shared = namespaceRoot({ root });
  for (const path of ['..', '.', 'RPC Control', 'BaseNamedObjects', 'Callback', 'Sessions']) chmodSync(join(shared, path), 0o755);
  createDirectory('\\closed', { root, mode: 0o700 });
  createDirectory('\\closed\\inside', { root });
  createDirectory('\\passage', { root, mode: 0o711 });
  const walker = startObjectActor(t, isRoot ? { uid: 54321, gid: 54321 } : {});
  if (!isRoot) for (const path of ['closed', 'passage']) chmodSync(join(shared, path), 0o100);
  const answer = await order(walker, { type: 'walk', root });
  for (const path of ['closed', 'passage']) chmodSync(join(shared, path), 0o700);
  assert.ok(answer.done, JSON.stringify(answer));
  const marks = answer.entries!.map(({ name, unreadable }) => [name, unreadable]);
  assert.deepEqual(marks.filter(([, mark]) => mark !== undefined), [['\\closed', 'ERR_ALPC_ACCESS_DENIED'], ['\\passage', 'ERR_ALPC_ACCESS_DENIED']]);
  assert.equal(marks.length, 6);
});

testInRoot('a link, a section and an empty directory are removed by name, the link and not its target', (root) => {
  createDirectory('\\a', { root });
  createSymbolicLink('\\link', '\\a', { root });
  writeFileSync(join(root, 'section'), '');
  for (const name of ['\\link', '\\section', '\\a']) removeObject(name, { root });
  assert.equal(listDirectory('\\', { root }).length, 4);
  assert.throws(() => removeObject('\\a', { root }), failsWith('ERR_ALPC_NAME_NOT_FOUND', /'\\a'/));
  assert.throws(() => removeObject('\\a\\b', { root }), failsWith('ERR_ALPC_NAME_NOT_FOUND', /its part '\\a'/));
  assert.throws(() => removeObject('\\', { root }), failsWith('ERR_ALPC_NAME_INVALID', /root of the namespace/));
});

testInRoot('a directory that holds something is not removed, and the error says what it holds', (root) => {
  createDirectory('\\a\\b', { root, recursive: true });
  assert.throws(() => removeObject('\\a', { root }), failsWith('ERR_ALPC_NAME_IN_USE', /directory '\\a' is not empty: it holds 'b'/));
  writeFileSync(join(root, 'a/c'), '');
  assert.throws(() => removeObject('\\a', { root, force: true }), failsWith('ERR_ALPC_NAME_IN_USE', /and 1 more/));
});

testInRoot('what killed processes left unfinished does not keep a directory from being removed', (root) => {
  createDirectory('\\a', { root });
  writeFileSync(join(root, 'a/.alpc-0'), '');
  mkdirSync(join(root, 'a/.alpc-1'));
  symlinkSync('x', join(root, 'a/.alpc-2'));
  removeObject('\\a', { root });
  assert.ok(!existsSync(join(root, 'a')));
});

testInRoot('the name of a living port is removed only by force, that of a dead one at once', (root) => {
  const port = bindPortNameSync('\\RPC Control\\p', { root });
  assert.throws(() => removeObject('\\RPC Control\\p', { root }), failsWith('ERR_ALPC_NAME_IN_USE', /whose server lives/));
  removeObject('\\RPC Control\\p', { root, force: true });
  assert.throws(() => queryObject('\\RPC Control\\p', { root }), failsWith('ERR_ALPC_NAME_NOT_FOUND'));
  closeDescriptor(port.fd);
  const second = bindPortNameSync('\\RPC Control\\p', { root });
  closeDescriptor(second.fd);
  removeObject('\\RPC Control\\p', { root });
  assert.deepEqual(listDirectory('\\RPC Control', { root }), []);
});

testInRoot("a removal waits for the directory's lock, and says so when it does not get it", (root) => {
  createDirectory('\\a\\b', { root, recursive: true });
  using held = openAbsolute(join(root, 'a'), OPEN.read);
  assert.ok(runBlocking(lockDirectory(held.fd, 0)));
  assert.throws(() => removeObject('\\a\\b', { root, timeout: 20 }), failsWith('ERR_ALPC_TIMEOUT', /'\\a\\b': the lock of its directory/));
  assert.throws(() => removeObject('\\a\\b', { root, timeout: -1 }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /argument 'timeout'/));
  assert.throws(() => removeObject('\\a\\b', { root, force: 1 as unknown as boolean }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /argument 'force'/));
});
