/** Looking changes nothing: where there is no namespace the command makes none, and says so. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { alpcAlone, withResident } from './run.js';

const { alpc } = withResident();
withLedger();

/** Everything but what makes a namespace of its own (`bench`) or has nothing to do with one. */
const COMMANDS: readonly (readonly string[])[] = [
  ['ls'], ['ls', '\\RPC Control'], ['tree'], ['tree', '\\x'], ['show', '\\'], ['show', '\\x'], ['top', '-c', '1', '-i', '100'], ['ps'], ['trace', '-d', '100'], ['trace', '\\x', '-d', '100'],
  ['ping', '\\x', '-c', '1'], ['waits'], ['deadlocks'], ['rm', '\\x'], ['rm', '--stale'], ['explorer', '-p', '0'], ['names'],
];
/** Of these the answer is empty where nothing is, and no error. */
const WHOLES = ['ls', 'tree', 'top -c 1 -i 100', 'ps', 'trace -d 100', 'waits', 'deadlocks', 'rm --stale', 'names'];

function emptyDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'alpc-none-'));
  atEnd(t, () => rmSync(directory, { recursive: true }));
  return directory;
}

test('a root that is given and is not there is told, ends with 3, and is not made, whatever is asked', async (t) => {
  const root = join(emptyDirectory(t), 'root');
  for (const command of COMMANDS) {
    for (const [args, env] of [[[...command, '--root', root], {}], [command, { ALPC_ROOT: root }]] as const) {
      const { code, out, errors } = await alpc(args, env);
      assert.deepEqual([code, out, existsSync(root)], [3, '', false], args.join(' '));
      assert.match(errors, /^alpc: the namespace's root '.*\/root' is not there \[STATUS_OBJECT_NAME_NOT_FOUND\]\n$/);
    }
  }
});

test('a trace that can not begin ends with that, however long it was to last', async (t) => {
  const { code, errors } = await alpcAlone(['trace', '-d', `${2 ** 31 - 1}`, '--root', join(emptyDirectory(t), 'root')]);
  assert.equal(code, 3, errors);
});

test('in a root that is there nothing is made either', async (t) => {
  const root = emptyDirectory(t);
  for (const command of COMMANDS.filter(([name]) => name !== 'explorer')) {
    const { code } = await alpc([...command, '--root', root]);
    assert.deepEqual([code, readdirSync(root)], [WHOLES.includes(command.join(' ')) || command.join(' ') === 'show \\' ? 0 : 3, []], command.join(' '));
  }
});

test("a root of this user's own that nobody has made yet is an empty namespace, and is not made", { skip: existsSync('/run/alpc') && 'an administrator has made a root here' }, async (t) => {
  const runtime = join(emptyDirectory(t), 'runtime');
  mkdirSync(runtime, { mode: 0o700 });
  const env = { ALPC_ROOT: '', XDG_RUNTIME_DIR: runtime };
  for (const command of COMMANDS.filter(([name]) => name !== 'explorer')) {
    const { code } = await alpc(command, env);
    assert.deepEqual([code, readdirSync(runtime)], [WHOLES.includes(command.join(' ')) ? 0 : 3, []], command.join(' '));
  }
  assert.equal((await alpc(['waits'], env)).out.split(/[\n,]/)[0], 'nobody waits');
});
