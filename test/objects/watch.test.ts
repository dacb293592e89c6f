import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, renameSync, rmdirSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { bindPortNameSync, createDirectory, createSymbolicLink, namespaceRoot, type NamespaceEvent, walkNamespace, watchDirectory, type WatchOptions } from '../../src/objects/index.js';
import { closeDescriptor } from '../../src/platform/system.js';
import { failsWith, testInRoot } from './support.js';
import { withLedger } from '../support/ledger.js';

withLedger();

/** Reads events until `count` have come, each in one line. */
async function read(watching: AsyncIterator<NamespaceEvent>, count: number): Promise<string[]> {
  const lines: string[] = [];
  while (lines.length < count) {
    const { done, value } = await watching.next();
    assert.ok(done !== true, 'the watch goes on');
    lines.push(`${value.event} ${value.name} (${value.type})`);
  }
  return lines;
}

testInRoot('what comes, changes and goes is told, with its full name and type, and what was there before is not', async (root) => {
  createDirectory('\\RPC Control\\before', { root });
  await using watching = watchDirectory('/RPC Control', { root });
  createDirectory('\\RPC Control\\made', { root });
  assert.deepEqual(await read(watching, 1), ['created \\RPC Control\\made (Directory)']);
  createSymbolicLink('\\RPC Control\\link', '\\', { root });
  const port = bindPortNameSync('\\RPC Control\\port', { root });
  writeFileSync(join(root, 'RPC Control/section'), '');
  assert.deepEqual(await read(watching, 3), ['created \\RPC Control\\link (SymbolicLink)', 'created \\RPC Control\\port (ALPC Port)', 'created \\RPC Control\\section (Section)']);
  chmodSync(join(root, 'RPC Control/port'), 0o666);
  assert.deepEqual(await read(watching, 1), ['changed \\RPC Control\\port (ALPC Port)']);
  writeFileSync(join(root, 'RPC Control/section'), 'longer');
  assert.deepEqual(await read(watching, 1), ['changed \\RPC Control\\section (Section)']);
  assert.ok(port.removeSync());
  closeDescriptor(port.fd);
  assert.deepEqual(await read(watching, 1), ['removed \\RPC Control\\port (ALPC Port)']);
});

testInRoot('another object under an old name is told as a removal and a creation', async (root) => {
  const first = bindPortNameSync('\\RPC Control\\port', { root });
  await using watching = watchDirectory('\\RPC Control', { root });
  closeDescriptor(first.fd);
  const second = bindPortNameSync('\\RPC Control\\port', { root });
  assert.deepEqual(await read(watching, 2), ['removed \\RPC Control\\port (ALPC Port)', 'created \\RPC Control\\port (ALPC Port)']);
  closeDescriptor(second.fd);
});

testInRoot('a read waits until something happens, and reads are served in order', async (root) => {
  await using watching = watchDirectory('\\Callback', { root });
  const reads = [1, 2, 3].map(() => watching.next());
  for (const name of ['a', 'b', 'c']) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    mkdirSync(join(root, 'Callback', name));
  }
  assert.deepEqual((await Promise.all(reads)).map(({ value }) => value?.name), ['\\Callback\\a', '\\Callback\\b', '\\Callback\\c']);
});

testInRoot('without recursive nothing below is told, with it everything is, each directory before what it holds and after it went', async (root) => {
  createDirectory('\\Sessions\\1\\Windows', { root, recursive: true });
  await using flat = watchDirectory('\\Sessions', { root });
  await using deep = watchDirectory('\\Sessions', { root, recursive: true });
  writeFileSync(join(root, 'Sessions/1/Windows/x'), '');
  assert.deepEqual(await read(deep, 1), ['created \\Sessions\\1\\Windows\\x (Section)']);
  createDirectory('\\Sessions\\2\\a\\b', { root, recursive: true });
  assert.deepEqual(await read(deep, 3), ['created \\Sessions\\2 (Directory)', 'created \\Sessions\\2\\a (Directory)', 'created \\Sessions\\2\\a\\b (Directory)']);
  rmSync(join(root, 'Sessions/1'), { recursive: true });
  assert.deepEqual(await read(deep, 3), ['removed \\Sessions\\1\\Windows\\x (Section)', 'removed \\Sessions\\1\\Windows (Directory)', 'removed \\Sessions\\1 (Directory)']);
  writeFileSync(join(root, 'Sessions/2/a/b/y'), '');
  assert.deepEqual(await read(deep, 1), ['created \\Sessions\\2\\a\\b\\y (Section)']);
  assert.deepEqual(await read(flat, 2), ['removed \\Sessions\\1 (Directory)', 'created \\Sessions\\2 (Directory)']);
});

