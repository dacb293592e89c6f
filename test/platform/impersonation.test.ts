/** Acting as another user towards the file system: what the function does is done as that user, and behind it the thread is itself. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { runAs } from '../../src/platform/impersonation.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';

withLedger();

const skip = process.geteuid!() !== 0 && 'needs root, to be somebody else';
const SOMEBODY = { uid: 54_322, gid: 54_323, groups: [54_324, 54_325] } as const;

/** The file-system user and group, and the groups, of a thread. */
function facesOf(task: string): string {
  const status = readFileSync(`/proc/self/task/${task}/status`, 'utf8');
  return ['Uid', 'Gid', 'Groups', 'CapEff'].map((word) => new RegExp(`^${word}:\\s*(.*)$`, 'm').exec(status)![1]!.trim()).join(' | ');
}

function folder(t: TestContext, mode: number): string {
  const path = mkdtempSync(join(tmpdir(), 'alpc-as-'));
  chmodSync(path, mode);
  atEnd(t, () => rmSync(path, { recursive: true }));
  return path;
}

test('a file that the function makes is the other user\'s, and what is closed to that user is closed to the function', { skip }, (t) => {
  const open = folder(t, 0o777);
  const shut = folder(t, 0o700);
  writeFileSync(join(shut, 'secret'), 'x');
  const forGroup = join(open, 'for a group');
  writeFileSync(forGroup, 'y');
  chownSync(forGroup, 0, SOMEBODY.groups[1]);
  chmodSync(forGroup, 0o640);
  const result = runAs(SOMEBODY, () => {
    writeFileSync(join(open, 'theirs'), '');
    assert.throws(() => readFileSync(join(shut, 'secret')), /EACCES/);
    return readFileSync(forGroup, 'utf8');
  });
  assert.equal(result, 'y');
  const { uid, gid } = statSync(join(open, 'theirs'));
  assert.deepEqual([uid, gid], [SOMEBODY.uid, SOMEBODY.gid]);
  assert.equal(readFileSync(join(shut, 'secret'), 'utf8'), 'x');
});

test('the thread is itself again when the function returns, throws, and acts as a third one in between; other threads never noticed', { skip }, () => {
  const before = readdirSync('/proc/self/task').map((task) => [task, facesOf(task)]);
  const others = (): unknown => before.filter(([task]) => task !== String(process.pid)).map(([task]) => facesOf(task!));
  const own = (): string => facesOf(String(process.pid));
  const [mine, theirs] = [own(), others()];
  const inside = runAs(SOMEBODY, () => {
    assert.deepEqual(others(), theirs);
    return own();
  });
  assert.match(inside, /^0\s+0\s+0\s+54322 \| 0\s+0\s+0\s+54323 \| 54324 54325 /);
  assert.equal(own(), mine);
  assert.throws(() => runAs(SOMEBODY, () => { throw new Error('in between'); }), /in between/);
  assert.equal(own(), mine);
  assert.throws(() => runAs(SOMEBODY, () => runAs({ ...SOMEBODY, uid: 54_330 }, () => 0)), /EPERM/, 'who is somebody else may not be a third one');
  assert.equal(own(), mine);
});

test('a thread that can not become itself again ends its process at once, and nothing is done as somebody else any more', { skip }, async (t) => {
  const open = folder(t, 0o777);
  for (const end of ['returns', 'throws'] as const) {
    const actor = fork(new URL('./stranded-actor.js', import.meta.url), [end, join(open, end)], { stdio: 'ignore' });
    const [code, signal] = (await once(actor, 'exit')) as [number | null, string | null];
    assert.deepEqual([code, signal], [null, 'SIGABRT'], end);
  }
  assert.deepEqual(readdirSync(open).toSorted(), ['returns', 'throws'], 'what was done as somebody else, and nothing behind it');
});

test('to act as oneself changes nothing, and needs no right', () => {
  const self = { uid: process.geteuid!(), gid: process.getegid!(), groups: process.getgroups!() };
  assert.equal(runAs(self, () => 7), 7);
});
