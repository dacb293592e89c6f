/**
 * The security attribute: what whoever receives a message may do with its sender's identity. Who the sender is the kernel says, and no sender
 * can hide it; the level says whether the receiver may *act* as the sender, and without the attribute it may not.
 *
 * A security context is a level that its maker can take back: what is on its way, or held by the receiver, can't be impersonated any
 * more from that moment on. It is a word in the maker's memory, which the receiver looks at each time.
 *
 *   SYNC security.context: the maker's store of 0 revokes; the receiver's load, just before it acts, sees it.
 */
import { checkFunction, checkOneOf, invalidArgument } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { Accepts, Attribute, Control, MAX_SECURITY_CONTEXTS, ProtocolViolation, SECURITY_FIELDS, SecurityWords } from '../memory/layout.js';
import { runAs } from '../platform/impersonation.js';
import { SystemError } from '../platform/system.js';
import type { AttachmentPart } from './attachment.js';
import type { Connection } from './connection.js';

/** 'anonymous': do nothing in my name. 'identify': check what I may, as without the attribute. 'impersonate': act as me towards the file system. */
export type SecurityLevel = 'anonymous' | 'identify' | 'impersonate';

const LEVELS: readonly SecurityLevel[] = ['anonymous', 'identify', 'impersonate'];
/** Somebody of another user namespace. */
const OVERFLOW = 65_534;

/** A level that can be taken back. Made by `port.createSecurityContext`. */
export class SecurityContext {
  readonly level: SecurityLevel;
  readonly #connection: Connection;
  readonly #contexts: SecurityContexts;
  /** Where it stands in this side's memory, and its number there. */
  readonly #place: number;
  readonly #number: number;
  #isRevoked = false;

  /** Engine room: made by a port. */
  constructor(connection: Connection, contexts: SecurityContexts, level: SecurityLevel, place: number, number: number) {
    this.level = level;
    this.#connection = connection;
    this.#contexts = contexts;
    this.#place = place;
    this.#number = number;
  }

  get revoked(): boolean {
    return this.#isRevoked;
  }

  /** Takes the permission back, for messages that were sent already, too. A function that runs just now ends as it began. NtAlpcRevokeSecurityContext. */
  revoke(): void {
    if (this.#isRevoked) return;
    this.#isRevoked = true;
    this.#contexts.revoke(this.#place);
  }

  [Symbol.dispose](): void {
    this.revoke();
  }

  /** Engine room. @throws AlpcError ERR_ALPC_CLOSED, ERR_ALPC_INVALID_ARGUMENT */
  wordsFor(connection: Connection): [number, number] {
    if (connection !== this.#connection) throw new AlpcError('ERR_ALPC_INVALID_ARGUMENT', `${connection}: options.security is a context of another port`);
    if (this.#isRevoked) throw new AlpcError('ERR_ALPC_CLOSED', `${connection}: the security context has been revoked`);
    return [LEVELS.indexOf(this.level) | (this.#place << 8), this.#number];
  }
}

/** The contexts of one side of a connection. */
export class SecurityContexts {
  readonly #connection: Connection;
  readonly #live = new Set<number>();
  #last = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** @throws AlpcError ERR_ALPC_QUOTA_EXCEEDED, ERR_ALPC_INVALID_ARGUMENT */
  create(level: SecurityLevel): SecurityContext {
    checkOneOf(level, 'level', LEVELS);
    let place = 0;
    while (this.#live.has(place)) place++;
    if (place >= MAX_SECURITY_CONTEXTS) throw new AlpcError('ERR_ALPC_QUOTA_EXCEEDED', `${this.#connection}: it has ${MAX_SECURITY_CONTEXTS} security contexts; revoke one first`);
    this.#live.add(place);
    this.#last = (this.#last + 1) | 0 || 1;
    Atomics.store(this.#connection.link.own.words, Control.securityContexts + place, this.#last); // SYNC security.context
    return new SecurityContext(this.#connection, this, level, place, this.#last);
  }

  revoke(place: number): void {
    this.#live.delete(place);
    Atomics.store(this.#connection.link.own.words, Control.securityContexts + place, 0); // SYNC security.context
  }
}

/** @throws AlpcError ERR_ALPC_INVALID_ARGUMENT, ERR_ALPC_NOT_ACCEPTED, ERR_ALPC_CLOSED */
export function attachSecurity(connection: Connection, value: SecurityLevel | SecurityContext): AttachmentPart {
  const pair = value instanceof SecurityContext ? value.wordsFor(connection) : ([LEVELS.indexOf(value), 0] as const);
  if (pair[0] < 0) throw invalidArgument('options.security', "'anonymous', 'identify', 'impersonate' or a security context", value);
  if ((connection.link.peer.words[Control.accepts]! & Accepts.security) === 0) {
    throw new AlpcError('ERR_ALPC_NOT_ACCEPTED', `${connection}: the peer (${connection.peer}) takes no security attributes; it must say so in its option 'accepts'`);
  }
  const words = new Int32Array(SECURITY_FIELDS.length);
  words[SecurityWords.level] = pair[0];
  words[SecurityWords.context] = pair[1];
  return { attribute: Attribute.security, words };
}

/** What a message says of its sender's identity. */
export class ReceivedSecurity {
  readonly level: SecurityLevel;
  readonly #place: number;
  readonly #context: number;

  /** @throws ProtocolViolation */
  constructor(block: Int32Array, accepts: number) {
    const word = block[SecurityWords.level]!;
    const level = LEVELS[word & 0xff];
    this.#place = word >>> 8;
    this.#context = block[SecurityWords.context]!;
    if ((accepts & Accepts.security) === 0) throw new ProtocolViolation('a security attribute came, which this side does not take');
    if (level === undefined || this.#place >= MAX_SECURITY_CONTEXTS || (this.#context === 0 && this.#place !== 0)) throw new ProtocolViolation(`a security attribute says level ${word & 0xff}, place ${this.#place}`);
    this.level = level;
  }

  /** Whether its sender has taken it back, or is gone with it. */
  isRevoked(connection: Connection): boolean {
    return this.#context !== 0 && Atomics.load(connection.link.peer.words, Control.securityContexts + this.#place) !== this.#context; // SYNC security.context
  }
}

/** Runs a function as the sender of a message. @throws AlpcError ERR_ALPC_ACCESS_DENIED, ERR_ALPC_INVALID_ARGUMENT; what the function throws */
export function impersonate<T>(connection: Connection, security: ReceivedSecurity | undefined, action: () => T): T {
  checkFunction(action, 'action');
  const refuse = (why: string): AlpcError => new AlpcError('ERR_ALPC_ACCESS_DENIED', `${connection}: the sender (${connection.peer}) is not impersonated: ${why}`);
  if (security?.level !== 'impersonate') throw refuse(security === undefined ? 'the message does not allow it, or was released' : `the message allows '${security.level}'`);
  if (security.isRevoked(connection)) throw refuse('it has taken its permission back');
  const { uid, gid, groups } = connection.peer;
  if (uid === OVERFLOW || gid === OVERFLOW) throw refuse('its user is not known here');
  let result: T;
  try {
    result = runAs({ uid, gid, groups }, action);
  } catch (error) {
    throw error instanceof SystemError ? new AlpcError('ERR_ALPC_ACCESS_DENIED', refuse('this process may not act as another user').message, { cause: error, errno: error.errno, syscall: error.syscall }) : error;
  }
  if (typeof (result as { then?: unknown } | null | undefined)?.then === 'function') {
    throw invalidArgument('action', 'a function that is done when it returns: what it awaits would go on as this process itself', action);
  }
  return result;
}
