/** A connection port while it closes. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPort } from '../../src/index.js';
import { OPEN, openAbsolute } from '../../src/platform/directory.js';
import { lockDirectory, LockedDirectory, runBlocking } from '../../src/platform/file-lock.js';
import { thisThread } from '../../src/ports/thread.js';
import { HandPeer } from '../hostile/peer.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { PAIR_NAME } from './connected-pair.js';

withLedger();

test('while close waits for the lock of the directory, who rings and connects does not keep the thread awake', async (t) => {
  const folder = join(temporaryRoot(t), 'RPC Control');
  const port = await createPort(PAIR_NAME);
  const peer = HandPeer.client();
  atEnd(t, () => peer.close());
  await peer.greet(join(folder, 'pair'));
  const lock = new LockedDirectory(openAbsolute(folder, OPEN.read).take());
  assert.ok(runBlocking(lockDirectory(lock.fd, 0)));
  const closed = port.close();
  const heard = t.mock.method(thisThread().attention, 'hear');
  peer.ring();
  await sleep(200);
  assert.ok(heard.mock.callCount() < 5, `it was woken ${heard.mock.callCount()} times`);
  lock[Symbol.dispose]();
  await closed;
});
