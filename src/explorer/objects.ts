/**
 * Single objects and the tree: what the file system tells of them, and who has them open. What may not be seen is left out, and said to
 * be left out; only an object that is not there, or that is closed to this user altogether, is an error.
 */
import { lstatSync, type Stats } from 'node:fs';
import { AlpcError } from '../base/errors.js';
import { listDirectory, type ObjectType, parseObjectName, queryObject, resolveName, type RootOptions, walkNamespace } from '../objects/index.js';
import { findRoot, openRootToLookUp } from '../objects/root.js';
import { kindOf } from '../notification/event.js';
import { peekFifo } from '../platform/fifo.js';
import { openDescriptors, processFacts, processIds } from '../platform/processes.js';
import { Accounts, processInfo } from './describe.js';
import type { ObjectDetails, ProcessInfo, SecurityLine, Tree, TreeObject } from './model.js';
import { pathOf } from './port-files.js';

export function tree(options: RootOptions = {}): Tree {
  const { path: root } = findRoot(options);
  return { at: new Date().toISOString(), root, objects: Array.from(walkNamespace(options), (entry) => withResolved(entry, options)) };
}

/** A symbolic link with the object that it leads to. */
export function withResolved(entry: TreeObject, options: RootOptions): TreeObject {
  const resolved = entry.type === 'SymbolicLink' ? tryResolve(entry.name, options) : undefined;
  return resolved === undefined ? entry : { ...entry, resolved };
}

/** Of a port without `port`, which takes a snapshot: see index.ts. */
export function describeObject(name: string, options: RootOptions): ObjectDetails {
  const { text } = parseObjectName(name);
  using root = openRootToLookUp(options);
  const path = pathOf(root.path, text);
  const facts = text === '\\' ? { type: 'Directory' as const } : queryObject(text, options);
  const stat = statOf(path, text);
  const accounts = new Accounts();
  const [owner, group] = [accounts.user(stat.uid), accounts.group(stat.gid)];
  const mode = stat.mode & 0o7777;
  const resolved = facts.type === 'SymbolicLink' ? tryResolve(text, options) : undefined;
  return {
    at: new Date().toISOString(),
    name: text,
    type: facts.type,
    path,
    owner,
    group,
    mode,
    permissions: permissionsOf(mode),
    security: securityOf(facts.type, mode).map((line) => (line.who === 'everyone' ? line : { ...line, account: line.who === 'owner' ? owner : group })),
    ...(stat.birthtimeMs > 0 ? { created: stat.birthtime.toISOString() } : {}),
    references: stat.nlink,
    ...(facts.type === 'ALPC Port' ? { holders: [], handles: 0, holdersComplete: false } : holdersOf(path, accounts)), // of a port, withPort says it
    ...('target' in facts && facts.target !== undefined ? { target: facts.target } : {}),
    ...(resolved === undefined ? {} : { resolved }),
    ...(facts.type === 'Directory' ? { directory: contentsOf(text, options) } : {}),
    ...(facts.type === 'Section' ? { section: { bytes: stat.size } } : {}),
    ...(facts.type === 'Event' ? { event: eventOf(path, mode) } : {}),
  };
}

function statOf(path: string, name: string): Stats {
  try {
    return lstatSync(path);
  } catch (cause) {
    throw new AlpcError('ERR_ALPC_NAME_NOT_FOUND', `'${name}' went away while it was looked at`, { cause });
  }
}

function tryResolve(name: string, options: RootOptions): string | undefined {
  try {
    return resolveName(name, options);
  } catch {
    return undefined; // it leads nowhere, in a circle, or where this user may not look
  }
}

/** By the path that /proc shows: a name is one file's at a time. Sockets show none, their holders are told by the snapshot. */
function holdersOf(path: string, accounts: Accounts): { holders: ProcessInfo[]; handles: number; holdersComplete: boolean } {
  const holders: ProcessInfo[] = [];
  let [handles, holdersComplete] = [0, true];
  for (const pid of processIds()) {
    if (pid === process.pid) continue;
    const descriptors = openDescriptors(pid);
    if (descriptors === 'hidden') holdersComplete = false;
    const count = Array.isArray(descriptors) ? descriptors.filter(({ target }) => target === path).length : 0;
    const facts = count === 0 ? undefined : processFacts(pid);
    if (facts === undefined) continue;
    holders.push(processInfo(facts, accounts));
    handles += count;
  }
  return { holders, handles, holdersComplete };
}

function contentsOf(name: string, options: RootOptions): ObjectDetails['directory'] & object {
  try {
    const byType: Partial<Record<ObjectType, number>> = {};
    const entries = listDirectory(name, options);
    for (const { type } of entries) byType[type] = (byType[type] ?? 0) + 1;
    return { objects: entries.length, byType };
  } catch (error) {
    if (!AlpcError.is(error)) throw error;
    return { unreadable: error.code };
  }
}

/** An event is signaled while a byte is in its FIFO. To look, it is opened for reading, which takes nothing out and wakes nobody. */
function eventOf(path: string, mode: number): ObjectDetails['event'] & object {
  const bytes = peekFifo(path);
  return { kind: kindOf(mode), ...(bytes === undefined ? {} : { signaled: bytes > 0 }) };
}

function permissionsOf(mode: number): string {
  return Array.from({ length: 9 }, (_, i) => ((mode >> (8 - i)) & 1 ? 'rwx'[i % 3]! : '-')).join('');
}

/** What the permissions allow whom, in the words of objects. */
function securityOf(type: ObjectType, mode: number): SecurityLine[] {
  if (type === 'SymbolicLink') return [];
  const rights = (bits: number): string[] => {
    if (type === 'ALPC Port') return (bits & 2) === 0 ? [] : ['connect'];
    const [r, w, x] = type === 'Directory' ? ['list', 'add', 'pass'] : ['read', 'write', ''];
    return [[4, r], [2, w], [1, x]].flatMap(([bit, right]) => ((bits & (bit as number)) !== 0 && right !== '' ? [right as string] : []));
  };
  return (['owner', 'group', 'everyone'] as const).map((who, i) => ({ who, rights: rights(mode >> (6 - 3 * i)) })).filter((line) => line.rights.length > 0);
}
