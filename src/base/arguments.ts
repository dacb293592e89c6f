/**
 * Checks of what callers hand in. Each throws `ERR_ALPC_INVALID_ARGUMENT` that names the argument, what was expected and
 * what came, before anything has been done.
 */
import { inspect } from 'node:util';
import { AlpcError } from './errors.js';

/** The longest `timeout` in milliseconds; what is longer must say `Infinity`. */
export const MAX_TIMEOUT = 2 ** 31 - 1;

const SIGNAL_METHODS = ['throwIfAborted', 'addEventListener', 'removeEventListener'] as const;

export function invalidArgument(name: string, expected: string, value: unknown): AlpcError {
  const seen = inspect(value, { depth: 0, maxStringLength: 64, maxArrayLength: 4, breakLength: Infinity });
  return new AlpcError('ERR_ALPC_INVALID_ARGUMENT', `argument '${name}' must be ${expected}; received ${seen}`);
}

/** A timeout in ms: 0 looks once, undefined or Infinity waits for as long as it takes. */
export function checkTimeout(value: unknown, name = 'timeout'): number {
  if (value === undefined) return Infinity;
  if (typeof value !== 'number' || !(value >= 0) || (value > MAX_TIMEOUT && value !== Infinity)) {
    throw invalidArgument(name, `a number of milliseconds from 0 to ${MAX_TIMEOUT}, or Infinity`, value);
  }
  return value;
}

/** Also one of another realm, or of a library that makes its own: what has all that is asked of a signal here. */
export function checkSignal(value: unknown, name = 'signal'): AbortSignal | undefined {
  if (value === undefined || value instanceof AbortSignal) return value;
  if (typeof value === 'object' && value !== null) {
    const signal = value as Partial<AbortSignal>;
    if (typeof signal.aborted === 'boolean' && SIGNAL_METHODS.every((method) => typeof signal[method] === 'function')) return value as AbortSignal;
  }
  throw invalidArgument(name, 'an AbortSignal', value);
}

export function checkInteger(value: unknown, name: string, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw invalidArgument(name, `an integer from ${min} to ${max}`, value);
  }
  return value;
}

export function checkBoolean(value: unknown, name: string): boolean {
  if (typeof value !== 'boolean') throw invalidArgument(name, 'a boolean', value);
  return value;
}

export function checkString(value: unknown, name: string): string {
  if (typeof value !== 'string') throw invalidArgument(name, 'a string', value);
  return value;
}

export function checkFunction<F>(value: F, name: string): F {
  if (typeof value !== 'function') throw invalidArgument(name, 'a function', value);
  return value;
}

export function checkOneOf<const T extends string>(value: unknown, name: string, allowed: readonly T[]): T {
  if (!allowed.includes(value as T)) throw invalidArgument(name, `one of ${allowed.map((v) => `'${v}'`).join(', ')}`, value);
  return value as T;
}

/** An options bag: an object with no key that is not known, so that a misspelt option is told and not ignored. */
export function checkOptions<T extends object>(value: T | undefined, name: string, known: readonly (keyof T & string)[]): Partial<T> {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalidArgument(name, 'an object', value);
  for (const key of Object.keys(value)) {
    if (!(known as readonly string[]).includes(key)) {
      throw new AlpcError('ERR_ALPC_INVALID_ARGUMENT', `argument '${name}' has no option '${key}'; expected ${known.map((k) => `'${k}'`).join(', ')}`);
    }
  }
  return value;
}

/** Message payloads: bytes, or a string that travels as UTF-8. */
export type MessageData = Uint8Array | string;

export function checkData(value: unknown, name = 'data'): MessageData {
  if (typeof value === 'string' || value instanceof Uint8Array) return value;
  throw invalidArgument(name, 'a Uint8Array (a Buffer, say) or a string', value);
}
