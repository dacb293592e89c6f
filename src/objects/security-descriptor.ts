/**
 * Who may connect to a port. The first guard is the socket file's permissions (`fileMode`), which the kernel checks; the
 * second is `checkAccess`, asked with the credentials that the kernel recorded, never with what a message says.
 *
 * Invariants: an entry that denies wins over all that allow; what no entry allows is denied; names are looked up once, when
 * the descriptor is made. What is not known of somebody counts against them: an entry that asks for it does not allow, and does deny.
 * The overflow id 65534 is what the kernel shows for a user of another user namespace: nobody knows who that is, so no entry but
 * `everyone` lets it in (an entry that denies it by number does keep it out).
 *
 * An executable is no proof of what a process does: whoever may run a program decides what it does, by its arguments, its environment, a debugger.
 */
import { readFileSync } from 'node:fs';
import { checkInteger, checkOneOf, checkOptions, invalidArgument } from '../base/arguments.js';
import { ownSession, type PeerProcess, programAt } from '../platform/peer-process.js';
import { libc } from '../platform/system.js';
import { groupNamed, userNamed } from './accounts.js';

/** What the kernel shows for a user or group that it cannot name here. */
export const UNKNOWN_ID = 65534;
const MAX_ID = 2 ** 32 - 2;
const RIGHTS = ['connect'] as const;
/** What an entry can ask for. */
const TRAITS = ['user', 'group', 'executable', 'session', 'label'] as const;

/** What can be allowed or denied. */
export type AccessRight = (typeof RIGHTS)[number];

/** One line of a descriptor: it is about whoever is all that it names, one thing at least. What is named and undefined is refused: without it the line is about more. */
export interface SecurityEntry {
  /** A number, a name in /etc/passwd, `'me'` (this process's effective user) or `'everyone'`. */
  user?: number | string;
  /** A number or a name in /etc/group: the primary and the supplementary groups count. */
  group?: number | string;
  /** The absolute path of a program: the process runs the file that stands there when it connects. A filter, and no proof; see docs/objects.md. */
  executable?: string;
  /** The number of a login session (/proc/<pid>/sessionid), or `'mine'`. */
  session?: number | 'mine';
  /** What SELinux, AppArmor or Smack call the process, letter for letter. */
  label?: string;
  /** Left out, all rights. */
  rights?: readonly AccessRight[];
}

export interface SecurityOptions {
  /** Who is let in; left out, the same user and root. */
  allow?: readonly SecurityEntry[];
  /** Who is kept out all the same. */
  deny?: readonly SecurityEntry[];
}

/** An entry whose names have become numbers. What it does not ask for is undefined. */
interface CompiledEntry {
  readonly user: number | 'everyone' | undefined;
  readonly group: number | undefined;
  readonly executable: string | undefined;
  readonly session: number | undefined;
  readonly label: string | undefined;
  readonly rights: readonly AccessRight[];
  /** Whether it says `'me'` in a user namespace where that is nobody's stand-in. */
  readonly isMe: boolean;
}

/** A descriptor whose names have become numbers. */
export interface SecurityDescriptor {
  readonly allow: readonly CompiledEntry[];
  readonly deny: readonly CompiledEntry[];
  /** The user that the socket file will belong to. */
  readonly owner: number;
  /** Whether any entry asks what process it is, and what its label is: else nobody needs to look. */
  readonly asksProcess: boolean;
  readonly asksLabel: boolean;
}

/** Whom the kernel says the other side is. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups?: readonly number[];
  /** What is left out, or undefined, is not known. */
  readonly process?: Partial<Pick<PeerProcess, 'program' | 'session'>>;
  readonly label?: string | undefined;
}

/**
 * Makes a descriptor. Reads /etc/passwd and /etc/group when names are used; does not wait.
 * @throws AlpcError ERR_ALPC_INVALID_ARGUMENT for an entry that is not understood, or a name that is in neither file
 * Windows: RtlCreateSecurityDescriptor with a discretionary access control list.
 */
export function createSecurityDescriptor(options?: SecurityOptions, argument = 'security'): SecurityDescriptor {
  const { allow = [{ user: 'me' }, { user: 0 }], deny = [] } = checkOptions(options, argument, ['allow', 'deny']);
  const owner = libc().geteuid();
  const allowed = compileList(allow, `${argument}.allow`, owner).filter((entry) => entry.group !== UNKNOWN_ID && (entry.user !== UNKNOWN_ID || (entry.isMe && everyUserIsMapped())));
  const denied = compileList(deny, `${argument}.deny`, owner);
  const all = [...allowed, ...denied];
  return {
    allow: allowed,
    deny: denied,
    owner,
    asksProcess: all.some(({ executable, session }) => executable !== undefined || session !== undefined),
    asksLabel: all.some(({ label }) => label !== undefined),
  };
}

/**
 * Whether the descriptor gives this identity a right. Does not wait.
 * Windows: NtAccessCheck.
 */
export function checkAccess(descriptor: SecurityDescriptor, identity: Identity, right: AccessRight): boolean {
  const denies = (entry: CompiledEntry): boolean => entry.rights.includes(right) && concerns(entry, identity) !== 'no';
  const allows = (entry: CompiledEntry): boolean => entry.rights.includes(right) && concerns(entry, identity) === 'yes' && (identity.uid !== UNKNOWN_ID || entry.user !== undefined || entry.group !== undefined);
  return !descriptor.deny.some(denies) && descriptor.allow.some(allows);
}

