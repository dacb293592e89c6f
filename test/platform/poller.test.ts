/** Blocking waits: what ends them, and that many descriptors are told fairly, again and again until they are read. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { pause, Poller, waitReadable } from '../../src/platform/poller.js';
import { closeDescriptor, SystemError } from '../../src/platform/system.js';
import { createSocketPair, receiveBytes, ringBell } from '../../src/platform/unix-socket.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { turnsUntil } from '../support/turns.js';

withLedger();

function pair(t: TestContext): [number, number] {
  const sockets = createSocketPair();
  atEnd(t, () => sockets.forEach(closeDescriptor));
  return sockets;
}

function poller(t: TestContext, capacity?: number): Poller {
  const made = new Poller(capacity);
  atEnd(t, () => made.close());
  return made;
}

const read = (fd: number): unknown => receiveBytes(fd, Buffer.alloc(8));

function ready(of: Poller, milliseconds: number): number[] {
  return Array.from({ length: of.wait(milliseconds) }, (_, i) => of.at(i));
}

test('a wait ends at once when there is something to read, or nobody to write it any more', (t) => {
  const [a, b] = pair(t);
  ringBell(a);
  assert.equal(waitReadable(b, -1), true);
  assert.equal(waitReadable(b, 0), true, 'what is not read is told again');
  read(b);
  assert.equal(waitReadable(b, 0), false);
  const [c, d] = createSocketPair();
  atEnd(t, () => closeDescriptor(d));
  closeDescriptor(c);
  assert.equal(waitReadable(d, -1), true);
});

test('a wait with nothing to read lasts as long as it was given, and a pause too', (t) => {
  const [a] = pair(t);
  const start = performance.now();
  assert.equal(waitReadable(a, 30), false);
  assert.ok(performance.now() - start >= 29);
  pause(30);
  assert.ok(performance.now() - start >= 58);
});

test('a poller tells those that are ready, and only those', (t) => {
  const pairs = Array.from({ length: 20 }, () => pair(t));
  const all = poller(t);
  for (const [, b] of pairs) all.add(b);
  assert.deepEqual(ready(all, 0), []);
  for (const i of [3, 7, 19]) ringBell(pairs[i]![0]);
  const expected = [3, 7, 19].map((i) => pairs[i]![1]);
  assert.deepEqual(ready(all, -1).toSorted((x, y) => x - y), expected);
  assert.deepEqual(ready(all, -1).toSorted((x, y) => x - y), expected, 'what is not read is told again');
  expected.forEach(read);
  assert.deepEqual(ready(all, 0), []);
});

test('more ready ones than a poller takes at once all get their turn', (t) => {
  const pairs = Array.from({ length: 10 }, () => pair(t));
  const small = poller(t, 3);
  for (const [a, b] of pairs) {
    small.add(b);
    ringBell(a);
  }
  const told = new Set<number>();
  for (let i = 0; i < 10; i++) for (const fd of ready(small, 0)) told.add(fd);
  assert.equal(told.size, 10, 'without one of them having been read');
});

test('what was removed is not told any more, and what was never added can be removed', (t) => {
  const [a, b] = pair(t);
  const one = poller(t);
  one.add(b);
  ringBell(a);
  one.remove(b);
  assert.deepEqual(ready(one, 0), []);
  one.remove(b);
  one.add(b);
  assert.deepEqual(ready(one, -1), [b]);
});

test('a descriptor that cannot be watched is refused with the reason', (t) => {
  const [a] = pair(t);
  const one = poller(t);
  one.add(a);
  assert.throws(() => one.add(a), (error) => error instanceof SystemError && error.errno === 'EEXIST');
  assert.throws(() => one.add(-1), (error) => error instanceof SystemError && error.errno === 'EBADF');
});

test("a peer's end is told as ready", (t) => {
  const [a, b] = createSocketPair();
  atEnd(t, () => closeDescriptor(b));
  const one = poller(t);
  one.add(b);
  closeDescriptor(a);
  assert.deepEqual(ready(one, -1), [b]);
});

test('a poller can be watched by another: it is ready when one of its own is', (t) => {
  const [a, b] = pair(t);
  const inner = poller(t);
  const outer = poller(t);
  inner.add(b);
  outer.add(inner.fd);
  assert.deepEqual(ready(outer, 0), []);
  ringBell(a);
  assert.deepEqual(ready(outer, -1), [inner.fd]);
  assert.equal(waitReadable(inner.fd, 0), true);
});

test('a signal ends a wait without end early: with nothing ready, and no error', async (t) => {
  const [a] = pair(t);
  const one = poller(t);
  one.add(a);
  let came = 0;
  const count = (): void => void came++;
  process.on('SIGUSR2', count);
  atEnd(t, () => process.off('SIGUSR2', count));
  const sender = spawn('/bin/sh', ['-c', `for i in 1 2 3 4; do sleep 0.1; kill -USR2 ${process.pid}; done`]);
  const gone = once(sender, 'exit');
  assert.equal(one.wait(-1), 0);
  assert.equal(waitReadable(a, -1), false);
  await gone;
  await turnsUntil(() => came > 0);
});
