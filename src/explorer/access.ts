/**
 * Whom a server lets in and keeps out, as it wrote it down for whoever looks (ports/published-security.ts). It is the server's word
 * about itself: checked for its form, and shown; nobody decides by it.
 */
import type { Accounts } from './describe.js';
import type { AccessEntry, PortAccess } from './model.js';

export interface PublishedAccess {
  /** The number of the listening socket. */
  readonly socket: number;
  readonly entries: readonly PublishedEntry[];
  readonly more: number;
}

interface PublishedEntry {
  readonly user?: number | 'everyone';
  readonly group?: number;
  readonly executable?: string;
  readonly session?: number;
  readonly label?: string;
  readonly rights: readonly string[];
  readonly denies: boolean;
}

const MOST_RIGHTS = 32;
const LONGEST_RIGHT = 32;

/** Undefined when it is none. */
export function readPublishedAccess(page: Buffer): PublishedAccess | undefined {
  let found: unknown;
  try {
    found = JSON.parse(page.toString('utf8').replace(/\0+$/, ''));
  } catch {
    return undefined;
  }
  if (typeof found !== 'object' || found === null) return undefined;
  const { socket, entries, more } = found as Partial<Record<keyof PublishedAccess, unknown>>;
  return isNumber(socket) && isNumber(more) && Array.isArray(entries) && entries.every(isEntry) ? { socket, entries, more } : undefined;
}

export function describeAccess({ entries, more }: PublishedAccess, accounts: Accounts): PortAccess {
  const describe = ({ user, group, executable, session, label, rights }: PublishedEntry): AccessEntry => ({
    ...(user === undefined ? {} : { user: user === 'everyone' ? user : accounts.user(user) }),
    ...(group === undefined ? {} : { group: accounts.group(group) }),
    ...(executable === undefined ? {} : { executable }),
    ...(session === undefined ? {} : { session }),
    ...(label === undefined ? {} : { label }),
    rights: [...rights],
  });
  return {
    allow: entries.filter(({ denies }) => !denies).map(describe),
    deny: entries.filter(({ denies }) => denies).map(describe),
    ...(more === 0 ? {} : { more }),
  };
}

function isEntry(value: unknown): value is PublishedEntry {
  if (typeof value !== 'object' || value === null) return false;
  const { user, group, executable, session, label, rights, denies } = value as Partial<Record<keyof PublishedEntry, unknown>>;
  const numbers = [user === 'everyone' ? undefined : user, group, session].every((id) => id === undefined || isNumber(id));
  const texts = [executable, label].every((text) => text === undefined || typeof text === 'string');
  return numbers && texts && typeof denies === 'boolean'
    && Array.isArray(rights) && rights.length <= MOST_RIGHTS && rights.every((right) => typeof right === 'string' && right.length <= LONGEST_RIGHT);
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
