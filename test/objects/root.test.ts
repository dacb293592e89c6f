import assert from 'node:assert/strict';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { listDirectory, openPort, queryObject, readSymbolicLink, removeObject, resolveName, walkNamespace, watchDirectory } from '../../src/objects/index.js';
import { namespaceRoot, openRoot, openRootToLook, STANDARD_DIRECTORIES, type Surroundings } from '../../src/objects/root.js';
import { watchWithoutMaking } from '../../src/objects/watch.js';
import { failsWith, isRoot, order, startObjectActor, testInRoot } from './support.js';
import { withLedger } from '../support/ledger.js';

withLedger();

const me = process.geteuid!();
/** A user that owns nothing here. */
const other = me + 4321;

function surroundings(root: string, changes: Partial<Surroundings> = {}): Surroundings {
  const temporary = dirname(root);
  return { environment: {}, temporary, system: join(temporary, 'no-system'), uid: me, ...changes };
}

function rootIn(changed: Surroundings): string {
  using root = openRoot({}, changed);
  return root.path;
}

const modeOf = (path: string): number => statSync(path).mode & 0o7777;

testInRoot('a given root is made if it is missing, closed to others, with the standard directories', (root) => {
  assert.equal(namespaceRoot({ root }), root);
  assert.equal(modeOf(root), 0o700);
  assert.deepEqual(readdirSync(root).toSorted(), [...STANDARD_DIRECTORIES].toSorted());
  for (const name of STANDARD_DIRECTORIES) assert.equal(modeOf(join(root, name)), 0o700);
});

testInRoot('the root is the option, else $ALPC_ROOT, else the administrator\'s, else in $XDG_RUNTIME_DIR, else in the temporary directory', (root) => {
  const base = dirname(root);
  const at = (name: string): string => join(base, name);
  const XDG_RUNTIME_DIR = at('runtime');
  mkdirSync(XDG_RUNTIME_DIR, { mode: 0o700 });
  const all = surroundings(root, { environment: { ALPC_ROOT: at('given'), XDG_RUNTIME_DIR }, system: '/' });
  using option = openRoot({ root: at('option') }, all);
  assert.equal(option.path, at('option'));
  assert.equal(rootIn(all), at('given'));
  assert.equal(rootIn(surroundings(root, { environment: { ALPC_ROOT: '', XDG_RUNTIME_DIR } })), join(XDG_RUNTIME_DIR, 'alpc'));
  assert.equal(rootIn(surroundings(root)), at(`alpc-${me}`));
  assert.equal(rootIn(surroundings(root, { environment: { XDG_RUNTIME_DIR: 'relative' } })), at(`alpc-${me}`));
});

testInRoot("the administrator's root is taken where root owns it, and passed over where it is missing or another's", (root) => {
  const system = join(dirname(root), 'system');
  assert.equal(rootIn(surroundings(root, { system })), join(dirname(root), `alpc-${me}`));
  mkdirSync(system, { mode: 0o755 });
  const expected = isRoot ? system : join(dirname(root), `alpc-${me}`);
  assert.equal(rootIn(surroundings(root, { system })), expected);
});

testInRoot("a $XDG_RUNTIME_DIR that another user's session left behind is passed over", (root) => {
  const XDG_RUNTIME_DIR = join(dirname(root), 'runtime');
  mkdirSync(XDG_RUNTIME_DIR);
  assert.throws(() => rootIn(surroundings(root, { environment: { XDG_RUNTIME_DIR }, uid: other })), failsWith('ERR_ALPC_ACCESS_DENIED', new RegExp(`alpc-${other}' is refused`)));
});

testInRoot("a user's own root is refused when another user owns it", (root) => {
  mkdirSync(join(dirname(root), `alpc-${other}`), { mode: 0o700 });
  assert.throws(() => rootIn(surroundings(root, { uid: other })), failsWith('ERR_ALPC_ACCESS_DENIED', new RegExp(`belongs to user ${me}, not to user ${other}`)));
});

testInRoot("a user's own root is refused when others may write to it, sticky or not", (root) => {
  const own = join(dirname(root), `alpc-${me}`);
  mkdirSync(own);
  for (const mode of [0o770, 0o702, 0o1777]) {
    chmodSync(own, mode);
    assert.throws(() => rootIn(surroundings(root)), failsWith('ERR_ALPC_ACCESS_DENIED', new RegExp(`its mode ${mode.toString(8)} lets others write`)));
  }
  chmodSync(own, 0o755);
  assert.equal(rootIn(surroundings(root)), own);
});

testInRoot('a root that is a symbolic link is refused, however it was chosen', (root) => {
  const base = dirname(root);
  mkdirSync(join(base, 'elsewhere'), { mode: 0o700 });
  symlinkSync('elsewhere', root);
  symlinkSync('elsewhere', join(base, `alpc-${me}`));
  for (const given of [root, `${root}/`, `${root}/.`]) assert.throws(() => namespaceRoot({ root: given }), failsWith('ERR_ALPC_ACCESS_DENIED', /is a symbolic link/));
  assert.throws(() => rootIn(surroundings(root)), failsWith('ERR_ALPC_ACCESS_DENIED', /is a symbolic link/));
  assert.deepEqual(readdirSync(join(base, 'elsewhere')), [], 'nothing was made behind the link');
});