testInRoot('a directory that is renamed takes its contents with it, and is watched under its new name', async (root) => {
  createDirectory('\\Callback\\a\\inner', { root, recursive: true });
  await using watching = watchDirectory('\\', { root, recursive: true });
  renameSync(join(root, 'Callback/a'), join(root, 'BaseNamedObjects/z'));
  const told = (await read(watching, 4)).toSorted();
  assert.deepEqual(told, ['created \\BaseNamedObjects\\z (Directory)', 'created \\BaseNamedObjects\\z\\inner (Directory)', 'removed \\Callback\\a (Directory)', 'removed \\Callback\\a\\inner (Directory)']);
  mkdirSync(join(root, 'BaseNamedObjects/z/inner/more'));
  assert.deepEqual(await read(watching, 1), ['created \\BaseNamedObjects\\z\\inner\\more (Directory)']);
});

testInRoot('symbolic links are told of and not followed', async (root) => {
  createDirectory('\\Callback\\real', { root });
  await using watching = watchDirectory('\\BaseNamedObjects', { root, recursive: true });
  symlinkSync('/Callback', join(root, 'BaseNamedObjects/link'));
  assert.deepEqual(await read(watching, 1), ['created \\BaseNamedObjects\\link (SymbolicLink)']);
  mkdirSync(join(root, 'Callback/unseen'));
  mkdirSync(join(root, 'BaseNamedObjects/seen'));
  assert.deepEqual(await read(watching, 1), ['created \\BaseNamedObjects\\seen (Directory)']);
});

testInRoot('unfinished things are not told of', async (root) => {
  await using watching = watchDirectory('\\Callback', { root });
  writeFileSync(join(root, 'Callback/.alpc-0'), '');
  unlinkSync(join(root, 'Callback/.alpc-0'));
  mkdirSync(join(root, 'Callback/shown'));
  assert.deepEqual(await read(watching, 1), ['created \\Callback\\shown (Directory)']);
});

testInRoot('more events than the kernel keeps are neither lost nor told twice', async (root) => {
  await using watching = watchDirectory('\\Callback', { root });
  const names = Array.from({ length: 8400 }, (_, index) => `o${index}`);
  const first = watching.next(); // a reader waits while the queue of 16,384 events overflows
  for (const name of names) {
    mkdirSync(join(root, 'Callback', name));
    chmodSync(join(root, 'Callback', name), 0o711);
  }
  const told = [(await first).value!.name];
  while (told.length < names.length) told.push((await watching.next()).value!.name);
  assert.deepEqual(told.toSorted(), names.map((name) => `\\Callback\\${name}`).toSorted());
  rmdirSync(join(root, 'Callback/o0'));
  assert.deepEqual(await read(watching, 1), ['removed \\Callback\\o0 (Directory)']);
});

for (const [how, gone] of [
  ['removed', (path: string) => rmdirSync(path)],
  ['renamed', (path: string) => renameSync(path, `${path}-elsewhere`)],
  ['exchanged for another', (path: string) => (rmdirSync(path), mkdirSync(path))],
] as const) {
  testInRoot(`a watch ends with an error when its directory is ${how}, after what was found`, async (root) => {
    createDirectory('\\Callback\\x', { root });
    const watching = watchDirectory('\\Callback\\x', { root });
    const pending = watching.next();
    gone(join(root, 'Callback/x'));
    await assert.rejects(pending, failsWith('ERR_ALPC_NAME_NOT_FOUND', /directory '\\Callback\\x' went away while it was watched/));
    assert.deepEqual(await watching.next(), { done: true, value: undefined });
  });
}

testInRoot('a watch whose whole root goes ends with an error, and does not make the root again', async (root) => {
  const watching = watchDirectory('\\', { root, recursive: true });
  const events: string[] = [];
  rmSync(root, { recursive: true });
  await assert.rejects(async () => {
    for await (const { event, name } of watching) events.push(`${event} ${name}`);
  }, failsWith('ERR_ALPC_NAME_NOT_FOUND', /directory '\\' went away/));
  assert.throws(() => rmSync(root), { code: 'ENOENT' });
});

