/**
 * Other users, for tests that are run by root: numbers that no account should have, and a namespace that they share.
 *
 *     test('...', { skip: noOtherUsers }, async (t) => {
 *       sharedRoot(t);
 *       startActor(t, module, [], {}, { uid: USERS[0], gid: USERS[0] });
 */
import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { dirname } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { namespaceRoot } from '../../src/objects/index.js';
import { temporaryRoot } from './root.js';

/** Two users, and a third whom nobody lets in. */
export const USERS = [54_322, 54_323, 54_324] as const;

/** Why there can be no other users here, or false. */
export const noOtherUsers: string | false = reason();

/** A namespace where every user may make names, and nobody may remove another's. */
export function sharedRoot(t: TestContext): string {
  const root = temporaryRoot(t, { leftovers: true });
  chmodSync(dirname(root), 0o755);
  chmodSync(root, 0o1777);
  return namespaceRoot({ root }); // makes the standard directories, as open as the root
}

function reason(): string | false {
  if (process.geteuid!() !== 0) return 'needs root, to be other users as well';
  const look = `fs.readFileSync(${JSON.stringify(fileURLToPath(import.meta.url))})`;
  const { status } = spawnSync(process.execPath, ['-e', look], { uid: USERS[0], gid: USERS[0], stdio: 'ignore' });
  return status === 0 ? false : 'other users may not read this directory, or not run this node';
}
