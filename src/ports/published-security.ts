/**
 * Whom a port lets in and keeps out, written down for the explorer: a memory file of one page, named `alpc:security`, that its server keeps
 * open for as long as the port lives. Nobody decides by what stands there; `checkAccess` decides. There is one only where the
 * permissions of the port's file do not say everything.
 *
 * It is JSON: the number of the listening socket, the entries of both lists, and of those that have no room in the page how many.
 */
import { writeSync } from 'node:fs';
import { isSaidByFileMode, type SecurityDescriptor } from '../objects/index.js';
import { adoptDescriptor, pageSize } from '../platform/descriptors.js';
import { createMemoryFile, inodeOf, sealMemoryFile } from '../platform/memory-file.js';
import { closeDescriptor } from '../platform/system.js';

/** @returns a descriptor that is adopted, and that the caller releases with the port; undefined where there is nothing to say, or no room for a file: a port can do without */
export function publishSecurity(listener: number, descriptor: SecurityDescriptor): number | undefined {
  if (isSaidByFileMode(descriptor)) return undefined;
  try {
    return writeDown(textOf(inodeOf(listener), descriptor));
  } catch {
    return undefined;
  }
}

/** Denials first: they win. */
function textOf(socket: number, { allow, deny }: SecurityDescriptor): Buffer {
  const entries = [...deny.map((entry) => written(entry, true)), ...allow.map((entry) => written(entry, false))];
  for (let shown = entries.length; ; shown >>= 1) {
    const text = Buffer.from(JSON.stringify({ socket, entries: entries.slice(0, shown), more: entries.length - shown }));
    if (text.length <= pageSize()) return text;
  }
}

/** What is undefined is left out in JSON. */
function written({ user, group, executable, session, label, rights }: SecurityDescriptor['allow'][number], denies: boolean): object {
  return { user, group, executable, session, label, rights, denies };
}

function writeDown(text: Buffer): number {
  const fd = createMemoryFile('alpc:security', pageSize());
  try {
    writeSync(fd, text, 0, text.length, 0);
    sealMemoryFile(fd);
    return adoptDescriptor(fd);
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}
