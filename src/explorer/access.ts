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
  readonly who: 'user' | 'group' | 'everyone';
  readonly id: number;
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
  const describe = ({ who, id, rights }: PublishedEntry): AccessEntry => ({ who, ...(who === 'everyone' ? {} : { account: who === 'user' ? accounts.user(id) : accounts.group(id) }), rights: [...rights] });
  return {
    allow: entries.filter(({ denies }) => !denies).map(describe),
    deny: entries.filter(({ denies }) => denies).map(describe),
    ...(more === 0 ? {} : { more }),
  };
}

function isEntry(value: unknown): value is PublishedEntry {
  if (typeof value !== 'object' || value === null) return false;
  const { who, id, rights, denies } = value as Partial<Record<keyof PublishedEntry, unknown>>;
  return (who === 'everyone' || ((who === 'user' || who === 'group') && isNumber(id))) && typeof denies === 'boolean'
    && Array.isArray(rights) && rights.length <= MOST_RIGHTS && rights.every((right) => typeof right === 'string' && right.length <= LONGEST_RIGHT);
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
