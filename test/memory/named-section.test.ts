/** Sections by name: found by whoever opens them, written by their owner alone unless asked otherwise, there until their name is removed. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createNamedSection, createPort, listDirectory, openNamedSection, removeObject } from '../../src/index.js';
import { pageSize } from '../../src/platform/descriptors.js';
import { failsWith } from '../process/expect.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';

withLedger();

const NAME = '\\BaseNamedObjects\\frames';
const PAGE = pageSize();

test('what one writes into a section is read by who opens it by name; what a reader writes is its own affair', (t) => {
  temporaryRoot(t, { leftovers: true });
  using mine = createNamedSection(NAME, 3 * PAGE - 1);
  assert.equal(mine.size, 3 * PAGE);
  using theirs = openNamedSection('/BaseNamedObjects/frames');
  using writing = openNamedSection(NAME, { writable: true });
  assert.deepEqual([mine.writable, theirs.writable, writing.writable], [true, false, true]);
  const [a, b, c] = [mine.createView(), theirs.createView(PAGE, 8), writing.createView(PAGE)];
  assert.deepEqual([a.length, b.length, c.length], [3 * PAGE, 8, 2 * PAGE]);
  a.bytes.set([1, 2, 3], PAGE);
  assert.deepEqual([...b.bytes], [1, 2, 3, 0, 0, 0, 0, 0]);
  Atomics.add(new Int32Array(c.buffer), 1, 7);
  assert.equal(Atomics.load(new Int32Array(b.buffer), 1), 7);
  b.bytes[0] = 99;
  assert.equal(a.bytes[PAGE], 1);
  assert.equal(b.waitSync(1, 0), 'not-equal');
  assert.equal(a.notify(PAGE / 4 + 1), 0);
});

test('another process sees it, waits for it, and is woken', (t) => {
  const root = temporaryRoot(t, { leftovers: true });
  using mine = createNamedSection(NAME, PAGE);
  const view = mine.createView();
  view.bytes.fill(5);
  const code = `import { openNamedSection } from ${JSON.stringify(new URL('../../src/index.js', import.meta.url).href)};
    const view = openNamedSection(${JSON.stringify(NAME)}, { root: ${JSON.stringify(root)} }).createView();
    console.log(view.bytes[100], view.waitSync(4, 0x05050505, 5));`;
  assert.equal(execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' }).trim(), '5 timed-out');
});

test('a closed section releases its views; the name and what is in it stay, until it is removed', (t) => {
  temporaryRoot(t, { leftovers: true });
  const first = createNamedSection(NAME, PAGE);
  const view = first.createView();
  view.bytes[5] = 42;
  first.close();
  first.close();
  assert.throws(() => view.bytes, failsWith('ERR_ALPC_CLOSED'));
  assert.throws(() => first.createView(), failsWith('ERR_ALPC_CLOSED', /section \\BaseNamedObjects\\frames/));
  assert.throws(() => createNamedSection(NAME, PAGE), failsWith('ERR_ALPC_NAME_IN_USE'));
  using second = openNamedSection(NAME);
  assert.equal(second.createView().bytes[5], 42);
  assert.deepEqual(listDirectory('\\BaseNamedObjects').map(({ name, type }) => [name, type]), [['frames', 'Section']]);
  removeObject(NAME);
  assert.equal(second.createView().bytes[5], 42);
  assert.throws(() => openNamedSection(NAME), failsWith('ERR_ALPC_NAME_NOT_FOUND'));
});

test('what is no section, belongs to somebody else, or can be written by others is not mapped', async (t) => {
  const root = temporaryRoot(t, { leftovers: true });
  const file = join(root, 'BaseNamedObjects', 'frames');
  createNamedSection(NAME, PAGE).close();
  for (const size of [0, 100, PAGE + 1]) {
    truncateSync(file, size);
    assert.throws(() => openNamedSection(NAME), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH', /whole pages/));
  }
  truncateSync(file, PAGE);
  for (const mode of [0o620, 0o602, 0o666]) {
    chmodSync(file, mode);
    assert.throws(() => openNamedSection(NAME), failsWith('ERR_ALPC_ACCESS_DENIED', /lets others than its owner write/));
  }
  chmodSync(file, 0o600);
  if (process.geteuid!() === 0) {
    chownSync(file, 4001, 4001);
    assert.throws(() => openNamedSection(NAME), failsWith('ERR_ALPC_ACCESS_DENIED', /belongs to user 4001/));
    openNamedSection(NAME, { owner: 4001 }).close();
  }
  const port = await createPort('\\BaseNamedObjects\\port');
  assert.throws(() => openNamedSection('\\BaseNamedObjects\\port'), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH'));
  await port.close();
  writeFileSync(join(root, 'BaseNamedObjects', 'text'), 'no section');
  assert.throws(() => openNamedSection('\\BaseNamedObjects\\text'), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH'));
});

test('others may be let read, and never write: the file says so', (t) => {
  const root = temporaryRoot(t, { leftovers: true });
  createNamedSection(NAME, PAGE, { security: { allow: [{ user: 'everyone' }] } }).close();
  openNamedSection(NAME).close();
  assert.equal(execFileSync('stat', ['-c', '%a', join(root, 'BaseNamedObjects', 'frames')], { encoding: 'utf8' }).trim(), '644');
});

test('arguments are checked', (t) => {
  temporaryRoot(t, { leftovers: true });
  assert.throws(() => createNamedSection(NAME, 0), failsWith('ERR_ALPC_INVALID_ARGUMENT'));
  assert.throws(() => createNamedSection('\\nowhere\\x', PAGE), failsWith('ERR_ALPC_NAME_NOT_FOUND'));
  assert.throws(() => createNamedSection(NAME, PAGE, { security: { allow: [{ user: 'everyone' }], deny: [{ user: 1 }] } }), failsWith('ERR_ALPC_INVALID_ARGUMENT'));
  assert.throws(() => openNamedSection(NAME, { writable: 1 as never }), failsWith('ERR_ALPC_INVALID_ARGUMENT'));
  using section = createNamedSection(NAME, PAGE);
  for (const [offset, length] of [[4, 8], [-8, 8], [PAGE, 8], [0, PAGE + 1], [0, 0]] as const) assert.throws(() => section.createView(offset, length), failsWith('ERR_ALPC_INVALID_ARGUMENT'));
});