testInRoot('a signal ends a watch with its reason, while a read waits and before', async (root) => {
  const reason = new Error('enough');
  const controller = new AbortController();
  const watching = watchDirectory('\\Callback', { root, signal: controller.signal });
  const reads = [watching.next(), watching.next()];
  controller.abort(reason);
  await assert.rejects(reads[0]!, (error) => error === reason);
  assert.deepEqual(await reads[1], { done: true, value: undefined });
  assert.throws(() => watchDirectory('\\Callback', { root, signal: controller.signal }), (error) => error === reason);
  const later = new AbortController();
  const idle = watchDirectory('\\Callback', { root, signal: later.signal });
  later.abort(reason);
  await assert.rejects(idle.next(), (error) => error === reason);
  assert.equal((await idle.next()).done, true);
});

testInRoot('leaving the loop ends a watch, and a read that waits is then done', async (root) => {
  const watching = watchDirectory('\\Callback', { root });
  mkdirSync(join(root, 'Callback/a'));
  for await (const { name } of watching) {
    assert.equal(name, '\\Callback\\a');
    break;
  }
  assert.deepEqual(await watching.next(), { done: true, value: undefined });
  const second = watchDirectory('\\Callback', { root });
  const pending = second.next();
  await second[Symbol.asyncDispose]();
  await second[Symbol.asyncDispose]();
  assert.deepEqual(await pending, { done: true, value: undefined });
});

testInRoot('what cannot be watched is told at once', (root) => {
  namespaceRoot({ root });
  writeFileSync(join(root, 'file'), '');
  assert.throws(() => watchDirectory('\\none', { root }), failsWith('ERR_ALPC_NAME_NOT_FOUND', /'\\none'/));
  assert.throws(() => watchDirectory('\\file', { root }), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH'));
  assert.throws(() => watchDirectory('relative', { root }), failsWith('ERR_ALPC_NAME_INVALID'));
  const refused = [[{ recursive: 1 }, /'recursive'/], [{ signal: {} }, /'signal'/], [{ deep: true }, /no option 'deep'/]] as const;
  for (const [options, message] of refused) assert.throws(() => watchDirectory('\\', { root, ...options } as unknown as WatchOptions), failsWith('ERR_ALPC_INVALID_ARGUMENT', message));
});

testInRoot('whatever is done to a tree, the events lead from what was there to what is there', async (root) => {
  namespaceRoot({ root });
  const paths = ['Callback/a', 'Callback/b', 'Callback/a/c', 'Callback/b/d', 'Callback/a/c/e'];
  const action = fc.record({ kind: fc.constantFrom('mkdir', 'file', 'remove', 'rename', 'pause'), from: fc.constantFrom(...paths), to: fc.constantFrom(...paths) });
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 25 }), async (actions) => {
      rmSync(join(root, 'Callback'), { recursive: true });
      namespaceRoot({ root });
      const present = new Map<string, string>();
      await using watching = watchDirectory('\\Callback', { root, recursive: true });
      const apply = ({ event, name, type }: NamespaceEvent): void => {
        assert.equal(present.has(name), event !== 'created', `${event} ${name}`);
        const above = name.slice(0, name.lastIndexOf('\\'));
        assert.ok(above === '\\Callback' || present.get(above) === 'Directory', `${event} ${name}: its directory is there`);
        if (event === 'removed') assert.ok(![...present.keys()].some((other) => other.startsWith(`${name}\\`)), `${name} goes last`);
        if (event === 'removed') present.delete(name);
        else present.set(name, type);
      };
      const marker = '\\Callback\\zz-marker';
      const readAll = async (): Promise<void> => {
        writeFileSync(join(root, 'Callback/zz-marker'), '');
        while (!present.has(marker)) apply((await watching.next()).value!);
        rmSync(join(root, 'Callback/zz-marker'));
        while (present.has(marker)) apply((await watching.next()).value!);
      };
      for (const { kind, from, to } of actions) {
        if (kind === 'pause') await readAll();
        else attempt(kind, join(root, from), join(root, to));
      }
      await readAll();
      await settle(watching, apply, () => sorted(present) === sorted(new Map([...walkNamespace({ root, from: '\\Callback' })].map(({ name, type }) => [name, type]))));
    }),
    { numRuns: 60 },
  );
});

const sorted = (map: Map<string, string>): string => [...map].map(String).toSorted().join();

/** Applies events for as long as the state is not yet what it should be. */
async function settle(watching: AsyncIterator<NamespaceEvent>, apply: (event: NamespaceEvent) => void, isSo: () => boolean): Promise<void> {
  while (!isSo()) apply((await watching.next()).value);
}

function attempt(kind: string, from: string, to: string): void {
  try {
    if (kind === 'mkdir') mkdirSync(from);
    else if (kind === 'file') writeFileSync(from, '');
    else if (kind === 'remove') rmSync(from, { recursive: true });
    else renameSync(from, to);
  } catch {
    // what is not possible just now is not done
  }
}
