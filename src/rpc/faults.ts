/**
 * How a call that failed comes back. A handler that throws a `Fault` of a declared name is answered by one of the same name and data,
 * typed; any other exception of a handler is a `RemoteError`. The stack of the other process never mixes with this one's: it is `remoteStack`.
 * What the library itself refuses is an `AlpcError`, with the code that it has there.
 */
import { AlpcError, type AlpcErrorCode, STATUS } from '../base/errors.js';
import type { ErrorSchemas } from './interface.js';
import type { Check, InputOf, OutputOf } from './schema.js';

const LONGEST_TEXT = 8192;

/** A failure that a method declares, thrown by its handler and received by its caller. */
export class Fault<Name extends string = string, Data = unknown> extends Error {
  /** Which of the declared errors it is. */
  readonly fault: Name;
  readonly data: Data;
  /** The stack of the handler, in the other process; undefined where it was made. */
  declare readonly remoteStack?: string;

  constructor(fault: Name, ...[data, message]: undefined extends Data ? [data?: Data, message?: string] : [data: Data, message?: string]) {
    super(message ?? fault);
    this.name = 'Fault';
    this.fault = fault;
    this.data = data as Data;
  }

  /** Whether an error is a declared one, of this name: `if (Fault.is(error, 'outOfPaper'))`. What its data is, is not known so. */
  static is<Name extends string>(error: unknown, name?: Name): error is Fault<Name>;
  /** Whether an error of a call is one that its method declares: then its data has the declared type. `if (Fault.is(error, Spooler.methods.print, 'outOfPaper'))`. */
  static is<E extends ErrorSchemas, Name extends keyof E & string>(error: unknown, method: { readonly errors: E }, name: Name): error is Fault<Name, OutputOf<E[Name]>>;
  static is<E extends ErrorSchemas>(error: unknown, method: { readonly errors: E }): error is FaultsOf<E>;
  static is(error: unknown, of?: string | { readonly errors: ErrorSchemas }, name = typeof of === 'string' ? of : undefined): boolean {
    if (!(error instanceof Fault)) return false;
    return (name === undefined || error.fault === name) && (typeof of !== 'object' || Object.hasOwn(of.errors, error.fault));
  }
}

/** The declared errors of a method, as its caller sees them. */
export type FaultsOf<E extends ErrorSchemas> = { [K in keyof E & string]: Fault<K, OutputOf<E[K]>> }[keyof E & string];
/** As its handler throws them. */
export type ThrownFaultsOf<E extends ErrorSchemas> = { [K in keyof E & string]: Fault<K, InputOf<E[K]>> }[keyof E & string];

/** A handler threw something that its method does not declare. */
export class RemoteError extends Error {
  /** The name of the error there. */
  readonly remoteName: string;
  /** Its `code`, if it had one. */
  declare readonly code?: string;
  declare readonly remoteStack?: string;

  constructor(remoteName: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RemoteError';
    this.remoteName = remoteName;
  }
}

/** A failure as it travels. */
export interface WireFault {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly data?: unknown;
  readonly stack?: string;
  readonly cause?: unknown;
}

/** `hasStacks`: whether the other side may see where it happened. */
export function describeFault(error: unknown, hasStacks: boolean): WireFault {
  if (!(error instanceof Error)) return { name: 'Error', message: shorten(`a handler threw ${typeof error === 'string' ? error : typeof error}`) };
  const stack = hasStacks && typeof error.stack === 'string' ? { stack: shorten(error.stack) } : {};
  if (error instanceof Fault) return { name: error.fault, message: shorten(error.message), data: error.data, ...stack };
  const code: unknown = 'code' in error ? error.code : undefined;
  return {
    name: shorten(error.name),
    message: shorten(error.message),
    ...(typeof code === 'string' ? { code: shorten(code) } : {}),
    ...(error.cause instanceof Error ? { cause: describeFault(new Error(error.cause.message), false) } : {}),
    ...stack,
  };
}

/** The error that a caller gets. What came may be anybody's. */
export function faultError(wire: unknown, kind: 'declared' | 'system' | 'remote', what: string): Error {
  const given = typeof wire === 'object' && wire !== null ? (wire as Partial<Record<keyof WireFault, unknown>>) : {};
  const text = (key: 'name' | 'message' | 'code' | 'stack'): string | undefined => (typeof given[key] === 'string' ? given[key] : undefined);
  if (kind === 'system') {
    const code = text('code') ?? '';
    return new AlpcError(Object.hasOwn(STATUS, code) ? (code as AlpcErrorCode) : 'ERR_ALPC_PROTOCOL', `${what}: ${withoutStatus(text('message') ?? 'it was refused')}`);
  }
  const error = kind === 'declared' ? new Fault<string>(text('name') ?? '', given.data, text('message')) : new RemoteError(text('name') ?? 'Error', text('message') ?? 'it failed', 'cause' in given ? { cause: given.cause } : undefined);
  if (kind === 'remote' && text('code') !== undefined) Object.assign(error, { code: text('code') });
  return withStack(error, text('stack'));
}

/** What checks the data of the errors that a method declares. */
export type ErrorChecks = ReadonlyMap<string, Check>;

/**
 * The error as this side's interface declares it; a promise of that when the schema of its data is asynchronous. A name that is not declared
 * here (by an older version, say) makes it a RemoteError, data that do not fit ERR_ALPC_BAD_VALUE.
 */
export function checkedFault(error: Error, checks: ErrorChecks): Error | Promise<Error> {
  if (!(error instanceof Fault)) return error;
  const { fault, message, remoteStack } = error;
  if (!checks.has(fault)) return withStack(new RemoteError(fault, message), remoteStack);
  const check = checks.get(fault);
  if (check === undefined) return error;
  const withData = (data: unknown): Error => withStack(new Fault<string>(fault, data, message), remoteStack);
  try {
    const data = check(error.data);
    return data instanceof Promise ? data.then(withData, (bad: unknown) => bad as Error) : withData(data);
  } catch (bad) {
    return bad as Error;
  }
}

function withStack<E extends Error>(error: E, remoteStack: string | undefined): E {
  if (remoteStack !== undefined) Object.defineProperty(error, 'remoteStack', { value: remoteStack, enumerable: false, configurable: true });
  return error;
}

/** The status stands at the end of an AlpcError's text, and would stand there twice. */
function withoutStatus(message: string): string {
  return message.replace(/ \[[A-Z_]+\]$/, '');
}

function shorten(text: unknown): string {
  if (typeof text !== 'string') return ''; // a handler's error may have anything there
  return text.length <= LONGEST_TEXT ? text : `${text.slice(0, LONGEST_TEXT)}...`;
}
