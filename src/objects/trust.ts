/**
 * Whether a directory can be trusted with a name: nobody but its owner, and the owners of the names in it, can exchange what
 * they stand for. So it belongs to the user or to root, and others may write to it only where the sticky bit keeps them from
 * the names of others.
 */
import type { BigIntStats } from 'node:fs';
import { AlpcError } from '../base/errors.js';
import { type Descriptor, descriptorPath, OPEN, openAbsolute, sameFile, statOf } from '../platform/directory.js';
import { libc } from '../platform/system.js';
import type { ObjectName } from './object-name.js';

/** What is wrong with it, in words; undefined when it can be trusted. `mayBeShared` is whether the sticky bit is enough where others may write. */
export function whyDistrusted(directory: Pick<BigIntStats, 'uid' | 'mode'>, owners: readonly number[], mayBeShared: boolean): string | undefined {
  const owner = Number(directory.uid);
  if (!owners.includes(owner)) return `it belongs to user ${owner}, not to user ${[...new Set(owners)].join(' or ')}`;
  const mode = Number(directory.mode);
  if ((mode & 0o022) === 0 || (mayBeShared && (mode & 0o1000) !== 0)) return undefined;
  return `its mode ${(mode & 0o7777).toString(8)} lets others write to it${mayBeShared ? ' without the sticky bit' : ''}`;
}

/**
 * Throws unless the directory can be trusted with the name, and those that hold it, up to the root (which has been looked at).
 * They are the ones on disk, whichever links led here.
 */
export function checkDirectory(root: Descriptor, directory: Descriptor, name: ObjectName): void {
  const owners = [libc().geteuid(), 0];
  const top = statOf(root.fd);
  let fd = directory.fd;
  let above: Descriptor | undefined;
  try {
    for (let depth = 1; ; depth++) {
      const stat = statOf(fd);
      if (sameFile(stat, top)) return;
      const why = whyDistrusted(stat, owners, true);
      if (why !== undefined) throw new AlpcError('ERR_ALPC_ACCESS_DENIED', `'${name.text}': its directory${depth === 1 ? '' : ` (${depth} above)`} is refused: ${why}`);
      const next = openAbsolute(descriptorPath(fd, '..'), OPEN.directory);
      above?.[Symbol.dispose]();
      above = next;
      if (sameFile(stat, statOf(next.fd))) throw new AlpcError('ERR_ALPC_NAME_NOT_FOUND', `'${name.text}': its directory has left the namespace`);
      fd = next.fd;
    }
  } finally {
    above?.[Symbol.dispose]();
  }
}
