/**
 * Who may connect to a port. The first guard is the socket file's permissions (`fileMode`), which the kernel checks; the
 * second is `checkAccess`, asked with the credentials that the kernel recorded, never with what a message says.
 *
 * Invariants: an entry that denies wins over all that allow; what no entry allows is denied; names are looked up once, when
 * the descriptor is made. The overflow id 65534 is what the kernel shows for a user of another user namespace: nobody knows
 * who that is, so no entry but `everyone` lets it in (an entry that denies it by number does keep it out).
 */
import { readFileSync } from 'node:fs';
import { checkOneOf, checkOptions, invalidArgument } from '../base/arguments.js';
import { libc } from '../platform/system.js';
import { groupNamed, userNamed } from './accounts.js';

/** What the kernel shows for a user or group that it cannot name here. */
export const UNKNOWN_ID = 65534;
const MAX_ID = 2 ** 32 - 2;
const RIGHTS = ['connect'] as const;

/** What can be allowed or denied. */
export type AccessRight = (typeof RIGHTS)[number];

/** One line of a descriptor: a user or a group, not both. */
export interface SecurityEntry {
  /** A number, a name in /etc/passwd, `'me'` (this process's effective user) or `'everyone'`. */
  user?: number | string;
  /** A number or a name in /etc/group: the primary and the supplementary groups count. */
  group?: number | string;
  /** Left out, all rights. */
  rights?: readonly AccessRight[];
}

export interface SecurityOptions {
  /** Who is let in; left out, the same user and root. */
  allow?: readonly SecurityEntry[];
  /** Who is kept out all the same. */
  deny?: readonly SecurityEntry[];
}

/** An entry whose name has become a number; `everyone` has none. */
interface CompiledEntry {
  readonly who: 'user' | 'group' | 'everyone';
  readonly id: number;
  readonly rights: readonly AccessRight[];
}

/** A descriptor whose names have become numbers. */
export interface SecurityDescriptor {
  readonly allow: readonly CompiledEntry[];
  readonly deny: readonly CompiledEntry[];
  /** The user that the socket file will belong to. */
  readonly owner: number;
}

/** Whom the kernel says the other side is. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups?: readonly number[];
}

/**
 * Makes a descriptor. Reads /etc/passwd and /etc/group when names are used; does not wait.
 * @throws AlpcError ERR_ALPC_INVALID_ARGUMENT for an entry that is not understood, or a name that is in neither file
 * Windows: RtlCreateSecurityDescriptor with a discretionary access control list.
 */
export function createSecurityDescriptor(options?: SecurityOptions, argument = 'security'): SecurityDescriptor {
  const { allow = [{ user: 'me' }, { user: 0 }], deny = [] } = checkOptions(options, argument, ['allow', 'deny']);
  const owner = libc().geteuid();
  const allowed = compileList(allow, `${argument}.allow`, owner).filter(({ entry, isMe }) => entry.who === 'everyone' || entry.id !== UNKNOWN_ID || (isMe && everyUserIsMapped()));
  const denied = compileList(deny, `${argument}.deny`, owner);
  return { allow: allowed.map(({ entry }) => entry), deny: denied.map(({ entry }) => entry), owner };
}

/**
 * Whether the descriptor gives this identity a right. Does not wait.
 * Windows: NtAccessCheck.
 */
export function checkAccess(descriptor: SecurityDescriptor, identity: Identity, right: AccessRight): boolean {
  const applies = (entry: CompiledEntry): boolean => entry.rights.includes(right) && concerns(entry, identity);
  return !descriptor.deny.some(applies) && descriptor.allow.some(applies);
}

/** The permission bits that a port's socket file needs: 0o600 when nobody but its user and root is let in, else 0o666. Does not wait. Windows: no counterpart. */
export function fileMode({ allow, owner }: SecurityDescriptor): number {
  return allow.every((entry) => entry.who === 'user' && (entry.id === owner || entry.id === 0)) ? 0o600 : 0o666;
}

/**
 * The permissions of an object that only the kernel guards: where no process stands behind the name to ask `checkAccess`, the
 * bits of a file must say all of it.
 * @throws AlpcError ERR_ALPC_INVALID_ARGUMENT for a descriptor that they can't say exactly
 */
export function filePermissions({ allow, deny, owner }: SecurityDescriptor, argument = 'security'): { readonly mode: number; readonly gid: number | undefined } {
  const others = allow.filter(({ who, id, rights }) => rights.length > 0 && !(who === 'user' && (id === owner || id === 0)));
  const first = others[0];
  if (deny.length === 0 && first === undefined) return { mode: 0o600, gid: undefined };
  if (deny.length === 0 && others.some(({ who }) => who === 'everyone')) return { mode: 0o666, gid: undefined };
  if (deny.length === 0 && first!.who === 'group' && others.every(({ who, id }) => who === 'group' && id === first!.id)) return { mode: 0o660, gid: first!.id };
  throw invalidArgument(argument, "what a file's permissions can say: nobody else, one group, or everyone, and nobody denied", { allow, deny });
}

function concerns({ who, id }: CompiledEntry, { uid, gid, groups = [] }: Identity): boolean {
  if (who === 'user') return uid === id;
  return who === 'everyone' || gid === id || groups.includes(id);
}

function compileList(entries: unknown, argument: string, me: number): { entry: CompiledEntry; isMe: boolean }[] {
  if (!Array.isArray(entries)) throw invalidArgument(argument, 'an array of entries', entries);
  return entries.map((entry: SecurityEntry, index) => ({ entry: compile(entry, `${argument}[${index}]`, me), isMe: entry.user === 'me' }));
}

function compile(entry: SecurityEntry, argument: string, me: number): CompiledEntry {
  if (typeof entry !== 'object' || entry === null) throw invalidArgument(argument, 'an object', entry);
  const { user, group, rights = RIGHTS } = checkOptions(entry, argument, ['user', 'group', 'rights']);
  if (!Array.isArray(rights)) throw invalidArgument(`${argument}.rights`, 'an array of rights', rights);
  const checked = rights.map((right: unknown, index) => checkOneOf(right, `${argument}.rights[${index}]`, RIGHTS));
  if ((user === undefined) === (group === undefined)) throw invalidArgument(argument, "an object with either 'user' or 'group'", entry);
  if (user === 'everyone') return { who: 'everyone', id: -1, rights: checked };
  if (user === 'me') return { who: 'user', id: me, rights: checked };
  if (user !== undefined) return { who: 'user', id: idOf(user, `${argument}.user`, "'me', 'everyone', a user's number or a name in /etc/passwd", userNamed), rights: checked };
  return { who: 'group', id: idOf(group, `${argument}.group`, "a group's number or a name in /etc/group", groupNamed), rights: checked };
}

function idOf(value: unknown, argument: string, expected: string, lookUp: (name: string) => number | undefined): number {
  const id = typeof value === 'string' ? lookUp(value) : value;
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > MAX_ID) throw invalidArgument(argument, expected, value);
  return id;
}

/** In a user namespace that leaves nobody out, 65534 is the user of that number (`nobody`, in many containers) and no stand-in. */
function everyUserIsMapped(): boolean {
  try {
    return /^\s*0\s+\d+\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'));
  } catch {
    return false;
  }
}
