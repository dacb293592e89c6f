/**
 * A private namespace root for one test, as ALPC_ROOT of this process and of those that it starts:
 *
 *     test('...', async (t) => {
 *       const root = temporaryRoot(t);                    // '/tmp/alpc-test-x/root', an empty directory
 *       await using port = await createPort('\\x');       // made in it
 *     });
 *
 * It is removed at the end of the test. What still has a name there then (a port that nobody closed) fails the test, but
 * for directories; a test that kills servers says `{ leftovers: true }`.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { atEnd } from './at-end.js';

export interface RootOptions {
  /** Names may be left in it; a function is asked at the end. */
  leftovers?: boolean | (() => boolean);
  /** Milliseconds to wait for the last name to go; 2,000 by default. */
  patience?: number;
}

export function temporaryRoot(t: TestContext, options: RootOptions = {}): string {
  const holder = mkdtempSync(join(tmpdir(), 'alpc-test-'));
  const root = join(holder, 'root');
  mkdirSync(root, { mode: 0o700 });
  const before = process.env['ALPC_ROOT'];
  process.env['ALPC_ROOT'] = root;
  atEnd(t, async () => {
    if (before === undefined) delete process.env['ALPC_ROOT'];
    else process.env['ALPC_ROOT'] = before;
    try {
      const mayBeLeft = typeof options.leftovers === 'function' ? options.leftovers() : options.leftovers;
      if (mayBeLeft !== true) await waitUntilEmpty(root, options.patience ?? 2000);
    } finally {
      execFileSync('rm', ['-rf', holder]); // which has no limit on the length of a path
    }
  });
  return root;
}

/** Everything in a root but directories, by path. */
export function namesIn(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));
}

async function waitUntilEmpty(root: string, patience: number): Promise<void> {
  const deadline = performance.now() + patience;
  while (namesIn(root).length > 0 && performance.now() < deadline) await sleep(20);
  assert.deepEqual(namesIn(root), [], 'every name that the test made in its root is gone');
}