/** The permission bits that a port's socket file needs: 0o600 when nobody but its user and root is let in, else 0o666. Does not wait. Windows: no counterpart. */
export function fileMode({ allow, owner }: SecurityDescriptor): number {
  return allow.every(({ user }) => user === owner || user === 0) ? 0o600 : 0o666;
}

/** Whether those bits say all of it, so that `checkAccess` keeps out nobody whom they let pass. Does not wait. Windows: no counterpart. */
export function isSaidByFileMode({ allow, deny, owner }: SecurityDescriptor): boolean {
  return deny.length === 0 && allow.every((entry) => asksNoMore(entry) && entry.rights.length === RIGHTS.length && (entry.user === owner || entry.user === 0));
}

/**
 * The permissions of an object that only the kernel guards: where no process stands behind the name to ask `checkAccess`, the
 * bits of a file must say all of it.
 * @throws AlpcError ERR_ALPC_INVALID_ARGUMENT for a descriptor that they can't say exactly
 */
export function filePermissions({ allow, deny, owner }: SecurityDescriptor, argument = 'security'): { readonly mode: number; readonly gid: number | undefined } {
  const given = allow.filter(({ rights }) => rights.length > 0);
  const others = given.filter(({ user }) => user !== owner && user !== 0);
  const group = others[0]?.group;
  if (deny.length === 0 && given.every(asksNoMore)) {
    if (others.length === 0) return { mode: 0o600, gid: undefined };
    if (others.some(({ user }) => user === 'everyone')) return { mode: 0o666, gid: undefined };
    if (group !== undefined && others.every((entry) => entry.group === group)) return { mode: 0o660, gid: group };
  }
  throw invalidArgument(argument, "what a file's permissions can say: nobody else, one group, or everyone, and nobody denied", { allow, deny });
}

/** Whether it asks for one thing alone, a user or a group. */
function asksNoMore({ user, group, executable, session, label }: CompiledEntry): boolean {
  return executable === undefined && session === undefined && label === undefined && (user === undefined) !== (group === undefined);
}

/** Whether all that an entry asks for holds; 'maybe' when nothing is against it, and something is not known. */
function concerns(entry: CompiledEntry, { uid, gid, groups = [], process = {}, label }: Identity): 'yes' | 'no' | 'maybe' {
  if (entry.user !== undefined && entry.user !== 'everyone' && entry.user !== uid) return 'no';
  if (entry.group !== undefined && entry.group !== gid && !groups.includes(entry.group)) return 'no';
  const program = entry.executable === undefined ? undefined : programAt(entry.executable);
  const asked: [wanted: unknown, found: unknown][] = [];
  if (entry.executable !== undefined) asked.push([program, process.program]);
  if (entry.session !== undefined) asked.push([entry.session, process.session]);
  if (entry.label !== undefined) asked.push([entry.label, label]);
  if (asked.some(([wanted, found]) => wanted !== undefined && found !== undefined && wanted !== found)) return 'no';
  return asked.some(([wanted, found]) => wanted === undefined || found === undefined) ? 'maybe' : 'yes';
}

/** A gap in a list is an entry that is undefined, and refused as that: `map` would pass it over. */
function compileList(entries: unknown, argument: string, me: number): CompiledEntry[] {
  if (!Array.isArray(entries)) throw invalidArgument(argument, 'an array of entries', entries);
  return Array.from(entries as SecurityEntry[], (entry, index) => compile(entry, `${argument}[${index}]`, me));
}

function compile(entry: SecurityEntry, argument: string, me: number): CompiledEntry {
  if (typeof entry !== 'object' || entry === null) throw invalidArgument(argument, 'an object', entry);
  const { user, group, executable, session, label, rights = RIGHTS } = checkOptions(entry, argument, [...TRAITS, 'rights']);
  if (!Array.isArray(rights)) throw invalidArgument(`${argument}.rights`, 'an array of rights', rights);
  const checked = Array.from(rights as unknown[], (right, index) => checkOneOf(right, `${argument}.rights[${index}]`, RIGHTS));
  const undefinedTrait = TRAITS.find((trait) => trait in entry && entry[trait] === undefined);
  if (undefinedTrait !== undefined) throw invalidArgument(`${argument}.${undefinedTrait}`, 'said, or left out', undefined);
  if (TRAITS.every((trait) => entry[trait] === undefined)) throw invalidArgument(argument, "an object with at least one of 'user', 'group', 'executable', 'session', 'label'", entry);
  return {
    user: user === undefined || user === 'everyone' ? user : user === 'me' ? me : idOf(user, `${argument}.user`, "'me', 'everyone', a user's number or a name in /etc/passwd", userNamed),
    group: group === undefined ? undefined : idOf(group, `${argument}.group`, "a group's number or a name in /etc/group", groupNamed),
    executable: executable === undefined ? undefined : checkPath(executable, `${argument}.executable`),
    session: session === undefined ? undefined : checkSession(session, `${argument}.session`),
    label: label === undefined ? undefined : checkLabel(label, `${argument}.label`),
    rights: checked,
    isMe: user === 'me',
  };
}

function checkPath(value: unknown, argument: string): string {
  if (typeof value !== 'string' || !value.startsWith('/') || value.includes('\0')) throw invalidArgument(argument, 'the absolute path of a program', value);
  return value;
}

function checkSession(value: unknown, argument: string): number {
  if (value !== 'mine') return checkInteger(value, argument, 0, MAX_ID);
  const session = ownSession();
  if (typeof session !== 'number') throw invalidArgument(argument, "the number of a login session: this process is in none that could be 'mine'", value);
  return session;
}

function checkLabel(value: unknown, argument: string): string {
  if (typeof value !== 'string' || value === '') throw invalidArgument(argument, 'a security label', value);
  return value;
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
