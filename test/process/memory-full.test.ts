/**
 * No memory: no addresses to map a ring at, and a file system for names that is full. Whoever wants what is not to be had gets a
 * typed error, nothing half made stays, whoever is connected goes on, and with room all is as before.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createNamedSection, openNamedSection, removeObject } from '../../src/index.js';
import { createDirectory, createSymbolicLink, listDirectory } from '../../src/objects/index.js';
import { connectPort, type ConnectionPort, createPort } from '../../src/ports/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { type Actor, startActor } from '../support/processes.js';
import { namesIn } from '../support/root.js';
import { pageSize } from '../../src/platform/descriptors.js';
import type { News, Order } from './actors/crammed.js';
import { failsWith, outcomeOf, until } from './expect.js';
import { NAME, ownRoot, startServer } from './serving.js';
import { Verbs } from './verbs.js';

withLedger();

const MIB = 2 ** 20;
/** A ring that needs more addresses than are left (twice its length), while the rest of the process has what it needs. */
const HUGE = { ringLength: 64 * MIB, peerRingLength: 64 * MIB };
const LEFT = 96 * MIB;

const startCrammed = (t: TestContext): Actor<Order, News> => startActor<Order, News>(t, new URL('./actors/crammed.js', import.meta.url));
const mappingsOf = (pid: number): number => readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n').filter((line) => line.includes('/memfd:alpc')).length;

for (const how of ['blocking', 'awaited'] as const) {
  test(`a client (${how}) that has no addresses for its ring gets ERR_ALPC_INSUFFICIENT_RESOURCES, may have a smaller one, and with addresses the large one`, async (t) => {
    ownRoot(t);
    await startServer(t, { options: { limits: HUGE } });
    const actor = startCrammed(t);
    assert.equal((await actor.ask({ type: 'connect', how, limits: { peerRingLength: HUGE.peerRingLength } }, 'tried')).outcome, 'in');
    await actor.ask({ type: 'confine', bytes: LEFT }, 'filled');
    const before = mappingsOf(actor.pid);
    for (let i = 0; i < 3; i++) {
      const { outcome, errno, syscall } = await actor.ask({ type: 'connect', how, limits: HUGE }, 'tried');
      assert.deepEqual({ outcome, errno, syscall }, { outcome: 'ERR_ALPC_INSUFFICIENT_RESOURCES', errno: 'ENOMEM', syscall: 'mmap' });
      assert.equal(mappingsOf(actor.pid), before);
      assert.equal((await actor.ask({ type: 'call', text: `echo ${i}` }, 'settled')).outcome, `${i}`);
    }
    await actor.ask({ type: 'confine', bytes: Infinity }, 'filled');
    assert.equal((await actor.ask({ type: 'connect', how, limits: HUGE }, 'tried')).outcome, 'in');
  });
}