testInRoot('a given root may be open to others only with the sticky bit, and hands its mode to the standard directories', (root) => {
  mkdirSync(root);
  chmodSync(root, 0o777);
  assert.throws(() => namespaceRoot({ root }), failsWith('ERR_ALPC_ACCESS_DENIED', /without the sticky bit/));
  assert.deepEqual(readdirSync(root), []);
  chmodSync(root, 0o1777);
  assert.equal(namespaceRoot({ root }), root);
  for (const name of STANDARD_DIRECTORIES) assert.equal(modeOf(join(root, name)), 0o1777);
});

testInRoot('a given root may belong to the user or to root, and to nobody else', (root) => {
  mkdirSync(root, { mode: 0o755 });
  using opened = openRoot({ root }, surroundings(root));
  assert.equal(opened.path, root);
  if (isRoot) {
    openRoot({ root }, surroundings(root, { uid: other }))[Symbol.dispose]();
    chownSync(root, other + 1, other + 1);
  }
  assert.throws(() => openRoot({ root }, surroundings(root, { uid: other })), failsWith('ERR_ALPC_ACCESS_DENIED', /belongs to user/));
});

testInRoot('a root that is no directory is refused', (root) => {
  writeFileSync(root, '');
  assert.throws(() => namespaceRoot({ root }), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH', /no directory but a file/));
});

testInRoot('a root that cannot be made says so', (root) => {
  writeFileSync(root, '');
  assert.throws(() => namespaceRoot({ root: join(root, 'below') }), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH', /root\/below/));
});

testInRoot('a root must be an absolute path, and an option that is not known is told', () => {
  assert.throws(() => namespaceRoot({ root: 'relative' }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /argument 'root' must be an absolute path/));
  assert.throws(() => namespaceRoot({ root: '/a\0b' }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /argument 'root'/));
  assert.throws(() => namespaceRoot({ rot: '/a' } as never), failsWith('ERR_ALPC_INVALID_ARGUMENT', /no option 'rot'/));
});

testInRoot('who only looks makes nothing: a given root that is missing is told, and in one that is there nothing is added', (root) => {
  const looks: Record<string, () => unknown> = {
    listDirectory: () => listDirectory('\\', { root }),
    walkNamespace: () => [...walkNamespace({ root })],
    queryObject: () => queryObject('\\x', { root }),
    readSymbolicLink: () => readSymbolicLink('\\x', { root }),
    resolveName: () => resolveName('\\x', { root }),
    openPort: () => openPort('\\x', { root }),
    removeObject: () => removeObject('\\x', { root }),
    watchWithoutMaking: () => watchWithoutMaking('\\RPC Control', { root }),
  };
  for (const [name, look] of Object.entries(looks)) {
    assert.throws(look, failsWith('ERR_ALPC_NAME_NOT_FOUND', /^the namespace's root '.*\/root' is not there/), name);
    assert.equal(existsSync(root), false, name);
  }
  mkdirSync(root, { mode: 0o700 });
  assert.deepEqual([listDirectory('\\', { root }), [...walkNamespace({ root })]], [[], []]);
  for (const [name, look] of Object.entries(looks).slice(2)) assert.throws(look, failsWith('ERR_ALPC_NAME_NOT_FOUND'), name);
  assert.deepEqual(readdirSync(root), []);
});

testInRoot("a root of one's own that nobody has made yet is none to who only looks, and one that is refused is refused all the same", (root) => {
  const own = join(dirname(root), `alpc-${me}`);
  assert.equal(openRootToLook({}, surroundings(root)), undefined);
  assert.equal(existsSync(own), false);
  assert.throws(() => openRootToLook({}, surroundings(root, { environment: { ALPC_ROOT: root } })), failsWith('ERR_ALPC_NAME_NOT_FOUND', /is not there/));
  mkdirSync(own);
  chmodSync(own, 0o777);
  assert.throws(() => openRootToLook({}, surroundings(root)), failsWith('ERR_ALPC_ACCESS_DENIED', /lets others write/));
});

testInRoot('who watches makes the root, and so can wait for the first that is made in it', async (root) => {
  await using watching = watchDirectory('\\RPC Control', { root });
  mkdirSync(join(root, 'RPC Control', 'first'));
  assert.equal((await watching.next()).value?.name, '\\RPC Control\\first');
});

testInRoot('a standard directory that was removed is back at the next use', (root) => {
  namespaceRoot({ root });
  rmSync(join(root, 'Callback'), { recursive: true });
  namespaceRoot({ root });
  assert.ok(existsSync(join(root, 'Callback')));
});

testInRoot('the standard directories are closed to others whatever the umask', (root) => {
  const before = process.umask(0o777);
  try {
    mkdirSync(root);
    chmodSync(root, 0o750);
    namespaceRoot({ root });
  } finally {
    process.umask(before);
  }
  for (const name of STANDARD_DIRECTORIES) assert.equal(modeOf(join(root, name)), 0o750);
});

testInRoot('of processes that race to make a root each finds it whole', async (root, t) => {
  const actors = Array.from({ length: 4 }, () => startObjectActor(t));
  await Promise.all(actors.map((actor) => order(actor, { type: 'ready' })));
  for (let round = 0; round < 10; round++) {
    const at = Date.now() + 20;
    const answers = await Promise.all(actors.map((actor) => order(actor, { type: 'list', name: '\\', root: `${root}-${round}`, at })));
    for (const answer of answers) assert.deepEqual(answer, { done: true, listed: [...STANDARD_DIRECTORIES].toSorted() });
  }
});

