/** FIFOs through one descriptor that reads and writes. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { OPEN, openAbsolute, openBeneath } from '../../src/platform/directory.js';
import { bytesIn, createPipe, makeFifo, putByte, reopenFifo, takeBytes } from '../../src/platform/fifo.js';
import { waitAnyReadable, pollfdsOf } from '../../src/platform/poller.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';

withLedger();

test('bytes go in and come out, as many as there are and no more, and nothing waits', () => {
  using pipe = createPipe();
  using other = reopenFifo(pipe.fd);
  assert.equal(takeBytes(pipe.fd, 5), 0);
  for (let i = 0; i < 3; i++) putByte(pipe.fd);
  assert.deepEqual([bytesIn(other.fd), takeBytes(other.fd, 2), takeBytes(pipe.fd, 5), bytesIn(pipe.fd)], [3, 2, 1, 0]);
});

test('a full FIFO stays as it is, and is emptied however much is in it', () => {
  using pipe = createPipe();
  while (bytesIn(pipe.fd) < 65_536) putByte(pipe.fd);
  putByte(pipe.fd);
  assert.deepEqual([bytesIn(pipe.fd), takeBytes(pipe.fd, 65_536), bytesIn(pipe.fd)], [65_536, 65_536, 0]);
});

test('what is in a FIFO outlives one holder, and not the last', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'alpc-test-'));
  atEnd(t, () => rmSync(folder, { recursive: true }));
  using directory = openAbsolute(folder, OPEN.directory);
  makeFifo(directory.fd, 'fifo', 0o600);
  assert.ok(statSync(join(folder, 'fifo')).isFIFO());
  const open = (): ReturnType<typeof reopenFifo> => {
    using file = openBeneath(directory.fd, 'fifo', OPEN.link);
    return reopenFifo(file.fd);
  };
  const first = open();
  putByte(first.fd);
  const second = open();
  first[Symbol.dispose]();
  assert.equal(bytesIn(second.fd), 1);
  second[Symbol.dispose]();
  using third = open();
  assert.equal(bytesIn(third.fd), 0);
  assert.throws(() => makeFifo(directory.fd, 'fifo', 0o600), { errno: 'EEXIST' });
});

test('of several descriptors one that can be read is enough to wake', () => {
  using one = createPipe();
  using two = createPipe();
  assert.equal(waitAnyReadable(pollfdsOf([one.fd, two.fd]), 0), false);
  putByte(two.fd);
  assert.equal(waitAnyReadable(pollfdsOf([one.fd, two.fd]), 60_000), true);
});

test('descriptors of FIFOs are not handed down to processes that are started', () => {
  using pipe = createPipe();
  assert.ok(pipe.fd > 0);
  assert.equal(execFileSync('/bin/sh', ['-c', `test -e /proc/self/fd/${pipe.fd} && echo there || echo none`], { encoding: 'utf8' }).trim(), 'none');
});