for (const form of ['on', 'receiveSync'] as const) {
  test(`a server (${form}) that has no addresses for a newcomer's ring refuses it with ERR_ALPC_QUOTA_EXCEEDED, and serves the others and those that are small`, async (t) => {
    ownRoot(t);
    const server = startCrammed(t);
    await server.ask({ type: 'serve', form, thread: 'main', limits: { peerRingLength: HUGE.peerRingLength } }, 'serving');
    await using old = await connectPort(NAME);
    await server.ask({ type: 'confine', bytes: LEFT }, 'filled');
    const before = mappingsOf(server.pid);
    for (let i = 0; i < 3; i++) {
      await assert.rejects(connectPort(NAME, { limits: HUGE }), failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
      await until('all that was made for it, and for the small one before, is let go', () => mappingsOf(server.pid) === before);
      assert.equal(await outcomeOf(old.request(`echo ${i}`)), `${i}`);
      await using small = await connectPort(NAME, { limits: { ringLength: 4096 } });
      assert.equal(small.requestSync('echo small').data.toString(), 'small');
    }
    await server.ask({ type: 'confine', bytes: Infinity }, 'filled');
    await using large = await connectPort(NAME, { limits: HUGE });
    assert.equal(large.requestSync('echo large').data.toString(), 'large');
  });
}

/** A file system for so many names, or why there is none. */
function tinyRoot(t: TestContext, names: number): string | undefined {
  const holder = mkdtempSync(join(tmpdir(), 'alpc-full-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=64k,nr_inodes=${names},mode=700`, 'alpc-test', holder], { stdio: 'pipe' });
  } catch {
    rmdirSync(holder);
    return undefined;
  }
  chmodSync(holder, 0o700);
  const before = process.env['ALPC_ROOT'];
  process.env['ALPC_ROOT'] = holder;
  atEnd(t, () => {
    if (before === undefined) delete process.env['ALPC_ROOT'];
    else process.env['ALPC_ROOT'] = before;
    execFileSync('umount', [holder]);
    rmdirSync(holder);
  });
  return holder;
}

function full(error: unknown): true {
  failsWith('ERR_ALPC_INSUFFICIENT_RESOURCES', /ENOSPC/)(error);
  assert.equal((error as { errno: string }).errno, 'ENOSPC');
  return true;
}

const NEEDS_ROOT = process.geteuid!() !== 0 && 'needs root, to mount a small file system';

test('where names are kept and there is room for no more, what makes one gets ERR_ALPC_INSUFFICIENT_RESOURCES, and nothing half made is left', { skip: NEEDS_ROOT }, async (t) => {
  const root = tinyRoot(t, 10);
  if (root === undefined) return t.skip('no file system may be mounted here');
  const ports: ConnectionPort[] = [];
  const nameOfNext = (): string => `\\RPC Control\\${ports.length}`;
  await assert.rejects(async () => {
    for (;;) ports.push(await createPort(nameOfNext()));
  }, full);
  assert.ok(ports.length >= 2, `${ports.length} ports`);
  const names = namesIn(root).length;
  assert.equal(names, ports.length);
  for (let i = 0; i < 3; i++) {
    await assert.rejects(createPort(nameOfNext()), full);
    assert.throws(() => createDirectory('\\RPC Control\\directory'), full);
    assert.throws(() => createSymbolicLink('\\RPC Control\\link', '\\RPC Control\\0'), full);
  }
  assert.deepEqual(listDirectory('\\RPC Control').map(({ name }) => name).toSorted(), ports.map((_, index) => String(index)));
  ports[0]!.on('message', new Verbs().handle);
  const client = await connectPort('\\RPC Control\\0');
  assert.equal((await client.request('echo served as ever')).data.toString(), 'served as ever');
  client.close();
  await ports.pop()!.close();
  ports.push(await createPort(nameOfNext()));
  for (const port of ports) await port.close();
  assert.deepEqual(namesIn(root), []);
});

test('a named section whose memory is not to be had is not made: ERR_ALPC_INSUFFICIENT_RESOURCES, no name is left, and one that was made can be written to its last byte', { skip: NEEDS_ROOT }, (t) => {
  const root = tinyRoot(t, 10);
  if (root === undefined) return t.skip('no file system may be mounted here');
  const [large, small] = ['\\BaseNamedObjects\\large', '\\BaseNamedObjects\\small'];
  const page = pageSize();
  for (let i = 0; i < 3; i++) {
    assert.throws(() => createNamedSection(large, 2 ** 20), full);
    assert.throws(() => openNamedSection(large), failsWith('ERR_ALPC_NAME_NOT_FOUND'));
    assert.deepEqual(namesIn(root), []);
  }
  {
    using section = createNamedSection(small, page);
    assert.throws(() => {
      for (let i = 0; ; i++) createNamedSection(`${small} ${i}`, page).close();
    }, full);
    section.createView().bytes.fill(7); // would end this process, had it no room
    assert.ok(section.createView().bytes.every((byte) => byte === 7));
  }
  for (const { name } of listDirectory('\\BaseNamedObjects')) removeObject(`\\BaseNamedObjects\\${name}`);
  createNamedSection(large, 8 * page).close();
  removeObject(large);
});
