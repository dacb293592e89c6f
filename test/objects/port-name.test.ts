import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bindPortName, bindPortNameSync, createDirectory, createSymbolicLink, listDirectory, namespaceRoot, openPort, queryObject } from '../../src/objects/index.js';
import { Descriptor, OPEN, openAbsolute } from '../../src/platform/directory.js';
import { lockDirectory, LockedDirectory, runBlocking } from '../../src/platform/file-lock.js';
import { addressOfSocketFile, bindIn } from '../../src/platform/listener.js';
import { closeDescriptor, libc } from '../../src/platform/system.js';
import { acceptConnection, connectSocket, createSeqpacketSocket } from '../../src/platform/unix-socket.js';
import { failsWith, testInRoot } from './support.js';
import { withLedger } from '../support/ledger.js';

withLedger();

const NAME = '\\RPC Control\\echo';

/** Connects to a port's name as a client does. */
function connect(name: string, root: string): Descriptor {
  using port = new Descriptor(openPort(name, { root }).fd);
  const socket = new Descriptor(createSeqpacketSocket());
  assert.equal(connectSocket(socket.fd, addressOfSocketFile(port.fd)), 'connected');
  return socket;
}

function held(root: string, directory = 'RPC Control'): LockedDirectory {
  const locked = new LockedDirectory(openAbsolute(join(root, directory), OPEN.read).take());
  assert.ok(runBlocking(lockDirectory(locked.fd, 0)));
  return locked;
}

for (const [how, bind] of [['blocking', async (...args: Parameters<typeof bindPortNameSync>) => bindPortNameSync(...args)], ['awaited', bindPortName]] as const) {
  testInRoot(`a port's name leads clients to its socket (${how})`, async (root) => {
    const port = await bind(NAME, { root });
    assert.equal(port.name, NAME);
    using client = connect('/RPC Control/echo', root);
    const served = acceptConnection(port.fd);
    assert.ok(typeof served === 'number');
    closeDescriptor(served);
    assert.ok(client.fd >= 0);
    assert.deepEqual(readdirSync(join(root, 'RPC Control')), ['echo'], 'nothing unfinished is left');
    assert.equal(how === 'blocking' ? port.removeSync() : await port.remove(), true);
    closeDescriptor(port.fd);
    assert.throws(() => openPort(NAME, { root }), failsWith('ERR_ALPC_NAME_NOT_FOUND', /'\\RPC Control\\echo'/));
  });

  testInRoot(`over a living server's name a second fails, and the first keeps it (${how})`, async (root) => {
    const port = await bind(NAME, { root });
    await assert.rejects(bind(NAME, { root }), failsWith('ERR_ALPC_NAME_IN_USE', /'\\RPC Control\\echo' is the name of a port whose server lives/));
    connect(NAME, root)[Symbol.dispose]();
    closeDescriptor(port.fd);
  });

  testInRoot(`over a dead server's name the next succeeds (${how})`, async (root) => {
    const first = await bind(NAME, { root });
    closeDescriptor(first.fd);
    const second = await bind(NAME, { root });
    connect(NAME, root)[Symbol.dispose]();
    assert.deepEqual(readdirSync(join(root, 'RPC Control')), ['echo']);
    closeDescriptor(second.fd);
  });

  testInRoot(`a directory's lock that another holds is waited for up to the timeout, and the error says so (${how})`, async (root) => {
    namespaceRoot({ root });
    using lock = held(root);
    for (const timeout of [0, 20]) await assert.rejects(bind(NAME, { root, timeout }), failsWith('ERR_ALPC_TIMEOUT', /'\\RPC Control\\echo': the lock of its directory/));
    assert.ok(lock.fd >= 0);
  });
}

