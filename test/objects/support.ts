/** What the tests of this floor share: a root of their own that is not made yet, checks of errors, and processes that act by order. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { AlpcError, type AlpcErrorCode } from '../../src/base/errors.js';
import { thisThread } from '../../src/ports/thread.js';
import { cleanUp } from '../support/at-end.js';
import { settle, takeStock } from '../support/ledger.js';
import { type Actor, startActor } from '../support/processes.js';
import type { Answer, News, Order } from './object-actor.js';

export const isRoot = process.geteuid?.() === 0;

/** A test with a place for a root of its own, in a directory of its own. Afterwards nothing that it opened may be open. */
export function testInRoot(name: string, body: (root: string, t: TestContext) => void | Promise<void>): void {
  test(name, async (t) => {
    assert.ok(thisThread().waitPage.inode > 0); // opened once and kept, as the event loop's inotify is
    watch('/').close();
    const holder = mkdtempSync(join(tmpdir(), 'alpc-test-'));
    const before = takeStock();
    try {
      await body(join(holder, 'root'), t);
    } finally {
      await cleanUp(t);
      execFileSync('rm', ['-rf', holder]); // which has no limit on the length of a path
    }
    await settle(before);
  });
}

/** A check for assert.throws and assert.rejects: an AlpcError of this code, whose message matches. */
export function failsWith(code: AlpcErrorCode, message = /./): (error: unknown) => true {
  return (error) => {
    if (!AlpcError.is(error)) throw error;
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  };
}

export type ObjectActor = Actor<Order, News>;

export function startObjectActor(t: TestContext, identity: { uid?: number; gid?: number } = {}): ObjectActor {
  return startActor<Order, News>(t, new URL('./object-actor.js', import.meta.url), [], {}, { watchdog: 110_000, ...identity });
}

/** Gives an order, and waits for its answer: what was done, or the error's code and message. */
export async function order(actor: ObjectActor, given: Order): Promise<Answer> {
  return (await actor.ask(given, 'answer')).answer;
}
