/** Events: their two kinds, with a name and without, and what of them outlives whom. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { constants, openSync, statSync, writeSync, closeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createEvent, type Event, type EventKind, listDirectory, openEvent, queryObject, removeObject, createSymbolicLink } from '../../src/index.js';
import { failsWith, nameOf, until } from '../process/expect.js';
import { withLedger } from '../support/ledger.js';
import { namesIn, temporaryRoot } from '../support/root.js';
import { counter, READY, turns, waitsOn } from './support.js';

withLedger();

const KINDS = ['notification', 'synchronization'] as const;

for (const kind of KINDS) {
  test(`a ${kind} event is set, found set, and reset`, () => {
    using event = createEvent(undefined, { kind });
    assert.deepEqual([event.kind, event.name, event.state], [kind, undefined, false]);
    assert.equal(event.set(), false);
    assert.equal(event.set(), true, 'it was set already');
    assert.equal(event.state, true);
    assert.equal(event.reset(), true);
    assert.equal(event.reset(), false);
    assert.equal(event.state, false);
    assert.equal(event.tryWait(), false);
  });

  test(`a ${kind} event may be set from the beginning`, (t) => {
    temporaryRoot(t);
    for (const name of [undefined, READY]) {
      using event = createEvent(name, { kind, initialState: true });
      assert.equal(event.state, true);
      event.waitSync({ timeout: 0 });
    }
  });

  test(`a wait for a ${kind} event that is not set ends by its timeout, its signal, or the event's close, and has taken nothing`, async () => {
    const event = createEvent(undefined, { kind });
    assert.throws(() => event.waitSync({ timeout: 0 }), failsWith('ERR_ALPC_TIMEOUT', /event without a name: not set within 0 ms/));
    const began = performance.now();
    assert.throws(() => event.waitSync({ timeout: 30 }), failsWith('ERR_ALPC_TIMEOUT'));
    assert.ok(performance.now() - began >= 29);
    await assert.rejects(event.wait({ timeout: 0 }), failsWith('ERR_ALPC_TIMEOUT'));
    await assert.rejects(event.wait({ timeout: 30 }), failsWith('ERR_ALPC_TIMEOUT'));
    const reason = new Error('given up');
    await assert.rejects(event.wait({ signal: AbortSignal.abort(reason) }), (error) => error === reason);
    const controller = new AbortController();
    const aborted = assert.rejects(event.wait({ signal: controller.signal }), (error) => error === reason);
    const staying = event.wait();
    controller.abort(reason);
    await aborted;
    event.set();
    await staying;
    assert.equal(event.state, kind === 'notification');
    event.reset();
    const closed = assert.rejects(event.wait(), failsWith('ERR_ALPC_CLOSED'));
    event.close();
    await closed;
    event.close();
    for (const call of [() => event.set(), () => event.reset(), () => event.state, () => event.tryWait(), () => event.waitSync(), () => event.share()]) assert.throws(call, failsWith('ERR_ALPC_CLOSED'));
    await assert.rejects(event.wait(), failsWith('ERR_ALPC_CLOSED'));
  });
}

test('a notification event lets everybody go on, and stays set', async () => {
  using event = createEvent();
  using again = openEvent(event.share());
  const waits = [event.wait(), again.wait(), event.wait({ timeout: 60_000 })];
  event.set();
  await Promise.all(waits);
  again.waitSync();
  await event.wait();
  assert.equal(again.tryWait() && event.state, true);
});

test('a synchronization event lets one wait go on for each set, however fast they follow each other, and one later', async () => {
  using event = createEvent(undefined, { kind: 'synchronization' });
  using again = openEvent(event.share());
  const released = counter();
  for (let i = 0; i < 6; i++) released.add((i % 2 === 0 ? event : again).wait());
  assert.equal(waitsOn(again), 3);
  assert.deepEqual([event.set(), again.set(), event.set(), event.state], [false, false, false, false]);
  await until('three go on', () => released.done === 3);
  await turns();
  assert.equal(released.done, 3);
  for (let i = 0; i < 3; i++) assert.equal(event.set(), false);
  assert.equal(event.set(), false, 'for nobody yet');
  assert.equal(event.set(), true);
  await until('all go on', () => released.done === 6);
  assert.equal(event.state, true);
  assert.deepEqual([event.tryWait(), event.tryWait()], [true, false]);
});

test('sets for waits that ended otherwise are one set', async () => {
  using event = createEvent(undefined, { kind: 'synchronization' });
  const controller = new AbortController();
  const outcomes = [0, 1, 2].map(() => event.wait({ signal: controller.signal }).catch(nameOf));
  for (let i = 0; i < 3; i++) event.set();
  controller.abort();
  assert.deepEqual(await Promise.all(outcomes), ['AbortError', 'AbortError', 'AbortError']);
  assert.deepEqual([event.state, event.tryWait(), event.tryWait()], [true, true, false]);
});

test('what is there when the time is over wins', async () => {
  using event = createEvent(undefined, { kind: 'synchronization' });
  const wait = event.wait({ timeout: 1 });
  const end = performance.now() + 20;
  while (performance.now() < end); // the timer is due, and so is the look
  event.set();
  await wait;
});

test('what a stranger writes into the FIFO sets the event once, full or not, and is gone by a reset', (t) => {
  const root = temporaryRoot(t);
  for (const kind of KINDS) {
    using event = createEvent(READY, { kind });
    const stranger = openSync(join(root, 'BaseNamedObjects', 'ready'), constants.O_RDWR | constants.O_NONBLOCK);
    try {
      const fill = (): void => {
        try {
          for (;;) writeSync(stranger, Buffer.alloc(4096, 'garbage'));
        } catch (error) {
          assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN');
        }
      };
      fill();
      assert.deepEqual([event.state, event.set(), event.reset(), event.state], [true, true, true, false]);
      fill();
      event.waitSync({ timeout: 0 });
      assert.equal(event.tryWait(), kind === 'notification', 'once, and no more');
      assert.equal(event.set(), kind === 'notification');
      event.waitSync({ timeout: 0 });
    } finally {
      closeSync(stranger);
    }
  }
});

test('an event has its name in the namespace for as long as somebody holds it', (t) => {
  const root = temporaryRoot(t);
  const first = createEvent(READY, { kind: 'synchronization' });
  assert.equal(first.name, READY);
  assert.equal(queryObject(READY).type, 'Event');
  assert.throws(() => createEvent(READY), failsWith('ERR_ALPC_NAME_IN_USE', /somebody holds/));
  assert.throws(() => removeObject(READY), failsWith('ERR_ALPC_NAME_IN_USE'));
  const second = openEvent('/BaseNamedObjects/ready');
  assert.deepEqual([second.kind, second.name], ['synchronization', READY]);
  first.set();
  first.close();
  assert.equal(second.state, true, 'the state is the event\'s, not the creator\'s');
  const third = openEvent(READY);
  second.close();
  assert.equal(third.tryWait(), true);
  assert.deepEqual(listDirectory('\\BaseNamedObjects'), [{ name: 'ready', type: 'Event' }]);
  third.close();
  assert.deepEqual(namesIn(root), []);
  assert.throws(() => openEvent(READY), failsWith('ERR_ALPC_NAME_NOT_FOUND'));
});

test('openIf opens what is there, of the same kind, and creates what is not', (t) => {
  temporaryRoot(t);
  using first = createEvent(READY, { openIf: true });
  using second = createEvent(READY, { openIf: true, initialState: true });
  assert.equal(second.state, false, 'the state of an event that is there stays');
  first.set();
  assert.equal(second.state, true);
  assert.throws(() => createEvent(READY, { openIf: true, kind: 'synchronization' }), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH', /is a notification event, not a synchronization one/));
});

test('a name that nobody holds any more is not found, can be removed, and does not keep the next creator out', (t) => {
  const root = temporaryRoot(t);
  createEvent('\\BaseNamedObjects\\other').close();
  const leave = (): void => void execFileSync('mkfifo', ['-m', '600', join(root, 'BaseNamedObjects', 'ready')]);
  leave();
  assert.throws(() => openEvent(READY), failsWith('ERR_ALPC_NAME_NOT_FOUND', /nobody holds this event/));
  removeObject(READY);
  leave();
  using event = createEvent(READY, { initialState: true });
  using again = openEvent(READY);
  assert.equal(again.state, true);
  assert.equal(event.state, true);
});

test('a name that was removed by force stays with those who hold the event, and they do not touch its successor', (t) => {
  temporaryRoot(t);
  const old = createEvent(READY);
  removeObject(READY, { force: true });
  using successor = createEvent(READY);
  old.set();
  assert.equal(successor.state, false);
  old.close();
  openEvent(READY).close();
});

test('an event is found through links, and its name goes all the same', (t) => {
  const root = temporaryRoot(t);
  const event = createEvent(READY);
  createSymbolicLink('\\link', READY);
  createSymbolicLink('\\folder', 'BaseNamedObjects');
  const throughBoth = [openEvent('\\link'), openEvent('\\folder\\ready')];
  event.close();
  for (const held of throughBoth) held.close();
  assert.deepEqual(namesIn(root).map((path) => path.slice(root.length)).toSorted(), ['/folder', '/link']);
  for (const name of ['\\link', '\\folder']) removeObject(name);
});

test('something else than an event is told, and so is a missing directory', (t) => {
  temporaryRoot(t);
  assert.throws(() => createEvent('\\BaseNamedObjects'), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH'));
  assert.throws(() => openEvent('\\BaseNamedObjects'), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH', /type Directory, not Event/));
  assert.throws(() => createEvent('\\nowhere\\x'), failsWith('ERR_ALPC_NAME_NOT_FOUND', /nowhere/));
  assert.throws(() => createEvent('\\'), failsWith('ERR_ALPC_NAME_INVALID'));
});

test('who may open an event is what the permissions of its FIFO can say, and nothing else is promised', (t) => {
  const root = temporaryRoot(t);
  const modeOf = (options: Parameters<typeof createEvent>[1]): number => {
    using _event: Event = createEvent(READY, options);
    return statSync(join(root, 'BaseNamedObjects', 'ready')).mode & 0o7777;
  };
  const gid = process.getgid!();
  const kinds: [EventKind, number][] = [['notification', 0], ['synchronization', 0o100]];
  for (const [kind, bit] of kinds) {
    assert.equal(modeOf({ kind }), 0o600 | bit);
    assert.equal(modeOf({ kind, security: { allow: [{ user: 'me' }, { user: 'everyone' }] } }), 0o666 | bit);
    assert.equal(modeOf({ kind, security: { allow: [{ user: 'me' }, { group: gid }] } }), 0o660 | bit);
  }
  for (const security of [{ allow: [{ user: process.geteuid!() + 1 }] }, { allow: [{ group: 1 }, { group: 2 }] }, { deny: [{ user: process.geteuid!() + 1 }] }]) {
    assert.throws(() => createEvent(READY, { security }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /^argument 'options.security' must be what a file's permissions can say/));
  }
});

test('a pending wait keeps the process alive, unless the event is told not to', async () => {
  const script = (statement: string): string => `import { createEvent } from '${new URL('../../src/index.js', import.meta.url)}'; const event = createEvent(); ${statement} process.on('exit', () => console.log('gone', event.hasRef()));`;
  const run = (statement: string, timeout: number): string => {
    try {
      return execFileSync(process.execPath, ['--input-type=module', '-e', script(statement)], { timeout, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error);
    }
  };
  assert.equal(run('', 20_000), 'gone true');
  assert.equal(run('event.unref(); void event.wait();', 20_000), 'gone false');
  assert.equal(run('void event.wait(); event.unref();', 20_000), 'gone false');
  assert.equal(run('event.unref(); void event.wait({ timeout: 1e9 });', 20_000), 'gone false');
  assert.equal(run('void event.wait({ timeout: 1e9 }); event.unref();', 20_000), 'gone false');
  assert.equal(run('event.unref().ref(); void event.wait();', 1500), 'ETIMEDOUT');
  assert.equal(run('void event.wait({ timeout: 1e9 });', 1500), 'ETIMEDOUT');
});