testInRoot('the socket listens, is closed at exec and does not block', (root) => {
  const port = bindPortNameSync(NAME, { root });
  const flags = Number.parseInt(/^flags:\s+(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${port.fd}`, 'utf8'))![1]!, 8);
  assert.equal(flags & 0o2004000, 0o2004000);
  const file = statSync(join(root, 'RPC Control/echo'), { bigint: true });
  assert.deepEqual([port.dev, port.ino], [file.dev, file.ino]);
  closeDescriptor(port.fd);
});

testInRoot('the mode of the socket file is exact, whatever the umask', (root) => {
  namespaceRoot({ root });
  const before = process.umask(0o777);
  try {
    for (const mode of [0o600, 0o666, 0o620]) {
      const port = bindPortNameSync(NAME, { root, mode });
      assert.equal(queryObject(NAME, { root }).mode, mode);
      assert.ok(port.removeSync());
      closeDescriptor(port.fd);
    }
    const port = bindPortNameSync(NAME, { root });
    assert.equal(queryObject(NAME, { root }).mode, 0o600);
    closeDescriptor(port.fd);
  } finally {
    process.umask(before);
  }
});

testInRoot('a path may be longer than a socket address holds', (root) => {
  const shortest = join(root, 'RPC Control').length + 1;
  for (const length of [106, 107, 108, 109, shortest + 255]) {
    const name = `\\RPC Control\\${'x'.repeat(length - shortest)}`;
    const port = bindPortNameSync(name, { root });
    connect(name, root)[Symbol.dispose]();
    assert.ok(port.removeSync());
    closeDescriptor(port.fd);
  }
  const deep = '\\deep-directory'.repeat(200);
  createDirectory(deep, { root, recursive: true });
  const port = bindPortNameSync(`${deep}\\echo`, { root });
  connect(`${deep}\\echo`, root)[Symbol.dispose]();
  assert.ok(port.removeSync());
  closeDescriptor(port.fd);
});

testInRoot('a server whose backlog is full is alive', (root) => {
  const port = bindPortNameSync(NAME, { root, backlog: 1 });
  const file = openPort(NAME, { root });
  const clients: Descriptor[] = [];
  for (let outcome = 'connected'; outcome === 'connected'; ) {
    const client = new Descriptor(createSeqpacketSocket());
    clients.push(client);
    outcome = connectSocket(client.fd, addressOfSocketFile(file.fd));
    assert.ok(outcome === 'connected' || outcome === 'busy');
  }
  assert.throws(() => bindPortNameSync(NAME, { root }), failsWith('ERR_ALPC_NAME_IN_USE'));
  for (const client of clients) client[Symbol.dispose]();
  closeDescriptor(file.fd);
  closeDescriptor(port.fd);
});

testInRoot('a living server that speaks another kind of socket keeps its name, and a dead one does not', async (root) => {
  namespaceRoot({ root });
  const server = createServer().listen(join(root, 'RPC Control/echo'));
  await once(server, 'listening');
  assert.throws(() => bindPortNameSync(NAME, { root }), failsWith('ERR_ALPC_NAME_IN_USE'));
  renameSync(join(root, 'RPC Control/echo'), join(root, 'RPC Control/kept'));
  server.close();
  await once(server, 'close');
  assert.ok(existsSync(join(root, 'RPC Control/kept')));
  const port = bindPortNameSync('\\RPC Control\\kept', { root });
  closeDescriptor(port.fd);
});

testInRoot('what is no port is left as it is', (root) => {
  namespaceRoot({ root });
  const at = (name: string): string => join(root, 'RPC Control', name);
  writeFileSync(at('section'), 'content');
  mkdirSync(at('directory'));
  symlinkSync('elsewhere', at('link'));
  execFileSync('mkfifo', [at('event')]);
  for (const [name, type] of [['section', 'Section'], ['directory', 'Directory'], ['link', 'SymbolicLink'], ['event', 'Event']] as const) {
    assert.throws(() => bindPortNameSync(`\\RPC Control\\${name}`, { root }), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH', new RegExp(`an object of type ${type}, not ALPC Port`)));
    if (name !== 'link') assert.throws(() => openPort(`\\RPC Control\\${name}`, { root }), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH', new RegExp(type)));
  }
  assert.equal(readFileSync(at('section'), 'utf8'), 'content');
  assert.equal(readlinkSync(at('link')), 'elsewhere');
  assert.deepEqual(readdirSync(join(root, 'RPC Control')).toSorted(), ['directory', 'event', 'link', 'section']);
});

testInRoot('a port is made and found through symbolic links to its directory, and found through a link to itself', (root) => {
  createSymbolicLink('\\short', '\\RPC Control', { root });
  createSymbolicLink('\\alias', '\\short\\echo', { root });
  const port = bindPortNameSync('\\short\\echo', { root });
  connect(NAME, root)[Symbol.dispose]();
  connect('\\alias', root)[Symbol.dispose]();
  assert.ok(port.removeSync());
  assert.throws(() => openPort('\\alias', { root }), failsWith('ERR_ALPC_NAME_NOT_FOUND', /'\\alias' \(a symbolic link to '\\short\\echo'\)/));
  closeDescriptor(port.fd);
});

testInRoot('a directory that is missing is named', (root) => {
  const missing = failsWith('ERR_ALPC_NAME_NOT_FOUND', /'\\Sessions\\3\\Windows\\ApiPort': its part '\\Sessions\\3'/);
  assert.throws(() => bindPortNameSync('\\Sessions\\3\\Windows\\ApiPort', { root }), missing);
  assert.throws(() => openPort('\\Sessions\\3\\Windows\\ApiPort', { root }), missing);
  assert.throws(() => bindPortNameSync('\\', { root }), failsWith('ERR_ALPC_NAME_INVALID', /root of the namespace/));
  assert.throws(() => openPort('\\', { root }), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH'));
});

testInRoot('what a killed process left unfinished is removed, and what cannot be removed is gone around', (root) => {
  namespaceRoot({ root });
  const unfinished = join(root, 'RPC Control', `.alpc-${process.geteuid!()}`);
  using socket = new Descriptor(createSeqpacketSocket());
  using directory = openAbsolute(join(root, 'RPC Control'), OPEN.read);
  bindIn(socket.fd, directory.fd, `.alpc-${process.geteuid!()}`);
  const first = bindPortNameSync(NAME, { root });
  assert.deepEqual(readdirSync(join(root, 'RPC Control')), ['echo']);
  mkdirSync(join(unfinished, 'stuck'), { recursive: true });
  writeFileSync(`${unfinished}-0123456789abcdef`, '');
  const second = bindPortNameSync(`${NAME}-2`, { root });
  connect(`${NAME}-2`, root)[Symbol.dispose]();
  assert.deepEqual(readdirSync(join(root, 'RPC Control')).toSorted(), [unfinished.slice(dirname(unfinished).length + 1), 'echo', 'echo-2']);
  assert.deepEqual(listDirectory('\\RPC Control', { root }).map(({ name }) => name), ['echo', 'echo-2']);
  for (const port of [first, second]) closeDescriptor(port.fd);
});

testInRoot("a name is given back only while it is one's own", async (root) => {
  const first = bindPortNameSync(NAME, { root });
  libc().shutdown(first.fd, 2); // it serves no more, but is open
  const second = bindPortNameSync(NAME, { root });
  assert.equal(await first.remove(), false);
  assert.equal(first.removeSync(), false);
  connect(NAME, root)[Symbol.dispose]();
  assert.equal(await second.remove(), true);
  assert.equal(await second.remove(), false);
  for (const port of [first, second]) closeDescriptor(port.fd);
});

testInRoot('giving back a name whose directory or root is gone removes nothing and makes nothing', async (root) => {
  createDirectory('\\a', { root });
  const port = bindPortNameSync('\\a\\echo', { root });
  renameSync(join(root, 'a'), join(root, 'b'));
  mkdirSync(join(root, 'a'));
  symlinkSync('/b/echo', join(root, 'a/echo'));
  assert.equal(await port.remove(), false);
  rmSync(root, { recursive: true });
  assert.equal(port.removeSync(), false);
  assert.ok(!existsSync(root));
  closeDescriptor(port.fd);
});

testInRoot('giving back waits for the lock too', async (root) => {
  const port = bindPortNameSync(NAME, { root });
  {
    using lock = held(root);
    assert.throws(() => port.removeSync({ timeout: 10 }), failsWith('ERR_ALPC_TIMEOUT'));
    await assert.rejects(port.remove({ timeout: 10 }), failsWith('ERR_ALPC_TIMEOUT'));
    assert.ok(lock.fd >= 0);
    const removal = port.remove();
    await sleep(5);
    lock[Symbol.dispose]();
    assert.equal(await removal, true);
  }
  closeDescriptor(port.fd);
});

testInRoot('an awaited wait ends with the reason of its signal, and leaves nothing behind', async (root) => {
  namespaceRoot({ root });
  using lock = held(root);
  const reason = new Error('enough');
  const controller = new AbortController();
  const binding = bindPortName(NAME, { root, signal: controller.signal });
  controller.abort(reason);
  await assert.rejects(binding, (error) => error === reason);
  await assert.rejects(bindPortName(NAME, { root, signal: controller.signal }), (error) => error === reason);
  assert.ok(lock.fd >= 0);
  assert.deepEqual(readdirSync(join(root, 'RPC Control')), []);
});

testInRoot('a port goes to the directory that has the name when the lock is there, not to one that was renamed meanwhile', async (root) => {
  createDirectory('\\a', { root });
  const lock = held(root, 'a');
  const binding = bindPortName('\\a\\echo', { root });
  await sleep(5);
  renameSync(join(root, 'a'), join(root, 'b'));
  mkdirSync(join(root, 'a'));
  lock[Symbol.dispose]();
  const port = await binding;
  assert.deepEqual([readdirSync(join(root, 'a')), readdirSync(join(root, 'b'))], [['echo'], []]);
  closeDescriptor(port.fd);
});

testInRoot('a directory that is removed while its lock is waited for is missing', async (root) => {
  createDirectory('\\a', { root });
  const lock = held(root, 'a');
  const binding = assert.rejects(bindPortName('\\a\\echo', { root }), failsWith('ERR_ALPC_NAME_NOT_FOUND', /its part '\\a'/));
  await sleep(5);
  rmSync(join(root, 'a'), { recursive: true });
  lock[Symbol.dispose]();
  await binding;
});

testInRoot('two descriptors of one process exclude each other, as two threads must', (root) => {
  namespaceRoot({ root });
  using first = held(root);
  using second = openAbsolute(join(root, 'RPC Control'), OPEN.read);
  assert.equal(runBlocking(lockDirectory(second.fd, 0)), false);
  first[Symbol.dispose]();
  assert.equal(runBlocking(lockDirectory(second.fd, 0)), true);
});

testInRoot('what the options may be is checked before anything is done', async (root) => {
  const refused = [[{ mode: 0o1600 }, /'mode'/], [{ mode: '600' }, /'mode'/], [{ backlog: 0 }, /'backlog'/], [{ timeout: -1 }, /'timeout'/], [{ timeout: Number.NaN }, /'timeout'/], [{ tmeout: 1 }, /no option 'tmeout'/]] as const;
  for (const [options, message] of refused) {
    assert.throws(() => bindPortNameSync(NAME, { root, ...options } as never), failsWith('ERR_ALPC_INVALID_ARGUMENT', message));
    await assert.rejects(bindPortName(NAME, { root, ...options } as never), failsWith('ERR_ALPC_INVALID_ARGUMENT', message));
  }
  assert.throws(() => bindPortNameSync(NAME, { root, signal: AbortSignal.abort() } as never), failsWith('ERR_ALPC_INVALID_ARGUMENT', /no option 'signal'/));
  await assert.rejects(bindPortName(NAME, { root, signal: 1 } as never), failsWith('ERR_ALPC_INVALID_ARGUMENT', /'signal'/));
  await assert.rejects(bindPortName('echo', { root }), failsWith('ERR_ALPC_NAME_INVALID'));
});
